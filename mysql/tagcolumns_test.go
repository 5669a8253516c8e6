package mysql_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

const planTables = `CREATE TABLE sessions (id INT PRIMARY KEY, plan VARCHAR(80) CHARACTER SET utf8mb4, kind ENUM ('Gold', 'not free') NULL, number DECIMAL(5,2), data VARCHAR(20),
	tier VARCHAR(4) AS (LEFT(data, 4)) STORED, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME)`

func tagsBy(columns ...string) mysql.Config {
	return mysql.Config{Schema: sessioncleanup.Schema{TagColumns: columns}}
}

// tagsIn lists the tags of the sessions that there are.
func tagsIn(t testing.TB, d mysqltest.Database) string {
	t.Helper()
	return value[string](t, d, "SELECT COALESCE(GROUP_CONCAT(s.id, ' ', g.tag ORDER BY s.id, g.tag SEPARATOR ', '), '') FROM sessioncleanup_tags AS g JOIN sessions AS s ON s.id = g.session_id AND s.sessioncleanup_since = g.since")
}

func TestTheTagsOfColumnsFollowEveryStatementOfTheApplication(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, planTables)
	if err := open(t, d, tagsBy("plan", "kind", "number", "tier")).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ statement, want string }{
		{"INSERT INTO sessions (id, plan, kind, number, data) VALUES (1, 'free', 'Gold', 2.5, 'goldrush'), (2, 'a b', 'not free', NULL, NULL)", "1 kind:gold, 1 number:2.50, 1 plan:free, 1 tier:gold"},
		{"UPDATE sessions SET data = 'silver', plan = 'Free' WHERE id = 1", "1 kind:gold, 1 number:2.50, 1 plan:free, 1 tier:silv"},
		{"UPDATE sessions SET plan = 'free ' WHERE id = 1", "1 kind:gold, 1 number:2.50, 1 tier:silv"}, // equal to the column's collation, and no tag
		{"UPDATE sessions SET plan = 'free\n' WHERE id = 1", "1 kind:gold, 1 number:2.50, 1 tier:silv"},
		{"UPDATE sessions SET plan = CONVERT(X'E284AA' USING utf8mb4) WHERE id = 1", "1 kind:gold, 1 number:2.50, 1 tier:silv"}, // whose small letter is k
		{"REPLACE INTO sessions (id, plan) VALUES (1, 'again')", "1 plan:again"},
		{"INSERT INTO sessions (id, plan) VALUES (1, 'more') ON DUPLICATE KEY UPDATE plan = VALUES(plan)", "1 plan:more"},
		{"UPDATE sessions SET id = 7 WHERE id = 1", "7 plan:more"},
		{"INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (7, 'own'), (7, 'plan:wrong')", "7 own, 7 plan:more, 7 plan:wrong"},
		{"UPDATE sessions SET plan = 'less' WHERE id = 7", "7 own, 7 plan:less, 7 plan:wrong"}, // which nobody may write
		{"UPDATE sessions SET plan = NULL", "7 own, 7 plan:wrong"},
	} {
		execute(t, d.DB, c.statement)
		if got := tagsIn(t, d); got != c.want {
			t.Errorf("after %s:\n got %s\nwant %s", c.statement, got, c.want)
		}
	}
}

func TestMigrateTagsTheRowsThatThereWereBeforeAndRemovesTheTagsOfColumnsThatHaveNone(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, planTables)
	execute(t, d.DB, "INSERT INTO sessions (id, plan, number) SELECT seq, CASE MOD(seq, 3) WHEN 0 THEN 'Free' WHEN 1 THEN 'gold' END, MOD(seq, 2) FROM seq_1_to_2500")
	migrated := func(columns []string, want string) {
		t.Helper()
		store := open(t, d, tagsBy(columns...))
		for range 2 {
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{Rules: "plan:free: delete=never"}); err != nil {
				t.Fatal(err)
			}
			if got := value[string](t, d, "SELECT COALESCE(GROUP_CONCAT(tag, '=', n ORDER BY tag SEPARATOR ' '), '') FROM (SELECT tag, COUNT(*) AS n FROM sessioncleanup_tags GROUP BY tag) AS t"); got != want {
				t.Errorf("with the columns %q there are the tags %s, want %s", columns, got, want)
			}
		}
		runDeletions(t, store)
	}
	migrated(nil, "")
	execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, t.tag FROM sessions, (SELECT 'plan:gold' AS tag UNION SELECT 'other') AS t")
	migrated([]string{"plan"}, "other=2500 plan:free=833 plan:gold=834")
	migrated([]string{"number", "plan"}, "number:0.00=1250 number:1.00=1250 other=2500 plan:free=833 plan:gold=834")
	migrated([]string{"number"}, "number:0.00=1250 number:1.00=1250 other=2500")
	migrated([]string{}, "other=2500")
	if err := open(t, d, mysql.Config{}).Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestARunRefusesToWorkWithoutTheTriggersThatFollowTheColumnsUntilMigrateTagsAgain(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"": "", "live": "live_"} {
		t.Run("with the name "+name, func(t *testing.T) { refusesToWorkWithoutTriggers(t, name, before) })
	}
}

func refusesToWorkWithoutTriggers(t *testing.T, name, before string) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, planTables)
	c := tagsBy("plan")
	c.Name, c.Schema.Table = name, "sessions"
	store := open(t, d, c)
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, "INSERT INTO sessions (id, plan) VALUES (1, 'free'); DROP TRIGGER "+before+"sessioncleanup_column_updated; UPDATE sessions SET plan = 'gold'")
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Sweep(t.Context(), sessioncleanup.Batch{Action: sessioncleanup.ActionDeleted, Limit: 100, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now)})
	if !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), " "+before+"sessioncleanup_column_updated are missing") {
		t.Errorf("a run: %v, want an ErrNotInstalled that names the trigger", err)
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	runDeletions(t, store)
	if got := value[string](t, d, "SELECT CONCAT(session_id, ' ', tag) FROM "+before+"sessioncleanup_tags"); got != "1 plan:gold" {
		t.Errorf("after Migrate there are the tags %s", got)
	}
}

func TestAColumnThatAForeignKeyChangesIsNoTag(t *testing.T) {
	t.Parallel()
	for rule, refused := range map[string]bool{"ON UPDATE CASCADE": true, "ON DELETE SET NULL": true, "ON DELETE CASCADE": false, "": false} {
		d := mysqltest.New(t)
		execute(t, d.DB, "CREATE TABLE plans (name VARCHAR(20) PRIMARY KEY); CREATE TABLE sessions (id INT PRIMARY KEY, plan VARCHAR(20), active BOOLEAN, updated_at DATETIME, FOREIGN KEY (plan) REFERENCES plans (name) "+rule+")")
		err := open(t, d, tagsBy("plan")).Migrate(t.Context(), sessioncleanup.Policy{})
		if errors.Is(err, sessioncleanup.ErrInvalid) != refused || (err != nil) != refused || refused && !strings.Contains(err.Error(), "schema.tag_columns[0]") {
			t.Errorf("with %q Migrate returns %v", rule, err)
		}
	}
}

// Such a user sees no triggers in the catalog.
func TestAUserWithTheRightsToRunNeedsNoMoreForTheTagsOfColumns(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, planTables)
	ruled(t, open(t, d, tagsBy("plan")), "plan:gold: delete=never")
	limited := d.Granted(t, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+d.Name+".* TO %s")
	store := open(t, limited, mysql.Config{})
	ruledRun(t, store, "plan:gold: delete=never")
	if err := store.Validate(t.Context()); err != nil {
		t.Errorf("Validate: %v", err)
	}
}

// At the server's default isolation level, a range of tags that is deleted would be locked with the gaps beside it.
func TestApplicationsThatChangeTheColumnsOfSessionsDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, planTables)
	ruled(t, open(t, d, tagsBy("plan", "tier")), "plan:gold: delete=never")
	for name, c := range map[string]struct {
		first           int
		before, a, b, c string
	}{
		"that had no tag":     {10, "NULL", "'gold'", "'free'", "'x'"},
		"that have other tag": {20, "'old'", "'gold'", "'a'", "'zz'"},
		"that lose their tag": {30, "'old'", "NULL", "NULL", "'a'"},
	} {
		t.Run(name, func(t *testing.T) {
			execute(t, d.DB, fmt.Sprintf("INSERT INTO sessions (id, plan) VALUES (%d, %s), (%d, %s), (%d, %s)", c.first, c.before, c.first+1, c.before, c.first+2, c.before))
			var open []*sql.Tx
			for _, change := range []struct {
				id   int
				plan string
			}{{c.first + 1, c.a}, {c.first, c.b}, {c.first + 2, c.c}} {
				tx, err := d.DB.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = tx.Rollback() })
				if _, err := tx.ExecContext(t.Context(), fmt.Sprintf("SET innodb_lock_wait_timeout = 1; UPDATE sessions SET plan = %s WHERE id = %d", change.plan, change.id)); err != nil {
					t.Errorf("session %d beside others: %v", change.id, err)
				}
				open = append(open, tx)
			}
			for _, tx := range open {
				if err := tx.Commit(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
