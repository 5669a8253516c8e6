package webuitest

import (
	"net/http"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// The stream brings the news, or nothing does.
func TestWhatOneBrowserChangesAnotherShowsByItself(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	one, other := newTab(t, look{}), newTab(t, look{width: 768, height: 900})
	one.without(pollEvery, freshEvery)
	other.without(pollEvery, freshEvery)
	one.open(s.url, "owner:ann")
	other.open(s.url+"#sessions", "admin")
	one.until("$('.row[data-id=live]') && $('.pulse.on')")
	other.until("$('.row[data-id=live] .live') && $('.pulse.on')")
	one.click(row("live", "deactivate"))
	other.until("$('.row[data-id=live] .closed')")
	other.click(row("closing", "delete"))
	other.click("dialog .danger")
	other.until("!$('.row[data-id=closing]')")
	one.until("!$('.row[data-id=closing]')")
}

func TestAnExpiredLoginSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.url, "owner:ann")
	b.until("$('.row[data-id=live]')")
	s.atNextChange(func() { s.expired.Store(true) })
	b.click(row("live", "deactivate"))
	b.until("text('.empty').includes('Your login has expired') && $('.empty a[href=\"/login\"]')")
	b.accessible("expired")
	if !s.get("live").Active {
		t.Error("changed without a login")
	}
}

func TestRefusalsAreInWordsForPeople(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving, func(o *httpapi.Options) {
		o.LimitChanges = func(*http.Request, sessioncleanup.Principal) time.Duration { return time.Minute }
	})
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.url, "owner:ann")
	b.click(row("live", "deactivate"))
	b.until("text('.toast.bad').includes('Wait a moment, then try again')")
}

func TestWithoutALoginThePageAsksForOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	b := newTab(t, look{})
	b.open(s.url, "")
	b.until("text('.empty').includes('Log in to see sessions') && $('.empty a[href=\"/login\"]')")
}

func TestAnErrorKeepsWhatWasThereAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{})
	b.without(pollEvery, freshEvery, retryEvery) // only the button tries again
	b.open(s.url, "owner:ann")
	b.until("$('.row[data-id=live]') && text('.sentence').includes('3 open')")
	s.atNextChange(func() { s.down.Store(true) })
	b.click(row("live", "deactivate"))
	b.until("text('.banner').includes('cannot be reached') && $('.card.stale .row[data-id=live]') && text('.sentence').includes('3 open')")
	b.save("offline")
	s.down.Store(false)
	b.click(".banner button")
	b.until("!$('.banner') && !$('.stale')")
}

func TestNobodySeesOrDoesMoreThanItsRoleAllows(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.url, "viewer")
	b.until("text('.empty').includes('no access')")
	b.open(s.url+"#overview", "owner:ann")
	b.run(reload)
	b.until("$('session-manager-sessions') && !$('[data-go=overview]')")
	for path, body := range map[string]string{"/cleanup": `{"dry_run":true}`, "/runs/x/reactivate": `{}`} {
		request := `fetch("` + httpapi.DefaultPrefix + path + `", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(` + body + `)})`
		if status := js[int](b, request+".then(r => r.status)"); status != 403 {
			t.Errorf("POST %s by an owner: %d, want 403", path, status)
		}
	}
	done := js[int](b, `fetch("`+httpapi.DefaultPrefix+`/bulk", {method: "POST", headers: {"Content-Type": "application/json"},
		body: JSON.stringify({action: "delete", ids: ["bobs", "live"]})}).then(r => r.json()).then(r => r.done)`)
	if done != 1 || s.gone("bobs") || !s.gone("live") {
		t.Errorf("an owner's bulk action changed %d sessions, bob's among them: %v", done, s.gone("bobs"))
	}
}

func TestAReadOnlyPageOffersNothingThatChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving, func(o *httpapi.Options) { o.ReadOnly = true })
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.url, "owner:ann")
	b.until("$('.row[data-id=live]') && text('.brand').includes('Read-only')")
	if n := js[int](b, "$$('.row button, .row input, [data-soon] button').length"); n != 0 {
		t.Errorf("%d controls that change something", n)
	}
}

func TestAnEmptyPageSaysWhatWillBeThere(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{})
	b := newTab(t, look{lang: "fr"})
	b.open(s.url, "owner:ann")
	b.until("text('.sentence').includes('Pas encore de session') && text('.empty').includes('application')")
	b.click("[data-go=log]")
	b.until("text('.empty').includes('Il ne s’est encore rien passé')")
}
