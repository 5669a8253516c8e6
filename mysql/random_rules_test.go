package mysql_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	driversql "github.com/go-sql-driver/mysql"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/runmodel"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// ruledTable is a kind of table of sessions for random rules.
type ruledTable struct {
	name, id, active, more string
	on, off                []any // values of the column active
	config                 mysql.Config
}

var ruledTables = []ruledTable{
	{name: "a boolean", id: "INT", active: "TINYINT(1)", on: []any{1, 2, -1, nil}, off: []any{0}, config: withView},
	{
		name: "an enumeration", id: "VARCHAR(20) COLLATE utf8mb4_general_ci", active: "ENUM ('open', 'paused', 'closed')", on: []any{"open", "paused"}, off: []any{"closed"},
		more: ", deleted_at DATETIME, kind VARCHAR(100) NOT NULL DEFAULT 'room'",
		config: mysql.Config{Migrate: withView.Migrate, Schema: sessioncleanup.Schema{
			State: &sessioncleanup.State{Active: []string{"open", "paused"}, Deactivated: "closed"}, DeletedAt: "deleted_at", Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"room"}}},
		}},
	},
	{name: "bits", id: "BIGINT UNSIGNED", active: "BIT(1) NOT NULL", on: []any{1}, off: []any{0}, config: withView},
}

// TestRunsFollowRandomRules compares lists, figures, the view and runs with a model, by rules that are stored and
// others, while sessions are tagged.
func TestRunsFollowRandomRules(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	for seed, table := range ruledTables {
		t.Run(table.name, func(t *testing.T) {
			t.Parallel()
			table.follow(t, rand.New(rand.NewPCG(uint64(seed), 7)))
		})
	}
}

func (of ruledTable) follow(t *testing.T, random *rand.Rand) {
	t.Helper()
	d := mysqltest.New(t)
	execute(t, d.DB, fmt.Sprintf("CREATE TABLE sessions (id %s PRIMARY KEY, name TEXT, active %s, created_at DATETIME, last_activity DATETIME(3), expires_at DATETIME%s)", of.id, of.active, of.more))
	store := open(t, d, of.config)
	ruled(t, store, sessioncleanup.NoRules)
	m := of.fill(t, d, random)
	for range 4 {
		m.Rules = runmodel.RandomRules(random)
		p := runmodel.PolicyOf(m.Rules)
		if _, err := store.SetPolicy(t.Context(), sessioncleanup.Policy{Rules: p.Rules}, nil, sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}); err != nil {
			t.Fatal(err)
		}
		manage := func() *sessioncleanup.Manager {
			manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
			if err != nil {
				t.Fatal(err)
			}
			return manager
		}
		m.Retag(t, random, 60, manage())
		m.Agree(t, store, p, func() map[string]string {
			shown := map[string]string{}
			for _, row := range texts(t, d, "SELECT CONCAT(id, ' ', status) FROM sessions_cleanup_view") {
				var id, status string
				if _, err := fmt.Sscan(row, &id, &status); err != nil {
					t.Fatal(err)
				}
				shown[id] = status
			}
			return shown
		})
		if random.IntN(2) == 0 { // rules that are not stored
			m.Rules = runmodel.RandomRules(random)
			p = runmodel.PolicyOf(m.Rules)
			m.Agree(t, store, p, nil)
		}
		m.Filter = runmodel.RandomFilter(random)
		m.Run(t, manage(), func() { m.Retag(t, random, 2, nil) })
		m.Agree(t, store, p, nil)
	}
}

// fill inserts random sessions. Their ages are none of the rules' thresholds.
func (of ruledTable) fill(t *testing.T, d mysqltest.Database, random *rand.Rand) *runmodel.Model {
	t.Helper()
	const signal = 1644 // by the trigger that refuses tags of sessions that are gone
	m := &runmodel.Model{
		Sessions: map[string]*runmodel.Session{}, Tracked: true, InUse: func(int) bool { return false }, Active: "active",
		Now: func(t *testing.T) float64 {
			t.Helper()
			return value[float64](t, d, "SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6)) / 1e6")
		},
		Rows: func(t *testing.T) runmodel.Rows { t.Helper(); return rowsOf(t, d) },
		Tag: func(t *testing.T, id, tag string, add bool) {
			t.Helper()
			statement := "DELETE FROM sessioncleanup_tags WHERE session_id = ? AND tag = ?"
			if add {
				statement = "INSERT IGNORE INTO sessioncleanup_tags (session_id, tag) VALUES (?, ?)"
			}
			_, err := d.DB.ExecContext(t.Context(), statement, id, tag)
			if gone, ok := errors.AsType[*driversql.MySQLError](err); err != nil && (!ok || gone.Number != signal) {
				t.Fatal(err)
			}
		},
	}
	conn, err := d.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "SET @sessioncleanup_own = 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, err := conn.ExecContext(t.Context(), "SET @sessioncleanup_own = NULL")
		if err := errors.Join(err, conn.Close()); err != nil {
			t.Fatal(err)
		}
	}()
	now := time.Now().Truncate(time.Second)
	ago := func() time.Time {
		hours := []int{3, 8, 36, 90, 240, 850, 1400, 3000, 6000}[random.IntN(9)]
		return now.Add(-time.Duration(hours)*time.Hour - time.Duration(random.IntN(1800))*time.Second)
	}
	seconds := func(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
	for n := 1; n <= 150; n++ {
		s := runmodel.New(n)
		used := ago()
		s.Used, s.Stated, s.Protected = seconds(used), seconds(used), random.IntN(8) == 0
		values := []any{n, of.on[random.IntN(len(of.on))], !s.Protected, written(used, time.UTC), nil, nil}
		if random.IntN(3) == 0 {
			values[1], s.Active = of.off[0], false
			deactivated := ago()
			values[5], s.Deactivated = written(deactivated, time.UTC), seconds(deactivated)
		}
		if random.IntN(3) == 0 {
			expires := ago()
			if random.IntN(2) == 0 {
				expires = now.Add(now.Sub(expires))
			}
			values[4], s.Expires = written(expires, time.UTC), seconds(expires)
		}
		if _, err := conn.ExecContext(t.Context(), "INSERT INTO sessions (id, active, auto_cleanup, last_activity, expires_at, deactivated_at) VALUES (?, ?, ?, ?, ?, ?)", values...); err != nil {
			t.Fatal(err)
		}
		m.Sessions[fmt.Sprint(n)] = s
	}
	return m
}

// rowsOf are the sessions, with a state as a number or a text.
func rowsOf(t *testing.T, d mysqltest.Database) runmodel.Rows {
	t.Helper()
	rows, err := d.DB.QueryContext(t.Context(), "SELECT s.*, CAST(id AS CHAR), CAST(IF(active IS NULL, 1, active + 0) AS SIGNED), CAST(active AS CHAR) FROM sessions AS s")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	out := runmodel.Rows{}
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		var id string
		var number int64
		var text sql.NullString
		for i := range dest {
			dest[i] = &values[i]
		}
		last := len(columns) - 3
		dest[last], dest[last+1], dest[last+2] = &id, &number, &text
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, column := range columns[:last] {
			row[column] = values[i]
		}
		if row["active"] = any(number); text.String == runmodel.Closed {
			row["active"] = runmodel.Closed
		}
		out[id] = row
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
