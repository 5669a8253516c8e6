package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// gate has the first statement of a batch that selects sessions wait at the one with a long name until the advisory lock 1
// is free, and shows with the lock 2 that it waits.
const gate = `CREATE OR REPLACE FUNCTION sessioncleanup_shorten(p_text text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF length(p_text) > 200 THEN
		PERFORM pg_advisory_lock_shared(2);
		WHILE NOT pg_try_advisory_lock_shared(1) LOOP
			PERFORM pg_sleep(0.005);
		END LOOP;
	END IF;
	RETURN left(p_text, 200);
END $$`

// The tags change after the batch's statement began, and before it has come to the session.
func TestABatchLeavesASessionThatItsFilterByTagsDoesNotSelectAnyMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, state, filter, change string }{
		{"that is deleted, and gets a tag", "active = false", "-keep", "INSERT INTO sessioncleanup_tags VALUES (2, 'keep')"},
		{"that is deleted, and loses a tag", "active = false", "test|demo", "DELETE FROM sessioncleanup_tags WHERE session_id = 2"},
		{"that is deactivated, and gets a tag", "active = true", "-keep", "INSERT INTO sessioncleanup_tags VALUES (2, 'keep')"},
		{"that has expired, and loses a tag", "active = true, last_activity = now(), expires_at = now() - interval '1 day' * (4 - id)", "test", "DELETE FROM sessioncleanup_tags WHERE session_id = 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, pool := adopted(t, "guide")
			mustRun(t, pool, gate)
			mustRun(t, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 3) n; INSERT INTO sessioncleanup_tags SELECT id, 'test' FROM sessions")
			mustRun(t, pool, "SET sessioncleanup.writing = 'on'; UPDATE sessions SET last_activity = now() - interval '1 day' * (100 - id), deactivated_at = '2000-01-01'; UPDATE sessions SET "+c.state+"; RESET sessioncleanup.writing")
			mustExec(t, pool, "UPDATE sessions SET name = $1 WHERE id = 1", strings.Repeat("long", 60))
			holding, err := pool.Acquire(t.Context())
			if err == nil {
				defer holding.Release()
				_, err = holding.Exec(t.Context(), "SELECT pg_advisory_lock(1)")
			}
			if err != nil {
				t.Fatal(err)
			}
			manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
			if err != nil {
				t.Fatal(err)
			}
			type end struct {
				sessioncleanup.Result
				error
			}
			ended := make(chan end, 1)
			go func() {
				result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Filter: sessioncleanup.Filter{Tags: c.filter}})
				ended <- end{result, err}
			}()
			waits := "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
			for deadline := time.Now().Add(30 * time.Second); value[int](t, pool, waits) == 0; {
				if time.Now().After(deadline) {
					t.Fatal("the batch did not come to the session with the long name")
				}
			}
			mustRun(t, pool, c.change)
			if _, err := holding.Exec(t.Context(), "SELECT pg_advisory_unlock(1)"); err != nil {
				t.Fatal(err)
			}
			run := <-ended
			if run.error != nil {
				t.Fatal(run.error)
			}
			left := value[string](t, pool, "SELECT coalesce(string_agg(id || CASE WHEN active THEN ' active' ELSE '' END, ', ' ORDER BY id), '') FROM sessions")
			want := map[bool]string{true: "2", false: "1, 2 active, 3"}[c.state == "active = false"]
			if left != want || run.Phases.Total().Done != 2 {
				t.Errorf("the run changed %d sessions, and left %s: want 2, and %s", run.Phases.Total().Done, left, want)
			}
		})
	}
}
