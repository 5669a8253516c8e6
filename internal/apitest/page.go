package apitest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// me says what the caller may do.
func me(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	a := w.do(request{as: ann, method: http.MethodGet, path: "/me"}).want(http.StatusOK)
	for key, want := range map[string]any{
		"role": "owner", "id": "ann", "actor": ann, "all_sessions": false, "changes": true, "archive": true, "archives": false, "warnings": false,
		"inactive_hours": 24.0, "delete_old_days": 30.0, "archive_keep_days": 30.0,
	} {
		if got := a.at(key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	never := newWorld(t, observe, func(s *setup) {
		s.Options.ReadOnly = true
		s.Policy = sessioncleanup.Policy{DeleteAfter: 10 * 24 * time.Hour, InactiveAfter: sessioncleanup.Never}
	})
	a = never.do(request{as: admin, method: http.MethodGet, path: "/me"}).want(http.StatusOK)
	if a.at("all_sessions") != true || a.at("changes") != false || a.at("inactive_hours") != nil || fmt.Sprint(a.at("keep_days")) != "[7]" {
		t.Errorf("an admin without deactivation, read-only: %s", a.body)
	}
}

// summaries look ahead; each session has one state and what can be done about it.
func summaries(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	const day = 24 * time.Hour
	now := time.Now()
	for id, s := range map[string]sessioncleanup.Session{
		"soon":   {Active: true, LastActivity: now.Add(-20 * time.Hour)},
		"sooner": {Active: true, LastActivity: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour)},
		"last":   {LastActivity: now.Add(-25 * day), DeactivatedAt: now.Add(-25 * day)},
	} {
		s.ID, s.OwnerID, s.AutoCleanup = id, "ann", true
		if err := w.Store.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	a := w.do(request{as: ann, method: http.MethodGet, path: "/summary"}).want(http.StatusOK)
	for key, want := range map[string]any{"total": 8.0, "open": 5.0, "closed": 3.0, "protected": 1.0, "next_run_at": nil} {
		if got := a.at(key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	ids := func(kind string) (all []string) {
		for i := range a.at(kind, "sessions").([]any) {
			all = append(all, a.str(kind, "sessions", i, "id"))
		}
		return all
	}
	if diff := cmp.Diff([]string{Idle, "sooner", "soon"}, ids("closing")); diff != "" || a.at("closing", "count") != 3.0 {
		t.Errorf("closing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{Gone, "last"}, ids("deleting")); diff != "" || a.at("deleting", "count") != 2.0 {
		t.Errorf("deleting (-want +got):\n%s", diff)
	}
	if a := w.do(request{as: bob, method: http.MethodGet, path: "/summary"}).want(http.StatusOK); a.at("total") != 1.0 || a.at("closing", "count") != 0.0 {
		t.Errorf("bob's: %s", a.body)
	}
	w.do(request{as: ann, method: http.MethodGet, path: "/summary?owner=bob"}).want(http.StatusForbidden)

	for id, want := range map[string]struct{ state, actions, days string }{
		"sooner": {"closing", "[deactivate protect delete]", "[]"},
		Bobs:     {"live", "[deactivate protect delete]", "[]"},
		Kept:     {"protected", "[deactivate unprotect delete]", "[]"},
		Closed:   {"closed", "[reactivate keep protect delete]", "[30]"},
		"last":   {"deleting", "[reactivate keep protect delete]", "[7 30]"},
	} {
		a := w.do(request{as: admin, method: http.MethodGet, path: "/" + id}).want(http.StatusOK)
		got := []string{a.str("session", "state"), fmt.Sprint(a.at("session", "actions")), fmt.Sprint(a.at("session", "keep_days"))}
		if diff := cmp.Diff([]string{want.state, want.actions, want.days}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
		if (a.at("session", "state_until") == nil) != (id == Kept) {
			t.Errorf("%s: state_until is %v", id, a.at("session", "state_until"))
		}
	}
}

// keeps postpone a deletion, never more than the policy allows.
func keeps(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	keep := func(id string, days int) answer {
		t.Helper()
		return w.do(request{as: ann, method: http.MethodPatch, path: "/" + id + "/keep", body: fmt.Sprintf(`{"days":%d}`, days)})
	}
	in := func(a answer) time.Duration {
		t.Helper()
		at, err := time.Parse(time.RFC3339, a.want(http.StatusOK).str("session", "delete_at"))
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(at).Round(time.Hour)
	}
	if got := in(keep(Gone, 7)); got != 7*24*time.Hour {
		t.Errorf("a session due for deletion is deleted in %v, want 7 days", got)
	}
	if got := in(keep(Closed, 7)); got != 27*24*time.Hour {
		t.Errorf("a session is deleted in %v, want 27 days as before", got)
	}
	if got := in(keep(Idle, 30)); got != 30*24*time.Hour {
		t.Errorf("an active session is deleted in %v, want 30 days as before", got)
	}
	keep(Gone, 31).names("days")
	keep(Bobs, 7).want(http.StatusNotFound)
}

// bulks change many sessions: those named, or all that match and no more than expected.
func bulks(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	bulk := func(as, body string) answer {
		t.Helper()
		return w.do(request{as: as, method: http.MethodPost, path: "/bulk", body: body})
	}
	counts := func(a answer) string {
		t.Helper()
		return fmt.Sprint(a.want(http.StatusOK).at("matching"), a.at("done"), a.at("skipped"), a.at("failed"))
	}
	for _, test := range []struct{ as, body, field string }{
		{ann, `{"ids":["2"]}`, "action"},
		{ann, `{"action":"explode","ids":["2"]}`, "action"},
		{ann, `{"action":"delete"}`, "expected"},
		{ann, `{"action":"delete","ids":[]}`, "ids"},
		{ann, `{"action":"delete","ids":[1]}`, "ids"},
		{ann, `{"action":"delete","ids":["2"],"status":"inactive"}`, "ids"},
		{ann, `{"action":"tag","ids":["2"]}`, "add"},
		{ann, `{"action":"tag","add":["vip"],"remove":["vip"],"ids":["2"]}`, "remove"},
		{ann, `{"action":"keep","ids":["2"]}`, "days"},
		{ann, `{"action":"keep","days":31,"ids":["2"]}`, "days"},
		{ann, `{"action":"delete","expected":100001}`, "expected"},
		{ann, `{"action":"delete","status":"gone","expected":1}`, "status"},
	} {
		bulk(test.as, test.body).names(test.field)
	}
	before := w.snapshot()
	if got := counts(bulk(ann, `{"action":"delete","status":"active","dry_run":true}`)); got != "1 0 0 0" {
		t.Errorf("counted: %s", got)
	}
	bulk(admin, `{"action":"delete","status":"active","expected":1}`).problem(http.StatusConflict, "more-than-expected")
	bulk(ann, `{"action":"delete","owner":"bob","expected":10}`).want(http.StatusForbidden)
	if w.snapshot() != before {
		t.Error("something changed")
	}
	if got := counts(bulk(ann, `{"action":"protect","ids":["2","3","5","`+Nobody+`"]}`)); got != "4 2 2 0" {
		t.Errorf("protected: %s", got)
	}
	if got := counts(bulk(ann, `{"action":"unprotect","status":"protected","q":"chat","expected":5}`)); got != "1 1 0 0" {
		t.Errorf("by text: %s", got)
	}
	if got := counts(bulk(admin, `{"action":"deactivate","owner":"ann","expected":10}`)); got != "5 5 0 0" {
		t.Errorf("of an owner: %s", got)
	}
	if got := counts(bulk(admin, `{"action":"delete","owner":"ann","status":"inactive","expected":3}`)); got != "2 2 0 0" {
		t.Errorf("deleted: %s", got)
	}
	for id, there := range map[string]bool{Busy: false, Closed: false, Kept: true, Idle: true, Bobs: true} {
		page, err := w.Store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
		if err != nil || (len(page.Sessions) == 1) != there {
			t.Errorf("%s is there: %v, %v", id, len(page.Sessions) == 1, err)
		}
	}
	stats := w.do(request{as: admin, method: http.MethodGet, path: "/stats"})
	if stats.at("stats", "total") != 4.0 {
		t.Errorf("statistics do not include the change: %s", stats.body)
	}

	limited := newWorld(t, observe, func(s *setup) {
		left := 2
		s.Options.LimitChanges = func(*http.Request, sessioncleanup.Principal) time.Duration {
			if left--; left < 0 {
				return time.Second
			}
			return 0
		}
	})
	a := limited.do(request{as: ann, method: http.MethodPost, path: "/bulk", body: `{"action":"protect","ids":["2","3","6"]}`})
	if a.problem(http.StatusTooManyRequests, "too-many-requests").at("bulk", "done") != 2.0 {
		t.Errorf("limited: %s", a.body)
	}
}

// exactRuns do what a dry run showed, and nothing that is due only since.
func exactRuns(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	cleanup := func(body string) answer {
		t.Helper()
		return w.do(request{as: admin, method: http.MethodPost, path: "/cleanup", body: body})
	}
	asOf := cleanup(`{"dry_run":true}`).want(http.StatusOK).str("as_of")
	now := time.Now()
	for _, s := range []sessioncleanup.Session{
		{ID: "late", Active: true, LastActivity: now.Add(-time.Hour), ExpiresAt: now.Add(2 * time.Millisecond)},
		{ID: Idle, Active: true, OwnerID: "ann", LastActivity: now}, // used since
	} {
		s.AutoCleanup = true
		if err := w.Store.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	for time.Until(now) > -5*time.Millisecond { // until "late" has expired
		if _, err := w.Store.Now(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a := cleanup(`{"as_of":"` + asOf + `"}`).want(http.StatusOK)
	if got := fmt.Sprint(a.at("phases", 0, "done"), a.at("phases", 1, "done")); got != "1 0" {
		t.Errorf("the run did %s, want the one deletion that it showed", a.body)
	}
	if a := cleanup(`{}`).want(http.StatusOK); a.at("phases", 1, "done") != 1.0 {
		t.Errorf("the next run did %s, want what expired since", a.body)
	}
	for _, bad := range []time.Time{now.Add(-90 * time.Minute), now.Add(-3 * time.Hour), now.Add(30 * time.Minute), now.Add(30 * time.Hour)} {
		cleanup(`{"as_of":"`+bad.UTC().Format(time.RFC3339)+`"}`).problem(http.StatusBadRequest, "invalid-request")
	}
}

// progress is told in lines, and the work ends when the client disconnects.
func progress(t *testing.T, _ Observer) { // lines have no schema
	w := newWorld(t, nil)
	var ids []string
	for i := range 1000 {
		id := fmt.Sprintf("many%d", i)
		ids = append(ids, id)
		if err := w.Store.Put(sessioncleanup.Session{ID: id, OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	bulk := func(action string) string {
		data, err := json.Marshal(map[string]any{"action": action, "ids": ids})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	all := w.lines(t.Context(), ann, "/bulk", bulk("protect"))
	last, _ := all[len(all)-1]["result"].(map[string]any)
	if all[0]["progress"] == nil || last["done"] != 1000.0 {
		t.Errorf("%d lines, the last is %v", len(all), all[len(all)-1])
	}
	run := w.lines(t.Context(), admin, "/cleanup", "{}")
	if result, _ := run[len(run)-1]["result"].(map[string]any); result["run_id"] == nil {
		t.Errorf("a run ends with %v", run[len(run)-1])
	}

	ctx, leave := context.WithCancel(t.Context())
	leave()
	before := w.snapshot()
	w.lines(ctx, ann, "/bulk", bulk("delete"))
	if w.snapshot() != before {
		t.Error("the work continued without its client")
	}
}

// lines are the response to a client that reads the progress.
func (w *World) lines(ctx context.Context, as, path, body string) (all []map[string]any) {
	w.t.Helper()
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, Prefix+path, strings.NewReader(body))
	req.Header.Set(roleHeader, as)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/x-ndjson")
	rec := httptest.NewRecorder()
	w.Handler.ServeHTTP(rec, req)
	for line := range strings.Lines(rec.Body.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			w.t.Fatalf("POST %s: %q: %v", path, line, err)
		}
		all = append(all, v)
	}
	return all
}
