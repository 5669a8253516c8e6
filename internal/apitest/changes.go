package apitest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// changes return the session as it is afterwards, and the statistics follow at once.
func changes(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	patch := func(path, body string) answer {
		t.Helper()
		a := w.do(request{as: ann, method: http.MethodPatch, path: path, body: body}).want(http.StatusOK)
		if a.str("message") == "" || a.header.Get("ETag") == "" {
			t.Errorf("%s: no message or no ETag: %s", a.what, a.body)
		}
		return a
	}
	busy := "/" + url.PathEscape(Busy)
	if a := patch(busy+"/deactivate", ""); a.at("session", "active") != false || a.str("session", "id") != Busy {
		t.Errorf("deactivated: %s", a.body)
	}
	stats := w.do(request{as: ann, method: http.MethodGet, path: "/stats"})
	if stats.at("stats", "active") != 2.0 {
		t.Errorf("statistics do not include the change: %s", stats.body)
	}
	if a := patch(busy+"/reactivate", "{}"); a.at("session", "active") != true || a.at("session", "hours_inactive") != 0.0 {
		t.Errorf("reactivated: %s", a.body)
	}
	if a := patch("/2/activity", ""); a.str("session", "status") != "active" {
		t.Errorf("touched: %s", a.body)
	}
	patch("/2/activity", "") // within the interval: nothing to write, no error
	if a := patch("/2/auto-cleanup", `{"auto_cleanup":false}`); a.str("session", "status") != "protected" || a.str("session", "cleanup_status") != "Actif" {
		t.Errorf("protected: %s", a.body)
	}
	if a := patch("/2/auto-cleanup", `{"auto_cleanup":true}`); a.at("session", "auto_cleanup") != true {
		t.Errorf("unprotected: %s", a.body)
	}
	if a := patch("/2/expiry", `{"expires_at":"2001-02-03T04:05:06+01:00"}`); a.str("session", "expires_at") != "2001-02-03T03:05:06Z" || a.str("session", "status") != "to_deactivate" {
		t.Errorf("expired: %s", a.body)
	}
	if a := patch("/2/expiry", `{"expires_at":null}`); a.at("session", "expires_at") != nil {
		t.Errorf("no longer expired: %s", a.body)
	}
	if a := patch("/2/tags", `{"add":["vip","test"]}`); fmt.Sprint(a.at("session", "tags")) != "[test vip]" {
		t.Errorf("tagged: %s", a.body)
	}
	if a := patch("/2/tags", `{"remove":["test"]}`); fmt.Sprint(a.at("session", "tags")) != "[vip]" {
		t.Errorf("untagged: %s", a.body)
	}
	if a := w.do(request{as: ann, method: http.MethodGet, path: "/tags"}); !strings.Contains(a.body, `"tags":[{"tag":"vip","sessions":1}]`) {
		t.Errorf("the tags in use: %s", a.body)
	}
	for query, want := range map[string]int{"vip": 1, "vip%7Ctest": 1, "vip%20test": 0, "-vip%20other": 0, "-vip": 4} {
		a := w.do(request{as: ann, method: http.MethodGet, path: "/view?tags=" + query}).want(http.StatusOK)
		if found := a.at("sessions").([]any); len(found) != want {
			t.Errorf("with the tags %s there are %d sessions, want %d", query, len(found), want)
		}
	}
	for query, want := range map[string]float64{"vip": 1, "-vip": 4, "other": 0} {
		a := w.do(request{as: ann, method: http.MethodGet, path: "/stats?tags=" + query}).want(http.StatusOK)
		if a.at("stats", "total") != want {
			t.Errorf("figures with the tags %s: %s, want %v sessions", query, a.body, want)
		}
	}
	if a := w.do(request{as: admin, method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true,"tags":"other"}`}).want(http.StatusOK); a.at("phases", 0, "due") != 0.0 {
		t.Errorf("a run of a tag that no session has: %s", a.body)
	}
	if a := w.do(request{as: bob, method: http.MethodGet, path: "/tags"}); !strings.Contains(a.body, `"tags":[]`) {
		t.Errorf("another owner's tags: %s", a.body)
	}
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
	foreign := w.do(request{as: ann, method: http.MethodPatch, path: "/" + Bobs + "/deactivate"}).want(http.StatusNotFound)
	missing := w.do(request{as: ann, method: http.MethodPatch, path: "/" + Nobody + "/deactivate"}).want(http.StatusNotFound)
	if foreign.body != missing.body {
		t.Errorf("a foreign session answers %s, a missing one %s", foreign.body, missing.body)
	}
}

// deletions need a confirmation with the ID of the session.
func deletions(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	path := "/" + url.PathEscape(Busy)
	remove := func(as, path string) answer {
		t.Helper()
		return w.do(request{as: as, method: http.MethodDelete, path: path})
	}
	for _, query := range []string{"", "?confirm=", "?confirm=true", "?confirm=" + Idle} {
		a := remove(ann, path+query).problem(http.StatusPreconditionRequired, "confirmation-required")
		for key, want := range map[string]any{"id": Busy, "name": "quiz", "owner_id": "ann", "owner_name": "ANN", "activity_count": 7.0} {
			if got := a.at("session", key); got != want {
				t.Errorf("%s: %s is %v, want %v", a.what, key, got, want)
			}
		}
	}
	remove(bob, path).want(http.StatusNotFound)
	remove(bob, path+"?confirm="+url.QueryEscape(Busy)).want(http.StatusNotFound)
	how := remove(ann, path).str("confirm")
	a := remove(ann, path+how).want(http.StatusOK)
	if a.str("session", "id") != Busy {
		t.Errorf("deleted: %s", a.body)
	}
	remove(ann, path+how).want(http.StatusNotFound)
	remove(ann, path).want(http.StatusNotFound)

	free := newWorld(t, observe, func(s *setup) { s.Options.NoConfirm = true })
	free.do(request{as: ann, method: http.MethodDelete, path: "/" + Idle}).want(http.StatusOK)
	// An ID that is the name of a route is reached by escaping a letter of it.
	if err := free.Store.Put(sessioncleanup.Session{ID: "stats"}); err != nil {
		t.Fatal(err)
	}
	free.do(request{as: admin, method: http.MethodDelete, path: "/stats"}).want(http.StatusMethodNotAllowed)
	free.do(request{as: admin, method: http.MethodDelete, path: "/%73tats"}).want(http.StatusOK)
}
