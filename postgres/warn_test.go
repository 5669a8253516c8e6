package postgres_test

import (
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// TestRunsInSQLDeleteOnlyWhatWasWarned goes through the life of a warning with the guide's function.
func TestRunsInSQLDeleteOnlyWhatWasWarned(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	policy := sessioncleanup.Policy{WarnBefore: 7 * 24 * time.Hour, MaxDeleteFraction: 1}
	if err := store.Migrate(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	mustExec(t, pool, `DELETE FROM sessions; INSERT INTO sessions (id, active, last_activity, deactivated_at) SELECT n, false, now() - interval '60 days', now() - interval '60 days' FROM generate_series(1, 4) n`)
	run := func(arguments string) string {
		t.Helper()
		return value[string](t, pool, "SELECT string_agg(action || ' ' || session_count, ', ' ORDER BY action) || CASE WHEN bool_or(details LIKE '%waiting for their warning%') THEN ' waiting' ELSE '' END FROM cleanup_inactive_sessions("+arguments+")")
	}
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	expect("the first run", run(""), "deactivated 0, deleted 0, noticed 4 waiting")
	expect("the view", value[string](t, pool, "SELECT string_agg(DISTINCT status, ' ') FROM sessions_cleanup_view"), "inactive")
	expect("the second run, forced", run("force => true"), "deactivated 0, deleted 0, noticed 0 waiting")
	claim := sessioncleanup.NoticeClaim{Thresholds: policy.Thresholds(), NewMessage: "one", Limit: 10}
	if m, err := store.ClaimNotices(t.Context(), claim); err != nil || len(m.Notices) != 4 {
		t.Fatalf("ClaimNotices = %+v, %v; want 4 notices", m, err)
	}
	if err := store.SettleNotices(t.Context(), sessioncleanup.NoticeOutcome{Message: "one", Delivered: true, Cause: sessioncleanup.Cause{Actor: "system"}}); err != nil {
		t.Fatal(err)
	}
	expect("a run after the delivery", run(""), "deactivated 0, deleted 0, noticed 0 waiting")
	mustExec(t, pool, "UPDATE sessioncleanup_notices SET delivered_at = now() - interval '6 days 23 hours'")
	expect("a run within the notice", run(""), "deactivated 0, deleted 0, noticed 0 waiting")
	mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '50 days', deactivated_at = now() - interval '50 days' WHERE id = 2")
	mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (3)")
	mustExec(t, pool, "UPDATE sessioncleanup_notices SET delivered_at = NULL, failed_at = now() - interval '8 days' WHERE session_id = '4'")
	mustExec(t, pool, "UPDATE sessioncleanup_notices SET delivered_at = now() - interval '7 days 1 hour' WHERE session_id <> '4'")
	expect("the candidates", value[string](t, pool, "SELECT cleanup_candidates::text FROM get_session_cleanup_stats()"), "1")
	expect("a run after the notice", run(""), "deactivated 0, deleted 1, noticed 1 waiting")
	expect("what is left", value[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM sessions"), "2 3 4")
	policy.Undeliverable = sessioncleanup.UndeliverableProceed
	if err := store.Migrate(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	expect("a run that proceeds", run(""), "deactivated 0, deleted 1, noticed 0 waiting")
	expect("what is left then", value[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM sessions"), "2 3")
	if _, err := pool.Exec(t.Context(), "SELECT cleanup_inactive_sessions(delete_old_days => 3)"); err == nil {
		t.Error("a run that deletes sooner than the policy warns is not refused")
	}
}
