package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// engine gives a sound store locks and connections that can be lost. Its fields are what the flaws change.
type engine struct {
	*broken
	errLost      error // of a call whose connection was lost
	errDeadlock  error // of a deletion that is the victim of a deadlock
	sees         bool  // batches leave out sessions that are locked
	waits        bool  // batches wait for them
	tells        bool  // batches say that they met a locked row
	commitsLater bool  // a write that waits is done although its context ended

	writes chan struct{} // holds the lock of all writes

	mu       sync.Mutex
	lost     bool
	sessions map[string]*locks // who has locked which
	children map[string]*locks
	deleting map[string]chan struct{} // sessions locked by deletions, each with what a deadlock closes
}

// engineOf makes the harness's store one that has locks.
func engineOf(h *Harness, b *broken) *engine {
	unavailable := fmt.Errorf("%w: of the test", sessioncleanup.ErrUnavailable)
	e := &engine{
		broken: b, errLost: unavailable, errDeadlock: unavailable, sees: true, tells: true, writes: make(chan struct{}, 1),
		sessions: map[string]*locks{}, children: map[string]*locks{}, deleting: map[string]chan struct{}{},
	}
	update, touch, insert := b.update, b.touch, h.Insert
	b.now = func(ctx context.Context) (time.Time, error) {
		if err := e.connected(); err != nil {
			return time.Time{}, err
		}
		return b.Store.Now(ctx)
	}
	b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (s sessioncleanup.Session, err error) {
		err = e.write(ctx, t.ID, func(ctx context.Context) error { s, err = update(ctx, t, c); return err })
		return s, err
	}
	b.touch = func(ctx context.Context, t sessioncleanup.Touch) (n int, err error) {
		err = e.write(ctx, "", func(ctx context.Context) error { n, err = touch(ctx, t); return err })
		return n, err
	}
	b.remove, b.sweep = e.remove, e.sweep
	h.Insert = func(ctx context.Context, sessions ...sessioncleanup.Session) error {
		e.writes <- struct{}{}
		defer func() { <-e.writes }()
		return insert(ctx, sessions...)
	}
	h.Begin = func(context.Context) (Transaction, error) { return &locks{engine: e}, nil }
	h.Disconnect = func(context.Context) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.lost = true
		return nil
	}
	return e
}

// connected is the error of a call after its connection was lost.
func (e *engine) connected() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost {
		e.lost = false
		return e.errLost
	}
	return nil
}

// until waits for a condition, which is evaluated under the engine's lock, as long as there is a connection.
func (e *engine) until(ctx context.Context, holds func() bool) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		if err := e.connected(); err != nil {
			return err
		}
		e.mu.Lock()
		now := holds()
		e.mu.Unlock()
		if now {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write does one write when nobody has locked the session, or all of them.
func (e *engine) write(ctx context.Context, id string, do func(context.Context) error) error {
	if err := e.until(ctx, func() bool { return e.sessions[id] == nil }); err != nil {
		return err
	}
	done := make(chan error, 1)
	late := ctx
	if e.commitsLater {
		late = context.WithoutCancel(ctx)
	}
	go func() {
		select {
		case e.writes <- struct{}{}:
			defer func() { <-e.writes }()
			done <- do(late)
		case <-late.Done():
			done <- late.Err()
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *engine) remove(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (s sessioncleanup.Session, err error) {
	deadlock := make(chan struct{})
	if err := e.until(ctx, func() bool { return e.sessions[t.ID] == nil }); err != nil {
		return s, err
	}
	e.mu.Lock()
	e.deleting[t.ID] = deadlock
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.deleting, t.ID)
	}()
	victim := false
	err = e.until(ctx, func() bool {
		select {
		case <-deadlock:
			victim = true
		default:
		}
		return victim || e.children[t.ID] == nil
	})
	if err == nil && victim {
		err = e.errDeadlock
	}
	if err != nil {
		return s, err
	}
	err = e.write(ctx, "", func(ctx context.Context) error { s, err = e.Store.Delete(ctx, t, c); return err })
	return s, err
}

func (e *engine) sweep(ctx context.Context, b sessioncleanup.Batch) (out sessioncleanup.BatchResult, err error) {
	is := func(by map[string]*locks, id string) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return by[id] != nil
	}
	sessions, err := e.stored(ctx)
	if err != nil {
		return out, err
	}
	batch := selected{broken: e.broken, due: func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
		return properly(b, s) && (!e.sees || !is(e.sessions, s.ID))
	}}
	bad := &sessioncleanup.BatchError{Err: errors.New("a row is locked"), Locked: e.tells}
	met := false
	for _, s := range sessions {
		if s.ID > b.After && len(bad.IDs) < b.Limit && batch.due(b, s) {
			bad.IDs, bad.Next = append(bad.IDs, s.ID), s.ID
			met = met || b.Action == sessioncleanup.ActionDeleted && is(e.children, s.ID)
			if e.waits && is(e.sessions, s.ID) {
				<-ctx.Done()
				return out, ctx.Err()
			}
		}
	}
	if met {
		return out, bad
	}
	err = e.write(ctx, "", func(ctx context.Context) error { out, err = batch.sweep(ctx, b); return err })
	return out, err
}

// locks is a transaction of the application.
type locks struct {
	*engine
	all bool // all writes wait
}

func (l *locks) LockSession(ctx context.Context, id string) error {
	l.mu.Lock()
	if l.deleting[id] != nil && l.children[id] == l {
		close(l.deleting[id])
	}
	l.mu.Unlock()
	return l.until(ctx, func() bool {
		if l.deleting[id] != nil {
			return false
		}
		l.sessions[id] = l
		return true
	})
}

func (l *locks) LockChild(_ context.Context, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.children[id] = l
	return nil
}

func (l *locks) LockWrites(context.Context) error {
	l.writes <- struct{}{}
	l.all = true
	return nil
}

func (l *locks) Rollback() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, held := range []map[string]*locks{l.sessions, l.children} {
		for id, by := range held {
			if by == l {
				delete(held, id)
			}
		}
	}
	if l.all {
		<-l.writes
		l.all = false
	}
	return nil
}

func lockFlaws() []flaw {
	flawed := func(change func(*engine)) func(*Harness, *broken) {
		return func(h *Harness, b *broken) { change(engineOf(h, b)) }
	}
	return []flaw{
		{"waits for locked sessions in a batch", flawed(func(e *engine) { e.sees, e.waits = false, true }), []func(*fixture){lockedSession}},
		{"sweeps sessions that are locked", flawed(func(e *engine) { e.sees = false }), []func(*fixture){lockedSession}},
		{"reports a locked row as one that cannot be deleted", flawed(func(e *engine) { e.tells = false }), []func(*fixture){lockedChild}},
		{"reports a deadlock as it is", flawed(func(e *engine) { e.errDeadlock = errors.New("deadlock detected") }), []func(*fixture){lockedMutually}},
		{"commits writes that were given up", flawed(func(e *engine) { e.commitsLater = true }), []func(*fixture){lockedTooLong}},
		{"reports a lost connection as it is", flawed(func(e *engine) { e.errLost = io.EOF }), []func(*fixture){lostConnection, lostWhileWaiting}},
	}
}

func TestChecksPassSoundStoreWithLocks(t *testing.T) {
	t.Parallel()
	for _, c := range append(lockChecks(), outageChecks()...) {
		h, b := breakStore()
		engineOf(h, b)
		if failures := attempt(t.Context(), c, *h); len(failures) > 0 {
			t.Errorf("%s %s: %s", c.group, c.name, failures[0])
		}
	}
}

// Checks that need more than the engine can do are skipped, with the reason.
func TestChecksOfOtherEnginesAreSkipped(t *testing.T) {
	t.Parallel()
	skipped := map[string]string{}
	for _, c := range checks() {
		h := soundHarness()
		h.ActivityNotNull, h.Latest, h.Activity, h.SetActive = true, time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC), nil, nil
		r := &recorder{ctx: t.Context()}
		r.try(c, h)
		for _, failure := range r.failures {
			t.Errorf("%s %s: %s", c.group, c.name, failure)
		}
		if r.skipped != "" {
			skipped[c.group+" "+c.name] = r.skipped
		}
	}
	for _, part := range []string{"Activity", "SetActive", "ActivityNotNull", "Latest", "Resolution", "Begin", "Disconnect"} {
		found := false
		for _, reason := range skipped {
			found = found || strings.HasPrefix(reason, "Harness."+part)
		}
		if !found {
			t.Errorf("no check is skipped for Harness.%s: %q", part, skipped)
		}
	}
}
