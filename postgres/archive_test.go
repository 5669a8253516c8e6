package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// concertTables are sessions with votes, songs of those, and bills that are unlinked.
const concertTables = `
	CREATE TABLE users (id int PRIMARY KEY);
	CREATE TABLE sessions (id int PRIMARY KEY, owner_id int REFERENCES users (id), code text UNIQUE, name text, extra text, updated_at timestamptz);
	CREATE TABLE votes (id int PRIMARY KEY, session_id int NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, song text, UNIQUE (session_id, song));
	CREATE TABLE songs (id int PRIMARY KEY, vote_id int REFERENCES votes (id) ON DELETE CASCADE);
	CREATE TABLE bills (id int PRIMARY KEY, session_id int REFERENCES sessions (id) ON DELETE SET NULL);
	INSERT INTO users VALUES (1);
	INSERT INTO sessions VALUES (1, 1, 'one', 'first', 'x', '2026-01-01'), (2, 1, 'two', 'second', NULL, NULL);
	INSERT INTO votes VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'a');
	INSERT INTO songs VALUES (1, 1), (2, 3);
	INSERT INTO bills VALUES (1, 1), (2, 2);`

// concert is a migrated database with those tables, and a Manager that archives.
func concert(t *testing.T, p sessioncleanup.Policy, more string) (*postgres.Store, *pgxpool.Pool, *sessioncleanup.Manager) {
	t.Helper()
	p.Archive = sessioncleanup.On
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, concertTables+more)
	store := open(t, url, postgres.Config{})
	if err := store.Migrate(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	return store, pool, m
}

func TestARestoreNamesEveryObstacle(t *testing.T) {
	t.Parallel()
	const state = "SELECT array[(SELECT count(*) FROM sessions), (SELECT count(*) FROM votes), (SELECT count(*) FROM sessioncleanup_archive_rows), (SELECT count(*) FROM sessioncleanup_events)]"
	_, pool, m := concert(t, sessioncleanup.Policy{}, "")
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, change, undo string
		kinds              []sessioncleanup.ObstacleKind
		says               string
	}{
		{"an id that is in use", "INSERT INTO sessions (id) VALUES (1)", "DELETE FROM sessions WHERE id = 1", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTaken}, "Key (id)=(1) already exists"},
		{"a code that is in use", "INSERT INTO sessions (id, code) VALUES (5, 'one')", "DELETE FROM sessions WHERE id = 5", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTaken}, "Key (code)=(one)"},
		{"rows that are in use", "INSERT INTO sessions (id) VALUES (9); INSERT INTO votes VALUES (1, 9, 'a'), (2, 9, 'b')", "DELETE FROM sessions WHERE id = 9", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTaken}, "Key (id)=(2)"},
		{"an owner that is gone", "DELETE FROM sessions; DELETE FROM users", "INSERT INTO users VALUES (1)", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleParent}, `not present in table "users"`},
		{"a column that is gone", "ALTER TABLE sessions DROP COLUMN extra", "ALTER TABLE sessions ADD extra text", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleColumn}, "extra is gone"},
		{"a column of another type", "ALTER TABLE votes ALTER song TYPE int USING 1", "ALTER TABLE votes ALTER song TYPE text", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleColumn}, "invalid input syntax"},
		{"a column that needs a value", "ALTER TABLE songs ADD rank int NOT NULL DEFAULT 1; ALTER TABLE songs ALTER rank DROP DEFAULT", "ALTER TABLE songs DROP rank", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleColumn}, `column "rank"`},
		{"a table that is gone", "ALTER TABLE songs RENAME TO tunes", "ALTER TABLE tunes RENAME TO songs", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleTable}, "the table is gone"},
		{"a check", "ALTER TABLE votes ADD CONSTRAINT short CHECK (song <> 'a') NOT VALID", "ALTER TABLE votes DROP CONSTRAINT short", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleRefused}, `"short"`},
		{"a trigger that leaves rows out", guard("RETURN NULL;") + "CREATE TRIGGER g BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION guard()", "DROP TRIGGER g ON songs", []sessioncleanup.ObstacleKind{sessioncleanup.ObstacleRefused}, "leaves the row out"},
	} {
		mustRun(t, pool, c.change)
		before := value[[]int64](t, pool, state)
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
			if !slices.Equal(kinds, c.kinds) || !said || out.Obstacles[0].SessionID != "1" {
				t.Errorf("%s: obstacles, dry run %t: %+v; want of the kinds %v, one with %q", c.what, dry, out.Obstacles, c.kinds, c.says)
			}
		}
		if after := value[[]int64](t, pool, state); !slices.Equal(before, after) {
			t.Errorf("%s: a restore that failed changed something: rows were %v and are %v", c.what, before, after)
		}
		mustRun(t, pool, c.undo)
	}
	if restored, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil || restored.Rows != 3 || restored.Relinked != 1 {
		t.Errorf("with nothing in the way: %+v, %v; want 3 rows and a reference", restored, err)
	}
}

func TestASessionThatIsTooLargeForTheArchiveStays(t *testing.T) {
	t.Parallel()
	for what, p := range map[string]sessioncleanup.Policy{"rows": {ArchiveMaxRows: 3}, "bytes": {ArchiveMaxBytes: 3000}} {
		_, pool, m := concert(t, p, `
			UPDATE sessions SET extra = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 200) n) WHERE id = 1;
			INSERT INTO bills SELECT n, 1 FROM generate_series(10, 20) n;`)
		mustRun(t, pool, "UPDATE sessions SET active = false, last_activity = now() - interval '60 days', deactivated_at = now() - interval '60 days'")
		if _, err := m.Delete(t.Context(), "1"); !errors.Is(err, sessioncleanup.ErrTooLarge) {
			t.Errorf("%s: Delete: %v, want ErrTooLarge", what, err)
		}
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		deleted := result.Phases.Of(sessioncleanup.ActionDeleted)
		if err != nil || deleted.Done != 1 || deleted.Failed != 1 || result.Failures[0].SessionID != "1" || !strings.Contains(result.Failures[0].Error, "too large") {
			t.Errorf("%s: the run deleted %d, failed %+v, %v; want one of each", what, deleted.Done, result.Failures, err)
		}
		if left := value[string](t, pool, "SELECT (SELECT string_agg(id::text, ',') FROM sessions) || ' ' || (SELECT string_agg(session_id, ',') FROM sessioncleanup_archive)"); left != "1 2" {
			t.Errorf("%s: sessions and archive have %q, want session 1 and session 2", what, left)
		}
	}
}

func TestATableThatMigrateDidNotSeeStopsDeletionsIntoTheArchive(t *testing.T) {
	t.Parallel()
	store, pool, m := concert(t, sessioncleanup.Policy{}, "")
	mustRun(t, pool, `
		UPDATE sessions SET active = false, last_activity = now() - interval '60 days', deactivated_at = now() - interval '60 days' WHERE id = 1;
		UPDATE sessions SET last_activity = now() - interval '2 days' WHERE id = 2;
		CREATE TABLE gifts (id int PRIMARY KEY, song_id int REFERENCES songs (id) ON DELETE CASCADE); INSERT INTO gifts VALUES (1, 1)`)
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
	if err := store.Uninstall(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "archive holds 1") {
		t.Errorf("Uninstall: %v, want an ErrInvalid about the archive", err)
	}
}

func TestTheSQLRunArchivesAndPurges(t *testing.T) {
	t.Parallel()
	store, pool, m := concert(t, sessioncleanup.Policy{}, "")
	mustRun(t, pool, "UPDATE sessions SET active = false, last_activity = now() - interval '60 days', deactivated_at = now() - interval '60 days'")
	mustRun(t, pool, "SELECT * FROM cleanup_inactive_sessions()")
	if all, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{}); err != nil || len(all) != 2 || all[0].Reason != "cleanup_inactive_sessions" {
		t.Fatalf("after a run in SQL the archive has %+v, %v; want both sessions", all, err)
	}
	mustRun(t, pool, "UPDATE sessioncleanup_archive SET archived_at = now() - interval '31 days' WHERE session_id = '1'; SELECT * FROM cleanup_inactive_sessions()")
	all, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
	if err != nil || len(all) != 1 || all[0].SessionID != "2" {
		t.Errorf("after 31 days the archive has %+v, %v; want the other session", all, err)
	}
	last, _, err := m.LastRun(t.Context())
	if err != nil || last.Run.Phases.Of(sessioncleanup.ActionPurged).Done != 1 {
		t.Errorf("the run is recorded as %+v, %v; want one purged", last.Run, err)
	}

	// A purge goes on after its last batch, and does not read again what is gone for itself but not for an older transaction.
	archived := func(days, from, through int) {
		mustRun(t, pool, fmt.Sprintf(`INSERT INTO sessioncleanup_archive (session_id, archived_at, actor, row_count, bytes, "table", columns, texts)
			SELECT n::text, now() - interval '%d days' + n * interval '1 minute', 'x', 0, 0, 'public.sessions', '{}', '{}' FROM generate_series(%d, %d) n`, days, from, through))
	}
	archived(40, 10, 14)
	batch := sessioncleanup.Batch{Action: sessioncleanup.ActionPurged, Limit: 2}
	for _, want := range [][]string{{"10", "11"}, {"12", "13"}, {"14"}} {
		out, err := store.Purge(t.Context(), batch, time.Now().AddDate(0, 0, -30))
		if err != nil || !slices.Equal(out.IDs, want) || (out.Next == "") != (len(want) < 2) {
			t.Errorf("a batch after %q purges %v, then %q, %v; want %v", batch.After, out.IDs, out.Next, err, want)
		}
		batch.After = out.Next
		archived(50, 9, 9)
	}
}

// An application's role deletes and restores, and sees nothing of what is archived but the list.
func TestRolesUseTheArchiveWithoutReadingIt(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, concertTables)
	as := asRole(t, pool)
	role := roleOf(t, as)
	if err := open(t, url, postgres.Config{Migrate: sessioncleanup.MigrateOptions{AppRole: role}}).Migrate(t.Context(), sessioncleanup.Policy{Archive: sessioncleanup.On}); err != nil {
		t.Fatal(err)
	}
	m, err := sessioncleanup.New(open(t, as, postgres.Config{}), sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	all, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
	if err != nil || len(all) != 1 {
		t.Fatalf("the archive has %+v, %v; want one entry", all, err)
	}
	if _, err := m.ArchivedRows(t.Context(), all[0].ID, 0, 10); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("ArchivedRows: %v, want that it is not permitted", err)
	}
	for _, sql := range []string{
		"INSERT INTO sessioncleanup_archive_rows VALUES (1, 9, 1, 'public.users', false, 0, '{id}', '{1}')",
		fmt.Sprintf("UPDATE sessioncleanup_archive SET owner_id = 'me' WHERE id = %d", all[0].ID),
		"SELECT texts FROM sessioncleanup_archive",
		"SELECT * FROM sessioncleanup_archive_rows",
		"SELECT sessioncleanup_purge(now() + interval '1 year', false, 10, '', 'me', '', '', '[]')",
	} {
		if _, err := connect(t, as).Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v, want that it is not permitted", sql, err)
		}
	}
	ids := []int64{all[0].ID}
	for what, err := range map[string]error{
		"Hold": errOf(m.Hold(t.Context(), ids, true, "")), "Purge": errOf(m.Purge(t.Context(), ids)),
		"Erase": errOf(m.Erase(t.Context(), all[0].OwnerID, sessioncleanup.EraseOptions{})),
	} {
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v, want that it is not permitted", what, err)
		}
	}
	owners := manage(t, open(t, url, postgres.Config{}))
	if _, err := owners.Hold(t.Context(), ids, true, "court order 7"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); !errors.Is(err, sessioncleanup.ErrHeld) {
		t.Errorf("Restore of what is held: %v, want ErrHeld", err)
	}
	if _, err := owners.Hold(t.Context(), ids, false, ""); err != nil {
		t.Fatal(err)
	}
	if restored, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil || restored.Rows != 3 {
		t.Errorf("Restore: %+v, %v; want 3 rows", restored, err)
	}
}

// Rows are only restored into tables whose triggers the owner of the sessions answers for.
func TestTablesOfOthersAreNeitherArchivedNorFilled(t *testing.T) {
	t.Parallel()
	_, pool, m := concert(t, sessioncleanup.Policy{}, "")
	role := roleOf(t, asRole(t, pool))
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, pool, "ALTER TABLE songs OWNER TO "+role)
	out, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{DryRun: true})
	if err != nil || len(out.Obstacles) != 1 || out.Obstacles[0].Kind != sessioncleanup.ObstacleTable || !strings.Contains(out.Obstacles[0].Text, "another role") {
		t.Errorf("Restore into a table of another role: %+v, %v; want an obstacle", out.Obstacles, err)
	}
	if _, err := m.Delete(t.Context(), "2"); !errors.Is(err, sessioncleanup.ErrUnarchivable) || !strings.Contains(err.Error(), "songs") {
		t.Errorf("Delete: %v, want ErrUnarchivable that names the table", err)
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestTheArchiveIsReadAndRestoredInSQL(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, concertTables)
	as := asRole(t, pool)
	options := sessioncleanup.MigrateOptions{AppRole: roleOf(t, as)}
	if err := open(t, url, postgres.Config{Migrate: options}).Migrate(t.Context(), sessioncleanup.Policy{Archive: sessioncleanup.On, ArchiveKeep: 48 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	m, err := sessioncleanup.New(open(t, url, postgres.Config{}), sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	app := connect(t, as)
	const listed = "SELECT session_id || ' ' || coalesce((purge_at - archived_at)::text, 'never') FROM sessions_archive_view"
	if got := value[string](t, app, listed); got != "1 2 days" {
		t.Errorf("the view has %q, want session 1 and 2 days", got)
	}
	if _, err := m.Hold(t.Context(), []int64{1}, true, ""); err != nil {
		t.Fatal(err)
	}
	if got := value[string](t, app, listed); got != "1 never" {
		t.Errorf("while it is held the view has %q, want never", got)
	}
	for sql, want := range map[string]string{
		"SELECT restore_archived_session(1)":   "held",
		"SELECT restore_archived_session('9')": "session 9 is not in the archive",
	} {
		if err := tries(t.Context(), app, sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
	}
	if _, err := m.Hold(t.Context(), []int64{1}, false, ""); err != nil {
		t.Fatal(err)
	}
	mustRun(t, pool, "INSERT INTO sessions (id, code) VALUES (1, 'another')")
	if err := tries(t.Context(), app, "SELECT restore_archived_session(1)"); !hasState(err, "55000") {
		t.Errorf("a restore over a session with the same id: %v, want that it cannot be restored", err)
	}
	mustRun(t, pool, "DELETE FROM sessions WHERE id = 1")
	if got := value[string](t, app, "SELECT entry || ' ' || row_count || ' ' || relinked FROM restore_archived_session(1)"); got != "1 3 1" {
		t.Errorf("the restore did %q, want entry 1, 3 rows, and one linked again", got)
	}
	if e := value[string](t, pool, "SELECT action || ' ' || reason FROM sessioncleanup_events ORDER BY id DESC LIMIT 1"); e != "restored restore_archived_session" {
		t.Errorf("the event is %q", e)
	}
}

func TestOnlyForeignKeysThatAreEnforcedTakeRowsAlong(t *testing.T) {
	t.Parallel()
	// A key that is NOT VALID deletes rows as any other; one that is NOT ENFORCED does nothing.
	keys := []string{"NOT VALID"}
	if pgtest.Version(t) >= 18 {
		keys = append(keys, "NOT ENFORCED")
	}
	tables := "CREATE TABLE sessions (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); INSERT INTO sessions VALUES (1);"
	for i, key := range keys {
		tables += fmt.Sprintf("CREATE TABLE notes_%d (id int PRIMARY KEY, session_id int); INSERT INTO notes_%[1]d VALUES (1, 1);"+
			"ALTER TABLE notes_%[1]d ADD FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE %[2]s;", i+1, key)
	}
	store, url, _ := shaped(t, tables, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	dependents, err := m.Dependents(t.Context(), "1")
	if err != nil || len(dependents) != 1 || dependents[0].Table != "notes_1" {
		t.Errorf("rows that go along: %+v, %v; want those of notes_1", dependents, err)
	}
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	pool := connect(t, url)
	for i := range keys {
		if left := value[int](t, pool, fmt.Sprintf("SELECT count(*)::int FROM notes_%d", i+1)); left != i {
			t.Errorf("%s: %d rows are left, want %d", keys[i], left, i)
		}
	}
	if restored, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil || restored.Rows != 1 {
		t.Errorf("restored %+v, %v; want the session with one row", restored, err)
	}
}

func TestManyRowsOfASessionAreArchivedReadInPagesAndRestored(t *testing.T) {
	t.Parallel()
	_, pool, m := concert(t, sessioncleanup.Policy{}, `
		INSERT INTO votes SELECT n, 1, n FROM generate_series(10, 259) n;
		INSERT INTO songs SELECT n, CASE WHEN n < 130 THEN 1 ELSE n END FROM generate_series(10, 259) n;
		INSERT INTO bills SELECT n, 1 FROM generate_series(10, 259) n;`)
	const dump = `
		SELECT (SELECT md5(string_agg(v::text, ',' ORDER BY v.id)) FROM votes v) || (SELECT md5(string_agg(s::text, ',' ORDER BY s.id)) FROM songs s)
		    || (SELECT md5(string_agg(b::text, ',' ORDER BY b.id)) FROM bills b)`
	before := value[string](t, pool, dump)
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	const want = 1 + 252 + 251 + 251 // the session, votes, songs and bills
	entry, numbers := value[int64](t, pool, "SELECT id FROM sessioncleanup_archive"), []int{0}
	for {
		page, err := m.ArchivedRows(t.Context(), entry, numbers[len(numbers)-1], 70)
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
	if after := value[string](t, pool, dump); after != before {
		t.Error("the restored rows differ from those that were archived")
	}
}
