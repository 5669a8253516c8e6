package bench

import (
	"database/sql"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// The flags of the measurement of a large table; see docs/page.md.
var (
	scale    = flag.Int("scale", 2000, "sessions of TestScale")
	scaleURL = flag.String("scale-url", "", "a database for TestScale, filled when it is empty; default: a server of its own")
)

// TestScale measures what the page asks of a large table on PostgreSQL: each list, at its start and deep in it, the figures and
// a dry run. It logs milliseconds: the median of seven, and the slowest.
func TestScale(t *testing.T) {
	address := *scaleURL
	if address == "" {
		address = pgtest.Start(t, map[string]string{"shared_buffers": "512MB", "autovacuum": "off"}).Database(t, "template0")
	}
	pool, err := pgxpool.New(t.Context(), address)
	check(t, err)
	defer pool.Close()
	store, err := postgres.New(pool, postgres.Config{})
	check(t, err)
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
	check(t, err)
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	fillScale(t, db, *scale)
	check(t, manager.Migrate(t.Context()))
	if *scaleURL == "" {
		_, err = db.ExecContext(t.Context(), "VACUUM ANALYZE sessions")
		check(t, err)
	}
	for _, status := range append(sessioncleanup.Statuses(), "") {
		for _, filter := range []sessioncleanup.ListOptions{{}, {OwnerID: "7"}, {OwnerID: "8"}, {Text: "session 00"}, {Text: "nowhere"}} {
			for _, descending := range []bool{false, true} {
				filter.Status, filter.Descending, filter.Limit = status, descending, 20
				measureList(t, manager, filter)
			}
		}
	}
	for _, sort := range []sessioncleanup.Sort{sessioncleanup.SortCreated, sessioncleanup.SortName} { // offered for one owner only
		measureList(t, manager, sessioncleanup.ListOptions{OwnerID: "8", Sort: sort, Limit: 20})
	}
	measure(t, "summary", func() error { _, err := manager.Outlook(t.Context(), ""); return err })
	measure(t, "figures", func() error { _, err := manager.Stats(t.Context(), ""); return err })
	measure(t, "an owner's figures", func() error { _, err := manager.Stats(t.Context(), "8"); return err })
	measure(t, "dry run", func() error {
		_, err := manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true})
		return err
	})
}

// fillScale makes the tables and their sessions, unless they are there.
func fillScale(t *testing.T, db *sql.DB, sessions int) {
	t.Helper()
	var there bool
	check(t, db.QueryRowContext(t.Context(), "SELECT to_regclass('sessions') IS NOT NULL").Scan(&there))
	if there {
		return
	}
	text, err := scripts.ReadFile("sql/postgres/scale.sql")
	check(t, err)
	_, err = db.ExecContext(t.Context(), fmt.Sprintf("CREATE TABLE layout AS SELECT %d AS sessions", sessions))
	check(t, err)
	_, err = db.ExecContext(t.Context(), string(text))
	check(t, err)
}

// measureList measures the first page of a list, and one in its depth.
func measureList(t *testing.T, m *sessioncleanup.Manager, o sessioncleanup.ListOptions) {
	t.Helper()
	name := fmt.Sprintf("list status=%s owner=%s text=%q by %s descending=%t", o.Status, o.OwnerID, o.Text, o.Sort, o.Descending)
	page := func() error { _, err := m.List(t.Context(), o); return err }
	measure(t, name, page)
	for range 30 {
		deep := o
		deep.Limit = sessioncleanup.MaxPage
		p, err := m.List(t.Context(), deep)
		check(t, err)
		if p.Next == "" {
			return
		}
		o.Cursor = p.Next
	}
	measure(t, name+" deep", page)
}

// measure prints how long something takes.
func measure(t *testing.T, what string, do func() error) {
	t.Helper()
	var took []time.Duration
	for range 7 {
		began := time.Now()
		check(t, do())
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("%8.1f %8.1f  %s", took[3].Seconds()*1000, took[6].Seconds()*1000, what)
}
