package mysql_test

import (
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// slowly is a table of sessions in which it takes some tenths of a second to read the name of the second one.
func slowly() string {
	name := "'x'"
	for range 3 {
		name = "SHA2(REPEAT(CONCAT(" + name + ", SPACE(100)), 70000), 512)"
	}
	return "CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, last_activity DATETIME(3), name VARCHAR(200) AS (IF(id = 2, " + name + ", 'short')) VIRTUAL)"
}

// The tags change after the batch's statement began, and before it has come to the session: it reads the name of another one.
func TestABatchLeavesASessionThatItsFilterByTagsDoesNotSelectAnyMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, filter, change string }{
		{"and gets a tag", "-keep", "INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (3, 'keep')"},
		{"and loses a tag", "test|demo", "DELETE FROM sessioncleanup_tags WHERE session_id = 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, d := adopted(t, slowly())
			old(t, d, 1, 2, 3)
			execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'test' FROM sessions")
			var out sessioncleanup.BatchResult
			ended := make(chan error, 1)
			go func() (err error) {
				defer func() { ended <- err }()
				out, err = store.Sweep(t.Context(), sessioncleanup.Batch{
					Action: sessioncleanup.ActionDeleted, Limit: 100, Cause: sessioncleanup.Cause{Actor: "test"},
					Filter: sessioncleanup.Filter{Tags: c.filter}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now()),
				})
				return err
			}()
			began := "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE '%SKIP LOCKED%' AND info NOT LIKE '%processlist%' AND time_ms > 20"
			for value[int](t, d, began) == 0 {
				select {
				case err := <-ended:
					t.Fatalf("the batch ended before its tags changed: %+v, %v", out, err)
				default:
				}
			}
			execute(t, d.DB, c.change) // fails when the session is gone
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if left := value[string](t, d, "SELECT COALESCE(GROUP_CONCAT(id), '') FROM sessions"); left != "3" || len(out.IDs) != 2 {
				t.Errorf("the batch deleted %v, and left %q: want only session 3 to be left", out.IDs, left)
			}
		})
	}
}
