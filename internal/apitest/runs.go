package apitest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

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
		return w.post(admin, "/cleanup", body)
	}
	results := func(a answer, deactivated, deleted float64) {
		t.Helper()
		a.ok().is("results.0.action", "deactivated", "results.0.session_count", deactivated, "results.1.action", "deleted", "results.1.session_count", deleted)
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
		a.is("phases", phases)
	}
	before := w.snapshot()
	dry := clean(`{"dry_run":true}`)
	results(dry, 1, 1)
	dry.is("run_id", nil, "dry_run", true, "sessions.0.id", Gone, "sessions.1.id", Idle)
	results(clean(`{"dry_run":true,"inactive_hours":0.25}`), 3, 1)
	off := clean(`{"dry_run":true,"inactive_hours":"never","delete_old_days":"never"}`)
	results(off, 0, 0)
	off.is("results.0.details", "Deactivation is off.", "results.1.details", "Deletion is off.")
	for body, want := range map[string][2]string{
		`{"dry_run":true,"inactive_hours":1,"delete_old_days":1}`:   {"more than 1 hour, or", "more than 1 day"},
		`{"dry_run":true,"inactive_hours":1.5,"delete_old_days":2}`: {"more than 1.5 hours, or", "more than 2 days"},
	} {
		if a := clean(body); !strings.Contains(a.str("results", 0, "details"), want[0]) || !strings.HasSuffix(a.str("results", 1, "details"), want[1]) {
			t.Errorf("%s: want %q in %s", body, want, a.body)
		}
	}
	w.same(before, "a dry run")
	results(clean(`{"dry_run":true,"owner_id":"bob"}`), 0, 0)
	results(clean(`{"owner_id":"bob"}`), 0, 0)
	w.get(admin, "/events?action=run").is("events.0.run.partial", true)
	did := clean(`{"inactive_hours":24,"delete_old_days":30,"dry_run":false,"force":false}`)
	results(did, 1, 1)
	if did.is("run_id", some, "dry_run", false, "failures", "[]").has("sessions") {
		t.Errorf("run: %s", did.body)
	}
	results(clean(""), 0, 0)
	w.get(admin, "/stats").is("stats.total", 5.0, "stats.cleanup_candidates", 0.0, "metrics.last_run.run.failed", false)
}

// refusedRuns are stopped by the deletion limit, the policy or another run; some sessions cannot be deleted.
func refusedRuns(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	old := time.Now().AddDate(0, -3, 0)
	var many []sessioncleanup.Session
	for i := range 200 {
		many = append(many, sessioncleanup.Session{ID: "old" + strings.Repeat("i", i), AutoCleanup: true, LastActivity: old, DeactivatedAt: old})
	}
	w.put(many...)
	clean := request{as: admin, method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true}`}
	w.do(clean).is("would_be_refused", true)
	clean.body = ""
	a := w.do(clean).problem(http.StatusUnprocessableEntity, "too-many-deletions").is("due", 201.0, "max_delete_fraction", 0.5, "run_id", some, "phases.0.done", 0.0, "results.0.session_count", 1.0)
	for _, part := range []string{"view?status=to_delete", `"force": true`, `"delete_at_most": 201`} { // how to see and to allow it
		if !strings.Contains(a.str("error"), part) {
			t.Errorf("a refused run does not say %s: %s", part, a.body)
		}
	}
	for language, want := range map[string]string{"en": "the deletion limit", "fr": "la limite de suppression"} {
		stats := w.getWith(admin, "/stats", "Accept-Language", language).ok()
		if stats.at("metrics.last_run.run.refused") != true || !strings.Contains(stats.body, want) || !strings.Contains(stats.body, "delete_at_most") {
			t.Errorf("the alert in %s does not say how to allow the deletion: %s", language, stats.body)
		}
	}
	clean.body = `{"delete_at_most":200}`
	a = w.do(clean).problem(http.StatusUnprocessableEntity, "too-many-deletions")
	if a.at("due") != 201.0 || a.at("delete_at_most") != 200.0 || !strings.Contains(a.str("error"), "200 that delete_at_most allows") {
		t.Errorf("a run for fewer sessions than are due: %s", a.body)
	}
	clean.body = `{"delete_at_most":201}`
	w.do(clean).ok().is("results.1.session_count", 201.0)
	forced := newWorld(t, observe)
	forced.put(many...)
	clean.body = `{"force":true}`
	forced.do(clean).ok().is("results.1.session_count", 201.0)

	closed := newWorld(t, observe, func(s *setup) { s.Policy.Enabled = sessioncleanup.Off })
	closed.post(admin, "/cleanup", "").problem(http.StatusConflict, "cleanup-disabled")
	closed.post(admin, "/cleanup", `{"dry_run":true}`).ok()

	wrong := newWorld(t, observe, func(s *setup) { s.Store = ahead{s.Store} })
	for _, body := range []string{"", `{"force":true}`, `{"dry_run":true}`} {
		wrong.post(admin, "/cleanup", body).problem(http.StatusConflict, "clocks-differ")
	}

	busy := newWorld(t, observe)
	lease := sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "another", TTL: 20 * time.Second}
	if _, err := busy.Store.Lease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	conflict := busy.post(admin, "/cleanup", "").problem(http.StatusConflict, "already-running")
	if got := conflict.header.Get("Retry-After"); got < "19" || got > "21" {
		t.Errorf("Retry-After is %q, want the rest of the lease, some 20 s", got)
	}

	pinned := newWorld(t, observe, func(s *setup) {
		db := memory.New(memory.Config{Refuse: func(sessioncleanup.Session) error { return errSQL }})
		err := db.Put(sessioncleanup.Session{ID: "pinned", AutoCleanup: true, LastActivity: old, DeactivatedAt: old})
		if err != nil {
			t.Fatal(err)
		}
		s.Store = db
	})
	pinned.post(admin, "/cleanup", "").ok().is("failures.0.session_id", "pinned", "failures.0.action", "deleted", "failures.0.error", some)
	a = pinned.get(admin, "/stats").ok()
	a.is("alerts.0.code", "cleanup_incomplete", "metrics.last_run.run.phases.0.failed", 1.0)
	if !strings.Contains(a.str("alerts.0.message"), "could not clean up 1 session") {
		t.Errorf("no alert: %s", a.body)
	}

	unsaved := newWorld(t, observe, func(s *setup) {
		s.Policy.Archive, s.Policy.Backup, s.Policy.ArchiveKeep = sessioncleanup.On, sessioncleanup.On, time.Nanosecond
	})
	unsaved.remove(admin, "/"+Bobs+"?confirm="+Bobs).ok()
	a = unsaved.get(admin, "/archive?session="+Bobs).ok()
	if backedUp, there := a.at("entries.0").(map[string]any)["backed_up_at"]; !there || backedUp != nil {
		t.Errorf("an entry that is not backed up: %s", a.body)
	}
	for tries := 0; tries < 1000 && !strings.Contains(a.body, "backup_failed"); tries++ { // the first may be in the millisecond of the deletion
		unsaved.post(admin, "/cleanup", "").ok()
		a = unsaved.get(admin, "/stats").ok()
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
	w.post(admin, "/cleanup", "").problem(http.StatusInternalServerError, "internal-error")
	for language, want := range map[string]string{"en": "failed; the server's log", "fr": "a échoué ; le journal"} {
		a := w.getWith(admin, "/stats", "Accept-Language", language).ok()
		if a.at("metrics.last_run.run.failed") != true || !strings.Contains(a.str("alerts.0.message"), want) {
			t.Errorf("alerts in %s: %s", language, a.body)
		}
	}
}
