package mysql_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// old inserts sessions with these ids that have been inactive for 100 days.
func old(t *testing.T, d mysqltest.Database, ids ...int) {
	t.Helper()
	for _, id := range ids {
		execute(t, d.DB, fmt.Sprintf(`SET @sessioncleanup_own = 1;
			INSERT INTO sessions (id, active, auto_cleanup, last_activity, deactivated_at)
			VALUES (%d, FALSE, TRUE, UTC_TIMESTAMP() - INTERVAL 100 DAY, UTC_TIMESTAMP() - INTERVAL 100 DAY); SET @sessioncleanup_own = NULL`, id))
	}
}

// ruled migrates with rules.
func ruled(t *testing.T, store *mysql.Store, rules string) {
	t.Helper()
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{Rules: rules}); err != nil {
		t.Fatal(err)
	}
}

// ruledRun is a run by rules.
func ruledRun(t *testing.T, store sessioncleanup.Store, rules string) sessioncleanup.Result {
	t.Helper()
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Rules: rules}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// classes are the sessions with the tags of their classes.
func classes(t *testing.T, d mysqltest.Database) string {
	t.Helper()
	return value[string](t, d, `SELECT COALESCE(GROUP_CONCAT(CONCAT(s.id, '=', COALESCE(c.tags, '-')) ORDER BY s.id SEPARATOR ', '), '')
		FROM sessions AS s LEFT JOIN sessioncleanup_classes AS c ON c.class = s.sessioncleanup_class`)
}

func TestARunClassesSessionsByTheirTagsAndFollowsThem(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms)
	old(t, d, 1, 2, 3, 4, 5)
	execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (1, 'vip'), (1, 'gold'), (1, 'other'), (2, 'gold'), (3, 'vip'), (4, 'other')")
	execute(t, d.DB, "UPDATE sessions SET last_activity = UTC_TIMESTAMP() - INTERVAL 300 DAY, deactivated_at = UTC_TIMESTAMP() - INTERVAL 300 DAY WHERE id = 2")
	const rules = "gold: delete=200d; vip: delete=never"
	if result := ruledRun(t, store, rules); result.Deleted() != 3 { // rules that are not stored
		t.Errorf("the run deleted %d sessions, want 2, 4 and 5", result.Deleted())
	}
	if got := classes(t, d); got != "1=gold vip, 3=vip" {
		t.Errorf("classes: %s", got)
	}
	// An application that restores its data, for example, has the triggers do nothing.
	execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessioncleanup_tags SET tag = 'gold' WHERE session_id = 3; SET @sessioncleanup_own = NULL; DELETE FROM sessioncleanup_tags WHERE session_id = 1 AND tag = 'vip'")
	if result := ruledRun(t, store, rules); result.Deleted() != 0 || classes(t, d) != "1=gold, 3=gold" {
		t.Errorf("the run after other tags deleted %d, and classes are %s", result.Deleted(), classes(t, d))
	}
	execute(t, d.DB, "DELETE FROM sessioncleanup_tags")
	if result := ruledRun(t, store, rules); result.Deleted() != 2 {
		t.Errorf("the run without tags deleted %d, want 2", result.Deleted())
	}
	if n := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_retagged"); n != 0 {
		t.Errorf("%d notes are left, want none", n)
	}
}

func TestOtherRulesClassSessionsAnewAndReplaceTheViews(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, rooms)
	store := open(t, d, withView)
	ruled(t, store, "none")
	old(t, d, 1, 2)
	execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (1, 'vip'), (2, 'gold'), (1, 'gold')")
	for _, step := range []struct {
		rules, classes, left, toDelete string
		migrate                        bool
	}{
		{"vip: delete=never", "1=vip, 2=-", "vip", "2", false}, {"gold: delete=1d; vip: delete=never", "1=gold vip, 2=gold", "gold, gold vip, vip", "2", false},
		{"gold: delete=200d", "1=gold, 2=gold", "gold", "", true}, {"none", "1=-, 2=-", "", "1,2", false}, {"vip: delete=90d", "1=vip, 2=-", "vip", "1,2", true},
	} {
		if step.migrate {
			ruled(t, store, step.rules)
		} else if p, err := store.SetPolicy(t.Context(), sessioncleanup.Policy{Rules: step.rules}, nil, sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}); err != nil || p.Rules != step.rules {
			t.Fatalf("SetPolicy: %+v, %v", p.Rules, err)
		}
		if got := classes(t, d); got != step.classes {
			t.Errorf("classes with the rules %q: %s, want %s", step.rules, got, step.classes)
		}
		// No class is left with a tag that has no rule any more.
		if got := value[string](t, d, "SELECT COALESCE(GROUP_CONCAT(tags ORDER BY tags SEPARATOR ', '), '') FROM sessioncleanup_classes"); got != step.left {
			t.Errorf("with the rules %q there are the classes %q, want %q", step.rules, got, step.left)
		}
		got := value[string](t, d, "SELECT COALESCE(GROUP_CONCAT(id ORDER BY id), '') FROM sessions_cleanup_view WHERE status = 'to_delete'")
		if got != step.toDelete {
			t.Errorf("with the rules %q the view has %q to delete, want %q", step.rules, got, step.toDelete)
		}
	}
	if result := ruledRun(t, store, "gold: delete=never"); result.Deleted() != 0 {
		t.Errorf("a run with rules of its own deleted %d, want none", result.Deleted())
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRunsFollowTagsThatWereWrittenInATransactionBeside(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms)
	ruled(t, store, "vip: delete=never")
	old(t, d, 1, 2, 3)
	begin := func(statement string) *sql.Tx {
		tx, err := d.DB.BeginTx(t.Context(), nil)
		if err == nil {
			_, err = tx.ExecContext(t.Context(), statement)
		}
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		return tx
	}
	commit := func(tx *sql.Tx) {
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	const rules = "gold: delete=never; vip: delete=never"
	tagging := begin("INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (1, 'gold'), (2, 'gold')")
	execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (3, 'vip')")
	if result := ruledRun(t, store, rules); result.Deleted() != 0 || classes(t, d) != "1=-, 2=-, 3=vip" {
		t.Errorf("before the commit the run deleted %d, and classes are %s", result.Deleted(), classes(t, d))
	}
	commit(tagging)
	locking := begin("SELECT id FROM sessions WHERE id < 3 FOR UPDATE") // a run cannot class them
	if result := ruledRun(t, store, rules); result.Deleted() != 0 || classes(t, d) != "1=-, 2=-, 3=vip" {
		t.Errorf("with the sessions locked the run deleted %d, and classes are %s", result.Deleted(), classes(t, d))
	}
	commit(locking)
	if result := ruledRun(t, store, rules); result.Deleted() != 0 || classes(t, d) != "1=gold, 2=gold, 3=vip" {
		t.Errorf("at the end the run deleted %d, and classes are %s", result.Deleted(), classes(t, d))
	}
}

func TestClassingASessionChangesNothingElseOfIt(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+`CREATE TRIGGER refuse BEFORE UPDATE ON sessions FOR EACH ROW IF NEW.id = 3 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF`)
	old(t, d, 1, 2, 3)
	before := value[string](t, d, "SELECT GROUP_CONCAT(CONCAT_WS('/', id, updated_at, last_activity, deactivated_at) ORDER BY id) FROM sessions")
	execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions")
	ruled(t, store, "vip: delete=never")
	if got := classes(t, d); got != "1=vip, 2=vip, 3=-" {
		t.Errorf("the classes are %s: a trigger refuses session 3", got)
	}
	if after := value[string](t, d, "SELECT GROUP_CONCAT(CONCAT_WS('/', id, updated_at, last_activity, deactivated_at) ORDER BY id) FROM sessions"); after != before {
		t.Errorf("the sessions were %s and are %s", before, after)
	}
	if result := ruledRun(t, store, "vip: delete=never"); result.Deleted() != 0 {
		t.Errorf("a run deleted %d sessions, although their tags keep them", result.Deleted())
	}
}

func TestACascadeTakesNoSessionAlongThatItsTagsKeep(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms)
	old(t, d, 1, 2, 3, 4)
	execute(t, d.DB, "UPDATE sessions SET parent_id = 1 WHERE id = 2; UPDATE sessions SET parent_id = 3 WHERE id = 4; INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (2, 'vip')")
	result := ruledRun(t, store, "vip: delete=never")
	if got := value[string](t, d, "SELECT GROUP_CONCAT(id ORDER BY id) FROM sessions"); got != "1,2" {
		t.Errorf("sessions left: %s, want 1,2; the run %+v", got, result)
	}
	if len(result.Skipped) != 1 || result.Skipped[0].SessionID != "1" {
		t.Errorf("skipped: %+v, want the parent", result.Skipped)
	}
}

func TestMigrateBringsAnEarlierInstallationToRules(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms)
	old(t, d, 1, 2)
	execute(t, d.DB, `INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (1, 'vip');
		DROP INDEX sessioncleanup_due_idle ON sessions; DROP INDEX sessioncleanup_due_gone ON sessions; DROP INDEX sessioncleanup_due_expired ON sessions;
		CREATE INDEX sessioncleanup_gone ON sessions (active, deactivated_at); CREATE INDEX sessioncleanup_expired ON sessions (expires_at);
		CREATE INDEX sessioncleanup_due_idle ON sessions (last_activity);
		DROP TRIGGER sessioncleanup_session_inserted; ALTER TABLE sessions DROP COLUMN sessioncleanup_class;
		DROP TRIGGER sessioncleanup_retagged_by_insert; DROP TRIGGER sessioncleanup_retagged_by_update; DROP TRIGGER sessioncleanup_retagged_by_delete;
		DROP TABLE sessioncleanup_retagged, sessioncleanup_rules, sessioncleanup_classes; ALTER TABLE sessioncleanup_archive DROP COLUMN tags;
		DELETE FROM sessioncleanup_migrations WHERE version_id = 3`)
	if err := store.Validate(t.Context()); err == nil {
		t.Error("Validate finds nothing wrong with an earlier installation")
	}
	ruled(t, store, "vip: delete=never")
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	const want = "sessioncleanup_due_expired,sessioncleanup_due_gone,sessioncleanup_due_idle,sessioncleanup_idle,sessioncleanup_sessions_created_at"
	got := value[string](t, d, `SELECT GROUP_CONCAT(DISTINCT index_name ORDER BY index_name) FROM information_schema.statistics
		WHERE table_schema = DATABASE() AND table_name = 'sessions' AND index_name LIKE 'sessioncleanup%'`)
	if got != want {
		t.Errorf("the indexes are %s, want %s", got, want)
	}
	if result := ruledRun(t, store, "vip: delete=never"); result.Deleted() != 1 || classes(t, d) != "1=vip" {
		t.Errorf("the run deleted %d, and classes are %s", result.Deleted(), classes(t, d))
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	columns, err := mysqltest.Texts(t.Context(), d.DB, "SHOW COLUMNS FROM sessions LIKE 'sessioncleanup%'", 0)
	if err != nil || len(columns) != 0 {
		t.Errorf("Uninstall leaves the columns %q, %v", columns, err)
	}
}

// Triggers of the sessions set the tags of columns, in the library's own statements too.
func TestClassesFollowTheTagsOfColumns(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, "CREATE TABLE sessions (id INT PRIMARY KEY, name TEXT, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME)")
	const rules = "plan:gold: delete=never"
	ruled(t, open(t, d, mysql.Config{}), rules)
	old(t, d, 1, 2)
	execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessions SET plan = 'gold' WHERE id = 1; SET @sessioncleanup_own = NULL")
	store := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{TagColumns: []string{"plan"}}})
	ruled(t, store, rules)
	if got := classes(t, d); got != "1=plan:gold, 2=-" {
		t.Errorf("the classes are %s", got)
	}
	if result := ruledRun(t, store, rules); result.Deleted() != 1 {
		t.Errorf("the run deleted %d, want the session without the tag", result.Deleted())
	}
	execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessions SET plan = NULL; SET @sessioncleanup_own = NULL")
	if result := ruledRun(t, store, rules); result.Deleted() != 1 {
		t.Errorf("the run deleted %d, want the session whose tag is gone", result.Deleted())
	}
}

// A tag that goes while nothing notes it would leave its session in a class of which nothing is due.
func TestClassesFollowTagsOfColumnsThatGoInStatementsOfTheLibrary(t *testing.T) {
	t.Parallel()
	const rules = "plan:gold: delete=never"
	for name, c := range map[string]struct {
		do      string
		columns []string // of the next Migrate
	}{
		"when Migrate finds the column changed": {"DROP TRIGGER sessioncleanup_column_updated; UPDATE sessions SET plan = NULL", []string{"plan"}},
		"when the column has no tags any more":  {"DO 0", []string{}},
		"when a trigger of the application changes the column": {`CREATE TRIGGER demote BEFORE UPDATE ON sessions FOR EACH ROW
			IF NOT NEW.active THEN SET NEW.plan = NULL; END IF; UPDATE sessions SET active = TRUE, last_activity = UTC_TIMESTAMP() - INTERVAL 99 DAY, plan = 'gold'`, []string{"plan"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mysqltest.New(t)
			execute(t, d.DB, "CREATE TABLE sessions (id INT PRIMARY KEY, name TEXT, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME)")
			tagged := func(columns []string) sessioncleanup.Store {
				store := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{TagColumns: columns}})
				ruled(t, store, rules)
				return store
			}
			tagged([]string{"plan"})
			old(t, d, 1)
			execute(t, d.DB, "UPDATE sessions SET plan = 'gold'")
			tagged([]string{"plan"}) // which classes it
			if got := classes(t, d); got != "1=plan:gold" {
				t.Fatalf("the classes are %s", got)
			}
			execute(t, d.DB, c.do)
			store := tagged(c.columns)
			ruledRun(t, store, rules) // it may deactivate it
			ruledRun(t, store, rules)
			if got := value[string](t, d, "SELECT COALESCE(GROUP_CONCAT(CONCAT(id, ' ', sessioncleanup_class)), 'none') FROM sessions"); got != "none" {
				t.Errorf("sessions with a class: %s, want none", got)
			}
		})
	}
}
