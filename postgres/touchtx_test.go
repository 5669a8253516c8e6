package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestTouchesInTransactionsNeitherWaitNorDeadlockNorGetLost has 100 transactions touch the same sessions in different orders,
// on a pool that they use up, while another one has a session locked.
func TestTouchesInTransactionsNeitherWaitNorDeadlockNorGetLost(t *testing.T) {
	t.Parallel()
	url := pgtest.Prepared(t, "guide", pgapps.All()["guide"].Adopt)
	pool := connect(t, url+"&pool_max_conns=12")
	store, err := postgres.New(pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const sessions, transactions = 8, 100
	unused(t, pool, true, 1, sessions)
	locked, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = locked.Close(context.WithoutCancel(t.Context())) }()
	if _, err := locked.Exec(t.Context(), "BEGIN; UPDATE sessions SET name = 'locked' WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	var wg sync.WaitGroup
	for i := range transactions {
		var ids []string
		for _, n := range rand.Perm(sessions) {
			ids = append(ids, fmt.Sprint(n+1))
		}
		wg.Go(func() {
			if err := touchIn(t.Context(), pool, db, store, i%2 == 0, ids); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := locked.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if ids := sweep(t, store, sessioncleanup.ActionDeactivated); len(ids) > 0 {
		t.Errorf("sessions %q were deactivated, want none: all were used", ids)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE last_activity > now() - interval '5 minutes'"); n != sessions {
		t.Errorf("%d sessions are used after the run, want %d", n, sessions)
	}
}

// touchIn touches sessions one by one in a transaction that writes on its own account too, and fails if anything waits for the
// lock that another transaction holds until all of these have ended.
func touchIn(ctx context.Context, pool *pgxpool.Pool, db *sql.DB, store *postgres.Store, native bool, ids []string) error {
	const begin, insert = "SET LOCAL lock_timeout = '3s'", "INSERT INTO users (id, username) VALUES ((random() * 1e15)::bigint, 'x')"
	if native {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, begin)
			for _, id := range ids {
				err = errors.Join(err, store.TouchTx(ctx, tx, id))
			}
			_, insertErr := tx.Exec(ctx, insert)
			return errors.Join(err, insertErr)
		})
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, begin)
	err = errors.Join(err, store.TouchSQLTx(ctx, tx, ids...))
	_, insertErr := tx.ExecContext(ctx, insert)
	return errors.Join(err, insertErr, tx.Commit())
}

func TestTouchesInATransactionCountOnceItCommits(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	unused(t, pool, true, 1, 3)
	for _, isolation := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.Serializable} {
		tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: isolation})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.TouchTx(t.Context(), tx, "2", "no id", "999", "02"); err != nil {
			t.Errorf("%s: %v", isolation, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_touches"); n != 0 {
			t.Errorf("%s: %d touches are noted after a rollback, want none", isolation, n)
		}
	}
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return store.TouchTx(t.Context(), tx, "1", "1", "no id", "999", "02") })
	if err != nil {
		t.Fatal(err)
	}
	if got := touched(t, pool); got != "1" {
		t.Errorf("sessions %q were used, want 1", got)
	}
}

// TestATouchThatFailsLeavesItsTransactionAsItWas: the application's own work goes on, whatever is wrong with the library.
func TestATouchThatFailsLeavesItsTransactionAsItWas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ setup, within, want string }{
		"without the function": {"DROP FUNCTION sessioncleanup_use", "", "sessioncleanup_use"},
		"without the right":    {"", "", "permission denied"},
		"when it only reads":   {"", "SET TRANSACTION READ ONLY", "read-only transaction"},
	} {
		for _, driver := range []string{"pgx", "database/sql"} {
			t.Run(name+" with "+driver, func(t *testing.T) {
				t.Parallel()
				store, pool := adopted(t, "guide")
				unused(t, pool, true, 1, 1)
				if _, err := store.Schema(t.Context()); err != nil {
					t.Fatal(err)
				}
				if name == "without the right" {
					as := asRole(t, pool, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO $ROLE")
					store, pool = open(t, as, postgres.Config{}), connect(t, as)
				} else if c.setup != "" {
					mustExec(t, pool, c.setup)
				}
				var err error
				var still int
				if driver == "pgx" {
					tx := begin(t, pool)
					run(t, tx, c.within)
					err = store.TouchTx(t.Context(), tx, "1")
					still = value[int](t, tx, "SELECT count(*) FROM sessions")
					commit(t, tx)
				} else {
					db := stdlib.OpenDBFromPool(pool)
					defer db.Close()
					tx, beginErr := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: c.within != ""})
					if beginErr != nil {
						t.Fatal(beginErr)
					}
					err = store.TouchSQLTx(t.Context(), tx, "1")
					if err := errors.Join(tx.QueryRowContext(t.Context(), "SELECT count(*) FROM sessions").Scan(&still), tx.Commit()); err != nil {
						t.Fatal(err)
					}
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("the touch fails with %v, want %q", err, c.want)
				}
				if still != 1 {
					t.Errorf("the transaction sees %d sessions, want 1", still)
				}
			})
		}
	}
}

func TestATouchInATransactionThatFailedSaysSo(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	tx := begin(t, pool)
	if _, err := tx.Exec(t.Context(), "SELECT 1/0"); err == nil {
		t.Fatal("the division succeeded")
	}
	if err := store.TouchTx(t.Context(), tx, "1"); err == nil {
		t.Error("no error")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	fine := begin(t, pool)
	if err := store.TouchTx(ended, fine, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// TestATouchNeedsNoConnectionOfThePool: transactions may hold them all, and others wait for one.
func TestATouchNeedsNoConnectionOfThePool(t *testing.T) {
	t.Parallel()
	url := pgtest.Prepared(t, "guide", pgapps.All()["guide"].Adopt)
	pool := connect(t, url+"&pool_max_conns=1")
	store, err := postgres.New(pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, pool, "INSERT INTO sessions (id, last_activity) VALUES (1, now() - interval '2 days')")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := store.Touch(ctx, sessioncleanup.Touch{IDs: []string{"1"}}) // reads the mapping, once it has a connection
		waiting <- err
	}()
	if err := store.TouchTx(ctx, tx, "1"); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
}
