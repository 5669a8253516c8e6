package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "locks" proves what a store does about rows that the application has locked: Harness.Begin.
func lockChecks() []check {
	return []check{
		{"locks", "of a session's row leave that session out of a batch, which does not wait", lockedSession},
		{"locks", "of a row that would be deleted along end a batch soon, and say so", lockedChild},
		{"locks", "that make a deadlock end in ErrUnavailable, and the call succeeds again later", lockedMutually},
		{"locks", "that outlast the context of a write keep it from being committed later", lockedTooLong},
	}
}

// lockLimit is how long a batch may take that waits for no lock for longer than 100 ms, on a busy machine. The suite's own
// tests shorten it.
var lockLimit = 2 * time.Second

// begin begins a transaction of the application, or skips the check.
func (f *fixture) begin() Transaction {
	f.Helper()
	if f.Begin == nil {
		f.Skipf("Harness.Begin is nil: the engine has no locks that one process could hold against another")
	}
	return must(f.Begin(f.ctx))(f, "Harness.Begin")
}

// locked requires that a transaction took a lock, or skips the check where the engine has none of the kind.
func (f *fixture) locked(kind string, err error) {
	f.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		f.Skipf("the engine has no locks of %s", kind)
	}
	if err != nil {
		f.Fatalf("lock %s: %v", kind, err)
	}
}

func (f *fixture) rollback(tx Transaction) {
	f.Helper()
	f.must(tx.Rollback(), "Transaction.Rollback")
}

// soon does one batch while locks are held, and requires that it does not wait for them.
func (f *fixture) soon(p phase, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, lockLimit)
	defer cancel()
	b.Action = p.action
	out, err := f.Store.Sweep(ctx, b)
	if ctx.Err() != nil {
		f.Fatalf("%s in a batch of %d: still waits for a lock after %v, want at most 100 ms", p.name, b.Limit, lockLimit)
	}
	return out, err
}

func lockedSession(f *fixture) {
	for i, p := range phases() {
		f.besideLockedSession(p, many(10*i, 10*i+4, func(n int) sessioncleanup.Session { return p.due(f, n) }))
	}
}

// besideLockedSession does batches of a phase while the application has locked one of the sessions.
func (f *fixture) besideLockedSession(p phase, due []sessioncleanup.Session) {
	f.Helper()
	tx := f.begin()
	defer func() { _ = tx.Rollback() }() // again, if the check ended before
	f.insert(due...)
	f.locked("the row of a session", tx.LockSession(f.ctx, due[2].ID))
	b := f.batchOf("locked", 10)
	out := must(f.soon(p, b))(f, "%s beside a locked session", p.name)
	others := slices.Concat(due[:2], due[3:])
	f.expectIDs("sessions changed by "+p.name+" beside a locked one", out.IDs, idsOf(others)...)
	f.rollback(tx)
	f.expectUnchanged("while it was locked", due[2])
	f.expectIDs("sessions changed by "+p.name+" after the lock", f.sweep(p, b, nil), due[2].ID)
}

func lockedChild(f *fixture) {
	tx := f.begin()
	defer func() { _ = tx.Rollback() }()
	due := many(0, 4, f.dueForDeletion)
	f.insert(due...)
	f.locked("a row that is deleted along with its session", tx.LockChild(f.ctx, due[2].ID))
	since := f.mark()
	b := f.batchOf("locked", len(due))
	_, err := f.soon(deletion, b)
	if bad := f.expectBatchError(err); !bad.Locked {
		f.Errorf("BatchError beside a locked row: Locked is false, want true: %v", bad)
	}
	f.expectSessions("after a batch that met a locked row", due...)
	f.expectLog("after a batch that met a locked row", since)
	b.Limit = 1
	var left []string
	for range due {
		out, err := f.soon(deletion, b)
		if err != nil {
			bad := f.expectBatchError(err)
			left, out.Next = append(left, bad.IDs...), bad.Next
		}
		b.After = out.Next
	}
	f.expectIDs("sessions that failed alone", left, due[2].ID)
	f.rollback(tx)
	b.After = ""
	f.expectIDs("sessions deleted after the lock", f.sweep(deletion, b, nil), due[2].ID)
}

// lockedMutually has the application lock a child row, and then the session that the store is about to delete with it.
func lockedMutually(f *fixture) {
	tx := f.begin()
	defer func() { _ = tx.Rollback() }()
	s := f.fresh(1)
	f.insert(s)
	f.locked("a row that is deleted along with its session", tx.LockChild(f.ctx, s.ID))
	deleted := make(chan error, 1)
	remove := func() error {
		_, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: s.ID}, cause("deadlock"))
		return err
	}
	go func() { deleted <- remove() }()
	f.eventually("wait until the deletion has locked the session", func() error {
		other := f.begin()
		defer func() { _ = other.Rollback() }()
		moment, cancel := context.WithTimeout(f.ctx, 20*time.Millisecond)
		defer cancel()
		if err := other.LockSession(moment, s.ID); err == nil {
			return errors.New("the session is not locked")
		}
		return nil
	})
	_ = tx.LockSession(f.ctx, s.ID) // the victim may be this transaction
	err := <-deleted
	f.rollback(tx)
	if err != nil {
		if !errors.Is(err, sessioncleanup.ErrUnavailable) {
			f.Fatalf("Delete in a deadlock: %v, want none or ErrUnavailable", err)
		}
		f.expectSessions("after a deadlock", s)
		f.must(remove(), "Delete after a deadlock")
	}
	f.expectSessions("after a deletion that met a deadlock")
	f.expectLog("after a deletion that met a deadlock", 0, entries(sessioncleanup.ActionDeleted, cause("deadlock"), s)...)
}

// lockedTooLong ends the context of each write while the write waits for the application's lock.
func lockedTooLong(f *fixture) {
	sessions := []sessioncleanup.Session{f.dueForDeactivation(1), f.dueForDeletion(2), f.undated(3)}
	f.insert(sessions...)
	calls := f.calls()
	for _, name := range []string{"Now", "List", "Counts", "Events", "Record", "Lease"} { // none of them writes to a session
		delete(calls, name)
	}
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		err := f.givenUp(calls[name])
		before := f.fresh(99)
		f.insert(before) // waits for whatever asked for the lock before
		f.remove(before.ID)
		f.expectSessions(fmt.Sprintf("after %s, which ended with %v while it waited for a lock", name, err), sessions...)
	}
	f.expectEntries("of writes that waited for a lock until their contexts ended",
		slices.DeleteFunc(flatten(f.events(sessioncleanup.EventQuery{})), func(e entry) bool { return e.Cause == cause("remove") }))
}

// givenUp makes a call whose context ends while the application has locked all sessions.
func (f *fixture) givenUp(call func(context.Context, sessioncleanup.Store) error) error {
	f.Helper()
	tx := f.begin()
	defer func() { _ = tx.Rollback() }()
	f.locked("all sessions against writes", tx.LockWrites(f.ctx))
	moment, cancel := context.WithTimeout(f.ctx, 40*time.Millisecond)
	defer cancel()
	err := call(moment, f.Store)
	f.rollback(tx)
	return err
}
