package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// old inserts sessions with these ids that have been inactive for 100 days.
func old(t *testing.T, app *sql.DB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		execute(t, app, fmt.Sprintf(`INSERT INTO sessions (id, active, auto_cleanup, last_activity, deactivated_at)
			VALUES ('%s', 0, 1, datetime('now', '-100 days'), datetime('now', '-100 days'))`, id))
	}
}

func rulesOf(text string) sessioncleanup.Policy { return sessioncleanup.Policy{Rules: text} }

// ruled is a store with a table of its own and rules by tag, and its application.
func ruled(t *testing.T, rules string) (*sqlite.Store, *sql.DB) {
	t.Helper()
	path, app := adopted(t, nil, sqlite.Config{})
	store := open(t, path, sqlite.Config{})
	if err := store.Migrate(t.Context(), rulesOf(rules)); err != nil {
		t.Fatal(err)
	}
	return store, app
}

// classes are the sessions with their classes.
func classes(t *testing.T, app *sql.DB) string {
	t.Helper()
	return line(t, app, "SELECT coalesce(group_concat(id || '=' || coalesce(sessioncleanup_class, '-'), ' '), '') FROM (SELECT * FROM sessions ORDER BY id)")
}

func run(t *testing.T, store sessioncleanup.Store, p sessioncleanup.Policy) sessioncleanup.Result {
	t.Helper()
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestARunClassesSessionsByTheirTagsAndFollowsThem(t *testing.T) {
	t.Parallel()
	const rules = "gold: delete=200d; vip: delete=never"
	store, app := ruled(t, rules)
	execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('c', 'vip')") // before its session
	old(t, app, "a", "b", "c", "d", "e")
	execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('a', 'vip'), ('a', 'gold'), ('a', 'other'), ('b', 'gold'), ('d', 'other')")
	execute(t, app, "UPDATE sessions SET last_activity = datetime('now', '-300 days'), deactivated_at = datetime('now', '-300 days') WHERE id = 'b'")
	if result := run(t, store, rulesOf(rules)); result.Deleted() != 3 {
		t.Errorf("the run deleted %d sessions, want b, d and e", result.Deleted())
	}
	if got := classes(t, app); got != "a=gold vip c=vip" {
		t.Errorf("classes: %s", got)
	}
	execute(t, app, "UPDATE sessioncleanup_tags SET tag = 'gold' WHERE session_id = 'c'")
	execute(t, app, "DELETE FROM sessioncleanup_tags WHERE session_id = 'a' AND tag = 'vip'")
	if result := run(t, store, rulesOf(rules)); result.Deleted() != 0 || classes(t, app) != "a=gold c=gold" {
		t.Errorf("the run after other tags deleted %d, and classes are %s", result.Deleted(), classes(t, app))
	}
	execute(t, app, "DELETE FROM sessioncleanup_tags")
	if result := run(t, store, rulesOf(rules)); result.Deleted() != 2 {
		t.Errorf("the run without tags deleted %d, want 2", result.Deleted())
	}
}

// A note without a time may be of changed tags, of a session that the application made active, or of both.
func TestARunFoldsInWhateverElseANoteOfChangedTagsSays(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ change, folded string }{
		"an active session": {"UPDATE sessions SET active = 1, last_activity = datetime('now') WHERE id = 'a'", "SELECT deactivated_at IS NULL FROM sessions WHERE id = 'a'"},
		"an inactive one": {"UPDATE sessions SET active = 0 WHERE id = 'x'; UPDATE sessioncleanup_touches SET deactivated_at = datetime('now', '-1 hour') WHERE session = 'x'",
			"SELECT deactivated_at < datetime('now', '-30 minutes') FROM sessions WHERE id = 'x'"},
		"a new one":         {"INSERT INTO sessions (id, last_activity) VALUES ('e', datetime('now'))", "SELECT auto_cleanup FROM sessions WHERE id = 'e'"},
		"one that was used": {"UPDATE sessioncleanup_touches SET at = datetime('now') WHERE session = 'b'", "SELECT last_activity > datetime('now', '-1 day') FROM sessions WHERE id = 'b'"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			const rules = "vip: delete=never"
			store, app := ruled(t, rules)
			old(t, app, "a", "b")
			execute(t, app, "UPDATE sessions SET deactivated_at = datetime('now')")
			execute(t, app, "INSERT INTO sessions (id, auto_cleanup, last_activity) VALUES ('x', 1, datetime('now'))")
			run(t, store, rulesOf(rules))
			execute(t, app, "INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM sessions")
			execute(t, app, c.change)
			run(t, store, rulesOf(rules))
			if got := classes(t, app); !strings.HasPrefix(got, "a=vip b=vip ") {
				t.Errorf("classes: %s", got)
			}
			if got := line(t, app, "SELECT count(*) FROM sessioncleanup_touches"); got != "0" || line(t, app, c.folded) != "1" {
				t.Errorf("%s notes are left, and the other one was folded in: %s, want 1", got, line(t, app, c.folded))
			}
		})
	}
}

func TestARunFollowsTagsWhateverIDsAre(t *testing.T) {
	t.Parallel()
	const rules = "vip: delete=never; quick: delete=1d"
	for _, id := range []struct{ declared, first, second string }{
		{"TEXT PRIMARY KEY", "'a'", "'12'"}, {"INTEGER PRIMARY KEY", "1", "12"}, {"INT PRIMARY KEY", "'a'", "12"}, {"UUID PRIMARY KEY", "'0000-01'", "'0000-02'"},
		{"NUMERIC PRIMARY KEY", "'a'", "-12"}, {"PRIMARY KEY", "1", "12"}, {"PRIMARY KEY", "'a'", "'b'"}, {"BLOB PRIMARY KEY", "x'00ff'", "x'12'"}, {"DATETIME PRIMARY KEY", "'2026-01-01'", "'2026-01-02'"},
	} {
		t.Run(id.declared+" "+id.first, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, "CREATE TABLE sessions (id "+id.declared+", active INTEGER NOT NULL DEFAULT 1, auto_cleanup INTEGER DEFAULT 1, last_activity TEXT, deactivated_at TEXT)",
				fmt.Sprintf(`INSERT INTO sessions (id, active, last_activity, deactivated_at)
					SELECT value, 0, datetime('now', '-3 days'), datetime('now', '-3 days') FROM (SELECT %s AS value UNION ALL SELECT %s)`, id.first, id.second))
			store := open(t, path, sqlite.Config{})
			if err := store.Migrate(t.Context(), rulesOf(rules)); err != nil {
				t.Fatal(err)
			}
			text := "CASE typeof(id) WHEN 'blob' THEN lower(hex(id)) ELSE id END"
			execute(t, app, "INSERT INTO sessioncleanup_tags SELECT "+text+", 'vip' FROM sessions")
			run(t, store, rulesOf(rules))
			if got := line(t, app, "SELECT group_concat(coalesce(sessioncleanup_class, '-'), ' ') FROM sessions"); got != "vip vip" {
				t.Errorf("classes: %s", got)
			}
			execute(t, app, "UPDATE sessioncleanup_tags SET session_id = '012' WHERE session_id = '12'") // no session's
			execute(t, app, "UPDATE sessioncleanup_tags SET tag = 'quick'")
			all, err := store.Tags(t.Context(), "")
			if err != nil || len(all) != 1 {
				t.Errorf("tags in use: %+v, %v", all, err)
			}
			if result := run(t, store, rulesOf(rules)); len(all) == 1 && result.Deleted() != all[0].Sessions {
				t.Errorf("the run deleted %d of %d sessions", result.Deleted(), all[0].Sessions)
			}
		})
	}
}

func TestOtherRulesClassSessionsAnew(t *testing.T) {
	t.Parallel()
	store, app := ruled(t, "vip: delete=never")
	old(t, app, "a", "b")
	execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('a', 'vip'), ('b', 'gold'), ('a', 'gold')")
	e := sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}
	for _, step := range []struct{ rules, classes string }{
		{"gold: delete=1d; vip: delete=never", "a=gold vip b=gold"}, {"gold: delete=2d", "a=gold b=gold"}, {"none", "a=- b=-"}, {"vip: delete=90d", "a=vip b=-"},
	} {
		p, err := store.SetPolicy(t.Context(), rulesOf(step.rules), nil, e)
		if err != nil || p.Rules != step.rules {
			t.Fatalf("SetPolicy: %+v, %v", p.Rules, err)
		}
		if got := classes(t, app); got != step.classes {
			t.Errorf("classes with the rules %q: %s, want %s", step.rules, got, step.classes)
		}
	}
	// A program with rules of its own, which are not stored.
	if result := run(t, store, rulesOf("gold: delete=never")); result.Deleted() != 0 {
		t.Errorf("the run deleted %d", result.Deleted())
	}
	if got := classes(t, app); got != "a=gold vip b=gold" {
		t.Errorf("classes after it: %s", got)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// It takes long in a large table, and must not make a policy that is stored look as if it were not.
func TestAChangeOfTheRulesDoesNotFailWhenSessionsCannotBeClassedAtOnce(t *testing.T) {
	t.Parallel()
	store, app := ruled(t, "vip: delete=never")
	old(t, app, "a")
	execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('a', 'gold')")
	execute(t, app, "CREATE TRIGGER theirs AFTER UPDATE ON sessions BEGIN DELETE FROM missing; END")
	const rules = "gold: delete=200d; vip: delete=never"
	e := sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}
	if p, err := store.SetPolicy(t.Context(), rulesOf(rules), nil, e); err != nil || p.Rules != rules {
		t.Errorf("SetPolicy: rules %q, %v", p.Rules, err)
	}
	execute(t, app, "DROP TRIGGER theirs")
	if result := run(t, store, rulesOf(rules)); result.Deleted() != 0 || classes(t, app) != "a=gold" {
		t.Errorf("the run deleted %d, and classes are %s", result.Deleted(), classes(t, app))
	}
}

func TestTheFirstRuleMayBeSetInAnInstallationWithoutAny(t *testing.T) {
	t.Parallel()
	path, app := adopted(t, nil, sqlite.Config{})
	store := open(t, path, sqlite.Config{})
	before := line(t, app, "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master ORDER BY name)")
	if strings.Contains(before, "sessioncleanup_class") {
		t.Error("without rules there is a column for them")
	}
	old(t, app, "a")
	execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('a', 'vip')")
	seen, err := store.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}
	if _, err := store.SetPolicy(t.Context(), rulesOf("vip: delete=1d"), func(sessioncleanup.Policy) bool { return false }, e); !errors.Is(err, sessioncleanup.ErrChanged) {
		t.Errorf("SetPolicy with a condition that does not hold: error %v, want ErrChanged", err)
	}
	if p, err := store.Policy(t.Context()); err != nil || p != seen {
		t.Errorf("the stored policy after it: %+v, %v; want it as it was", p, err)
	}
	p, err := store.SetPolicy(t.Context(), rulesOf("vip: delete=never"), func(stored sessioncleanup.Policy) bool { return stored == seen }, e)
	if err != nil || p.Rules == "" || classes(t, app) != "a=vip" {
		t.Errorf("SetPolicy: %+v, %v, classes %s", p, err, classes(t, app))
	}
	stored, err := store.Policy(t.Context())
	if diff := cmp.Diff(p, stored); err != nil || diff != "" {
		t.Errorf("the stored policy: %s, %v", diff, err)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.Uninstall(t.Context()); err == nil {
		t.Error("Uninstall drops a table with sessions")
	}
}

func TestUninstallRemovesTheColumnOfClasses(t *testing.T) {
	t.Parallel()
	path, app := adopted(t, []string{appTables}, sqlite.Config{})
	columns := func() string { return line(t, app, "SELECT group_concat(name) FROM pragma_table_info('sessions')") }
	store := open(t, path, sqlite.Config{})
	was := columns()
	if err := store.Migrate(t.Context(), rulesOf("vip: delete=never")); err != nil {
		t.Fatal(err)
	}
	if got := columns(); got != was+",sessioncleanup_class" {
		t.Errorf("columns: %s", got)
	}
	execute(t, app, "DROP INDEX sessioncleanup_class_idle")
	if err := store.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "sessioncleanup_class_idle") {
		t.Errorf("Validate without an index: %v", err)
	}
	if err := store.Uninstall(t.Context()); err != nil || strings.Contains(columns(), "sessioncleanup_class") {
		t.Errorf("Uninstall: %v; columns: %s", err, columns())
	}
}

// A tool rebuilds the table without the column.
func TestMigrateAddsTheColumnOfClassesAgain(t *testing.T) {
	t.Parallel()
	store, app := ruled(t, "vip: delete=never")
	old(t, app, "a", "b")
	execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('a', 'vip')")
	for _, index := range []string{"idle", "expired", "gone", "ended", "protected", "class_idle", "class_expired", "class_gone", "classed"} {
		execute(t, app, "DROP INDEX sessioncleanup_"+index)
	}
	execute(t, app, "ALTER TABLE sessions DROP COLUMN sessioncleanup_class")
	if _, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{}); err == nil {
		t.Error("figures without the column")
	}
	if err := store.Migrate(t.Context(), rulesOf("vip: delete=never")); err != nil {
		t.Fatal(err)
	}
	if got := classes(t, app); got != "a=vip b=-" {
		t.Errorf("classes: %s", got)
	}
}

// The tags of what goes along are gone before it is known what went along.
func TestACascadeTakesNoSessionAlongThatItsTagsKeep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run  sessioncleanup.Run
		rule string
	}{
		"by the filter of the run": {sessioncleanup.Run{Force: true, Filter: sessioncleanup.Filter{Tags: "-vip"}}, "none"},
		"by a rule":                {sessioncleanup.Run{Force: true}, "vip: delete=never"},
	} {
		for _, migrated := range []string{"none", "vip: delete=never"} {
			t.Run(name+", installed with "+migrated, func(t *testing.T) {
				t.Parallel()
				path, app := adopted(t, []string{`CREATE TABLE sessions (id TEXT PRIMARY KEY, parent TEXT REFERENCES sessions (id) ON DELETE CASCADE, active INTEGER NOT NULL DEFAULT 1,
					last_activity TEXT, created_at TEXT, expires_at TEXT)`}, sqlite.Config{})
				store := open(t, path, sqlite.Config{})
				if err := store.Migrate(t.Context(), rulesOf(migrated)); err != nil {
					t.Fatal(err)
				}
				old(t, app, "parent", "vip", "other", "child")
				execute(t, app, "UPDATE sessions SET parent = 'parent' WHERE id = 'vip'")
				execute(t, app, "UPDATE sessions SET parent = 'other' WHERE id = 'child'")
				execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('vip', 'vip')")
				m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: rulesOf(c.rule)})
				if err != nil {
					t.Fatal(err)
				}
				result, err := m.Cleanup(t.Context(), c.run)
				if err != nil {
					t.Fatal(err)
				}
				if got := line(t, app, "SELECT group_concat(id) FROM (SELECT id FROM sessions ORDER BY id)"); got != "parent,vip" {
					t.Errorf("sessions left: %s, want parent,vip; the run %+v", got, result)
				}
				if len(result.Skipped) != 1 || result.Skipped[0].SessionID != "parent" {
					t.Errorf("skipped: %+v, want the parent", result.Skipped)
				}
			})
		}
	}
}

// sweepOf is one batch of one session that is due for deletion.
func sweepOf(t *testing.T, store *sqlite.Store, rules, after string) sessioncleanup.BatchResult {
	t.Helper()
	result, err := store.Sweep(t.Context(), sessioncleanup.Batch{
		Action: sessioncleanup.ActionDeleted, Cutoffs: rulesOf(rules).CutoffsAt(time.Now()), Limit: 1, After: after,
		Cause: sessioncleanup.Cause{Actor: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestARunGoesOnAfterWhatChangedBetweenItsBatches(t *testing.T) {
	t.Parallel()
	const rules = "quick: delete=1d; vip: delete=never"
	for name, c := range map[string]struct{ statement, left string }{
		"another tag, which keeps the session":  {"INSERT INTO sessioncleanup_tags VALUES ('b', 'vip')", "b"},
		"another tag, with which it is not due": {"DELETE FROM sessioncleanup_tags WHERE session_id = 'b'", "b"},
		"all others of the class are gone":      {"DELETE FROM sessions WHERE id IN ('b', 'c')", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, app := ruled(t, rules)
			old(t, app, "a", "b", "c")
			execute(t, app, "UPDATE sessions SET last_activity = datetime('now', '-5 days'), deactivated_at = datetime('now', '-5 days', '+' || unicode(id) || ' minutes')")
			execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('a', 'quick'), ('b', 'quick'), ('c', 'quick')")
			result := sweepOf(t, store, rules, "")
			for len(result.IDs) == 0 && result.Next != "" { // classing comes first
				result = sweepOf(t, store, rules, result.Next)
			}
			if diff := cmp.Diff([]string{"a"}, result.IDs); diff != "" {
				t.Fatalf("the first batch: %s", diff)
			}
			execute(t, app, c.statement)
			for result.Next != "" {
				result = sweepOf(t, store, rules, result.Next)
			}
			if got := line(t, app, "SELECT coalesce(group_concat(id), '') FROM (SELECT id FROM sessions ORDER BY id)"); got != c.left {
				t.Errorf("sessions left: %q, want %q", got, c.left)
			}
		})
	}
}
