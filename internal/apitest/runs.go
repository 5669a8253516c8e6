package apitest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// ahead is a store whose clock is a year ahead.
type ahead struct{ sessioncleanup.Store }

// Now is the store's clock.
func (a ahead) Now(ctx context.Context) (time.Time, error) {
	now, err := a.Store.Now(ctx)
	return now.AddDate(1, 0, 0), err
}

// runs do what is due, or report what they would do.
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
		phases := []any{}
		for _, p := range []struct {
			action string
			result int
			count  float64
		}{{"deleted", 1, deleted}, {"deactivated", 0, deactivated}} {
			if !strings.HasSuffix(a.str("results", p.result, "details"), "is off.") {
				phases = append(phases, map[string]any{"action": p.action, "due": p.count, "done": p.count, "skipped": 0.0, "failed": 0.0})
			}
		}
		if diff := cmp.Diff(phases, a.at("phases")); diff != "" {
			t.Errorf("%s: phases (-want +got):\n%s", a.what, diff)
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
	for body, want := range map[string][2]string{
		`{"dry_run":true,"inactive_hours":1,"delete_old_days":1}`:   {"more than 1 hour, or", "more than 1 day"},
		`{"dry_run":true,"inactive_hours":1.5,"delete_old_days":2}`: {"more than 1.5 hours, or", "more than 2 days"},
	} {
		if a := clean(body); !strings.Contains(a.str("results", 0, "details"), want[0]) || !strings.HasSuffix(a.str("results", 1, "details"), want[1]) {
			t.Errorf("%s: want %q in %s", body, want, a.body)
		}
	}
	if w.snapshot() != before {
		t.Error("a dry run changed something")
	}
	results(clean(`{"dry_run":true,"owner_id":"bob"}`), 0, 0)
	results(clean(`{"owner_id":"bob"}`), 0, 0)
	if run := w.do(request{as: admin, method: http.MethodGet, path: "/events?action=run"}); run.at("events", 0, "run", "partial") != true {
		t.Errorf("the event of a run for one owner: %s", run.body)
	}
	did := clean(`{"inactive_hours":24,"delete_old_days":30,"dry_run":false,"force":false}`)
	results(did, 1, 1)
	if did.str("run_id") == "" || did.at("dry_run") != false || len(did.at("failures").([]any)) != 0 || did.has("sessions") {
		t.Errorf("run: %s", did.body)
	}
	results(clean(""), 0, 0)
	stats := w.do(request{as: admin, method: http.MethodGet, path: "/stats"})
	if stats.at("stats", "total") != 5.0 || stats.at("stats", "cleanup_candidates") != 0.0 || stats.at("metrics", "last_run", "run", "failed") != false {
		t.Errorf("statistics do not include the run: %s", stats.body)
	}
}

// refusedRuns are stopped by the deletion limit, the policy or another run; some sessions cannot be deleted.
func refusedRuns(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	old := time.Now().AddDate(0, -3, 0)
	var many []sessioncleanup.Session
	for i := range 200 {
		many = append(many, sessioncleanup.Session{ID: "old" + strings.Repeat("i", i), AutoCleanup: true, LastActivity: old, DeactivatedAt: old})
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
	if a.at("due") != 201.0 || a.at("max_delete_fraction") != 0.5 || a.str("run_id") == "" || a.at("phases", 0, "done") != 0.0 {
		t.Errorf("refused run: %s", a.body)
	}
	for _, part := range []string{"view?status=to_delete", `"force": true`, `"delete_at_most": 201`} { // how to see and to allow it
		if !strings.Contains(a.str("error"), part) {
			t.Errorf("a refused run does not say %s: %s", part, a.body)
		}
	}
	if a.at("results", 0, "session_count") != 1.0 {
		t.Errorf("a refused run did not deactivate what was due: %s", a.body)
	}
	for language, want := range map[string]string{"en": "the deletion limit", "fr": "la limite de suppression"} {
		stats := w.do(request{as: admin, method: http.MethodGet, path: "/stats", header: map[string]string{"Accept-Language": language}}).want(http.StatusOK)
		if stats.at("metrics", "last_run", "run", "refused") != true || !strings.Contains(stats.body, want) || !strings.Contains(stats.body, "delete_at_most") {
			t.Errorf("the alert in %s does not say how to allow the deletion: %s", language, stats.body)
		}
	}
	clean.body = `{"delete_at_most":200}`
	a = w.do(clean).problem(http.StatusUnprocessableEntity, "too-many-deletions")
	if a.at("due") != 201.0 || a.at("delete_at_most") != 200.0 || !strings.Contains(a.str("error"), "200 that delete_at_most allows") {
		t.Errorf("a run for fewer sessions than are due: %s", a.body)
	}
	clean.body = `{"delete_at_most":201}`
	if a := w.do(clean).want(http.StatusOK); a.at("results", 1, "session_count") != 201.0 {
		t.Errorf("a run that was allowed: %s", a.body)
	}
	forced := newWorld(t, observe)
	if err := forced.Store.Put(many...); err != nil {
		t.Fatal(err)
	}
	clean.body = `{"force":true}`
	if a := forced.do(clean).want(http.StatusOK); a.at("results", 1, "session_count") != 201.0 {
		t.Errorf("forced run: %s", a.body)
	}

	closed := newWorld(t, observe, func(s *setup) { s.Policy.Enabled = sessioncleanup.Off })
	closed.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).problem(http.StatusConflict, "cleanup-disabled")
	closed.do(request{as: admin, method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true}`}).want(http.StatusOK)

	wrong := newWorld(t, observe, func(s *setup) { s.Store = ahead{s.Store} })
	for _, body := range []string{"", `{"force":true}`, `{"dry_run":true}`} {
		wrong.do(request{as: admin, method: http.MethodPost, path: "/cleanup", body: body}).problem(http.StatusConflict, "clocks-differ")
	}

	busy := newWorld(t, observe)
	lease := sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "another", TTL: 20 * time.Second}
	if _, err := busy.Store.Lease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	conflict := busy.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).problem(http.StatusConflict, "already-running")
	if got := conflict.header.Get("Retry-After"); got < "19" || got > "21" {
		t.Errorf("Retry-After is %q, want the rest of the lease, some 20 s", got)
	}

	pinned := newWorld(t, observe, func(s *setup) {
		db := memory.New(memory.Config{BeforeDelete: func(context.Context, sessioncleanup.Session) error { return errSQL }})
		err := db.Put(sessioncleanup.Session{ID: "pinned", AutoCleanup: true, LastActivity: old, DeactivatedAt: old})
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
	if message := a.str("alerts", 0, "message"); a.str("alerts", 0, "code") != "cleanup_incomplete" || !strings.Contains(message, "could not clean up 1 session") {
		t.Errorf("no alert: %s", a.body)
	}
	if failed := a.at("metrics", "last_run", "run", "phases", 0, "failed"); failed != 1.0 {
		t.Errorf("%v sessions failed in the last run, want 1: %s", failed, a.body)
	}

	unsaved := newWorld(t, observe, func(s *setup) {
		s.Policy.Archive, s.Policy.Backup, s.Policy.ArchiveKeep = sessioncleanup.On, sessioncleanup.On, time.Nanosecond
	})
	unsaved.do(request{as: admin, method: http.MethodDelete, path: "/" + Bobs + "?confirm=" + Bobs}).want(http.StatusOK)
	a = unsaved.do(request{as: admin, method: http.MethodGet, path: "/archive?session=" + Bobs}).want(http.StatusOK)
	if backedUp, there := a.at("entries", 0).(map[string]any)["backed_up_at"]; !there || backedUp != nil {
		t.Errorf("an entry that is not backed up: %s", a.body)
	}
	for tries := 0; tries < 1000 && !strings.Contains(a.body, "backup_failed"); tries++ { // the first may be in the millisecond of the deletion
		unsaved.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).want(http.StatusOK)
		a = unsaved.do(request{as: admin, method: http.MethodGet, path: "/stats"}).want(http.StatusOK)
	}
	if !strings.Contains(a.body, `"backup_failed"`) || !strings.Contains(a.body, "without a backup, which are not purged; the server's log has the details") {
		t.Errorf("no alert for a backup that failed: %s", a.body)
	}
}

// brokenRuns are ended by the database. Neither their responses nor their alerts quote it.
func brokenRuns(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) {
		db := &Faulty{Store: s.Store}
		db.Before(func(_ context.Context, method string) error {
			if method == "Sweep" {
				return errSQL
			}
			return nil
		})
		s.Store = db
	})
	w.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).problem(http.StatusInternalServerError, "internal-error")
	for language, want := range map[string]string{"en": "failed; the server's log", "fr": "a échoué ; le journal"} {
		a := w.do(request{as: admin, method: http.MethodGet, path: "/stats", header: map[string]string{"Accept-Language": language}}).want(http.StatusOK)
		if a.at("metrics", "last_run", "run", "failed") != true || !strings.Contains(a.str("alerts", 0, "message"), want) {
			t.Errorf("alerts in %s: %s", language, a.body)
		}
	}
}
