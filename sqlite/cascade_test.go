package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// families are tables in which deleting a session deletes others: each with the statement that makes one session, ?1, the
// child of another, ?2.
var families = map[string][2]string{
	"a key within the table": {`
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES sessions (id) ON DELETE CASCADE, updated_at)`,
		"UPDATE sessions SET parent = ?2 WHERE id = ?1",
	},
	"keys through another table": {`
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, of_group INTEGER REFERENCES groups (id) ON DELETE CASCADE, updated_at);
		CREATE TABLE groups (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id) ON DELETE CASCADE)`,
		"INSERT OR IGNORE INTO groups VALUES (?2, ?2); UPDATE sessions SET of_group = ?2 WHERE id = ?1",
	},
	"a key of two columns": {`
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, tenant INTEGER DEFAULT 1, parent INTEGER, updated_at, UNIQUE (tenant, id),
			FOREIGN KEY (tenant, parent) REFERENCES sessions (tenant, id) ON DELETE CASCADE)`,
		"UPDATE sessions SET parent = ?2 WHERE id = ?1",
	},
	"a trigger": {`
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, parent INTEGER, updated_at);
		CREATE TRIGGER along AFTER DELETE ON sessions BEGIN
			DELETE FROM sessions WHERE id IN (WITH RECURSIVE below (id) AS (
				SELECT id FROM sessions WHERE parent = OLD.id UNION SELECT s.id FROM sessions s JOIN below ON s.parent = below.id) SELECT id FROM below);
		END`,
		"UPDATE sessions SET parent = ?2 WHERE id = ?1",
	},
}

// TestNoSessionIsDeletedAlongThatIsNotDue compares runs on random families with a model: a session is deleted when it and
// everything below it are due.
func TestNoSessionIsDeletedAlongThatIsNotDue(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for what, family := range families {
		for range 5 {
			store, app := adopt(t, family[0])
			const n = 40
			due, parent := map[int]bool{}, map[int]int{}
			for id := 1; id <= n; id++ {
				due[id] = random.IntN(5) > 0
				used := time.Now()
				if due[id] {
					used = used.Add(-60 * day)
				}
				execute(t, app, "INSERT INTO sessions (id, active, last_activity, deactivated_at, auto_cleanup) VALUES (?1, 0, ?2, ?2, 1)", id, stamp(used))
				if id > 1 && random.IntN(3) > 0 {
					parent[id] = 1 + random.IntN(id-1)
					for statement := range strings.SplitSeq(family[1], "; ") {
						executeNumbered(t, app, statement, id, parent[id])
					}
				}
			}
			execute(t, app, "DELETE FROM sessioncleanup_touches") // a group is an activity table
			goes := map[int]bool{}
			for id := n; id >= 1; id-- {
				goes[id] = due[id]
				for child, of := range parent {
					goes[id] = goes[id] && (of != id || goes[child])
				}
			}
			var want, spared []string
			for id := 1; id <= n; id++ {
				switch {
				case goes[id]:
					want = append(want, fmt.Sprint(id))
				case due[id]:
					spared = append(spared, fmt.Sprint(id))
				}
			}
			var got, skipped []string
			b := batchOf(sessioncleanup.ActionDeleted, time.Now(), 1+random.IntN(15))
			for {
				out, err := store.Sweep(t.Context(), b)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				got = append(got, out.IDs...)
				for _, s := range out.Skipped {
					skipped = append(skipped, s.SessionID)
					if s.Action != sessioncleanup.ActionDeleted || !strings.Contains(s.Reason, `deleting it would also delete session "`) {
						t.Errorf("%s: skipped %+v", what, s)
					}
				}
				if b.After = out.Next; b.After == "" {
					break
				}
			}
			logged := lines(t, app, "SELECT json_extract(s.value, '$.id') FROM sessioncleanup_events, json_each(sessions) AS s WHERE action = 'deleted'")
			left := lines(t, app, "SELECT id FROM sessions ORDER BY id")
			for _, ids := range []*[]string{&want, &spared, &got, &skipped, &logged} {
				slices.Sort(*ids)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: deleted (-want +got):\n%s", what, diff)
			}
			if diff := cmp.Diff(want, logged); diff != "" {
				t.Errorf("%s: logged (-want +got):\n%s", what, diff)
			}
			if diff := cmp.Diff(spared, skipped); diff != "" {
				t.Errorf("%s: skipped (-want +got):\n%s", what, diff)
			}
			if len(left) != n-len(want) {
				t.Errorf("%s: %d sessions are left of %d, want %d fewer", what, len(left), n, len(want))
			}
		}
	}
}

// executeNumbered runs a statement that may use fewer arguments than there are.
func executeNumbered(t *testing.T, app *sql.DB, statement string, args ...any) {
	t.Helper()
	for i, arg := range args {
		statement = strings.ReplaceAll(statement, fmt.Sprintf("?%d", i+1), fmt.Sprint(arg))
	}
	execute(t, app, statement)
}

func TestDeleteNamesTheOthersAndDeletesThemWhenAllowed(t *testing.T) {
	t.Parallel()
	for what, family := range families {
		store, app := adopt(t, family[0], "INSERT INTO sessions (id) VALUES (1), (2), (3), (4)")
		for _, pair := range [][2]int{{2, 1}, {3, 2}} {
			for statement := range strings.SplitSeq(family[1], "; ") {
				executeNumbered(t, app, statement, pair[0], pair[1])
			}
		}
		cause := sessioncleanup.Cause{Actor: "admin:eve"}
		before := dump(t, app, true)
		_, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "1"}, cause)
		cascade, ok := errors.AsType[*sessioncleanup.CascadeError](err)
		if !ok {
			t.Fatalf("%s: %v", what, err)
		}
		slices.Sort(cascade.SessionIDs)
		if diff := cmp.Diff([]string{"2", "3"}, cascade.SessionIDs); diff != "" {
			t.Errorf("%s: named (-want +got):\n%s", what, diff)
		}
		if after := dump(t, app, true); after != before {
			t.Errorf("%s: something was changed", what)
		}
		if s, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "1", Cascade: true}, cause); err != nil || s.ID != "1" {
			t.Errorf("%s: deleted %q: %v", what, s.ID, err)
		}
		if got := line(t, app, "SELECT group_concat(id) FROM sessions"); got != "4" {
			t.Errorf("%s: %s are left", what, got)
		}
		for _, id := range []string{"1", "2", "3"} {
			events, err := store.Events(t.Context(), sessioncleanup.EventQuery{SessionID: id, Limit: 5})
			if err != nil || len(events) != 1 || events[0].Action != sessioncleanup.ActionDeleted || events[0].Actor != "admin:eve" {
				t.Errorf("%s: events of %s: %+v, %v", what, id, events, err)
			}
		}
	}
}

func TestDependentsAreCountedAtAnyDepth(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, `
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES sessions (id) ON DELETE CASCADE, updated_at);
		CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id) ON DELETE CASCADE, reply_to INTEGER REFERENCES messages (id) ON DELETE CASCADE);
		CREATE TABLE reactions (message INTEGER, who TEXT, PRIMARY KEY (message, who), FOREIGN KEY (message) REFERENCES messages ON DELETE CASCADE) WITHOUT ROWID;
		CREATE TABLE emojis (message INTEGER, who TEXT, name TEXT, FOREIGN KEY (message, who) REFERENCES reactions ON DELETE CASCADE);
		CREATE TABLE notes (session_id INTEGER REFERENCES sessions (id) ON DELETE SET NULL, also INTEGER REFERENCES messages (id) ON DELETE SET DEFAULT);
		CREATE TABLE invoices (session_id INTEGER REFERENCES sessions (id));
		CREATE TABLE others (session_id INTEGER)`, `
		INSERT INTO sessions (id) VALUES (1), (2), (3);
		INSERT INTO messages VALUES (1, 1, NULL), (2, 2, NULL), (3, NULL, 1), (4, NULL, 3), (5, 1, 1), (6, NULL, NULL), (7, NULL, 6);
		INSERT INTO reactions VALUES (1, 'a'), (1, 'b'), (4, 'a'), (2, 'a'), (7, 'c');
		INSERT INTO emojis VALUES (1, 'a', 'x'), (1, 'a', 'y'), (4, 'a', 'z'), (2, 'a', 'w'), (NULL, 'a', 'v');
		INSERT INTO notes VALUES (1, NULL), (NULL, 4), (2, 2), (NULL, 6), (1, 1);
		INSERT INTO invoices VALUES (3)`)
	none := []sessioncleanup.Dependent{
		{Table: "emojis", Effect: "deleted"}, {Table: "messages", Effect: "deleted"}, {Table: "notes", Effect: "unlinked"}, {Table: "reactions", Effect: "deleted"},
	}
	store := open(t, path, sqlite.Config{})
	got, err := store.Dependents(t.Context(), nil) // not adopted yet
	if diff := cmp.Diff(none, got); err != nil || diff != "" {
		t.Errorf("%v, tables (-want +got):\n%s", err, diff)
	}
	migrate(t, store)
	execute(t, app, "UPDATE sessions SET active = 0, deactivated_at = ?1, last_activity = ?1 WHERE id = 1", stamp(time.Now().Add(-60*day)))
	rows := func(emojis, messages, notes, reactions int) []sessioncleanup.Dependent {
		want := slices.Clone(none)
		want[0].Rows, want[1].Rows, want[2].Rows, want[3].Rows = emojis, messages, notes, reactions
		return want
	}
	due := sessioncleanup.Query{Status: sessioncleanup.StatusToDelete, Thresholds: sessioncleanup.Policy{}.Thresholds()}
	for what, c := range map[string]struct {
		query sessioncleanup.Query
		want  []sessioncleanup.Dependent
	}{
		"due": {due, rows(3, 4, 3, 3)},
		"one": {sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "2"}}, rows(1, 1, 1, 1)},
		"all": {sessioncleanup.Query{}, rows(4, 5, 4, 4)},
		"no":  {sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "x"}}, rows(0, 0, 0, 0)},
	} {
		got, err := store.Dependents(t.Context(), &c.query)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	execute(t, app, `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100010)
		INSERT INTO reactions SELECT 1, 'reader ' || i FROM n`)
	got, err = store.Dependents(t.Context(), &due)
	want := rows(3, 4, 3, sessioncleanup.MaxDependentRows)
	want[3].More = true
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("many: %v (-want +got):\n%s", err, diff)
	}
}

func TestForeignKeysWithoutAnIndexAreReported(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	path, _ := newApp(t, `
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, updated_at);
		CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id) ON DELETE CASCADE);
		CREATE TABLE reactions (message_id INTEGER REFERENCES messages (id) ON DELETE CASCADE, at);
		CREATE TABLE indexed (message_id INTEGER REFERENCES messages (id) ON DELETE CASCADE);
		CREATE INDEX by_message ON indexed (message_id)`)
	store := open(t, path, sqlite.Config{Logger: logTo(&log)})
	migrate(t, store)
	want := `CREATE INDEX \"reactions_message_id\" ON \"reactions\" (\"message_id\")`
	if got := log.String(); strings.Count(got, "CREATE INDEX") != 1 || !strings.Contains(got, want) {
		t.Errorf("Migrate warns of %s, want %s", got, want)
	}
	log.Reset()
	if err := store.Validate(t.Context()); err != nil || !strings.Contains(log.String(), want) {
		t.Errorf("Validate: %v, and warns of %s", err, log.String())
	}
}

// TestOnlySomeSessionsAreDeletedAlongWithAnother: Batch.Only and Target.Along name what may go.
func TestOnlySomeSessionsAreDeletedAlongWithAnother(t *testing.T) {
	t.Parallel()
	for what, family := range families {
		store, app := adopt(t, family[0])
		for id := 1; id <= 3; id++ {
			execute(t, app, "INSERT INTO sessions (id, updated_at) VALUES (?, ?)", id, stamp(time.Now().Add(-60*day)))
		}
		execute(t, app, family[1], 2, 1)
		execute(t, app, "UPDATE sessions SET active = 0, deactivated_at = ?", stamp(time.Now().Add(-50*day)))
		execute(t, app, "UPDATE sessions SET last_activity = ?", stamp(time.Now().Add(-60*day)))
		b := batchOf(sessioncleanup.ActionDeleted, time.Now(), 2)
		b.Only = []string{"1", "3"}
		out, err := store.Sweep(t.Context(), b)
		if err != nil || !cmp.Equal(out.IDs, []string{"3"}) || len(out.Skipped) != 1 || out.Skipped[0].SessionID != "1" {
			t.Errorf("%s: a batch of 1 and 3: %+v, %v; want 3 deleted and 1 skipped: 2 would be deleted along with it", what, out, err)
		}
		var along []string
		target := sessioncleanup.Target{ID: "1", Along: func(others []string) error {
			along = others
			return errors.New("not yet")
		}}
		if _, err := store.Delete(t.Context(), target, sessioncleanup.Cause{Actor: "test"}); err == nil || !cmp.Equal(along, []string{"2"}) {
			t.Errorf("%s: %q would be deleted along, %v; want 2 and an error", what, along, err)
		}
		b.Only = []string{"1", "2"}
		if out, err := store.Sweep(t.Context(), b); err != nil || len(out.IDs) != 2 {
			t.Errorf("%s: a batch of 1 and 2: %+v, %v; want both deleted", what, out, err)
		}
	}
}
