package webuitest

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestASessionSaysWhetherItsOwnerWasWarned(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{WarnBefore: 7 * day})
	s.put("told", "ann", "Rock night", false, 40*day)
	s.put("closed", "ann", "80s special", false, day)
	run := func() {
		t.Helper()
		if _, err := s.manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
			t.Fatal(err)
		}
	}
	run()
	claim := sessioncleanup.NoticeClaim{Thresholds: s.manager.Policy().Thresholds(), NewMessage: "one", Limit: 10}
	if m, err := s.store.ClaimNotices(t.Context(), claim); err != nil || len(m.Notices) != 1 {
		t.Fatalf("ClaimNotices = %+v, %v; want one notice", m, err)
	}
	if err := s.store.SettleNotices(t.Context(), sessioncleanup.NoticeOutcome{Message: "one", Delivered: true}); err != nil {
		t.Fatal(err)
	}
	s.put("waits", "ann", "Chill evening", false, 40*day)
	run()
	for lang, want := range map[string][2]string{
		"en": {"warned (just now|[0-9]+ minutes? ago)", "its owner has not been warned yet"}, "fr": {"avertissement envoyé (à l’instant|il y a [0-9]+ minutes?)", "propriétaire pas encore averti"},
	} {
		b := newTab(t, look{lang: lang})
		b.open(s.url, "owner:ann")
		b.until("/^" + want[0] + "$/.test(text('.row[data-id=told] [data-warning=delivered]')) && text('.row[data-id=waits] [data-warning=waiting]') === '" + want[1] + "'")
		if n := js[int](b, "$$('.row[data-id=closed] .warning').length"); n != 0 {
			t.Errorf("%s: the session that nobody is warned of says so", lang)
		}
		js[any](b, "(location.hash = '#sessions?status=waiting', null)")
		b.until("$('[name=status]').value === 'waiting' && $$('.row').length === 2 && $('.row[data-id=waits]') && $('.row[data-id=told]')")
	}
}
