package mysql_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// rowsRead is how many rows of the sessions the server has read, by any index.
func rowsRead(t *testing.T, d mysqltest.Database) int {
	t.Helper()
	var n int
	err := d.DB.QueryRowContext(t.Context(), "SELECT rows_read FROM information_schema.table_statistics WHERE table_schema = DATABASE() AND table_name = 'sessions'").Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return n
}

// Sessions that no run does anything to, of each kind: in use, closed lately, protected, deleted by the application, no
// sessions at all, and kept by a rule.
func TestARunInWhichNothingIsDueReadsHardlyAnySessions(t *testing.T) {
	t.Parallel()
	const each = 400
	const rules = "vip: inactive=never delete=never; long: inactive=400d delete=400d"
	for _, s := range []struct {
		name, table, columns string
		kinds                []string // of rows
		config               mysql.Config
	}{
		{
			"a boolean", "CREATE TABLE sessions (id INT PRIMARY KEY, active TINYINT(1) NOT NULL, auto_cleanup TINYINT(1), created_at DATETIME, updated_at DATETIME, expires_at DATETIME)",
			"active, auto_cleanup, expires_at, last_activity, deactivated_at",
			[]string{
				"1, 1, NULL, @now, NULL", "2, 1, @now + INTERVAL 1 DAY, @now, NULL", "0, 1, NULL, @now, @now", "0, 1, @old, @old, @now", "1, 0, NULL, @old, NULL",
				"0, 0, @old, @old, @old", "1, NULL, NULL, @old, NULL",
			},
			mysql.Config{},
		},
		{
			"a state", `CREATE TABLE sessions (id INT PRIMARY KEY, status VARCHAR(20) CHARACTER SET latin1, kind VARCHAR(10) NOT NULL, created_at DATETIME, updated_at DATETIME,
				expires_at DATETIME, deleted_at DATETIME, KEY (kind))`,
			"status, kind, auto_cleanup, last_activity, deactivated_at, deleted_at",
			[]string{
				"'open', 'room', 1, @now, NULL, NULL", "NULL, 'room', 1, @now, NULL, NULL", "'closed', 'room', 1, @old, @now, NULL", "'banned', 'room', 1, @old, @now, NULL",
				"'open', 'lobby', 1, @old, NULL, NULL", "'closed', 'room', 1, @old, @old, @old", "'open', 'room', 1, @old, NULL, @now", "'open', 'room', 0, @old, NULL, NULL",
			},
			mysql.Config{Schema: sessioncleanup.Schema{
				Active: "status", State: &sessioncleanup.State{Active: []string{"open", "paused"}, Deactivated: "closed"},
				DeletedAt: "deleted_at", SoftDelete: true, Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"room"}}},
			}},
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			d := mysqltest.New(t)
			execute(t, d.DB, "SET GLOBAL userstat = 1; "+s.table)
			store := open(t, d, s.config)
			ruled(t, store, rules)
			fill := "SET @sessioncleanup_own = 1, @now = UTC_TIMESTAMP(), @old = UTC_TIMESTAMP() - INTERVAL 300 DAY; "
			for i, kind := range s.kinds {
				fill += fmt.Sprintf("INSERT INTO sessions (id, %s) SELECT %d + seq, %s FROM seq_1_to_%d; ", s.columns, i*each, kind, each)
			}
			// Those that a rule keeps are like others that would be due.
			for i, kind := range []string{s.kinds[0], s.kinds[2]} {
				n := (len(s.kinds) + i) * each
				fill += fmt.Sprintf("INSERT INTO sessions (id, %s) SELECT %d + seq, %s FROM seq_1_to_%d; ", s.columns, n, kind, each)
				fill += fmt.Sprintf("UPDATE sessions SET last_activity = @old, deactivated_at = IF(deactivated_at IS NULL, NULL, @old) WHERE id > %d; ", n)
				fill += fmt.Sprintf("INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, IF(id %% 2, 'vip', 'long') FROM sessions WHERE id > %d; ", n)
			}
			execute(t, d.DB, fill+"SET @sessioncleanup_own = NULL")
			execute(t, d.DB, "ANALYZE TABLE sessions")
			if r := ruledRun(t, store, rules); r.Deleted()+r.Deactivated() != 0 {
				t.Fatalf("the run did %+v, want nothing", r.Phases)
			}
			policy := sessioncleanup.Policy{Rules: rules, WarnBefore: 24 * time.Hour}
			manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
			if err != nil {
				t.Fatal(err)
			}
			for _, dry := range []bool{false, true} {
				before := rowsRead(t, d)
				r, err := manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: dry})
				if err != nil || r.Deleted()+r.Deactivated() != 0 {
					t.Fatalf("the run did %+v, %v; want nothing", r.Phases, err)
				}
				most := each / 2
				if dry { // it also looks at each session that a rule keeps, to say so, a few times
					most = 4 * 2 * each
				}
				if n := rowsRead(t, d) - before; n > most || n == 0 {
					t.Errorf("the run (dry: %t) read %d rows of the sessions, of which there are %d; want a few", dry, n, (len(s.kinds)+2)*each)
				}
			}
			// Also where the server thinks otherwise of what is due.
			execute(t, d.DB, "UPDATE sessions SET last_activity = UTC_TIMESTAMP() - INTERVAL 2 DAY WHERE id <= 20")
			if r := ruledRun(t, store, rules); r.Deactivated() != 20 {
				t.Errorf("a run deactivated %d, want 20", r.Deactivated())
			}
		})
	}
}
