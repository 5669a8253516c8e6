package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// late ends the context of the statement that begins a transaction between its end and the driver's return.
type late struct{ database }

func (l late) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := l.database.ExecContext(ctx, query, args...)
	if err == nil && query == "BEGIN IMMEDIATE" {
		return nil, context.Canceled
	}
	return result, err
}

// taken is a database of which others hold the lock, and release it between two looks for as long as it takes to look once.
type taken struct {
	database
	until time.Time
	looks int
}

func (d *taken) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	d.looks++
	if time.Now().Before(d.until) {
		return nil, busyError{}
	}
	return nil, nil
}

type busyError struct{}

func (busyError) Error() string { return "database is locked" }
func (busyError) Code() int     { return sqlite3.SQLITE_BUSY_SNAPSHOT }

// TestATransactionLooksForTheLockOftenForAsLongAsItMayWait so that it finds it free where others hold it again and again, for
// moments only.
func TestATransactionLooksForTheLockOftenForAsLongAsItMayWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		heldFor time.Duration
		got     bool
	}{{0, true}, {4999 * time.Millisecond, true}, {5001 * time.Millisecond, false}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			d := &taken{until: start.Add(c.heldFor)}
			one := (naming{}).conn(d, nil)
			one.busy = 5 * time.Second
			err := one.lock(t.Context())
			took := min(time.Since(start), one.busy)
			if (err == nil) != c.got || took < min(c.heldFor, one.busy) {
				t.Errorf("a lock held for %v: %v after %v", c.heldFor, err, took)
			}
			if want := int(c.heldFor / (10 * time.Millisecond)); d.looks < want {
				t.Errorf("a lock held for %v: %d looks, want at least %d", c.heldFor, d.looks, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		one := (naming{}).conn(&taken{until: start.Add(time.Hour)}, nil)
		one.busy = time.Hour
		if err := one.lock(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a context that ends after a second: %v after %v", err, time.Since(start))
		}
	})
}

func TestNoTransactionStaysOpenWhenItsContextEndsAsItBegins(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	one, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = one.Close() }()
	nothing := func(*conn) error { return nil }
	if err := (naming{}).conn(late{one}, nil).transact(t.Context(), nothing); !errors.Is(err, context.Canceled) {
		t.Fatalf("the transaction whose context ended: %v", err)
	}
	if err := (naming{}).conn(one, nil).transact(t.Context(), nothing); err != nil {
		t.Errorf("the next transaction on the connection: %v", err)
	}
}
