package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// withLog is a migrated store whose log has entries of all kinds, and whose cleaner's role is that of as.
func withLog(t *testing.T) (m *sessioncleanup.Manager, pool *pgxpool.Pool, as string) {
	t.Helper()
	pool, as = granted(t, func(role string) sessioncleanup.MigrateOptions {
		return sessioncleanup.MigrateOptions{CleanerRole: role}
	})
	m = manage(t, open(t, pool.Config().ConnString(), postgres.Config{}))
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true, Reason: "because é"}); err != nil {
		t.Fatal(err)
	}
	return m, pool, as
}

// mismatch verifies the log and returns what is wrong, or nil.
func mismatch(t *testing.T, m *sessioncleanup.Manager) *sessioncleanup.Mismatch {
	t.Helper()
	v, err := m.VerifyEvents(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return v.Mismatch
}

func TestAChangeOfAnyColumnOfASealedEntryIsFound(t *testing.T) {
	t.Parallel()
	m, pool, _ := withLog(t)
	changes := map[string]string{
		"id": "OVERRIDING", "at": "at + interval '1 microsecond'", "action": "action || 'x'", "actor": "actor || 'x'", "reason": "reason || 'x'", "run_id": "run_id || 'x'",
		"session_ids": "array_append(session_ids, 'x')", "owner_ids": "array_append(owner_ids, 'x')", "names": "array_append(names, '')",
		"run": `coalesce(run, '{}') || '{"x": 1}'`, "role": "role || 'x'", "proof": "uuid_send(gen_random_uuid())",
	}
	columns := value[[]string](t, pool, `
		SELECT array_agg(a.attname::text) FROM pg_attribute a WHERE a.attrelid = 'sessioncleanup_events'::regclass AND a.attnum > 0 AND NOT a.attisdropped`)
	entries := value[[]int64](t, pool, "SELECT array_agg(id ORDER BY id) FROM sessioncleanup_events")
	if wrong := mismatch(t, m); wrong != nil || len(entries) < 2 {
		t.Fatalf("before: %v, %d entries", wrong, len(entries))
	}
	for _, column := range columns {
		change, ok := changes[column]
		if !ok {
			t.Errorf("column %s is new: say here how to change it", column)
			continue
		}
		for _, id := range entries {
			sql := fmt.Sprintf("UPDATE sessioncleanup_events SET %s = %s WHERE id = %d", column, change, id)
			if column == "id" { // it is GENERATED ALWAYS: a copy with another one
				sql = fmt.Sprintf(`INSERT INTO sessioncleanup_events (id, at, action, actor, proof) OVERRIDING SYSTEM VALUE
					SELECT -id, at, action, actor, proof FROM sessioncleanup_events WHERE id = %d`, id)
			}
			mustRun(t, pool, "CREATE TABLE was AS TABLE sessioncleanup_events; "+sql)
			if wrong := mismatch(t, m); wrong == nil || wrong.FirstID > id || wrong.LastID < id && column != "id" {
				t.Errorf("%s: %v, want that entry %d is named", sql, wrong, id)
			}
			mustRun(t, pool, "DELETE FROM sessioncleanup_events; INSERT INTO sessioncleanup_events OVERRIDING SYSTEM VALUE TABLE was; DROP TABLE was")
		}
	}
	if wrong := mismatch(t, m); wrong != nil {
		t.Errorf("after all is as it was: %v", wrong)
	}
	mustRun(t, pool, fmt.Sprintf("DELETE FROM sessioncleanup_events WHERE id = %d", entries[0]))
	if wrong := mismatch(t, m); wrong == nil || wrong.FirstID != entries[0] {
		t.Errorf("without entry %d: %v, want that it is named", entries[0], wrong)
	}
}

func TestNamesOfSessionsWithoutOwnersAreSealed(t *testing.T) {
	t.Parallel()
	m, pool, _ := withLog(t)
	mustRun(t, pool, `SELECT sessioncleanup_log(NULL, 'deleted', 'somebody', '', '', '{1,2}', '{"",""}', '{a,b}', NULL)`)
	if _, err := m.SealEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, was := range []string{"names = '{a,c}'", "names = '{b,a}'", "names = '{ab,\"\"}'", `owner_ids = '{"",""}'`, "owner_ids = '{7}'", "names = '{a,b}', owner_ids = '{}'"} {
		mustRun(t, pool, "UPDATE sessioncleanup_events SET names = '{a,b}', owner_ids = '{}' WHERE actor = 'somebody'; UPDATE sessioncleanup_events SET "+was+" WHERE actor = 'somebody'")
		if wrong := mismatch(t, m); (wrong == nil) != (was == "names = '{a,b}', owner_ids = '{}'") {
			t.Errorf("after %s: %v", was, wrong)
		}
	}
}

const logSomething = "SELECT id FROM sessioncleanup_log(NULL, 'deleted', 'somebody', '', '', '{}', '{}', '{}', NULL)"

func TestASealLeavesNoRoomForEntriesThatAreNotCommittedYet(t *testing.T) {
	t.Parallel()
	m, pool, _ := withLog(t)
	store := open(t, pool.Config().ConnString(), postgres.Config{})
	begin := func() pgx.Tx {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(t.Context()) })
		return tx
	}
	old := begin() // with a transaction's number that is older than that of the other, and an ID that is larger
	if _, err := old.Exec(t.Context(), "CREATE TEMP TABLE older (id int)"); err != nil {
		t.Fatal(err)
	}
	open := begin()
	if _, err := open.Exec(t.Context(), logSomething); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Exec(t.Context(), logSomething); err != nil {
		t.Fatal(err)
	}
	if err := old.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seal, err := store.Seal(t.Context(), 10); !errors.Is(err, sessioncleanup.ErrUnavailable) {
		t.Errorf("with an open entry: seal %+v, %v; want ErrUnavailable", seal, err)
	}
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seal, err := store.Seal(t.Context(), 10); err != nil || seal.Entries != 2 {
		t.Errorf("after its commit: seal %+v, %v; want one of 2 entries", seal, err)
	}
	if wrong := mismatch(t, m); wrong != nil {
		t.Error(wrong)
	}
	if seal, err := store.Seal(t.Context(), 10); err != nil || seal.Number != 0 {
		t.Errorf("with nothing left: seal %+v, %v; want none", seal, err)
	}
}

func TestNobodyWaitsForASeal(t *testing.T) {
	t.Parallel()
	m, pool, as := withLog(t)
	mustRun(t, pool, logSomething)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT sessioncleanup_seal(10)"); err != nil {
		t.Fatal(err)
	}
	other := connect(t, as)
	if err := tries(t.Context(), other, "SET statement_timeout = '5s'; "+logSomething+"; SELECT sessioncleanup_forget('infinity', 10)"); err != nil {
		t.Errorf("writing to the log while others seal: %v", err)
	}
	if err := tries(t.Context(), other, "SELECT sessioncleanup_seal(10)"); !hasState(err, "55P03") {
		t.Errorf("sealing while others seal: %v, want lock not available", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wrong := mismatch(t, m); wrong != nil {
		t.Error(wrong)
	}
}

func TestARoleThatMaySealCanNeitherForgeSealsNorStopThem(t *testing.T) {
	t.Parallel()
	m, pool, as := withLog(t)
	attacker := connect(t, as)
	for _, sql := range []string{
		"INSERT INTO sessioncleanup_seals VALUES (9, 1, 1, 1, now(), false, '', '')", "UPDATE sessioncleanup_seals SET hash = ''", "DELETE FROM sessioncleanup_seals",
		"TRUNCATE sessioncleanup_seals", "UPDATE sessioncleanup_events SET proof = ''",
	} {
		if err := tries(t.Context(), attacker, sql); !hasState(err, "42501") {
			t.Errorf("%s: %v, want permission denied", sql, err)
		}
	}
	cleaner := manage(t, open(t, as, postgres.Config{}))
	if _, err := cleaner.Erase(t.Context(), "7", sessioncleanup.EraseOptions{}); err == nil {
		t.Error("the role may erase from the log")
	}
	for _, args := range []string{
		"'{{a,b},{c,d}}', '{x}', '{}', NULL", "'{NULL}', '{NULL,NULL}', '{}', NULL", "'{}', '{}', '{{a}}', 'null'", "'{}', '{}', '{}', '[]'", "'{}', '{}', '{}', '\"x\"'",
		"NULL, NULL, NULL, NULL",
	} {
		_ = tries(t.Context(), attacker, "SELECT sessioncleanup_log('infinity', 'x', 'x', '', '', "+args+")")
	}
	mustRun(t, pool, "INSERT INTO sessioncleanup_events (at, action, actor, session_ids) VALUES ('infinity', 'x', 'x', '{{a,b}}'), ('-infinity', 'x', 'x', '{NULL}')")
	if _, err := cleaner.SealEvents(t.Context()); err != nil {
		t.Errorf("SealEvents as the cleaner: %v", err)
	}
	v, err := cleaner.VerifyEvents(t.Context(), "")
	if err != nil || v.Mismatch != nil || v.Unsealed != 0 {
		t.Errorf("VerifyEvents as the cleaner: %+v, %v", v, err)
	}
	mustRun(t, attacker, "SELECT sessioncleanup_forget('infinity', 100000)")
	if wrong := mismatch(t, m); wrong != nil {
		t.Errorf("after the role forgot what it may: %v", wrong)
	}
}

func TestTheFunctionOfTheGuideSeals(t *testing.T) {
	t.Parallel()
	m, pool, _ := withLog(t)
	before := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_seals")
	mustRun(t, pool, "SELECT * FROM cleanup_inactive_sessions()")
	if v, err := m.VerifyEvents(t.Context(), ""); err != nil || v.Mismatch != nil || v.Unsealed != 0 || v.Seals != before+1 {
		t.Errorf("%+v, %v; want one more seal than %d and nothing that is not sealed", v, err, before)
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), logSomething); err != nil {
		t.Fatal(err)
	}
	mustRun(t, pool, "SELECT * FROM cleanup_inactive_sessions()") // which cannot seal, and succeeds
}
