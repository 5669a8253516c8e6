package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/jackc/pgx/v5"
)

// payload is what scs keeps for each session: about as much as a session of the guide has in its columns.
var payload = []byte(strings.Repeat("x", 64))

// scsInterval is how soon the first cleanup of a store of scs begins: its shortest interval would be as good, its own
// default is five minutes (one for memstore).
const scsInterval = 20 * time.Millisecond

// watch notes the statements of a pool that contain a text.
type watch struct {
	contains string
	mu       sync.Mutex
	done     cleaned
	errs     []error
	each     chan int // the rows of each statement; has room for all
}

func newWatch(contains string) *watch {
	return &watch{contains: contains, each: make(chan int, 10_000)}
}

type watchKey struct{}

// TraceQueryStart notes when a statement begins.
func (w *watch) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if !strings.Contains(data.SQL, w.contains) {
		return ctx
	}
	return context.WithValue(ctx, watchKey{}, time.Now())
}

// TraceQueryEnd notes what became of it.
func (w *watch) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if from, ok := ctx.Value(watchKey{}).(time.Time); ok {
		w.statement(from, int(data.CommandTag.RowsAffected()), data.Err)
	}
}

func (w *watch) statement(from time.Time, rows int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done.statement(from, time.Now(), rows)
	w.errs = append(w.errs, err)
	w.each <- rows
}

// until waits for a statement that changed fewer rows than a batch, and gives what all of them did.
func (w *watch) until(ctx context.Context, batch int) (cleaned, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return cleaned{}, ctx.Err()
		case rows := <-w.each:
			w.mu.Lock()
			done, err := w.done, errors.Join(w.errs...)
			w.mu.Unlock()
			if rows < batch || err != nil {
				return done, err
			}
		}
	}
}

const oneStatement = 1 << 62 // more rows than any statement changes: the first one is all

// scsTables is as in the documentation of pgxstore.
const scsTables = `
	CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
	CREATE INDEX sessions_expiry_idx ON sessions (expiry)`

type scsPostgres struct {
	pgBed
	store *pgxstore.PostgresStore
}

func openPgxstore(s *scope, t *templates, size, due int) bed {
	l := layout{size, due}
	b := openPG(s, t, "scs", l, func(s *scope, url string) {
		pool := s.connect(url, nil)
		s.script(pool, scsTables)
		s.exec(pool, `INSERT INTO sessions SELECT 'token-' || lpad(n::text, 10, '0'), $3,
			CASE WHEN n <= $2 THEN now() - n * interval '1 day' / $1 - interval '1 minute' ELSE now() + interval '1 day' END
			FROM generate_series(1, $1::int) n`, size, l.dueCount(), payload)
	})
	return scsPostgres{b, pgxstore.NewWithCleanupInterval(b.pool, 0)}
}

func (b scsPostgres) clean(ctx context.Context) (cleaned, error) {
	w := newWatch("DELETE FROM sessions WHERE expiry")
	asked := time.Now()
	cleaner := pgxstore.NewWithCleanupInterval(b.s.connect(b.pool.Config().ConnString(), w), scsInterval)
	done, err := w.until(ctx, oneStatement)
	cleaner.StopCleanup()
	done.asked = asked
	return done, err
}

func (b scsPostgres) use(_ context.Context, n int) error {
	return b.store.Commit(token(b.l.alive(n)), payload, time.Now().Add(24*time.Hour))
}

func (b scsPostgres) comeBack() func(ctx context.Context, n int) error {
	return func(_ context.Context, n int) error {
		return b.store.Commit(token(b.l.anyDue(n)), payload, time.Now().Add(24*time.Hour))
	}
}

type scsMemory struct {
	s     *scope
	l     layout
	store *memstore.MemStore
	tick  time.Time // when the store's cleanup begins
}

// openMemstore makes a store that does its one cleanup when it is filled: the interval cannot be chosen later. On a machine
// that is busy elsewhere filling it may take longer than that, and then there is another try with more time.
func openMemstore(s *scope, t *templates, size, due int) bed {
	for patience := time.Duration(1); patience <= 8; patience *= 2 {
		b := filledMemstore(s, layout{size, due}, patience*fillTime(size)+t.load.settle+t.load.idle)
		if time.Now().Before(b.tick.Add(-t.load.settle - t.load.idle)) {
			return b
		}
		b.store.StopCleanup()
	}
	s.Fatalf("filling a memstore with %d sessions took longer than %v", size, 8*fillTime(size))
	return nil
}

// filledMemstore is a store that cleans up after a while.
func filledMemstore(s *scope, l layout, wait time.Duration) scsMemory {
	b := scsMemory{s, l, memstore.NewWithCleanupInterval(wait), time.Now().Add(wait)}
	now := time.Now()
	for n := 1; n <= l.size; n++ {
		expiry := now.Add(24 * time.Hour)
		if n <= b.l.dueCount() {
			expiry = now.Add(-time.Hour)
		}
		if err := b.store.Commit(token(n), payload, expiry); err != nil {
			s.Fatal(err)
		}
	}
	return b
}

// fillTime is more than enough to fill a memstore on a quiet machine.
func fillTime(size int) time.Duration {
	return 200*time.Millisecond + time.Duration(size)*5*time.Microsecond
}

// clean waits for the store's tick. The store is locked while it cleans up, so how long it took is how long a reader who
// asks all the time had to wait: from the last answer before the first session went to the first one after the last went.
func (b scsMemory) clean(ctx context.Context) (cleaned, error) {
	if left := b.left(); left != b.l.size {
		return cleaned{}, fmt.Errorf("memstore holds %d of %d sessions before its cleanup is looked at", left, b.l.size)
	}
	defer b.store.StopCleanup()
	pause(ctx, time.Until(b.tick.Add(-50*time.Millisecond)))
	done := cleaned{asked: b.tick, rows: b.l.dueCount()}
	for from := time.Now(); from.Before(b.tick.Add(10*time.Second)) && ctx.Err() == nil; from = time.Now() {
		if err := b.ask(); err != nil {
			return done, err
		}
		if b.left() == b.l.size {
			continue
		}
		if err := b.ask(); err != nil { // the answer may be from before a cleanup that is still at work
			return done, err
		}
		done.from, done.to = from, time.Now()
		done.longest = done.took()
		return done, nil
	}
	return done, errors.Join(ctx.Err(), fmt.Errorf("memstore did not clean up within 10 s of %v", b.tick))
}

// ask is answered at once, or when a cleanup is over.
func (b scsMemory) ask() error {
	_, _, err := b.store.Find("nobody")
	return err
}

func (b scsMemory) use(_ context.Context, n int) error {
	return b.store.Commit(token(b.l.alive(n)), payload, time.Now().Add(24*time.Hour))
}

// comeBack gives nothing: what expired would have to be counted apart.
func (b scsMemory) comeBack() func(ctx context.Context, n int) error { return nil }

func (b scsMemory) wal() int64 { return 0 }

// bytes is called when the cleanup is over and nobody else is there: the time to see whether it did what it should.
func (b scsMemory) bytes() int64 {
	if left := b.left(); left != b.l.size-b.l.dueCount() {
		b.s.Fatalf("memstore holds %d sessions after its cleanup, not %d", left, b.l.size-b.l.dueCount())
	}
	return 0
}

// left is how many sessions the store holds, due or not. It does not take the store's lock, which it has no way to: what
// changes meanwhile is one number, and who needs it to be right asks when nobody is at work.
func (b scsMemory) left() int { return reflect.ValueOf(b.store).Elem().FieldByName("items").Len() }
