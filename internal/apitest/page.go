package apitest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// me says what the caller may do.
func me(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	w.get(ann, "/me").ok().is(
		"role", "owner", "id", "ann", "actor", ann, "all_sessions", false, "changes", true, "archive", true, "archives", false, "warnings", false,
		"inactive_hours", 24.0, "delete_old_days", 30.0, "archive_keep_days", 30.0,
	)
	never := newWorld(t, observe, func(s *setup) {
		s.Options.ReadOnly = true
		s.Policy = sessioncleanup.Policy{DeleteAfter: 10 * 24 * time.Hour, InactiveAfter: sessioncleanup.Never}
	})
	never.get(admin, "/me").ok().is("all_sessions", true, "changes", false, "inactive_hours", nil, "keep_days", "[7]")
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
		w.put(s)
	}
	a := w.get(ann, "/summary").ok().is("total", 8.0, "open", 5.0, "closed", 3.0, "protected", 1.0, "next_run_at", nil)
	ids := func(kind string) (all []string) {
		for i := range a.at(kind, "sessions").([]any) {
			all = append(all, a.str(kind, "sessions", i, "id"))
		}
		return all
	}
	a.is("closing.count", 3.0, "deleting.count", 2.0)
	if got := fmt.Sprint(ids("closing"), ids("deleting")); got != "[2 sooner soon] [3 last]" {
		t.Errorf("closing and deleting are %s", got)
	}
	w.get(bob, "/summary").ok().is("total", 1.0, "closing.count", 0.0)
	w.get(ann, "/summary?owner=bob").want(http.StatusForbidden)

	for id, want := range map[string]struct{ state, actions, days string }{
		"sooner": {"closing", "[deactivate protect delete]", "[]"},
		Bobs:     {"live", "[deactivate protect delete]", "[]"},
		Kept:     {"protected", "[deactivate unprotect delete]", "[]"},
		Closed:   {"closed", "[reactivate keep protect delete]", "[30]"},
		"last":   {"deleting", "[reactivate keep protect delete]", "[7 30]"},
	} {
		a := w.get(admin, "/"+id).ok()
		a.is("session.state", want.state, "session.actions", want.actions, "session.keep_days", want.days)
		if (a.at("session.state_until") == nil) != (id == Kept) {
			t.Errorf("%s: state_until is %v", id, a.at("session.state_until"))
		}
	}
}

// keeps postpone a deletion, never more than the policy allows.
func keeps(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	keep := func(id string, days int) answer {
		t.Helper()
		return w.patch(ann, "/"+id+"/keep", fmt.Sprintf(`{"days":%d}`, days))
	}
	in := func(a answer) time.Duration {
		t.Helper()
		at, err := time.Parse(time.RFC3339, a.ok().str("session.delete_at"))
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

	// A rule for a session's tag says for how long it can be kept.
	w = newWorld(t, observe, func(s *setup) { s.Policy.Rules = "test: delete=3d; vip: delete=90d" })
	for tag, want := range map[string]struct {
		possible int
		offered  string
	}{"test": {3, "[3]"}, "vip": {90, "[7 30]"}} {
		used := time.Now().Add(-200 * 24 * time.Hour)
		w.put(sessioncleanup.Session{ID: tag, OwnerID: "ann", AutoCleanup: true, LastActivity: used, DeactivatedAt: used, Tags: []string{tag}})
		w.get(ann, "/"+tag).ok().is("session.keep_days", want.offered)
		keep(tag, want.possible+1).names("days")
		if got := in(keep(tag, want.possible)); got != time.Duration(want.possible)*24*time.Hour {
			t.Errorf("a session with the tag %s is deleted in %v, want %d days", tag, got, want.possible)
		}
	}
}

// bulks change many sessions: those named, or all that match and no more than expected.
func bulks(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	bulk := func(as, body string) answer {
		t.Helper()
		return w.post(as, "/bulk", body)
	}
	counts := func(a answer, matching, done, skipped float64) {
		t.Helper()
		a.ok().is("matching", matching, "done", done, "skipped", skipped, "failed", 0.0)
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
	counts(bulk(ann, `{"action":"delete","status":"active","dry_run":true}`), 1, 0, 0)
	bulk(admin, `{"action":"delete","status":"active","expected":1}`).problem(http.StatusConflict, "more-than-expected")
	bulk(ann, `{"action":"delete","owner":"bob","expected":10}`).want(http.StatusForbidden)
	w.same(before, "what was refused or counted")
	counts(bulk(ann, `{"action":"protect","ids":["2","3","5","`+Nobody+`"]}`), 4, 2, 2)
	counts(bulk(ann, `{"action":"unprotect","status":"protected","q":"chat","expected":5}`), 1, 1, 0)
	counts(bulk(admin, `{"action":"deactivate","owner":"ann","expected":10}`), 5, 5, 0)
	counts(bulk(admin, `{"action":"delete","owner":"ann","status":"inactive","expected":3}`), 2, 2, 0)
	for id, there := range map[string]bool{Busy: false, Closed: false, Kept: true, Idle: true, Bobs: true} {
		page, err := w.Store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
		if err != nil || (len(page.Sessions) == 1) != there {
			t.Errorf("%s is there: %v, %v", id, len(page.Sessions) == 1, err)
		}
	}
	w.get(admin, "/stats").is("stats.total", 4.0)

	limited := newWorld(t, observe, func(s *setup) {
		left := 2
		s.Options.LimitChanges = func(*http.Request, sessioncleanup.Principal) time.Duration {
			if left--; left < 0 {
				return time.Second
			}
			return 0
		}
	})
	limited.post(ann, "/bulk", `{"action":"protect","ids":["2","3","6"]}`).problem(http.StatusTooManyRequests, "too-many-requests").is("bulk.done", 2.0)
}

// exactRuns do what a dry run showed, and nothing that is due only since.
func exactRuns(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	cleanup := func(body string) answer {
		t.Helper()
		return w.post(admin, "/cleanup", body)
	}
	asOf := cleanup(`{"dry_run":true}`).ok().str("as_of")
	now := time.Now()
	for _, s := range []sessioncleanup.Session{
		{ID: "late", Active: true, LastActivity: now.Add(-time.Hour), ExpiresAt: now.Add(2 * time.Millisecond)},
		{ID: Idle, Active: true, OwnerID: "ann", LastActivity: now}, // used since
	} {
		s.AutoCleanup = true
		w.put(s)
	}
	w.waitUntil(now.Add(5 * time.Millisecond))                                          // "late" has expired
	cleanup(`{"as_of":"`+asOf+`"}`).ok().is("phases.0.done", 1.0, "phases.1.done", 0.0) // the one deletion that it showed
	cleanup(`{}`).ok().is("phases.1.done", 1.0)                                         // what expired since
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
		w.put(sessioncleanup.Session{ID: id, OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: time.Now()})
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
	w.same(before, "work without its client")
}

// lines are the response to a client that reads the progress.
func (w *World) lines(ctx context.Context, as, path, body string) (all []map[string]any) {
	w.t.Helper()
	a := w.send(ctx, request{as: as, method: http.MethodPost, path: path, body: body, header: map[string]string{"Accept": "application/x-ndjson"}})
	for line := range strings.Lines(a.body) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			w.t.Fatalf("%s: %q: %v", a.what, line, err)
		}
		all = append(all, v)
	}
	return all
}
