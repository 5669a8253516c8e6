package postgres_test

import (
	"strings"
	"testing"
)

func TestARunInSQLThatExceedsTheDeletionLimitDeactivates(t *testing.T) {
	t.Parallel()
	_, pool, _ := ledger(t, `
		INSERT INTO sessions (id, active, last_activity) SELECT n, false, now() - interval '60 days' FROM generate_series(101, 300) n;
		INSERT INTO sessions (id, last_activity) SELECT n, now() - interval '3 days' FROM generate_series(301, 310) n;`)
	run := func(arguments string) (deleted, deactivated int, details string) {
		t.Helper()
		err := pool.QueryRow(t.Context(), `SELECT sum(session_count) FILTER (WHERE action = 'deleted'), sum(session_count) FILTER (WHERE action = 'deactivated'),
			max(details) FILTER (WHERE action = 'deleted') FROM cleanup_inactive_sessions(`+arguments+`)`).Scan(&deleted, &deactivated, &details)
		if err != nil {
			t.Fatal(err)
		}
		return deleted, deactivated, details
	}
	deleted, deactivated, details := run("")
	if deleted != 0 || deactivated != 10 || !strings.Contains(details, "240 are due for deletion") || !strings.Contains(details, "force => true") {
		t.Errorf("the run deleted %d, deactivated %d and says %q; want 0, 10, and how to allow the 240", deleted, deactivated, details)
	}
	summary := value[string](t, pool, "SELECT concat_ws(' ', run ->> 'refused', run ->> 'error' <> '', run ->> 'started_at' <> '') FROM sessioncleanup_events WHERE action = 'run'")
	if summary != "true t t" {
		t.Errorf("the run's event has refused, an error and its start as %q, want all three", summary)
	}
	if deleted, _, _ = run(""); deleted != 0 {
		t.Errorf("the refused run made the next one delete %d", deleted)
	}
	if deleted, _, _ = run("force => true"); deleted != 240 {
		t.Errorf("the forced run deleted %d, want 240", deleted)
	}
	mustExec(t, pool, `INSERT INTO sessions (id, active, last_activity, deactivated_at)
		SELECT n, false, now() - interval '60 days', now() - interval '60 days' FROM generate_series(1001, 1300) n`)
	if deleted, _, details = run(""); deleted != 300 {
		t.Errorf("a backlog that came of age after a run without an error had %d deleted (%s), want 300", deleted, details)
	}
}

func TestTheTriggerFunctionsWorkForNoOtherTable(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	unused(t, pool, true, 1, 1)
	if open := value[int](t, pool, `SELECT count(*) FROM pg_proc f WHERE f.prosecdef AND f.pronamespace = 'public'::regnamespace AND has_function_privilege('pg_monitor', f.oid, 'EXECUTE')`); open != 0 {
		t.Errorf("every role may execute %d functions that have the rights of their owner", open)
	}
	if definers := value[int](t, pool, "SELECT count(*) FROM pg_proc f WHERE f.prosecdef AND f.pronamespace = 'public'::regnamespace"); definers < 2 {
		t.Fatalf("%d functions have the rights of their owner, want those of the triggers", definers)
	}
	track := value[string](t, pool, "SELECT proname FROM pg_proc WHERE proname LIKE 'sessioncleanup_track_%propositions%'")
	mustExec(t, pool, "CREATE TABLE other (session_id bigint)")
	mustExec(t, pool, "ALTER TABLE other OWNER TO pg_monitor")
	mustExec(t, pool, "CREATE TRIGGER x AFTER INSERT ON other REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "+track+"()")
	mustExec(t, pool, "INSERT INTO other VALUES (1)")
	if used := touched(t, pool); used != "" {
		t.Errorf("a row of another table touched session %s", used)
	}
	mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (1)")
	if used := touched(t, pool); used != "1" {
		t.Errorf("a row of the activity table touched %q, want session 1", used)
	}
}
