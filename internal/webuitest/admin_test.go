package webuitest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestAnAdminSimulatesAndThenCleansExactlyThat(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	s.put("forgotten", "ann", "Forgotten", true, 3*day)
	s.put("old", "ann", "Old", false, 40*day)
	s.put("bobs-old", "bob", "Old, too", false, 40*day)
	b := newTab(t, look{keys: true})
	b.open(s.url, "admin")
	b.until("text('.tiles').includes('9')")
	b.fill("input[name=owner_id]", "ann")
	b.click("form.fields button")
	b.until("text('#plan').includes('1 would be deleted, 1 would be closed.')")
	b.click("#plan summary")
	b.until("$$('#plan .state').map(e => e.innerText.trim()).join() === 'would be deleted,would be closed'")
	b.accessible("plan")
	b.save("plan")
	s.put("since", "ann", "Expires since", true, time.Hour, func(s *sessioncleanup.Session) { s.ExpiresAt = time.Now() })
	b.click("[data-act=clean]")
	b.until("text('#done').includes('1 deleted, 1 closed')")
	if !s.gone("old") || s.gone("bobs-old") || s.get("forgotten").Active || !s.get("since").Active {
		t.Error("the run did something else than the simulation showed")
	}
	b.click("[data-act=reverse]")
	b.until("text('.toasts').includes('1 session is open again')")
	if !s.get("forgotten").Active {
		t.Error("what the run closed is not open again")
	}
}

func TestAnalyticsHaveATableForEachChart(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	s.put("forgotten", "ann", "Forgotten", true, 3*day)
	b := newTab(t, look{})
	b.open(s.url, "admin")
	for _, chart := range []string{"forecast", "ages", "week", "topOwners"} {
		b.until("$('[data-chart=" + chart + "] svg rect')")
		b.click("[data-chart=" + chart + "] summary")
		b.until("$('[data-chart=" + chart + "] tbody td').getBoundingClientRect().height > 0")
	}
	b.until("text('[data-chart=topOwners] tbody').includes('ann')")
	b.until("[...$$('[data-chart=ages] tbody td')].reduce((n, td) => n + Number(td.textContent), 0) === 7")
	b.accessible("analytics")
}

func TestAnAdminPausesAndResumesCleanup(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{keys: true})
	b.open(s.url, "admin")
	b.click("[data-act=pause]")
	b.click("dialog label:nth-of-type(2) input")
	b.accessible("pause dialog")
	b.click("dialog .primary")
	b.until("$('dialog input[name=why]:invalid')") // it needs a reason
	b.fill("dialog input[name=why]", "<b>moving house</b>")
	b.save("pause-dialog")
	b.click("dialog .primary")
	b.until("text('[data-paused]').includes('tomorrow at') && text('[data-paused]').includes('<b>moving house</b>') && text('.sentence').includes('paused')")
	b.accessible("paused")
	b.save("paused")
	if _, err := s.manager.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrPaused) {
		t.Errorf("a run ends with %v, want the pause", err)
	}
	b.click("[data-act=resume]")
	b.until("!$('[data-paused]') && $('[data-act=pause]')")
	if _, err := s.manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
		t.Error(err)
	}
}

// keeping is a store that keeps a policy, as databases do.
type keeping struct {
	sessioncleanup.Store
	sessioncleanup.Installer // nil: only what follows is needed

	mu     sync.Mutex
	policy sessioncleanup.Policy
}

func (k *keeping) Unwrap() sessioncleanup.Store { return k.Store } // it has the archive

func (k *keeping) Schema(context.Context) (sessioncleanup.Schema, error) {
	return sessioncleanup.Schema{}.WithDefaults(), nil
}

func (k *keeping) Policy(context.Context) (sessioncleanup.Policy, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.policy, nil
}

func (k *keeping) SetPolicy(ctx context.Context, change sessioncleanup.Policy, condition func(sessioncleanup.Policy) bool, e sessioncleanup.Event) (sessioncleanup.Policy, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if condition != nil && !condition(k.policy) {
		return sessioncleanup.Policy{}, sessioncleanup.ErrChanged
	}
	k.policy = change.Or(k.policy)
	_, err := k.Record(ctx, sessioncleanup.Record{Event: e})
	return k.policy, err
}

func TestAnAdminChangesThePolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{AlertDue: 7})
	s.annsSessions()
	b := newTab(t, look{keys: true})
	b.open(s.url, "admin")
	b.click("[data-to=policy]")
	b.until("text('#would').includes('Nothing is due') && $('input[name=alert_due]').disabled && text('label:has([name=alert_due])').includes('set by the program')")
	b.fill("input[name=delete_old_days]", "20")
	b.until("text('#would').includes('1 would be deleted') && text('#would').includes('With the current policy: Nothing is due')")
	b.accessible("policy")
	b.save("policy")
	b.click("form .primary")
	b.until("text('dialog').includes('remove 1 session instead of 0')")
	b.click("dialog .danger")
	b.until("text('.toasts').includes('The policy is changed') && !$('dialog') && text('#would').includes('1 would be deleted') && location.hash === '#policy'")
	if p := s.manager.Policy(); p.DeleteAfter != 20*day {
		t.Errorf("the policy deletes after %v, want 20 days", p.DeleteAfter)
	}
	b.fill("input[name=rules]", "vip: delete")
	b.until("!$('input[name=rules]').checkValidity()")
	b.fill("input[name=rules]", "vip: delete=never; test: inactive=1h delete=1d12h")
	b.until("$('input[name=rules]').checkValidity()")
	b.click("form .primary")
	b.until("text('.toasts').includes('The policy is changed') && $('input[name=rules]').value === 'test: inactive=1h delete=1d12h; vip: delete=never' && text('#would').includes('1 would be deleted')")
	if p := s.manager.Policy(); p.Rules != "test: inactive=1h delete=1d12h; vip: delete=never" {
		t.Errorf("the rules are %q", p.Rules)
	}
	b.click("details summary")
	b.until("text('table').includes('Deletion limit')")
	b.save("policy-all")
	b.click("[data-go=log]")
	b.until("$('[data-event=policy_changed]') && text('section').includes('DeleteAfter from 30d to 20d') && text('section').includes('Rules from none to test')")
}

func TestWhoEditsThePolicyIsToldWhatSomebodyElseChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{AlertDue: 7})
	s.annsSessions()
	other := s.manager.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "bob"})
	set := func(change sessioncleanup.Policy) {
		if _, err := other.SetPolicy(context.Background(), change, 0); err != nil { // in a request, whose context may end
			t.Error(err)
		}
	}
	b := newTab(t, look{width: 320, height: 720})
	b.open(s.url+"#policy", "admin")
	b.fill("input[name=rules]", "test: delete=3d")
	b.until("!$('form .primary').disabled && $('.pulse.on') && !text('#others')")
	set(sessioncleanup.Policy{Rules: "vip: delete=never"})
	b.until("text('#others').includes('Rules by tag: was none, is now vip: delete=never') && $('input[name=rules]').value === 'test: delete=3d'")
	b.accessible("policy that somebody else changed")
	b.save("policy-others")

	// Bob's next change is there before the page hears of it.
	s.atNextChange(func() { set(sessioncleanup.Policy{InactiveAfter: 36 * time.Hour}) })
	b.click("form .primary")
	b.until("text('.toasts').includes('Somebody else has changed the policy')")
	b.until("text('#others').includes('is now vip: delete=never') && text('#others').includes('was 24, is now 36') && $('input[name=rules]').value === 'test: delete=3d'")
	if p := s.manager.Policy(); p.Rules != "vip: delete=never" || p.InactiveAfter != 36*time.Hour {
		t.Errorf("rules %q, inactive after %v; want what Bob stored", p.Rules, p.InactiveAfter)
	}
	b.click("form .primary")
	b.until("text('.toasts').includes('The policy is changed') && !text('#others')")
	if p := s.manager.Policy(); p.Rules != "test: delete=3d" || p.InactiveAfter != 36*time.Hour {
		t.Errorf("rules %q, inactive after %v; want those of both", p.Rules, p.InactiveAfter)
	}
}

func TestAChangedPolicyIsInForceInOpenPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{Archive: sessioncleanup.On})
	s.annsSessions()
	admin, owner := newTab(t, look{}), newTab(t, look{})
	admin.open(s.url, "admin")
	owner.open(s.url, "owner:ann")
	admin.until("$('input[name=inactive_hours]').placeholder === '24' && $('input[name=if_inactive_hours]').ariaValueText === '24 hours' && $('.pulse.on')")
	owner.until("$('.row[data-id=live]') && $('.pulse.on')")
	if _, err := s.manager.SetPolicy(t.Context(), sessioncleanup.Policy{InactiveAfter: 36 * time.Hour, ArchiveKeep: 10 * day}, 0); err != nil {
		t.Fatal(err)
	}
	admin.until("$('input[name=inactive_hours]').placeholder === '36' && $('input[name=if_inactive_hours]').ariaValueText === '36 hours'")
	if _, err := s.manager.Deactivate(t.Context(), "live"); err != nil { // owners hear of their sessions, and within a minute of the policy
		t.Fatal(err)
	}
	owner.until("$('.row[data-id=live] .closed') && !$('.row[data-id=closing] .closing')") // closes in more than 12 hours
	owner.click(row("live", "delete"))
	owner.until("text('dialog').includes('in the trash for 10 days')")
}

// In another tab, somebody else may have logged in.
func TestAPageWhoseUserChangesShowsNothingOfTheUserBefore(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.url, "admin")
	b.until("$('.tiles') && $('.pulse.on')")
	b.run(network.SetCookie(whoCookie, "owner:bob").WithURL(s.url))
	if _, err := s.manager.Deactivate(t.Context(), "bobs"); err != nil { // the admin's stream brings news
		t.Fatal(err)
	}
	b.until("$$('.row').length === 1 && $('.row[data-id=bobs]') && !$('[data-go=overview]') && !$('.tiles')")
}

func TestARunShowsItsProgressAndCanBeStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{Rate: 5, BatchSize: 5, MaxDeleteFraction: 1})
	for i := range 400 {
		s.put(fmt.Sprintf("old%d", i), "ann", "Old", false, 40*day)
	}
	b := newTab(t, look{})
	b.open(s.url, "admin")
	b.click("form.fields button")
	b.until("text('#plan').includes('400 would be deleted')")
	b.click("[data-act=clean]")
	b.until("$('dialog progress') && $('dialog progress').value > 0 && text('dialog').includes('of 400')")
	b.save("progress")
	b.click("dialog button")
	b.until("text('.toasts').includes('Stopped')")
	stats, err := s.manager.Stats(t.Context(), "")
	if err != nil || stats.Total == 0 || stats.Total == 400 {
		t.Errorf("%d sessions are left, %v: want some", stats.Total, err)
	}
}

func TestTheDeletionLimitIsShownAndAllowedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{AlertDue: 1000})
	for i := range 150 {
		s.put(fmt.Sprintf("old%d", i), "ann", "Old", false, 40*day)
	}
	for i := range 50 {
		s.put(fmt.Sprintf("live%d", i), "ann", "Live", true, time.Hour)
	}
	if _, err := s.manager.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrTooMany) {
		t.Fatalf("the run ended with %v, want the deletion limit", err)
	}
	b := newTab(t, look{keys: true})
	b.open(s.url, "admin")
	b.until("text('[data-alert=cleanup_failed]').includes('The deletion limit stopped the last run') && text('.lead').includes('the deletion limit stopped it')")
	b.accessible("alert")
	b.save("alert")
	b.click("[data-alert=cleanup_failed] a")
	b.until("$$('.row').length === 20 && location.hash.includes('status=to_delete') && $('select[name=status]').value === 'to_delete'")
	b.click("[data-go=overview]")
	b.click("[data-act=allow]")
	b.until("text('dialog').includes('Delete 150 sessions?')")
	b.click("dialog .danger")
	b.until("text('#done').includes('150 deleted') && !$('[data-alert=cleanup_failed]')")
}

func TestAnAdminChangesAllThatMatch(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	for i := range 60 {
		s.put(fmt.Sprintf("a%02d", i), "ann", "Show", true, time.Duration(i+1)*time.Minute)
	}
	s.put("other", "bob", "A show", true, time.Hour) // the first by name
	b := newTab(t, look{})
	b.open(s.url+"#sessions?q=show&sort=name", "admin")
	b.until("$$('.row').length === 20 && $('[data-id=other]') && $('select[name=sort]').value === 'name' && $('input[name=q]').value === 'show'")
	b.click("[data-id=a00] .owner")
	b.until("location.hash.includes('owner=') && !$('[data-id=other]') && $$('.row').length === 20")
	b.click(".pick-all input")
	b.click("[data-act=matching]")
	b.until("text('.bulk').includes('60 sessions match')")
	b.click(".bulk [data-act=deactivate]")
	b.until("text('.toasts').includes('60 sessions are closed')")
	if s.get("a59").Active || !s.get("other").Active {
		t.Error("the filter was not what was changed")
	}
	b.until("location.hash.includes('q=show') && location.hash.includes('owner=ann')")
}

func TestTheAuditLogIsFilteredAndExported(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	s.put("formula", "ann", `=HYPERLINK("http://x")`, false, 40*day)
	if _, err := s.manager.Cleanup(t.Context(), sessioncleanup.Run{Reason: "scheduled"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.manager.Deactivate(t.Context(), "live"); err != nil {
		t.Fatal(err)
	}
	b := newTab(t, look{keys: true})
	b.open(s.url+"#log", "admin")
	b.until("$('[data-event=run]') && $('[data-event=deactivated]') && $('[data-event=deleted]')")
	b.choose("select[name=action]", "deleted")
	b.until("$$('.entry').length === 1 && location.hash.includes('action=deleted') && text('.entry').includes('HYPERLINK')")
	js[any](b, "(URL.createObjectURL = blob => (blob.text().then(t => window.csv = t), '#'), null)")
	b.click("[data-act=csv]")
	b.until("window.csv")
	if csv := js[string](b, "csv"); !strings.Contains(csv, `"deleted","formula","ann","'=HYPERLINK(""http://x"")"`) {
		t.Errorf("exported: %s", csv)
	}
}

func TestAnAdminReversesARunFromTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.put("forgotten", "ann", "Forgotten", true, 3*day)
	if _, err := s.manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
		t.Fatal(err)
	}
	b := newTab(t, look{})
	b.open(s.url+"#log", "admin")
	b.until("$('[data-event=run] a') && !$('[data-act=reverse]')")
	b.click("[data-event=run] a")
	b.until("location.hash.includes('run=')")
	b.click("[data-act=reverse]")
	b.until("text('.toasts').includes('1 session is open again')")
	if !s.get("forgotten").Active {
		t.Error("what the run closed is not open again")
	}
}

func TestAnAdminHoldsPurgesAndErases(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	for _, id := range []string{"live", "closing", "closed"} {
		if _, err := s.manager.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	b := newTab(t, look{keys: true})
	b.open(s.url+"#archive", "admin")
	b.click("[data-entry=live] [data-act=hold]")
	b.fill("dialog input[name=reason]", "court order 7")
	b.click("dialog .primary")
	b.until("text('[data-entry=live]').includes('held') && $('[data-entry=live] [data-act=release]') && !$('[data-entry=live] [data-act=restore]')")
	b.accessible("archive")
	b.save("archive")
	b.click("[data-entry=closing] [data-act=purge]")
	b.until("text('dialog').includes('Remove “Chill evening” permanently?')")
	b.click("dialog .danger")
	b.until("!$('[data-entry=closing]')")
	b.choose("select[name=held]", "true")
	b.until("$$('[data-entry]').length === 1 && location.hash.includes('held=true')")

	b.click("[data-act=erase]")
	b.fill("dialog input[name=erased]", "ann")
	b.click("dialog .primary")
	b.until("text('dialog').includes('Erase owner ann?') && text('dialog').includes('2 sessions') && text('dialog').includes('1 entry is held')")
	b.accessible("erase dialog")
	b.click("dialog .danger")
	b.until("$('.toast.bad')") // held
	if s.gone("protected") {
		t.Error("erased although an entry is held")
	}
	b.click("[data-act=erase]")
	b.fill("dialog input[name=erased]", "ann")
	b.click("dialog .primary")
	b.click("dialog input[type=checkbox]")
	b.click("dialog .danger")
	b.until("text('.toasts').includes('The owner is erased') && $('.empty')")
	if !s.gone("protected") || s.gone("bobs") {
		t.Error("other sessions are erased than the owner's")
	}
}
