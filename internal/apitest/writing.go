package apitest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// bodies that cannot be right are refused by field.
func bodies(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	before := w.snapshot()
	for _, test := range []struct{ path, body, field string }{
		{"/cleanup", `{"inactive_hours":-5}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":0}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":"24"}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":null}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":1e300}`, "inactive_hours"},
		{"/cleanup", `{"delete_old_days":true}`, "delete_old_days"},
		{"/cleanup", `{"delete_old_days":{}}`, "delete_old_days"},
		{"/cleanup", `{"dry_run":1}`, "dry_run"},
		{"/cleanup", `{"dry_run":null}`, "dry_run"},
		{"/cleanup", `{"force":"yes"}`, "force"},
		{"/cleanup", `{"dry_run":true,"dry_run":false}`, "dry_run"},
		{"/cleanup", `{"Dry_Run":true}`, "Dry_Run"},
		{"/cleanup", `{"dry_run":true,"":1}`, ""},
		{"/2/auto-cleanup", `{}`, "auto_cleanup"},
		{"/2/auto-cleanup", `{"auto_cleanup":null}`, "auto_cleanup"},
		{"/2/auto-cleanup", `{"auto_cleanup":0}`, "auto_cleanup"},
		{"/2/auto-cleanup", `{"active":true}`, "active"},
		{"/2/expiry", `{}`, "expires_at"},
		{"/2/expiry", `{"expires_at":5}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"tomorrow"}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"2030-01-01"}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"0001-01-01T00:00:00Z"}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"1969-12-31T23:59:59Z"}`, "expires_at"},
		{"/2/deactivate", `{"reason":"x"}`, "reason"},
		{"/2/activity", `{"at":"now"}`, "at"},
	} {
		method := http.MethodPatch
		if test.path == "/cleanup" {
			method = http.MethodPost
		}
		a := w.do(request{as: admin, method: method, path: test.path, body: test.body})
		if a.problem(http.StatusBadRequest, "invalid-request"); test.field != "" {
			a.names(test.field)
		}
	}
	if w.snapshot() != before {
		t.Error("a refused body changed something")
	}
}

// changes answer with the session as it is afterwards, and are seen at once.
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
		t.Errorf("statistics do not know of the change: %s", stats.body)
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
	page, err := w.Store.Events(t.Context(), sessioncleanup.EventQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page {
		if e.Actor != ann {
			t.Errorf("event %s by %q, want %q", e.Action, e.Actor, ann)
		}
	}
	if len(page) != 6 {
		t.Errorf("%d events, want 6: every change once, touches not", len(page))
	}
	// A session of another owner looks exactly like one that is not there.
	foreign := w.do(request{as: ann, method: http.MethodPatch, path: "/" + Bobs + "/deactivate"}).want(http.StatusNotFound)
	missing := w.do(request{as: ann, method: http.MethodPatch, path: "/" + Nobody + "/deactivate"}).want(http.StatusNotFound)
	if foreign.body != missing.body {
		t.Errorf("a foreign session answers %s, a missing one %s", foreign.body, missing.body)
	}
}

// deletions need a confirmation that says which session is meant.
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

// runs do what is due, or say what they would do.
func runs(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	clean := func(body string) answer {
		t.Helper()
		return w.do(request{as: admin, method: http.MethodPost, path: "/cleanup", body: body})
	}
	results := func(a answer, deactivated, deleted float64) {
		t.Helper()
		a.want(http.StatusOK)
		if a.str("results", 0, "action") != "deactivated" || a.at("results", 0, "session_count") != deactivated ||
			a.str("results", 1, "action") != "deleted" || a.at("results", 1, "session_count") != deleted {
			t.Errorf("%s: want %v deactivated, %v deleted: %s", a.what, deactivated, deleted, a.body)
		}
	}
	before := w.snapshot()
	dry := clean(`{"dry_run":true}`)
	results(dry, 1, 1)
	if dry.at("run_id") != nil || dry.at("dry_run") != true || dry.str("sessions", 0, "id") != Gone || dry.str("sessions", 1, "id") != Idle {
		t.Errorf("dry run: %s", dry.body)
	}
	results(clean(`{"dry_run":true,"inactive_hours":0.25}`), 3, 1)
	off := clean(`{"dry_run":true,"inactive_hours":"never","delete_old_days":"never"}`)
	results(off, 0, 0)
	if off.str("results", 0, "details") != "Deactivation is off." || off.str("results", 1, "details") != "Deletion is off." {
		t.Errorf("nothing to do: %s", off.body)
	}
	if w.snapshot() != before {
		t.Error("a dry run changed something")
	}
	did := clean(`{"inactive_hours":24,"delete_old_days":30,"dry_run":false,"force":false}`)
	results(did, 1, 1)
	if did.str("run_id") == "" || did.at("dry_run") != false || len(did.at("failures").([]any)) != 0 || did.has("sessions") {
		t.Errorf("run: %s", did.body)
	}
	results(clean(""), 0, 0)
	stats := w.do(request{as: admin, method: http.MethodGet, path: "/stats"})
	if stats.at("stats", "total") != 5.0 || stats.at("stats", "cleanup_candidates") != 0.0 || stats.at("metrics", "last_run", "run", "failed") != false {
		t.Errorf("statistics do not know of the run: %s", stats.body)
	}
	refusedRuns(t, observe)
}

// refusedRuns are those that the brake, the policy or another run stops, and sessions that cannot be deleted.
func refusedRuns(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	old := time.Now().AddDate(0, -3, 0)
	var many []sessioncleanup.Session
	for i := range 200 {
		many = append(many, sessioncleanup.Session{ID: "old" + strings.Repeat("i", i), AutoCleanup: true, LastActivity: old})
	}
	if err := w.Store.Put(many...); err != nil {
		t.Fatal(err)
	}
	clean := request{as: admin, method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true}`}
	if w.do(clean).at("would_be_refused") != true {
		t.Error("a dry run does not say that the run would be refused")
	}
	clean.body = ""
	a := w.do(clean).problem(http.StatusUnprocessableEntity, "too-many-deletions")
	if a.at("due") != 201.0 || a.at("max_delete_fraction") != 0.5 || !strings.Contains(a.str("error"), "force") {
		t.Errorf("refused run: %s", a.body)
	}
	clean.body = `{"force":true}`
	if a := w.do(clean).want(http.StatusOK); a.at("results", 1, "session_count") != 201.0 {
		t.Errorf("forced run: %s", a.body)
	}

	closed := newWorld(t, observe, func(s *setup) { s.Policy.Enabled = sessioncleanup.Off })
	closed.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).problem(http.StatusConflict, "cleanup-disabled")

	busy := newWorld(t, observe)
	lease := sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "another", TTL: 20 * time.Second}
	if _, err := busy.Store.Lease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	conflict := busy.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).problem(http.StatusConflict, "run-at-work")
	if got := conflict.header.Get("Retry-After"); got < "19" || got > "21" {
		t.Errorf("Retry-After is %q, want the rest of the lease, some 20 s", got)
	}

	pinned := newWorld(t, observe, func(s *setup) {
		db := memory.New(memory.Config{BeforeDelete: func(context.Context, sessioncleanup.Session) error { return errSQL }})
		err := db.Put(sessioncleanup.Session{ID: "pinned", AutoCleanup: true, LastActivity: old})
		if err != nil {
			t.Fatal(err)
		}
		s.Store = db
	})
	a = pinned.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).want(http.StatusOK)
	if a.str("failures", 0, "session_id") != "pinned" || a.str("failures", 0, "action") != "deleted" || a.str("failures", 0, "error") == "" {
		t.Errorf("a session that cannot be deleted: %s", a.body)
	}
	a = pinned.do(request{as: admin, method: http.MethodGet, path: "/stats"}).want(http.StatusOK)
	if !strings.Contains(a.body, "cleanup_failed") {
		t.Errorf("no alert: %s", a.body)
	}
}
