package mysql_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// concertTables are sessions with votes, songs of those, and bills that are unlinked.
const concertTables = `
	CREATE TABLE users (id INT PRIMARY KEY);
	CREATE TABLE sessions (id INT PRIMARY KEY, owner_id INT REFERENCES users (id), code VARCHAR(20) UNIQUE, name TEXT, extra TEXT, updated_at DATETIME);
	CREATE TABLE votes (id INT PRIMARY KEY, session_id INT NOT NULL, song VARCHAR(20), UNIQUE (session_id, song), FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);
	CREATE TABLE songs (id INT PRIMARY KEY, vote_id INT, FOREIGN KEY (vote_id) REFERENCES votes (id) ON DELETE CASCADE);
	CREATE TABLE bills (id INT PRIMARY KEY, session_id INT, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE SET NULL);
	INSERT INTO users VALUES (1);
	INSERT INTO sessions VALUES (1, 1, 'one', 'first', 'x', '2026-01-01'), (2, 1, 'two', 'second', NULL, NULL);
	INSERT INTO votes VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'a');
	INSERT INTO songs VALUES (1, 1), (2, 3);
	INSERT INTO bills VALUES (1, 1), (2, 2);`

// concert is a migrated database with those tables, and a Manager that archives.
func concert(t *testing.T, p sessioncleanup.Policy, more string) (*mysql.Store, mysqltest.Database, *sessioncleanup.Manager) {
	t.Helper()
	return archivingOn(t, p, concertTables+more)
}

func archivingOn(t *testing.T, p sessioncleanup.Policy, tables string) (*mysql.Store, mysqltest.Database, *sessioncleanup.Manager) {
	t.Helper()
	p.Archive = sessioncleanup.On
	d := mysqltest.New(t)
	execute(t, d.DB, tables)
	store := open(t, d, mysql.Config{})
	if err := store.Migrate(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	return store, d, m
}

// makeDue makes sessions due for deletion, as if they had been left alone for long.
func makeDue(t *testing.T, d mysqltest.Database, condition string) {
	t.Helper()
	execute(t, d.DB, `SET @sessioncleanup_own = 1; DELETE FROM sessioncleanup_touches;
		UPDATE sessions SET active = FALSE, last_activity = UTC_TIMESTAMP() - INTERVAL 60 DAY, deactivated_at = UTC_TIMESTAMP() - INTERVAL 60 DAY WHERE `+condition+`;
		SET @sessioncleanup_own = NULL`)
}

func TestARestoreNamesEveryObstacle(t *testing.T) {
	t.Parallel()
	const state = "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM votes), (SELECT COUNT(*) FROM sessioncleanup_archive_rows), (SELECT COUNT(*) FROM sessioncleanup_events))"
	_, d, m := concert(t, sessioncleanup.Policy{}, `CREATE TABLE talks (id INT PRIMARY KEY, session_id INT, answers INT,
		FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE, FOREIGN KEY (answers) REFERENCES talks (id));
		INSERT INTO talks VALUES (1, 1, NULL); INSERT INTO talks VALUES (2, 1, 1); UPDATE talks SET answers = 2 WHERE id = 1;
		ALTER TABLE talks DROP FOREIGN KEY talks_ibfk_2;`)
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, "ALTER TABLE talks ADD CONSTRAINT talks_ibfk_2 FOREIGN KEY (answers) REFERENCES talks (id)")
	taken, parent, table, column, refused := sessioncleanup.ObstacleTaken, sessioncleanup.ObstacleParent, sessioncleanup.ObstacleTable, sessioncleanup.ObstacleColumn, sessioncleanup.ObstacleRefused
	for _, c := range []struct {
		what, change, undo string
		kinds              []sessioncleanup.ObstacleKind
		says               string
	}{
		{"an id that is in use", "INSERT INTO sessions (id) VALUES (1)", "DELETE FROM sessions WHERE id = 1", []sessioncleanup.ObstacleKind{taken}, "'1' for key 'PRIMARY'"},
		{"a code that is in use", "INSERT INTO sessions (id, code) VALUES (5, 'one')", "DELETE FROM sessions WHERE id = 5", []sessioncleanup.ObstacleKind{taken}, "'one'"},
		{"rows that are in use", "INSERT INTO sessions (id) VALUES (9); INSERT INTO votes VALUES (1, 9, 'a'), (2, 9, 'b')", "DELETE FROM sessions WHERE id = 9", []sessioncleanup.ObstacleKind{taken}, "'2'"},
		{"an owner that is gone", "DELETE FROM sessions; DELETE FROM users", "INSERT INTO users VALUES (1)", []sessioncleanup.ObstacleKind{parent}, `table "users"`},
		{"a column that is gone", "ALTER TABLE sessions DROP COLUMN extra", "ALTER TABLE sessions ADD extra TEXT", []sessioncleanup.ObstacleKind{column}, `"extra" is gone`},
		{"a column of another type", "DELETE FROM votes; ALTER TABLE votes MODIFY song INT", "ALTER TABLE votes MODIFY song VARCHAR(20)", []sessioncleanup.ObstacleKind{column}, "song"},
		{"a column that needs a value", "DELETE FROM songs; ALTER TABLE songs ADD ranked INT NOT NULL", "ALTER TABLE songs DROP ranked", []sessioncleanup.ObstacleKind{column}, "ranked"},
		{"a table that is gone", "RENAME TABLE songs TO tunes", "RENAME TABLE tunes TO songs", []sessioncleanup.ObstacleKind{table}, "the table is gone"},
		{"a check", "DELETE FROM votes; ALTER TABLE votes ADD CONSTRAINT short CHECK (song <> 'a')", "ALTER TABLE votes DROP CONSTRAINT short", []sessioncleanup.ObstacleKind{refused}, "short"},
		{"a trigger", "CREATE TRIGGER g BEFORE INSERT ON songs FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'closed'", "DROP TRIGGER g", []sessioncleanup.ObstacleKind{refused}, "closed"},
		{"a row of a trigger that refers to nothing", "CREATE TABLE log (song INT, FOREIGN KEY (song) REFERENCES users (id)); CREATE TRIGGER g AFTER INSERT ON songs FOR EACH ROW INSERT INTO log VALUES (NEW.id + 100)",
			"DROP TRIGGER g; DROP TABLE log", []sessioncleanup.ObstacleKind{refused}, "log"},
		{"several things", "INSERT INTO sessions (id, code) VALUES (5, 'one'); RENAME TABLE songs TO tunes", "DELETE FROM sessions; RENAME TABLE tunes TO songs", []sessioncleanup.ObstacleKind{table, taken}, ""},
	} {
		execute(t, d.DB, c.change)
		before := value[string](t, d, state)
		for _, dry := range []bool{true, false} {
			out, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{DryRun: dry})
			blocked, _ := errors.AsType[*sessioncleanup.ObstructedError](err)
			if dry && err != nil || !dry && blocked == nil {
				t.Fatalf("%s: Restore, dry run %t: %v", c.what, dry, err)
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
			if !slices.Equal(kinds, c.kinds) || !said {
				t.Errorf("%s: obstacles, dry run %t: %+v; want of the kinds %v, one with %q", c.what, dry, out.Obstacles, c.kinds, c.says)
			}
		}
		if after := value[string](t, d, state); before != after {
			t.Errorf("%s: a restore that failed changed something: rows were %v and are %v", c.what, before, after)
		}
		execute(t, d.DB, c.undo)
	}
	if restored, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil || restored.Rows != 5 || restored.Relinked != 1 {
		t.Errorf("with nothing in the way: %+v, %v; want 5 rows and a reference", restored, err)
	}
	if talks := value[string](t, d, "SELECT GROUP_CONCAT(id, ':', answers ORDER BY id) FROM talks"); talks != "1:2,2:1" {
		t.Errorf("rows that refer to each other are %s, want 1:2,2:1", talks)
	}
	if checks := value[int](t, d, "SELECT @@foreign_key_checks"); checks != 1 {
		t.Errorf("foreign_key_checks is %d", checks)
	}
}

func TestATableThatMigrateDidNotSeeStopsDeletionsIntoTheArchive(t *testing.T) {
	t.Parallel()
	store, d, m := concert(t, sessioncleanup.Policy{}, "INSERT INTO sessions (id) VALUES (3)")
	if _, err := m.Delete(t.Context(), "3"); err != nil { // so that the tables are known
		t.Fatal(err)
	}
	makeDue(t, d, "id = 1")
	execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessions SET last_activity = UTC_TIMESTAMP() - INTERVAL 2 DAY WHERE id = 2; SET @sessioncleanup_own = NULL")
	execute(t, d.DB, "CREATE TABLE gifts (id INT PRIMARY KEY, song_id INT, FOREIGN KEY (song_id) REFERENCES songs (id) ON DELETE CASCADE); INSERT INTO gifts VALUES (1, 1)")
	for range 2 { // the first notices that the tables were changed
		_, err := m.Delete(t.Context(), "2")
		if !errors.Is(err, sessioncleanup.ErrUnarchivable) && !errors.Is(err, sessioncleanup.ErrUnavailable) {
			t.Errorf("Delete: %v, want ErrUnarchivable", err)
		}
	}
	if _, err := m.Delete(t.Context(), "2"); !errors.Is(err, sessioncleanup.ErrUnarchivable) || !strings.Contains(err.Error(), "gifts") {
		t.Errorf("Delete: %v, want ErrUnarchivable that names the table", err)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if !errors.Is(err, sessioncleanup.ErrUnarchivable) || result.Deleted() != 0 || result.Deactivated() != 1 {
		t.Errorf("the run deleted %d and deactivated %d, %v; want none, one and ErrUnarchivable", result.Deleted(), result.Deactivated(), err)
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{Archive: sessioncleanup.On}); err != nil {
		t.Fatal(err)
	}
	if result, err = m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Deleted() != 1 {
		t.Errorf("after migrating, the run deleted %d, %v; want one", result.Deleted(), err)
	}
	if restored, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil || restored.Rows != 4 || restored.Relinked != 1 {
		t.Errorf("Restore: %+v, %v; want 4 rows, of the new table too, and one reference", restored, err)
	}
	if _, err := m.Delete(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	if err := store.Uninstall(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "archive holds 2") {
		t.Errorf("Uninstall: %v, want an ErrInvalid about the archive", err)
	}
}

// A run that has read the tables must notice a column that was added since: its values would be lost.
func TestAColumnThatIsAddedWhileRunsGoOnIsArchived(t *testing.T) {
	t.Parallel()
	_, d, m := concert(t, sessioncleanup.Policy{}, "")
	if _, err := m.Delete(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, "ALTER TABLE songs ADD title TEXT; UPDATE songs SET title = 'new'")
	makeDue(t, d, "id = 1")
	if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != 1 {
		t.Fatalf("the run deleted %d, %v; want one", result.Deleted(), err)
	}
	if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if title := value[string](t, d, "SELECT title FROM songs"); title != "new" {
		t.Errorf("the new column has %q, want its value", title)
	}
}

func TestWhatCannotBeArchivedExactlyIsNotDeleted(t *testing.T) {
	t.Parallel()
	for what, tables := range map[string]string{
		"no primary key": "CREATE TABLE a (k INT UNIQUE, session_id INT, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE); CREATE TABLE b (k INT, FOREIGN KEY (k) REFERENCES a (k) ON DELETE CASCADE)",
		"question mark":  `CREATE TABLE a (session_id INT, "why?" INT, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)`,
	} {
		_, d, m := archivingOn(t, sessioncleanup.Policy{}, "SET sql_mode = 'ANSI_QUOTES'; "+concertTables+tables)
		if _, err := m.Delete(t.Context(), "1"); !errors.Is(err, sessioncleanup.ErrUnarchivable) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: Delete: %v, want ErrUnarchivable", what, err)
		}
		if left := value[int](t, d, "SELECT COUNT(*) FROM sessions"); left != 2 {
			t.Errorf("%s: %d sessions are left, want both", what, left)
		}
	}
	_, d, m := concert(t, sessioncleanup.Policy{}, "")
	other := mysqltest.New(t)
	execute(t, d.DB, fmt.Sprintf("CREATE TABLE %s.guests (session_id INT, FOREIGN KEY (session_id) REFERENCES %s.sessions (id) ON DELETE CASCADE)", other.Name, d.Name))
	if _, err := m.Delete(t.Context(), "1"); !errors.Is(err, sessioncleanup.ErrUnarchivable) || !strings.Contains(err.Error(), other.Name+".guests") {
		t.Errorf("a table of another database: Delete: %v, want ErrUnarchivable", err)
	}
	execute(t, d.DB, "DROP TABLE "+other.Name+".guests")
}

// A run must neither wait for a row that belongs to a session, at any depth, nor lose what its owner does to it.
func TestARunLeavesASessionOfWhichARowIsLocked(t *testing.T) {
	t.Parallel()
	_, d, m := concert(t, sessioncleanup.Policy{}, "")
	makeDue(t, d, "TRUE")
	conn, err := d.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for what, statement := range map[string]string{
		"a row that is read":     "SELECT * FROM songs WHERE id = 1 FOR UPDATE",
		"a row that is added":    "INSERT INTO songs VALUES (9, 1)",
		"a reference that ends":  "UPDATE bills SET session_id = NULL WHERE id = 1",
		"a row two levels below": "INSERT INTO songs VALUES (9, 2)",
	} {
		if _, err := conn.ExecContext(t.Context(), "START TRANSACTION; "+statement); err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
		if err != nil || result.Deleted() != 1 || len(result.Skipped) != 1 || result.Skipped[0].SessionID != "1" {
			t.Errorf("%s: the run deleted %d, skipped %+v, %v; want one of each", what, result.Deleted(), result.Skipped, err)
		}
		if took := time.Since(started); took > 20*time.Second {
			t.Errorf("%s: the run took %v", what, took)
		}
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Restore(t.Context(), []string{"2"}, sessioncleanup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		makeDue(t, d, "TRUE")
	}
	if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != 2 {
		t.Errorf("after that, the run deleted %d, %v; want both", result.Deleted(), err)
	}
	restored, err := m.Restore(t.Context(), []string{"1", "2"}, sessioncleanup.RestoreOptions{})
	if err != nil || restored.Rows != 5 || restored.Relinked != 2 {
		t.Errorf("Restore: %+v, %v; want 5 rows and 2 references", restored, err)
	}
}

func TestTheApplicationsTriggersRunWhenASessionIsRestored(t *testing.T) {
	t.Parallel()
	_, d, m := concert(t, sessioncleanup.Policy{}, `CREATE TABLE seen (what TEXT);
		CREATE TRIGGER seen AFTER INSERT ON votes FOR EACH ROW INSERT INTO seen SELECT CONCAT('vote of ', name) FROM sessions WHERE id = NEW.session_id`)
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if seen := value[string](t, d, "SELECT GROUP_CONCAT(what) FROM seen"); seen != "vote of first,vote of first" {
		t.Errorf("the trigger saw %q, want both votes with their session", seen)
	}
	if notes := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_touches WHERE session = 1"); notes != 0 {
		t.Errorf("the library's own triggers wrote %d notes", notes)
	}
}

func TestAnEarlierInstallationIsMigrated(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, concertTables)
	execute(t, d.DB, `DROP TABLE sessioncleanup_archive, sessioncleanup_archive_rows, sessioncleanup_tombstones;
		DELETE FROM sessioncleanup_migrations WHERE version_id > 1; UPDATE sessions SET active = FALSE WHERE id = 1`)
	before := value[string](t, d, "SELECT deactivated_at FROM sessions WHERE id = 1")
	if _, err := store.Archived(t.Context(), sessioncleanup.ArchiveQuery{Limit: 1}); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("Archived before Migrate: %v, want ErrNotInstalled", err)
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if after := value[string](t, d, "SELECT deactivated_at FROM sessions WHERE id = 1"); after != before {
		t.Errorf("a session was deactivated at %s, and is at %s after Migrate", before, after)
	}
	execute(t, d.DB, "DELETE FROM sessioncleanup_migrations WHERE version_id > 1")
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := value[int](t, d, "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND (column_name = 'last_activity' OR table_name LIKE 'sessioncleanup%')"); left != 0 {
		t.Errorf("Uninstall of an earlier installation left %d columns", left)
	}
}

func TestANumberOfTheArchiveIsNotUsedTwice(t *testing.T) {
	t.Parallel()
	_, _, m := concert(t, sessioncleanup.Policy{}, "")
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

func TestTheArchiveNeedsTheRightToCreateTemporaryTables(t *testing.T) {
	t.Parallel()
	store, d, _ := concert(t, sessioncleanup.Policy{}, "")
	if found, err := store.Probe(t.Context()); err != nil || len(found.Denied) > 0 {
		t.Errorf("Probe with all rights: %+v, %v; want that none is missing", found, err)
	}
	user := d.Name + "_user"
	execute(t, d.DB, "CREATE USER "+user+"; GRANT SELECT, INSERT, UPDATE, DELETE ON "+d.Name+".* TO "+user)
	t.Cleanup(func() { _, _ = d.DB.Exec("DROP USER " + user) }) //nolint:noctx // the test's context has ended
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	bounded := open(t, mysqltest.Database{URL: u.String()}, mysql.Config{})
	if found, err := bounded.Probe(t.Context()); err != nil || !slices.Equal(found.Denied, []string{"CREATE TEMPORARY TABLES"}) {
		t.Errorf("Probe by a user who may not: %+v, %v; want that right", found, err)
	}
	m, err := sessioncleanup.New(bounded, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(t.Context(), "1"); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "grant the user the missing right") {
		t.Errorf("Delete by a user who may not: %v, want an ErrInvalid that says so", err)
	}
	execute(t, d.DB, "GRANT CREATE TEMPORARY TABLES ON "+d.Name+".* TO "+user)
	bounded = open(t, mysqltest.Database{URL: u.String()}, mysql.Config{}) // the connections of before have the rights of before
	if m, err = sessioncleanup.New(bounded, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Errorf("Delete by a user with the right: %v", err)
	}
	if restored, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil || restored.Rows != 3 || restored.Relinked != 1 {
		t.Errorf("Restore by that user: %+v, %v; want 3 rows and a reference", restored, err)
	}
}
