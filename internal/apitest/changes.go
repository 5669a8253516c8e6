package apitest

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// changes return the session as it is afterwards, and the statistics follow at once.
func changes(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	patch := func(path, body string) answer {
		t.Helper()
		a := w.patch(ann, path, body).ok()
		if a.str("message") == "" || a.header.Get("ETag") == "" {
			t.Errorf("%s: no message or no ETag: %s", a.what, a.body)
		}
		return a
	}
	busy := "/" + url.PathEscape(Busy)
	patch(busy+"/deactivate", "").is("session.active", false, "session.id", Busy)
	w.get(ann, "/stats").is("stats.active", 2.0)
	patch(busy+"/reactivate", "{}").is("session.active", true, "session.hours_inactive", 0.0)
	patch("/2/activity", "").is("session.status", "active")
	patch("/2/activity", "") // within the interval: nothing to write, no error
	patch("/2/auto-cleanup", `{"auto_cleanup":false}`).is("session.status", "protected", "session.cleanup_status", "Actif")
	patch("/2/auto-cleanup", `{"auto_cleanup":true}`).is("session.auto_cleanup", true)
	patch("/2/expiry", `{"expires_at":"2001-02-03T04:05:06+01:00"}`).is("session.expires_at", "2001-02-03T03:05:06Z", "session.status", "to_deactivate")
	patch("/2/expiry", `{"expires_at":null}`).is("session.expires_at", nil)
	patch("/2/tags", `{"add":["vip","test"]}`).is("session.tags", "[test vip]")
	patch("/2/tags", `{"remove":["test"]}`).is("session.tags", "[vip]")
	w.get(ann, "/tags").is("tags", []any{map[string]any{"tag": "vip", "sessions": 1.0}})
	for query, want := range map[string]int{"vip": 1, "vip%7Ctest": 1, "vip%20test": 0, "-vip%20other": 0, "-vip": 4} {
		a := w.get(ann, "/view?tags="+query).ok()
		if found := a.at("sessions").([]any); len(found) != want {
			t.Errorf("with the tags %s there are %d sessions, want %d", query, len(found), want)
		}
	}
	for query, want := range map[string]float64{"vip": 1, "-vip": 4, "other": 0} {
		w.get(ann, "/stats?tags="+query).ok().is("stats.total", want)
	}
	w.post(admin, "/cleanup", `{"dry_run":true,"tags":"other"}`).ok().is("phases.0.due", 0.0)
	w.get(bob, "/tags").is("tags", "[]") // not another owner's
	page, err := w.Store.Events(t.Context(), sessioncleanup.EventQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page {
		if e.Actor != ann {
			t.Errorf("event %s by %q, want %q", e.Action, e.Actor, ann)
		}
	}
	if len(page) != 8 {
		t.Errorf("%d events, want 8: every change once, touches never", len(page))
	}
	// A session of another owner looks exactly like one that is not there.
	foreign := w.patch(ann, "/"+Bobs+"/deactivate", "").want(http.StatusNotFound)
	missing := w.patch(ann, "/"+Nobody+"/deactivate", "").want(http.StatusNotFound)
	if foreign.body != missing.body {
		t.Errorf("a foreign session answers %s, a missing one %s", foreign.body, missing.body)
	}
}

// deletions need a confirmation with the ID of the session.
func deletions(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	path := "/" + url.PathEscape(Busy)
	for _, query := range []string{"", "?confirm=", "?confirm=true", "?confirm=" + Idle} {
		w.remove(ann, path+query).problem(http.StatusPreconditionRequired, "confirmation-required").is("session.id", Busy, "session.name", "quiz", "session.owner_id", "ann", "session.owner_name", "ANN", "session.activity_count", 7.0)
	}
	w.remove(bob, path).want(http.StatusNotFound)
	w.remove(bob, path+"?confirm="+url.QueryEscape(Busy)).want(http.StatusNotFound)
	how := w.remove(ann, path).str("confirm")
	w.remove(ann, path+how).ok().is("session.id", Busy)
	w.remove(ann, path+how).want(http.StatusNotFound)
	w.remove(ann, path).want(http.StatusNotFound)

	free := newWorld(t, observe, func(s *setup) { s.Options.NoConfirm = true })
	free.remove(ann, "/"+Idle).ok()
	// An ID that is the name of a route is reached by escaping a letter of it.
	free.put(sessioncleanup.Session{ID: "stats"})
	free.remove(admin, "/stats").want(http.StatusMethodNotAllowed)
	free.remove(admin, "/%73tats").ok()
}
