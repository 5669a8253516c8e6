package bench

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// ruleWrites is how many writes of each kind TestRuleCosts measures in a round; see docs/tags.md.
var ruleWrites = flag.Int("rule-writes", 20, "writes of each kind in a round of TestRuleCosts")

// ruleKeep is a rule as those that keep sessions are.
const ruleKeep = "vip: inactive=never delete=never"

// ruleBeds are the tables that are written to. A statement makes one what it is called.
var ruleBeds = []struct {
	name, rules string
	statements  map[string]string // by engine
}{
	{"without rules and their indexes", "", map[string]string{
		"PostgreSQL": `DO $$ DECLARE i regclass; BEGIN
			FOR i IN SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'sessions'::regclass AND pg_get_indexdef(indexrelid) LIKE '%sessioncleanup_class IS NOT NULL%' LOOP
				EXECUTE 'DROP INDEX ' || i;
			END LOOP; END $$`,
	}},
	{"without rules", "", nil},
	{"with rules, without tags", ruleKeep, nil},
	{"with rules, each session tagged", ruleKeep, map[string]string{
		"PostgreSQL": "INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM sessions", "SQLite": "INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM sessions",
	}},
}

// TestRuleCosts measures what the column and the indexes for rules by tag cost the application's own writes: the CPU
// time of each, of PostgreSQL's process for the connection, or of this process, in which SQLite works.
func TestRuleCosts(t *testing.T) {
	sizes := Full
	if *ruleWrites < 1000 {
		sizes = Quick
	}
	for _, engine := range []func(*testing.T, Options) *engine{newPostgres, newSQLite} {
		e := engine(t, Options{Sizes: sizes, Policy: sessioncleanup.Policy{BusyShare: 1}})
		t.Run(e.name, func(t *testing.T) { e.ruleCosts(t) })
	}
}

func (e *engine) ruleCosts(t *testing.T) {
	beds, conns, took := []*bed{}, []*sql.Conn{}, map[string]map[string][]float64{}
	e.fresh(t, library) // makes the template
	for _, kind := range ruleBeds {
		e.policy.Rules = kind.rules
		b := e.connect(t, e.copy(t, e.templates[library]))
		check(t, b.manager.Migrate(t.Context()))
		if statement := kind.statements[e.name]; statement != "" {
			b.exec(t, statement)
		}
		_, err := b.manager.Cleanup(t.Context(), sessioncleanup.Run{InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never, DryRun: kind.rules == ""})
		check(t, err)
		conn, err := b.db.Conn(t.Context())
		check(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		beds, conns = append(beds, b), append(conns, conn)
	}
	for round := range e.sizes.Rounds {
		for _, i := range rotated([]int{0, 1, 2, 3}, round) {
			beds[i].exec(t, e.tidy...)
			for name, statement := range map[string]string{
				"insert": "INSERT INTO sessions (id, name) VALUES ($1 + 1000000, 'new')", "touch": "UPDATE sessions SET last_activity = " + e.now + " WHERE id = $1",
				"deactivate": "UPDATE sessions SET active = false WHERE id = $1",
			} {
				if took[name] == nil {
					took[name] = map[string][]float64{}
				}
				took[name][ruleBeds[i].name] = append(took[name][ruleBeds[i].name], e.writes(t, conns[i], statement, round))
			}
		}
	}
	for _, name := range []string{"insert", "touch", "deactivate"} {
		for _, kind := range ruleBeds {
			all := took[name][kind.name]
			slices.Sort(all)
			t.Logf("%-10s %6.1f (%.1f to %.1f) µs of CPU  %s", name, all[len(all)/2], all[0], all[len(all)-1], kind.name)
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
