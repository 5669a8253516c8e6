package bench

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// ruleWrites is how many writes of each kind TestRuleCosts and TestTagColumnCosts measure in a round; see docs/tags.md.
var ruleWrites = flag.Int("rule-writes", 20, "writes of each kind in a round of TestRuleCosts")

// ruleKeep is a rule as those that keep sessions are.
const ruleKeep = "vip: inactive=never delete=never"

// writeBed is a table that is written to. A statement before the migration makes it what it is called.
type writeBed struct {
	name, rules string
	tagColumns  []string
	before      map[string]string // by engine
	after       map[string]string
}

const (
	insertPlain = "INSERT INTO sessions (id, name) VALUES ($1 + 1000000, 'new')"
	deactivate  = "UPDATE sessions SET active = false WHERE id = $1"
)

// TestRuleCosts measures what the column and the indexes for rules by tag cost the application's own writes: the CPU
// time of each, of PostgreSQL's process for the connection, or of this process, in which SQLite works.
func TestRuleCosts(t *testing.T) {
	const tagAll = "INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM sessions"
	beds := []writeBed{
		{name: "without rules and their indexes", after: map[string]string{
			"PostgreSQL": `DO $$ DECLARE i regclass; BEGIN
				FOR i IN SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'sessions'::regclass AND pg_get_indexdef(indexrelid) LIKE '%sessioncleanup_class IS NOT NULL%' LOOP
					EXECUTE 'DROP INDEX ' || i;
				END LOOP; END $$`,
		}},
		{name: "without rules"},
		{name: "with rules, without tags", rules: ruleKeep},
		{name: "with rules, each session tagged", rules: ruleKeep, after: map[string]string{"PostgreSQL": tagAll, "SQLite": tagAll}},
	}
	measureWrites(t, beds, func(e *engine) map[string]string {
		return map[string]string{"insert": insertPlain, "touch": "UPDATE sessions SET last_activity = " + e.now + " WHERE id = $1", "deactivate": deactivate}
	})
}

// TestTagColumnCosts measures in the same way what a column as a tag costs. "update" is a write of another column.
func TestTagColumnCosts(t *testing.T) {
	const column = "ALTER TABLE sessions ADD plan text; UPDATE sessions SET plan = 'free'"
	planned := map[string]string{"PostgreSQL": column, "SQLite": column}
	beds := []writeBed{
		{name: "with a column plan", before: planned},
		{name: "with a column plan that is a tag", before: planned, tagColumns: []string{"plan"}},
		{name: "with a column plan that is a tag with a rule", before: planned, tagColumns: []string{"plan"}, rules: "plan:free: inactive=never delete=never"},
	}
	measureWrites(t, beds, func(*engine) map[string]string {
		return map[string]string{
			"insert without a plan": insertPlain,
			"insert with a plan":    "INSERT INTO sessions (id, name, plan) VALUES ($1 + 2000000, 'new', 'free')",
			"update":                "UPDATE sessions SET name = name || 'x' WHERE id = $1",
			"change of the plan":    "UPDATE sessions SET plan = CASE plan WHEN 'gold' THEN 'free' ELSE 'gold' END WHERE id = $1",
		}
	})
}

// measureWrites logs the CPU time of writes to some tables, on each engine.
func measureWrites(t *testing.T, beds []writeBed, writes func(*engine) map[string]string) {
	sizes := Full
	if *ruleWrites <= 200 { // there are no more sessions in use, one for each write
		sizes = Quick
	}
	for _, engine := range []func(*testing.T, Options) *engine{newPostgres, newSQLite} {
		e := engine(t, Options{Sizes: sizes, Policy: sessioncleanup.Policy{BusyShare: 1}})
		t.Run(e.name, func(t *testing.T) { e.measureWrites(t, beds, writes(e)) })
	}
}

func (e *engine) measureWrites(t *testing.T, kinds []writeBed, statements map[string]string) {
	conns, beds, order, took := []*sql.Conn{}, []*bed{}, []int{}, map[string]map[string][]float64{}
	e.fresh(t, library) // makes the template
	for i, kind := range kinds {
		e.policy.Rules, e.schema.TagColumns = kind.rules, kind.tagColumns
		b := e.connect(t, e.copy(t, e.templates[library]))
		if statement := kind.before[e.name]; statement != "" {
			b.exec(t, statement)
		}
		check(t, b.manager.Migrate(t.Context()))
		if statement := kind.after[e.name]; statement != "" {
			b.exec(t, statement)
		}
		_, err := b.manager.Cleanup(t.Context(), sessioncleanup.Run{InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never, DryRun: kind.rules == ""})
		check(t, err)
		conn, err := b.db.Conn(t.Context())
		check(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		beds, conns, order = append(beds, b), append(conns, conn), append(order, i)
	}
	for round := range e.sizes.Rounds {
		for _, i := range rotated(order, round) {
			beds[i].exec(t, e.tidy...)
			for name, statement := range statements {
				if took[name] == nil {
					took[name] = map[string][]float64{}
				}
				took[name][kinds[i].name] = append(took[name][kinds[i].name], e.writes(t, conns[i], statement, round))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		for _, kind := range kinds {
			all := took[name][kind.name]
			slices.Sort(all)
			t.Logf("%-22s %6.1f (%.1f to %.1f) µs of CPU  %s", name, all[len(all)/2], all[0], all[len(all)-1], kind.name)
		}
	}
}

// writes runs a prepared statement for sessions in use, in one transaction, and returns the CPU time of each in microseconds.
func (e *engine) writes(t *testing.T, conn *sql.Conn, statement string, round int) float64 {
	var pid string
	if e.name == "PostgreSQL" {
		check(t, conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid()::text").Scan(&pid))
	}
	used := func() time.Duration {
		if pid == "" {
			return cpu(t)
		}
		var ns int64
		text, err := os.ReadFile("/proc/" + pid + "/schedstat")
		check(t, err)
		_, err = fmt.Sscan(strings.Fields(string(text))[0], &ns)
		check(t, err)
		return time.Duration(ns)
	}
	tx, err := conn.BeginTx(context.WithoutCancel(t.Context()), nil)
	check(t, err)
	write, err := tx.PrepareContext(t.Context(), statement)
	check(t, err)
	defer func() { _ = write.Close() }()
	before := used()
	for n := range *ruleWrites {
		_, err := write.ExecContext(t.Context(), e.sizes.alive(round**ruleWrites+n))
		check(t, err)
	}
	each := used() - before
	check(t, tx.Commit())
	return float64(each.Microseconds()) / float64(*ruleWrites)
}
