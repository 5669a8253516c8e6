package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// idle inserts active sessions with these ids that were last used two days ago.
func idle(t testing.TB, app *sql.DB, ids ...int) {
	t.Helper()
	for _, id := range ids {
		execute(t, app, insertUsed, id, nil, "idle", 1, stamp(time.Now().Add(-2*day)), nil, 1)
	}
}

// deactivated does a run and returns the sessions that it deactivated.
func deactivated(t testing.TB, store *sqlite.Store) []string {
	t.Helper()
	_, ids, err := clean(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestTouchesInTransactionsNeitherWaitNorGetLost(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	const transactions = 100
	for id := range transactions {
		idle(t, app, id+1)
	}
	var wg sync.WaitGroup
	for id := range transactions {
		wg.Go(func() {
			tx, err := app.BeginTx(t.Context(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = tx.ExecContext(t.Context(), "INSERT INTO users (username) VALUES ('x')")
			began := time.Now()
			err = errors.Join(err, store.TouchTx(t.Context(), tx, fmt.Sprint(id+1)))
			if took := time.Since(began); took > 5*time.Second { // as long as a connection of the store would wait for the lock
				t.Errorf("a touch took %v", took)
			}
			if err := errors.Join(err, tx.Commit()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ids := deactivated(t, store); len(ids) > 0 {
		t.Errorf("sessions %q were deactivated, want none: all were used", ids)
	}
}

func TestTouchesInATransactionCountOnceItCommits(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	idle(t, app, 1, 2, 3)
	for id, end := range map[string]func(*sql.Tx) error{"1": (*sql.Tx).Commit, "2": (*sql.Tx).Rollback} {
		tx, err := app.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(store.TouchTx(t.Context(), tx, id, id, "no id", "999"), end(tx)); err != nil {
			t.Error(err)
		}
	}
	if got := line(t, app, "SELECT session FROM sessioncleanup_touches"); got != "1" {
		t.Errorf("sessions %q are noted, want 1", got)
	}
	if diff := cmp.Diff([]string{"2", "3"}, deactivated(t, store)); diff != "" {
		t.Errorf("sessions deactivated (-want +got):\n%s", diff)
	}
}

// TestATouchThatFailsLeavesItsTransactionAsItWas: the application's own work goes on, and its connection has its settings.
func TestATouchThatFailsLeavesItsTransactionAsItWas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before string
		locked bool
		want   error
	}{
		"not installed": {before: "DROP TABLE sessioncleanup_touches", want: sessioncleanup.ErrNotInstalled},
		"locked":        {locked: true, want: sessioncleanup.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, app := adopt(t, appTables)
			idle(t, app, 1)
			if c.before != "" {
				execute(t, app, c.before)
			}
			tx, err := app.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			var other *sql.Tx
			if c.locked {
				if other, err = app.BeginTx(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = other.Rollback() }()
				if _, err := other.ExecContext(t.Context(), "INSERT INTO users (username) VALUES ('other')"); err != nil {
					t.Fatal(err)
				}
			}
			if err := store.TouchTx(t.Context(), tx, "1"); !errors.Is(err, c.want) {
				t.Errorf("the touch fails with %v, want %v", err, c.want)
			}
			if c.locked {
				if err := other.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			var busy int
			_, err = tx.ExecContext(t.Context(), "INSERT INTO users (username) VALUES ('own')")
			if err := errors.Join(err, tx.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&busy), tx.Commit()); err != nil {
				t.Errorf("the application's own statements: %v", err)
			}
			if busy != 10000 {
				t.Errorf("busy_timeout is %d afterwards, want the application's 10000", busy)
			}
			if got := line(t, app, "SELECT group_concat(username) FROM users"); !strings.Contains(got, "own") {
				t.Errorf("users are %q, want the application's own", got)
			}
		})
	}
}
