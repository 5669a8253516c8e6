package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// TestARunDeletesNoSessionThatIsNotDueAlongWithAnother compares runs with a model, on random forests of sessions: some hang
// on another directly, some through rows of other tables that form trees of their own.
func TestARunDeletesNoSessionThatIsNotDueAlongWithAnother(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 14))
			const count = 80
			var sql strings.Builder
			sql.WriteString(`DELETE FROM ledger; DELETE FROM sessions;
				CREATE TABLE folders (space int, id int, session_id bigint REFERENCES sessions (id) ON DELETE CASCADE, up_space int, up_id int, PRIMARY KEY (space, id),
					FOREIGN KEY (up_space, up_id) REFERENCES folders (space, id) ON DELETE CASCADE);
				ALTER TABLE sessions ADD folder_space int, ADD folder_id int, ADD FOREIGN KEY (folder_space, folder_id) REFERENCES folders (space, id) ON DELETE CASCADE;`)
			due, along := map[int]bool{}, map[int][]int{} // of each session: whether it is due, and what hangs on it
			for id := 1; id <= count; id++ {
				due[id] = random.IntN(10) < 7
				var parent, folder any = "NULL", "NULL"
				if id > 1 && random.IntN(3) > 0 {
					on := 1 + random.IntN(id-1)
					along[on] = append(along[on], id)
					switch random.IntN(3) {
					case 0:
						parent = on
					case 1:
						folder = on
					default: // a folder in that of the other session
						folder = count + id
						fmt.Fprintf(&sql, "INSERT INTO folders VALUES (7, %v, NULL, 7, %v);\n", folder, on)
					}
				}
				fmt.Fprintf(&sql, `INSERT INTO sessions (id, parent_id, folder_space, folder_id, active, auto_cleanup, last_activity)
					VALUES (%d, %v, 7, %v, false, %t, now() - interval '60 days'); INSERT INTO folders (space, id, session_id) VALUES (7, %d, %d);`+"\n",
					id, parent, folder, due[id], id, id)
			}
			_, pool, manager := ledger(t, sql.String())
			var spoils func(id int) bool
			spoils = func(id int) bool { return !due[id] || slices.ContainsFunc(along[id], spoils) }
			var want, skipped []string
			for id := 1; id <= count; id++ {
				switch {
				case spoils(id) && due[id]:
					skipped = append(skipped, strconv.Itoa(id))
					fallthrough
				case spoils(id):
					want = append(want, strconv.Itoa(id))
				}
			}
			result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{})
			if err != nil {
				t.Fatal(err)
			}
			if left := value[[]string](t, pool, "SELECT coalesce(array_agg(id::text ORDER BY id), '{}') FROM sessions"); !cmp.Equal(left, want) {
				t.Errorf("sessions left (-want +got):\n%s", cmp.Diff(want, left))
			}
			var named []string
			for _, s := range result.Skipped {
				named = append(named, s.SessionID)
				if !strings.Contains(s.Reason, "also delete session ") {
					t.Errorf("session %s was skipped with the reason %q", s.SessionID, s.Reason)
				}
			}
			slices.SortFunc(named, byNumber)
			if !cmp.Equal(named, skipped) {
				t.Errorf("sessions skipped (-want +got):\n%s", cmp.Diff(skipped, named))
			}
			logged := value[int](t, pool, "SELECT count(DISTINCT s) FROM sessioncleanup_events e, unnest(e.session_ids) s WHERE e.action = 'deleted'")
			if logged != count-len(want) {
				t.Errorf("the log names %d deleted sessions, want %d", logged, count-len(want))
			}
		})
	}
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

func TestDeletingASessionAlongWithOthersMustBeAllowed(t *testing.T) {
	t.Parallel()
	_, pool, manager := ledger(t, "UPDATE sessions SET parent_id = 41 WHERE id IN (42, 43); UPDATE sessions SET parent_id = 43 WHERE id = 44;")
	_, err := manager.Delete(t.Context(), "41")
	cascade, ok := errors.AsType[*sessioncleanup.CascadeError](err)
	if want := []string{"42", "43", "44"}; !ok || !cmp.Equal(cascade.SessionIDs, want) {
		t.Fatalf("Delete fails with %v, want a CascadeError with %v", err, want)
	}
	if left := value[int](t, pool, "SELECT count(*) FROM sessions WHERE id BETWEEN 41 AND 44"); left != 4 {
		t.Errorf("%d of 4 sessions are left after that", left)
	}
	if _, err := manager.DeleteCascade(t.Context(), "41"); err != nil {
		t.Fatal(err)
	}
	if left := value[int](t, pool, "SELECT count(*) FROM sessions WHERE id BETWEEN 41 AND 44"); left != 0 {
		t.Errorf("%d sessions are left, want none", left)
	}
	logged := value[[]string](t, pool, "SELECT session_ids FROM sessioncleanup_events WHERE action = 'deleted'")
	if want := []string{"41", "42", "43", "44"}; !cmp.Equal(logged, want) {
		t.Errorf("the log names %v, want %v", logged, want)
	}
}

func TestDependentsAreFoundAtAnyDepthAndCountedOnce(t *testing.T) {
	t.Parallel()
	store, _, _ := ledger(t, `
		CREATE TABLE messages (id int PRIMARY KEY, session_id bigint REFERENCES sessions ON DELETE CASCADE, reply_to int REFERENCES messages ON DELETE CASCADE);
		CREATE TABLE likes (message_id int REFERENCES messages ON DELETE CASCADE, session_id bigint REFERENCES sessions ON DELETE CASCADE);
		CREATE TABLE kept (session_id bigint REFERENCES sessions);
		INSERT INTO messages SELECT n, n FROM generate_series(1, 60) n;
		INSERT INTO messages SELECT 100 + n, NULL, n FROM generate_series(1, 60) n;
		INSERT INTO messages SELECT 200 + n, NULL, 100 + n FROM generate_series(1, 60) n;
		INSERT INTO likes SELECT 200 + n, n FROM generate_series(1, 60) n;
		UPDATE sessions SET parent_id = 1 WHERE id = 60;`)
	got, err := store.Dependents(t.Context(), &sessioncleanup.Query{Status: sessioncleanup.StatusToDelete,
		Thresholds: sessioncleanup.Policy{}.WithDefaults().Thresholds()})
	if err != nil {
		t.Fatal(err)
	}
	// Session 60 hangs on one that is due, and so do its rows.
	want := []sessioncleanup.Dependent{
		{Table: "ledger", Effect: "unlinked", Rows: 2}, {Table: "likes", Effect: "deleted", Rows: 41},
		{Table: "messages", Effect: "deleted", Rows: 3 * 41}, {Table: "sessions", Effect: "deleted", Rows: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Dependents (-want +got):\n%s", diff)
	}
	if got, err = store.Dependents(t.Context(), nil); err != nil || len(got) != len(want) || got[0].Rows+got[1].Rows+got[2].Rows != 0 {
		t.Errorf("Dependents(nil) = %v, %v, want the tables without counts", got, err)
	}
}

// TestOnlySomeSessionsAreDeletedAlongWithAnother: Batch.Only and Target.Along name what may go.
func TestOnlySomeSessionsAreDeletedAlongWithAnother(t *testing.T) {
	t.Parallel()
	store, _, manager := ledger(t, `DELETE FROM ledger; DELETE FROM sessions;
		INSERT INTO sessions (id, parent_id, active, auto_cleanup, last_activity)
		SELECT n, CASE n WHEN 2 THEN 1 END, false, true, now() - interval '60 days' FROM generate_series(1, 3) n;`)
	b := sessioncleanup.Batch{
		Action: sessioncleanup.ActionDeleted, Cause: sessioncleanup.Cause{Actor: "test"}, Limit: 2, Only: []string{"1", "3"},
		Cutoffs: manager.Policy().CutoffsAt(time.Now()),
	}
	out, err := store.Sweep(t.Context(), b)
	if err != nil || !cmp.Equal(out.IDs, []string{"3"}) || len(out.Skipped) != 1 || out.Skipped[0].SessionID != "1" {
		t.Errorf("a batch of 1 and 3: %+v, %v; want 3 deleted and 1 skipped: 2 would be deleted along with it", out, err)
	}
	var along []string
	target := sessioncleanup.Target{ID: "1", Along: func(others []string) error {
		along = others
		return errors.New("not yet")
	}}
	if _, err := store.Delete(t.Context(), target, sessioncleanup.Cause{Actor: "test"}); err == nil || !cmp.Equal(along, []string{"2"}) {
		t.Errorf("%q would be deleted along, %v; want 2 and an error", along, err)
	}
	b.Only = []string{"1", "2"}
	if out, err := store.Sweep(t.Context(), b); err != nil || len(out.IDs) != 2 {
		t.Errorf("a batch of 1 and 2: %+v, %v; want both deleted", out, err)
	}
}
