package storetest

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// host is what the host of a memory store does to its sessions, past the contract.
type host interface {
	Put(sessions ...sessioncleanup.Session) error
	Remove(ids ...string) (int, error)
	AddActivity(id string, n int64) error
}

var _ host = (*memory.Store)(nil)

// broken is a sound store of which some methods are replaced.
type broken struct {
	sessioncleanup.Store
	host host // of the same store

	list    func(context.Context, sessioncleanup.Query) (sessioncleanup.Page, error)
	counts  func(context.Context, sessioncleanup.CountsQuery) (sessioncleanup.Counts, error)
	batches func(context.Context, phase, sessioncleanup.Batch) (sessioncleanup.Outcome, error)
	update  func(context.Context, sessioncleanup.Target, sessioncleanup.Change) (sessioncleanup.Session, error)
	remove  func(context.Context, sessioncleanup.Target, sessioncleanup.Cause) (sessioncleanup.Session, error)
	touch   func(context.Context, sessioncleanup.Touch) (int, error)
	events  func(context.Context, sessioncleanup.EventQuery) ([]sessioncleanup.Event, error)
	record  func(context.Context, sessioncleanup.Record) (sessioncleanup.Event, error)
	lease   func(context.Context, sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error)
}

func (b *broken) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.Store.List(ctx, q)
}

func (b *broken) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	if b.counts != nil {
		return b.counts(ctx, q)
	}
	return b.Store.Counts(ctx, q)
}

func (b *broken) DeleteDue(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	if b.batches != nil {
		return b.batches(ctx, phases()[0], batch)
	}
	return b.Store.DeleteDue(ctx, batch)
}

func (b *broken) DeactivateDue(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	if b.batches != nil {
		return b.batches(ctx, phases()[1], batch)
	}
	return b.Store.DeactivateDue(ctx, batch)
}

func (b *broken) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	if b.update != nil {
		return b.update(ctx, t, c)
	}
	return b.Store.Update(ctx, t, c)
}

func (b *broken) Delete(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if b.remove != nil {
		return b.remove(ctx, t, c)
	}
	return b.Store.Delete(ctx, t, c)
}

func (b *broken) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if b.touch != nil {
		return b.touch(ctx, t)
	}
	return b.Store.Touch(ctx, t)
}

func (b *broken) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if b.events != nil {
		return b.events(ctx, q)
	}
	return b.Store.Events(ctx, q)
}

func (b *broken) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	if b.record != nil {
		return b.record(ctx, r)
	}
	return b.Store.Record(ctx, r)
}

func (b *broken) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if b.lease != nil {
		return b.lease(ctx, r)
	}
	return b.Store.Lease(ctx, r)
}

// stored gives all sessions of the sound store, by ID.
func (b *broken) stored(ctx context.Context) ([]sessioncleanup.Session, error) {
	page, err := b.Store.List(ctx, sessioncleanup.Query{Limit: everything})
	sortByID(page.Sessions)
	return page.Sessions, err
}

// byHand does a batch with the store's other methods: it selects what is due by the given rule, lets others go first,
// and then writes what it selected, one session at a time and without a second look.
type byHand struct {
	*broken
	due     func(phase, sessioncleanup.Cutoffs, sessioncleanup.Session) bool
	between func() // selecting and writing
}

// properly is the rule that byHand should follow.
func properly(p phase, c sessioncleanup.Cutoffs, s sessioncleanup.Session) bool {
	return c.Status(s) == p.status
}

func (h byHand) batch(ctx context.Context, p phase, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	sessions, err := h.stored(ctx)
	if err != nil {
		return sessioncleanup.Outcome{}, err
	}
	sessions = slices.DeleteFunc(sessions, func(s sessioncleanup.Session) bool {
		return s.ID <= b.After || !h.due(p, b.Cutoffs, s)
	})
	var out sessioncleanup.Outcome
	if len(sessions) > b.Limit {
		sessions = sessions[:b.Limit]
		out.Next = sessions[b.Limit-1].ID
	}
	if h.between != nil {
		h.between()
	}
	for _, s := range sessions {
		if err := h.write(ctx, p, b, s.ID); err != nil {
			continue // somebody else was faster
		}
		out.IDs = append(out.IDs, s.ID)
	}
	return out, nil
}

func (h byHand) write(ctx context.Context, p phase, b sessioncleanup.Batch, id string) error {
	var err error
	if p.action == sessioncleanup.ActionDeleted {
		_, err = h.Store.Delete(ctx, sessioncleanup.Target{ID: id}, b.Cause)
	} else {
		change := sessioncleanup.Change{Cause: b.Cause, Action: p.action, Active: new(false)}
		_, err = h.Store.Update(ctx, sessioncleanup.Target{ID: id}, change)
	}
	return err
}

// crossroads lets goroutines meet: each waits until another one comes by, for a moment at most.
type crossroads chan struct{}

func (c crossroads) wait() {
	moment := time.NewTimer(5 * time.Millisecond)
	defer moment.Stop()
	select {
	case c <- struct{}{}:
	case <-c:
	case <-moment.C:
	}
}

// every gives true each n-th time.
func every(n int64) func() bool {
	var count atomic.Int64
	return func() bool { return count.Add(1)%n == 0 }
}
