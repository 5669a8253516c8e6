package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// concertTables are sessions with votes, songs of those, and bills that are unlinked.
const concertTables = `
	CREATE TABLE users (id INTEGER PRIMARY KEY);
	CREATE TABLE sessions (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES users (id), code TEXT UNIQUE, name TEXT, extra TEXT, updated_at TEXT);
	CREATE TABLE votes (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, song TEXT, UNIQUE (session_id, song));
	CREATE TABLE songs (id INTEGER PRIMARY KEY, vote_id INTEGER REFERENCES votes (id) ON DELETE CASCADE);
	CREATE TABLE bills (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id) ON DELETE SET NULL);
	INSERT INTO users VALUES (1);
	INSERT INTO sessions VALUES (1, 1, 'one', 'first', 'x', '2026-01-01'), (2, 1, 'two', 'second', NULL, NULL);
	INSERT INTO votes VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'a');
	INSERT INTO songs VALUES (1, 1), (2, 3);
	INSERT INTO bills VALUES (1, 1), (2, 2)`

// concert is a migrated database with those tables, and a Manager that archives.
func concert(t *testing.T, p sessioncleanup.Policy, more ...string) (*sqlite.Store, *sql.DB, *sessioncleanup.Manager) {
	t.Helper()
	p.Archive = sessioncleanup.On
	path, app := newApp(t, append([]string{concertTables}, more...)...)
	store := open(t, path, sqlite.Config{})
	migrateWith(t, store, p)
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	return store, app, m
}

func TestARestoreNamesEveryObstacle(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change string
		kinds  []sessioncleanup.ObstacleKind
		says   string
	}{
		"an id that is in use":         {"INSERT INTO sessions (id) VALUES (1)", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTaken}, "sessions.id"},
		"a code that is in use":        {"INSERT INTO sessions (id, code) VALUES (5, 'one')", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTaken}, "sessions.code"},
		"two rows that are in use":     {"INSERT INTO sessions (id) VALUES (9); INSERT INTO votes VALUES (1, 9, 'a'), (2, 9, 'b')", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTaken}, "votes.id"},
		"an owner that is gone":        {"DELETE FROM sessions; DELETE FROM users", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleParent}, `table "users"`},
		"a column that is gone":        {"ALTER TABLE sessions DROP COLUMN extra", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleColumn}, `"extra" is gone`},
		"a column that needs a value":  {"DROP TABLE songs; CREATE TABLE songs (id INTEGER PRIMARY KEY, vote_id INTEGER REFERENCES votes (id) ON DELETE CASCADE, rank INTEGER NOT NULL)", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleColumn}, "songs.rank"},
		"a table that is gone":         {"DROP TABLE songs", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTable}, "the table is gone"},
		"a trigger that refuses":       {"CREATE TRIGGER no BEFORE INSERT ON votes BEGIN SELECT RAISE(ABORT, 'closed'); END", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleRefused}, "closed"},
		"a trigger that leaves it out": {"CREATE TRIGGER no BEFORE INSERT ON songs BEGIN SELECT RAISE(IGNORE); END", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleRefused}, "leaves the row out"},
		"several things":               {"INSERT INTO sessions (id, code) VALUES (5, 'one'); DROP TABLE songs", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTaken, sessioncleanup.ObstacleTable}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, app, m := concert(t, sessioncleanup.Policy{})
			if _, err := m.Delete(t.Context(), "1"); err != nil {
				t.Fatal(err)
			}
			execute(t, app, c.change)
			before := lines(t, app, "SELECT count(*) FROM sessions UNION ALL SELECT count(*) FROM votes UNION ALL SELECT count(*) FROM sessioncleanup_archive_rows UNION ALL SELECT count(*) FROM sessioncleanup_events")
			for _, dry := range []bool{true, false} {
				out, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{DryRun: dry})
				blocked, _ := errors.AsType[*sessioncleanup.ObstructedError](err)
				if dry && err != nil || !dry && blocked == nil {
					t.Fatalf("Restore, dry run %t: %v", dry, err)
				}
				if !dry {
					out.Obstacles = blocked.Obstacles
				}
				var kinds []sessioncleanup.ObstacleKind
				said := false
				for _, o := range out.Obstacles {
					if !slices.Contains(kinds, o.Kind) {
						kinds = append(kinds, o.Kind)
					}
					said = said || strings.Contains(o.Text, c.says)
				}
				slices.Sort(kinds)
				slices.Sort(c.kinds)
				if !slices.Equal(kinds, c.kinds) || !said {
					t.Errorf("obstacles, dry run %t: %+v; want of the kinds %v, one with %q", dry, out.Obstacles, c.kinds, c.says)
				}
			}
			after := lines(t, app, "SELECT count(*) FROM sessions UNION ALL SELECT count(*) FROM votes UNION ALL SELECT count(*) FROM sessioncleanup_archive_rows UNION ALL SELECT count(*) FROM sessioncleanup_events")
			if !slices.Equal(before, after) {
				t.Errorf("a restore that failed changed something: rows were %v and are %v", before, after)
			}
		})
	}
}

func TestASessionThatIsTooLargeForTheArchiveStays(t *testing.T) {
	t.Parallel()
	for what, p := range map[string]sessioncleanup.Policy{"rows": {ArchiveMaxRows: 3}, "bytes": {ArchiveMaxBytes: 3000}} {
		_, app, m := concert(t, p, "UPDATE sessions SET extra = hex(zeroblob(2000)) WHERE id = 1",
			fmt.Sprintf("INSERT INTO bills SELECT value, 1 FROM json_each('[%s0]')", strings.Repeat("11,12,13,14,15,16,17,18,19,", 1)))
		execute(t, app, "UPDATE sessions SET active = 0, last_activity = ?1, deactivated_at = ?1", stamp(time.Now().Add(-60*day)))
		execute(t, app, "DELETE FROM sessioncleanup_touches")
		if _, err := m.Delete(t.Context(), "1"); !errors.Is(err, sessioncleanup.ErrTooLarge) {
			t.Errorf("%s: Delete: %v, want ErrTooLarge", what, err)
		}
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		deleted := result.Phases.Of(sessioncleanup.ActionDeleted)
		if err != nil || deleted.Done != 1 || deleted.Failed != 1 || result.Failures[0].SessionID != "1" || !strings.Contains(result.Failures[0].Error, "too large") {
			t.Errorf("%s: the run deleted %d, failed %+v, %v; want one of each", what, deleted.Done, result.Failures, err)
		}
		if left := line(t, app, "SELECT (SELECT group_concat(id) FROM sessions) || ' ' || (SELECT group_concat(session) FROM sessioncleanup_archive)"); left != "1 2" {
			t.Errorf("%s: sessions and archive have %q, want session 1 and session 2", what, left)
		}
	}
}

func TestATableThatMigrateDidNotSeeStopsDeletionsIntoTheArchive(t *testing.T) {
	t.Parallel()
	store, app, m := concert(t, sessioncleanup.Policy{})
	execute(t, app, "UPDATE sessions SET active = 0, last_activity = ?1, deactivated_at = ?1 WHERE id = 1", stamp(time.Now().Add(-60*day)))
	execute(t, app, "DELETE FROM sessioncleanup_touches")
	execute(t, app, "UPDATE sessions SET last_activity = ?1 WHERE id = 2", stamp(time.Now().Add(-2*day)))
	execute(t, app, "CREATE TABLE gifts (id INTEGER PRIMARY KEY, song_id INTEGER REFERENCES songs (id) ON DELETE CASCADE)")
	execute(t, app, "INSERT INTO gifts VALUES (1, 1)")
	if _, err := m.Delete(t.Context(), "2"); !errors.Is(err, sessioncleanup.ErrUnarchivable) || !strings.Contains(err.Error(), "gifts") {
		t.Errorf("Delete: %v, want ErrUnarchivable that names the table", err)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if !errors.Is(err, sessioncleanup.ErrUnarchivable) || result.Deleted() != 0 || result.Deactivated() != 1 {
		t.Errorf("the run deleted %d and deactivated %d, %v; want none, one and ErrUnarchivable", result.Deleted(), result.Deactivated(), err)
	}
	plain, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.Off, DeleteAfter: sessioncleanup.Never}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Delete(t.Context(), "2"); err != nil {
		t.Errorf("Delete without the archive: %v", err)
	}
	migrateWith(t, store, sessioncleanup.Policy{Archive: sessioncleanup.On})
	if result, err = m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Deleted() != 1 {
		t.Errorf("after migrating, the run deleted %d, %v; want one", result.Deleted(), err)
	}
	if restored, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil || restored.Rows != 4 || restored.Relinked != 1 {
		t.Errorf("Restore: %+v, %v; want 4 rows, of the new table too, and one reference", restored, err)
	}
	if gift := line(t, app, "SELECT song_id FROM gifts"); gift != "1" {
		t.Errorf("the row of the new table refers to %q, want 1", gift)
	}
}

func TestWhatATriggerDeletesIsNotLostBesideTheArchive(t *testing.T) {
	t.Parallel()
	_, app, m := concert(t, sessioncleanup.Policy{}, "CREATE TRIGGER along AFTER DELETE ON sessions WHEN OLD.id = 1 BEGIN DELETE FROM sessions WHERE id = 2; END")
	if _, err := m.DeleteCascade(t.Context(), "1"); err == nil || !strings.Contains(err.Error(), "cannot be archived") {
		t.Errorf("Delete: %v, want that a trigger deletes another session", err)
	}
	if left := line(t, app, "SELECT (SELECT count(*) FROM sessions) || ' ' || (SELECT count(*) FROM sessioncleanup_archive)"); left != "2 0" {
		t.Errorf("%q sessions and entries are there, want 2 and none", left)
	}
}

func TestTheApplicationsTriggersRunWhenASessionIsRestored(t *testing.T) {
	t.Parallel()
	_, app, m := concert(t, sessioncleanup.Policy{}, "CREATE TABLE seen (what)",
		"CREATE TRIGGER seen AFTER INSERT ON votes BEGIN INSERT INTO seen SELECT 'vote of ' || name FROM sessions WHERE id = NEW.session_id; END")
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if seen := lines(t, app, "SELECT * FROM seen"); !slices.Equal(seen, []string{"vote of first", "vote of first"}) {
		t.Errorf("the trigger saw %q, want both votes with their session", seen)
	}
	if notes := line(t, app, "SELECT count(*) FROM sessioncleanup_touches WHERE session = 1"); notes != "0" {
		t.Errorf("the library's own triggers wrote %s notes", notes)
	}
}

func TestANumberOfTheArchiveIsNotUsedTwice(t *testing.T) {
	t.Parallel()
	_, _, m := concert(t, sessioncleanup.Policy{})
	seen := map[int64]bool{}
	for range 3 {
		if _, err := m.Delete(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		all, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
		if err != nil || len(all) != 1 || seen[all[0].ID] {
			t.Fatalf("the archive has %+v, %v; want one entry with a new number", all, err)
		}
		seen[all[0].ID] = true
		if _, err := m.RestoreEntries(t.Context(), []int64{all[0].ID}, sessioncleanup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUninstallKeepsAnArchiveWithEntries(t *testing.T) {
	t.Parallel()
	store, _, m := concert(t, sessioncleanup.Policy{})
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if err := store.Uninstall(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "archive holds 1") {
		t.Errorf("Uninstall: %v, want an ErrInvalid about the archive", err)
	}
	if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Errorf("Uninstall with an empty archive: %v", err)
	}
}

func TestAnOwnerIsNotErasedWhereADeletionKeepsTheRows(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, owner_id INTEGER, name TEXT, updated_at TEXT, deleted_at TEXT); INSERT INTO sessions VALUES (1, 7, 'one', '2026-01-01', NULL)")
	store := open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: "sessions", SoftDelete: true}})
	migrate(t, store)
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Erase(t.Context(), "7", sessioncleanup.EraseOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Erase: %v, want ErrUnsupported", err)
	}
	if got := line(t, app, "SELECT name, deleted_at IS NULL FROM sessions"); got != "one|1" {
		t.Errorf("the session is %q, want that it is as it was", got)
	}
}

func TestManyRowsOfASessionAreArchivedReadInPagesAndRestored(t *testing.T) {
	t.Parallel()
	const numbered = "WITH RECURSIVE c (n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM c WHERE n < 259) "
	_, app, m := concert(t, sessioncleanup.Policy{},
		"INSERT INTO votes "+numbered+"SELECT n, 1, n FROM c", "INSERT INTO songs "+numbered+"SELECT n, CASE WHEN n < 130 THEN 1 ELSE n END FROM c", "INSERT INTO bills "+numbered+"SELECT n, 1 FROM c")
	const dump = `
		SELECT id || ' ' || session_id || ' ' || song FROM votes UNION ALL SELECT 'song ' || id || ' ' || vote_id FROM songs
		 UNION ALL SELECT 'bill ' || id || ' ' || coalesce(session_id, '') FROM bills ORDER BY 1`
	before := lines(t, app, dump)
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	all, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
	if err != nil || len(all) != 1 {
		t.Fatalf("the archive has %+v, %v; want one entry", all, err)
	}
	const want = 1 + 252 + 251 + 251 // the session, votes, songs and bills
	numbers := []int{0}
	for {
		page, err := m.ArchivedRows(t.Context(), all[0].ID, numbers[len(numbers)-1], 70)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			numbers = append(numbers, r.Number)
		}
	}
	if len(numbers) != 1+want || !slices.IsSorted(numbers) || len(slices.Compact(numbers)) != 1+want {
		t.Errorf("the pages have %d rows, want %d, in the order of their numbers, each once", len(numbers)-1, want)
	}
	if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if after := lines(t, app, dump); !slices.Equal(after, before) {
		t.Error("the restored rows differ from those that were archived")
	}
}
