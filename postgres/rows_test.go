package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestASoftDeletionKeepsTheRowAndWhatRefersToIt lets the SQL function and a person delete rooms, with the archive on.
func TestASoftDeletionKeepsTheRowAndWhatRefersToIt(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "states")
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{Archive: sessioncleanup.On}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, pool, `INSERT INTO rooms (id, state, last_activity, deactivated_at) VALUES (1, 'closed', now() - interval '60 days', now() - interval '60 days'), (2, 'live', now(), NULL)`)
	mustExec(t, pool, "INSERT INTO messages (room_id, sent_at) VALUES (1, '2020-01-01'); UPDATE rooms SET last_activity = now() - interval '60 days' WHERE id = 1; DELETE FROM sessioncleanup_touches")
	if n := value[int](t, pool, "SELECT session_count FROM cleanup_inactive_sessions() WHERE action = 'deleted'"); n != 1 {
		t.Errorf("the function deleted %d sessions, want 1", n)
	}
	if _, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "2", Archive: &sessioncleanup.Archiving{MaxRows: 10, MaxBytes: 1000}}, sessioncleanup.Cause{Actor: "app"}); err != nil {
		t.Error(err)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM rooms JOIN messages ON room_id = rooms.id WHERE rooms.id = 1 AND deleted_at > timezone('Asia/Kolkata', now()) - interval '1 hour'"); n != 1 {
		t.Error("the room, its message, or the time of its deletion is gone")
	}
	if n := value[int](t, pool, "SELECT count(*) FROM rooms WHERE id < 3 AND deleted_at IS NOT NULL"); n != 2 {
		t.Errorf("%d of the two rooms are deleted", n)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_archive"); n != 0 {
		t.Errorf("the archive has %d entries for rows that are there", n)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions_cleanup_view"); n != 0 {
		t.Errorf("the view has %d deleted rows", n)
	}
	if n := value[int](t, pool, "SELECT total_sessions FROM get_session_cleanup_stats()"); n != 0 {
		t.Errorf("the statistics count %d deleted rows", n)
	}
	if dependents, err := store.Dependents(t.Context(), nil); err != nil || len(dependents) > 0 {
		t.Errorf("a deletion reaches %v: %v", dependents, err)
	}
	if _, err := manage(t, store).Get(t.Context(), "2"); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("a deleted room is found: %v", err)
	}
}

func TestARowThatBecomesASessionCountsAsUsed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"states": "UPDATE rooms SET deleted_at = NULL WHERE id = 900002",
		"kinds":  "UPDATE spaces SET status = 'over', tenant_id = 7, kind = 'room', deleted_at = NULL WHERE id = 900002",
	} {
		store, pool := adopted(t, name)
		mustExec(t, pool, change)
		s, err := manage(t, store).Get(t.Context(), "900002")
		if err != nil || s.Active || s.LastActivity.Before(s.AsOf.Add(-time.Minute)) {
			t.Errorf("%s: %+v, %v; want an inactive session that was used just now", name, s, err)
		}
		if r, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || r.Deleted() != 0 {
			t.Errorf("%s: a run deleted %d: %v", name, r.Deleted(), err)
		}
	}
}

// TestActivityOfOtherRowsIsNotFollowed touches rows that are no sessions, in every way.
func TestActivityOfOtherRowsIsNotFollowed(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "kinds")
	mustExec(t, pool, "INSERT INTO moves (space_id) VALUES (900001), (900002), (900003), (900004)")
	if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_touches"); n != 0 {
		t.Errorf("%d touches are noted", n)
	}
	if n, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"900001", "900002"}}); err != nil || n != 0 {
		t.Errorf("%d were touched: %v", n, err)
	}
	if _, err := store.Update(t.Context(), sessioncleanup.Target{ID: "900002"}, sessioncleanup.Change{Active: sessioncleanup.Off}); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("a cart was changed: %v", err)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM spaces WHERE last_activity IS NULL AND deactivated_at IS NULL"); n != 4 {
		t.Errorf("%d of 4 rows are as they were", n)
	}
}

// TestOneOfSeveralActiveStatesStays changes something else than the state, and the state back and forth.
func TestOneOfSeveralActiveStatesStays(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "kinds")
	mustExec(t, pool, "INSERT INTO spaces (id, tenant_id, kind, status) VALUES (1, 7, 'room', 'playing')")
	manager := manage(t, store)
	for _, step := range []struct {
		change func() error
		want   string
	}{
		{func() error { _, err := manager.SetAutoCleanup(t.Context(), "1", false); return err }, "playing"},
		{func() error { _, err := manager.Reactivate(t.Context(), "1"); return err }, "playing"},
		{func() error { _, err := manager.Deactivate(t.Context(), "1"); return err }, "over"},
		{func() error { _, err := manager.Reactivate(t.Context(), "1"); return err }, "waiting"},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if got := value[string](t, pool, "SELECT status::text FROM spaces WHERE id = 1"); got != step.want {
			t.Errorf("the state is %s, want %s", got, step.want)
		}
	}
}

func TestColumnsThatSayWhatASessionIsAreFollowedWhenRenamed(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "kinds")
	for _, rename := range []string{"kind TO sort", "deleted_at TO gone_at", "status TO phase"} {
		mustExec(t, pool, "ALTER TABLE spaces RENAME COLUMN "+rename)
	}
	store := open(t, pool.Config().ConnString(), postgres.Config{Schema: sessioncleanup.Schema{Table: "spaces"}})
	if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("Validate after the renames: %v", err)
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	s, err := store.Schema(t.Context())
	if err != nil || s.Active != "phase" || s.DeletedAt != "gone_at" || s.Only[0].Column != "sort" || s.Only[2].Column != "phase" {
		t.Errorf("schema: %+v, %v", s, err)
	}
	if c, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{}); err != nil || c.Total != 0 {
		t.Errorf("counts: %+v, %v; want no sessions", c, err)
	}
}

// TestASchemaIsCompletedAndKept adopts a table of which only the name is given.
func TestASchemaIsCompletedAndKept(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustExec(t, pool, `
		CREATE TYPE phase AS ENUM ('open', 'ended');
		CREATE TABLE members (id int PRIMARY KEY, nickname text);
		CREATE TABLE lobbies (id int PRIMARY KEY, owner_id int REFERENCES members, title text, state phase NOT NULL DEFAULT 'open', deleted_at timestamptz, kind text);
		CREATE TABLE chats (id int PRIMARY KEY, lobby_id int REFERENCES lobbies ON DELETE CASCADE, sent_at timestamptz);`)
	store := open(t, url, postgres.Config{Schema: sessioncleanup.Schema{Table: "lobbies", Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"room"}}}}})
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	partial := open(t, url, postgres.Config{Schema: sessioncleanup.Schema{Table: "lobbies"}})
	for range 2 {
		s, err := partial.Schema(t.Context())
		if err != nil || s.Owner != "owner_id" || s.Owners == nil || s.Name != "title" || s.State == nil || s.State.Deactivated != "ended" || s.DeletedAt != "deleted_at" ||
			len(s.Sources) != 1 || len(s.Only) != 1 {
			t.Errorf("schema: %+v, %v", s, err)
		}
		if err := errors.Join(partial.Validate(t.Context()), partial.Migrate(t.Context(), sessioncleanup.Policy{})); err != nil {
			t.Error(err)
		}
	}
	mustExec(t, pool, "CREATE TABLE votes (lobby_id int REFERENCES lobbies ON DELETE CASCADE)")
	if err := partial.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if s, err := partial.Schema(t.Context()); err != nil || len(s.Sources) != 2 {
		t.Errorf("a table that was made since is not followed: %+v, %v", s.Sources, err)
	}
	for _, c := range []struct {
		schema sessioncleanup.Schema
		want   string
	}{
		{sessioncleanup.Schema{Table: "lobbies", LastActivity: "last_seen"}, `schema.last_activity is "last_seen": table "lobbies" has no such column; name another column, or have Migrate add it with "add_columns": true in the schema`},
		{sessioncleanup.Schema{Table: "lobbies", State: &sessioncleanup.State{Active: []string{"open"}, Deactivated: "closed"}}, `schema.state has the value "closed"`},
		{sessioncleanup.Schema{Table: "lobby"}, `schema.table is "lobby": there is no such table`},
		{sessioncleanup.Schema{Table: "lobbies", Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"$sessioncleanup$"}}}}, "has $sessioncleanup$ in it"},
	} {
		if err := open(t, url, postgres.Config{Schema: c.schema}).Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Migrate with %+v: %v, want %s", c.schema, err, c.want)
		}
	}
	before := open(t, url, postgres.Config{})
	if err := before.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'lobbies'::regclass AND attnum > 0 AND NOT attisdropped"); n != 6 {
		t.Errorf("the table has %d columns after Uninstall, want 6", n)
	}
}

// TestAValueOfAnyTypeTellsSessionsApart has conditions on columns of many types, with values that look like SQL.
func TestAValueOfAnyTypeTellsSessionsApart(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	for typ, values := range map[string][2]string{
		"text": {`it's \ "so"`, "other"}, "varchar(30)": {"$1::int", "x"}, "char(4)": {"ab", "cd"}, "boolean": {"true", "false"}, "smallint": {"-7", "8"},
		"uuid": {"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}, "word": {"a", "b"}, "mood": {"so, so", "{}"},
	} {
		url := pgtest.Empty(t)
		pool := connect(t, url)
		mustExec(t, pool, "CREATE DOMAIN word AS text; CREATE TYPE mood AS ENUM ('so, so', '{}')")
		mustExec(t, pool, `CREATE TABLE sessions (id int PRIMARY KEY, "the kind" `+typ+`, updated_at timestamptz)`)
		for id, value := range map[int]any{1: values[0], 2: values[1], 3: nil} {
			if _, err := pool.Exec(t.Context(), `INSERT INTO sessions VALUES ($1, $2::text::`+typ+`, now() - interval '3 days')`, pgx.QueryExecModeExec, id, value); err != nil {
				t.Fatal(err)
			}
		}
		store := open(t, url, postgres.Config{Schema: sessioncleanup.Schema{Only: []sessioncleanup.Only{{Column: "the kind", Values: values[:1]}}}})
		if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		if r, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || r.Deactivated() != 1 {
			t.Errorf("%s: a run deactivated %d: %v", typ, r.Deactivated(), err)
		}
		if got := value[string](t, pool, "SELECT string_agg(id::text, ' ') FROM sessions WHERE NOT active"); got != "1" {
			t.Errorf("%s: sessions %s are inactive, want 1", typ, got)
		}
	}
}

// TestATriggerThatKeepsWhatIsDeletedIsReported has the application turn deletions into soft ones by itself, and the
// schema not say so.
func TestATriggerThatKeepsWhatIsDeletedIsReported(t *testing.T) {
	t.Parallel()
	for kind, keeps := range map[string]string{
		"trigger": `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE rooms SET deleted_at = now() WHERE id = OLD.id; RETURN NULL; END $$;
			CREATE TRIGGER keep BEFORE DELETE ON rooms FOR EACH ROW EXECUTE FUNCTION keep()`,
		"rule": "CREATE RULE keep AS ON DELETE TO rooms DO INSTEAD UPDATE rooms SET deleted_at = now() WHERE id = OLD.id",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			mustExec(t, pool, "CREATE TABLE rooms (id int PRIMARY KEY, active bool NOT NULL, last_activity timestamptz NOT NULL, deactivated_at timestamptz, deleted_at timestamptz)")
			mustExec(t, pool, "INSERT INTO rooms SELECT i, false, now() - interval '90 days', now() - interval '90 days' FROM generate_series(1, 3) i")
			mustExec(t, pool, keeps)
			store := open(t, url, postgres.Config{Schema: sessioncleanup.Schema{Table: "rooms", DeletedAt: "deleted_at", AddColumns: true, AppTouches: true}})
			m := manage(t, store)
			if err := m.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustExec(t, pool, "UPDATE rooms SET deactivated_at = now() - interval '90 days'")
			result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
			if err != nil || result.Deleted() != 0 || len(result.Failures) != 3 || !strings.Contains(result.Failures[0].Error, "suppresses it") {
				t.Errorf("deleted %d, failures %+v, %v; want three that say so", result.Deleted(), result.Failures, err)
			}
			if n := value[int](t, pool, "SELECT count(*) FROM rooms WHERE deleted_at IS NULL"); n != 3 {
				t.Errorf("%d rooms are as they were, want 3", n)
			}
		})
	}
}
