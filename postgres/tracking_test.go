package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// unused inserts sessions with these ids that were last used 40 days ago.
func unused(t testing.TB, pool *pgxpool.Pool, active bool, from, to int) {
	t.Helper()
	mustExec(t, pool, `INSERT INTO sessions (id, active, created_at, last_activity, deactivated_at)
		SELECT n, $3, now() - interval '90 days', now() - interval '40 days', CASE WHEN NOT $3 THEN now() - interval '40 days' END FROM generate_series($1::int, $2::int) n`, from, to, active)
}

// touched lists the sessions that were used within the last minute.
func touched(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	return value[string](t, pool, `SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM sessions WHERE last_activity > now() - interval '1 minute'`)
}

func TestEveryWayToWriteActivityTouchesItsSessions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, sql, want string }{
		"one row":         {"", "INSERT INTO propositions (session_id) VALUES (1)", "1"},
		"many rows":       {"", "INSERT INTO propositions (session_id) SELECT 1 + n % 3 FROM generate_series(1, 10000) n", "1 2 3"},
		"no row":          {"", "INSERT INTO propositions (session_id) SELECT 1 WHERE false", ""},
		"an update":       {"INSERT INTO propositions (id, session_id) VALUES (7, 1)", "UPDATE propositions SET title = 'x' WHERE id = 7", "1"},
		"a move":          {"INSERT INTO propositions (id, session_id) VALUES (7, 1)", "UPDATE propositions SET session_id = 2 WHERE id = 7", "1 2"},
		"a conflict":      {"INSERT INTO propositions (id, session_id) VALUES (7, 1)", "INSERT INTO propositions (id, session_id) VALUES (7, 1) ON CONFLICT (id) DO UPDATE SET title = 'x'", "1"},
		"nothing done":    {"INSERT INTO propositions (id, session_id) VALUES (7, 1)", "INSERT INTO propositions (id, session_id) VALUES (7, 1) ON CONFLICT DO NOTHING", ""},
		"a merged change": {"", "WITH i AS (INSERT INTO propositions (session_id) VALUES (1) RETURNING session_id) INSERT INTO propositions (session_id) SELECT 2 FROM i", "1 2"},
		"a deletion":      {"INSERT INTO propositions (id, session_id) VALUES (7, 1), (8, 2)", "DELETE FROM sessions WHERE id = 1", ""},
		"a rollback":      {"", "BEGIN; INSERT INTO propositions (session_id) VALUES (1); ROLLBACK", ""},
		"a savepoint":     {"", "BEGIN; SAVEPOINT s; INSERT INTO propositions (session_id) VALUES (1); ROLLBACK TO s; INSERT INTO propositions (session_id) VALUES (2); COMMIT", "2"},
		"a snapshot":      {"", "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO propositions (session_id) VALUES (1); COMMIT", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, pool := adopted(t, "guide")
			unused(t, pool, true, 1, 5)
			if c.before != "" {
				mustExec(t, pool, c.before)
				mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '40 days'")
			}
			conn := acquire(t, pool)
			if _, err := conn.Conn().PgConn().Exec(t.Context(), c.sql).ReadAll(); err != nil {
				t.Fatal(err)
			}
			if got := touched(t, pool); got != c.want {
				t.Errorf("after %q sessions %q were used, want %q", c.sql, got, c.want)
			}
			if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_touches"); n != 0 {
				t.Errorf("%d touches stay noted, want none: nobody held a lock", n)
			}
		})
	}
}

func acquire(t testing.TB, pool *pgxpool.Pool) *pgxpool.Conn {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return conn
}

// TestSessionsMadeByTheStatementItselfAreTouched: the snapshot of the application's statement does not hold them.
func TestSessionsMadeByTheStatementItselfAreTouched(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, `ALTER TABLE propositions DROP CONSTRAINT propositions_session_id_fkey,
		ADD FOREIGN KEY (session_id) REFERENCES sessions (id) ON UPDATE CASCADE ON DELETE CASCADE`)
	mustExec(t, pool, "INSERT INTO sessions (id, last_activity) VALUES (778, now())")
	mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (778)")
	mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '2 days'")
	for what, sql := range map[string]string{
		"inserted in the same statement": `WITH s AS (INSERT INTO sessions (last_activity) VALUES (now() - interval '2 days') RETURNING id)
			INSERT INTO propositions (session_id) SELECT id FROM s`,
		"renamed, with its activity": "UPDATE sessions SET id = 779 WHERE id = 778",
	} {
		mustExec(t, pool, sql)
		if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE last_activity < now() - interval '1 hour' AND id <> 778"); n != 0 {
			t.Errorf("%s: %d sessions were not touched", what, n)
		}
	}
}

func TestCopyTouchesItsSessions(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	unused(t, pool, true, 1, 3)
	rows := [][]any{{int64(1), "a"}, {int64(3), "b"}, {int64(1), "c"}}
	if _, err := pool.CopyFrom(t.Context(), pgx.Identifier{"propositions"}, []string{"session_id", "title"}, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
	if got := touched(t, pool); got != "1 3" {
		t.Errorf("sessions %q were used, want 1 and 3", got)
	}
}

func TestPartitionedSourcesTouchThroughParentAndPartition(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "partitioned")
	unused(t, pool, true, 1, 40)
	mustExec(t, pool, "INSERT INTO votes (session_id) VALUES (1)")
	direct := value[int](t, pool, "SELECT min(n) FROM generate_series(2, 40) n WHERE satisfies_hash_partition('votes'::regclass, 2, 0, n::bigint)")
	mustExec(t, pool, "INSERT INTO votes_0 (session_id) VALUES ($1)", direct)
	if got, want := touched(t, pool), fmt.Sprintf("1 %d", direct); got != want {
		t.Errorf("sessions %q were used, want %q", got, want)
	}
}

func TestActivityIsWrittenOncePerInterval(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	unused(t, pool, true, 1, 1)
	mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '50 seconds'")
	before := value[time.Time](t, pool, "SELECT last_activity FROM sessions")
	mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (1)")
	if after := value[time.Time](t, pool, "SELECT last_activity FROM sessions"); !after.Equal(before) {
		t.Errorf("a session used 50 seconds ago was written again")
	}
	mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '61 seconds'")
	mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (1)")
	if got := touched(t, pool); got != "1" {
		t.Error("a session used 61 seconds ago was not written")
	}
}

func TestTriggersReactivateWhenThePolicySaysSo(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	unused(t, pool, true, 1, 3)
	mustExec(t, pool, "INSERT INTO sessions (id, active, last_activity, deactivated_at) VALUES (4, false, now() - interval '3 days', now() - interval '2 days')")
	if result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Deactivated() != 3 {
		t.Fatalf("run: %+v, %v; want 3 deactivated", result, err)
	}
	mustExec(t, pool, "INSERT INTO sessions (id) VALUES (5)")
	mustExec(t, pool, "UPDATE sessions SET active = false WHERE id = 5")
	mustExec(t, pool, "UPDATE sessions SET auto_cleanup = false WHERE id = 2")
	mustExec(t, pool, "UPDATE sessions SET expires_at = now() - interval '1 day' WHERE id = 1")
	insert := "INSERT INTO propositions (session_id) VALUES (1), (2), (4), (5)"
	mustExec(t, pool, insert)
	if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE active"); n != 0 {
		t.Fatalf("%d sessions are active, want none by default", n)
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{ReactivateOnActivity: sessioncleanup.On}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, pool, insert) // within the interval: reactivation does not wait for it to pass
	if got := value[string](t, pool, "SELECT string_agg(id::text, ' ') FROM sessions WHERE active AND expires_at IS NULL"); got != "1" {
		t.Errorf("sessions %q are active, want 1: 2 is protected, 3 was not used, and no run closed 4 and 5", got)
	}
	events, err := store.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionReactivated}, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0].Sessions[0].ID != "1" {
		t.Errorf("events are %+v, want one reactivation of session 1", events)
	}
}

// begin opens a transaction that fails instead of waiting for any lock longer than 50 ms.
func begin(t *testing.T, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	run(t, tx, "SET LOCAL lock_timeout = '50ms'")
	return tx
}

func run(t *testing.T, tx pgx.Tx, sql string) {
	t.Helper()
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTrackingNeverMakesAStatementWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ app, first, second string }{
		"for a session that is being changed": {"guide",
			"UPDATE sessions SET name = 'x' WHERE id = 1", "INSERT INTO propositions (session_id) VALUES (1), (2)"},
		"to change a session that is being used": {"guide",
			"INSERT INTO propositions (session_id) VALUES (1)", "UPDATE sessions SET name = 'x' WHERE id = 1"},
		"for another use of the session": {"guide",
			"INSERT INTO propositions (session_id) VALUES (1)", "INSERT INTO propositions (session_id) VALUES (1)"},
		"for a table whose index is built": {"guide",
			"LOCK TABLE sessions IN SHARE MODE", "INSERT INTO propositions (session_id) VALUES (1)"},
		"for a table that it does not refer to": {"text",
			"LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE", "INSERT INTO votes (session) VALUES ('1')"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := adopted(t, c.app)
			unused(t, pool, true, 1, 2)
			first, second := begin(t, pool), begin(t, pool)
			run(t, first, c.first)
			run(t, second, c.second)
			commit(t, second)
			commit(t, first)
			sweep(t, store, sessioncleanup.ActionDeactivated)
			if !value[bool](t, pool, "SELECT active FROM sessions WHERE id = '1'") {
				t.Error("session 1 was deactivated in spite of its use")
			}
			if !strings.Contains(touched(t, pool), "1") {
				t.Error("the use of session 1 was lost")
			}
		})
	}
}

// sweep does a whole phase with the default policy and returns the sessions changed.
func sweep(t testing.TB, store *postgres.Store, action sessioncleanup.Action) []string {
	t.Helper()
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := sessioncleanup.Batch{Action: action, Cause: sessioncleanup.Cause{Actor: "test"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now), Limit: 100}
	var ids []string
	for {
		out, err := store.Sweep(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, out.IDs...)
		if b.After = out.Next; b.After == "" {
			return ids
		}
	}
}

func TestTrackingNeverDeadlocks(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	const sessions, rounds = 40, 30
	unused(t, pool, true, 1, sessions)
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{TouchInterval: time.Microsecond}); err != nil { // every statement touches
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, order := range []string{"ASC", "DESC", "ASC", "DESC"} {
		wg.Go(func() {
			for range rounds {
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					for _, half := range []string{"n <= 20", "n > 20"} {
						if order == "DESC" {
							half = "NOT (" + half + ")"
						}
						if _, err := tx.Exec(t.Context(), fmt.Sprintf(
							"INSERT INTO propositions (session_id) SELECT n FROM generate_series(1, %d) n WHERE %s ORDER BY n %s", sessions, half, order)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := value[int](t, pool, "SELECT count(*) FROM propositions"); n != 4*rounds*sessions {
		t.Errorf("%d rows arrived, want %d", n, 4*rounds*sessions)
	}
}

// TestNotedTouchKeepsItsSession: a touch that met a locked row counts, whether or not it was written since.
func TestNotedTouchKeepsItsSession(t *testing.T) {
	t.Parallel()
	for name, free := range map[string]bool{"while the row is locked": false, "when the row is free": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := adopted(t, "guide")
			unused(t, pool, false, 1, 3)
			locker := begin(t, pool)
			run(t, locker, "UPDATE sessions SET name = 'x' WHERE id = 1")
			mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (1)")
			if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_touches"); n != 1 {
				t.Fatalf("%d touches are noted, want 1", n)
			}
			page, err := store.List(t.Context(), sessioncleanup.Query{Status: sessioncleanup.StatusToDelete, Thresholds: sessioncleanup.Policy{}.Thresholds(), CountUpTo: 10})
			if err != nil {
				t.Fatal(err)
			}
			if page.Total != 2 {
				t.Errorf("%d sessions are due, want the 2 that were not used", page.Total)
			}
			if free {
				commit(t, locker)
			}
			if ids := sweep(t, store, sessioncleanup.ActionDeleted); len(ids) != 2 {
				t.Errorf("%v were deleted, want the 2 that were not used", ids)
			}
			if !free {
				commit(t, locker)
			}
			sweep(t, store, sessioncleanup.ActionDeleted)
			if got := touched(t, pool); got != "1" {
				t.Errorf("sessions %q were used, want 1", got)
			}
			if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_touches"); n != 0 {
				t.Errorf("%d touches stay noted, want none", n)
			}
		})
	}
}

// TestTouchThatCannotBeWrittenStopsNothing: a trigger of the application that fails, or suppresses the update, must fail
// neither the application's statements nor a run, and the touch stays noted.
func TestTouchThatCannotBeWrittenStopsNothing(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"refused": "RAISE 'not %', OLD.id;", "suppressed": "RETURN NULL;"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := adopted(t, "guide")
			unused(t, pool, true, 1, 3)
			mustExec(t, pool, "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+body+" END $$")
			mustExec(t, pool, "CREATE TRIGGER keep BEFORE UPDATE ON sessions FOR EACH ROW WHEN (OLD.id = 1) EXECUTE FUNCTION keep()")
			mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (1), (2)")
			if ids := sweep(t, store, sessioncleanup.ActionDeactivated); len(ids) != 1 || ids[0] != "3" {
				t.Errorf("%v were deactivated, want 3 alone", ids)
			}
			if got := touched(t, pool); got != "2" {
				t.Errorf("sessions %q were written as used, want 2", got)
			}
			if ids := value[string](t, pool, "SELECT string_agg(session_id::text, ' ') FROM sessioncleanup_touches"); ids != "1" {
				t.Errorf("touches of %q stay noted, want that of 1", ids)
			}
		})
	}
}

// TestTouchThatASnapshotCannotWriteStaysNoted: a transaction may not write a session that changed after its snapshot.
func TestTouchThatASnapshotCannotWriteStaysNoted(t *testing.T) {
	t.Parallel()
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		store, pool := adopted(t, "guide")
		unused(t, pool, true, 1, 2)
		tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
		if err != nil {
			t.Fatal(err)
		}
		run(t, tx, "INSERT INTO propositions (session_id) VALUES (1)")
		mustExec(t, pool, "UPDATE sessions SET name = 'changed' WHERE id = 1")
		commit(t, tx)
		if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_touches WHERE session_id = 1"); n != 1 {
			t.Errorf("%s: %d touches are noted, want 1", level, n)
		}
		if ids := sweep(t, store, sessioncleanup.ActionDeactivated); len(ids) != 1 || ids[0] != "2" {
			t.Errorf("%s: %v were deactivated, want 2 alone", level, ids)
		}
		if got := touched(t, pool); got != "1" {
			t.Errorf("%s: sessions %q were used, want 1", level, got)
		}
	}
}

func TestRoleThatMayOnlyWriteActivityIsTracked(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	unused(t, pool, true, 1, 1)
	role := fmt.Sprintf("writer_%d", time.Now().UnixNano())
	mustExec(t, pool, "CREATE ROLE "+role)
	t.Cleanup(func() {
		_, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+"; DROP ROLE "+role, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Error(err)
		}
	})
	mustExec(t, pool, "GRANT INSERT ON propositions TO "+role)
	tx := begin(t, pool)
	run(t, tx, "SET LOCAL ROLE "+role)
	run(t, tx, "INSERT INTO propositions (session_id) VALUES (1)")
	commit(t, tx)
	if got := touched(t, pool); got != "1" {
		t.Errorf("sessions %q were used, want 1", got)
	}
}

func TestTriggersFollowThePolicyInTheDatabase(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, "UPDATE sessioncleanup_policy SET touch_interval = '1 hour'")
	unused(t, pool, true, 1, 2)
	mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '59 minutes' WHERE id = 1")
	mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (1), (2)")
	if got := touched(t, pool); got != "2" {
		t.Errorf("sessions %q were used, want 2: 1 was written within the hour", got)
	}
}

// TestTriggersCannotBeHijacked: they run with their owner's rights, so nothing on the caller's search path may replace
// what they mean.
func TestTriggersCannotBeHijacked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"guide", "text"} {
		_, pool := adopted(t, name)
		unused(t, pool, true, 1, 2)
		tx := begin(t, pool)
		for _, sql := range []string{
			"CREATE SCHEMA evil", "CREATE TABLE evil.sessions (id int)", "CREATE TABLE evil.sessioncleanup_touches (id int)",
			"CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE $$hijacked$$; END'",
			"CREATE FUNCTION evil.bad(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE $$hijacked$$; END'",
			"CREATE FUNCTION evil.bad(timestamptz, interval) RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE $$hijacked$$; END'",
			"CREATE FUNCTION evil.bad(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE $$hijacked$$; END'",
			"CREATE OPERATOR evil.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.bad)",
			"CREATE OPERATOR evil.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.bad)",
			"CREATE OPERATOR evil.- (LEFTARG = timestamptz, RIGHTARG = interval, FUNCTION = evil.bad)",
			"CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.bad)",
			"SET LOCAL search_path = evil, pg_catalog",
		} {
			run(t, tx, sql)
		}
		if name == "guide" {
			run(t, tx, "INSERT INTO public.propositions (session_id) VALUES (1)")
		} else {
			run(t, tx, "INSERT INTO public.votes (session) VALUES ('1')")
		}
		commit(t, tx)
		if got := touched(t, pool); got != "1" {
			t.Errorf("%s: sessions %q were used, want 1", name, got)
		}
	}
}
