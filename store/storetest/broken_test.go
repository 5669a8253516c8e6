package storetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// broken is a sound store of which some methods are replaced.
type broken struct {
	sessioncleanup.Store
	app application // of the same store

	now    func(context.Context) (time.Time, error)
	list   func(context.Context, sessioncleanup.Query) (sessioncleanup.Page, error)
	counts func(context.Context, sessioncleanup.CountsQuery) (sessioncleanup.Counts, error)
	sweep  sweepFunc
	update func(context.Context, sessioncleanup.Target, sessioncleanup.Change) (sessioncleanup.Session, error)
	remove func(context.Context, sessioncleanup.Target, sessioncleanup.Cause) (sessioncleanup.Session, error)
	touch  func(context.Context, sessioncleanup.Touch) (int, error)
	events func(context.Context, sessioncleanup.EventQuery) ([]sessioncleanup.Event, error)
	record func(context.Context, sessioncleanup.Record) (sessioncleanup.Event, error)
	lease  func(context.Context, sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error)

	sessioncleanup.Sealer   // also of the same store
	sessioncleanup.Archiver // of the same store, too
	sessioncleanup.Follower
	sessioncleanup.Outbox
	sessioncleanup.OwnerFinder
	sessioncleanup.Reminder
	sessioncleanup.Values
	sessioncleanup.Profiler
	sessioncleanup.Tagger
	sessioncleanup.RuleFollower
	sessioncleanup.OwnerCounter
}

type sweepFunc func(context.Context, sessioncleanup.Batch) (sessioncleanup.BatchResult, error)

// breakStore returns a harness of a sound store with every method as it is, to be replaced.
func breakStore() (*Harness, *broken) {
	h, app := openMemory()
	s := h.Store
	b := &broken{
		Store: s, app: app,
		now: s.Now, list: s.List, counts: s.Counts, sweep: s.Sweep, update: s.Update, remove: s.Delete,
		touch: s.Touch, events: s.Events, record: s.Record, lease: s.Lease,
	}
	b.Sealer, _ = sessioncleanup.StoreAs[sessioncleanup.Sealer](s)
	b.Archiver, _ = sessioncleanup.StoreAs[sessioncleanup.Archiver](s)
	b.Follower, _ = sessioncleanup.StoreAs[sessioncleanup.Follower](s)
	b.Outbox, _ = sessioncleanup.StoreAs[sessioncleanup.Outbox](s)
	b.Reminder, _ = sessioncleanup.StoreAs[sessioncleanup.Reminder](s)
	b.OwnerFinder, _ = sessioncleanup.StoreAs[sessioncleanup.OwnerFinder](s)
	b.Values, _ = sessioncleanup.StoreAs[sessioncleanup.Values](s)
	b.OwnerCounter, _ = sessioncleanup.StoreAs[sessioncleanup.OwnerCounter](s)
	b.Profiler, _ = sessioncleanup.StoreAs[sessioncleanup.Profiler](s)
	b.RuleFollower, _ = sessioncleanup.StoreAs[sessioncleanup.RuleFollower](s)
	b.Tagger, _ = sessioncleanup.StoreAs[sessioncleanup.Tagger](s)
	h.Store = b
	return &h, b
}

func (b *broken) Now(ctx context.Context) (time.Time, error) { return b.now(ctx) }

func (b *broken) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	return b.list(ctx, q)
}

func (b *broken) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	return b.counts(ctx, q)
}

func (b *broken) Sweep(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	return b.sweep(ctx, batch)
}

func (b *broken) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	return b.update(ctx, t, c)
}

func (b *broken) Delete(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
	return b.remove(ctx, t, c)
}

func (b *broken) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	return b.touch(ctx, t)
}

func (b *broken) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	return b.events(ctx, q)
}

func (b *broken) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	return b.record(ctx, r)
}

func (b *broken) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	return b.lease(ctx, r)
}

func (b *broken) Unwrap() sessioncleanup.Store { return b.Store }

// stored returns all sessions of the sound store, by ID.
func (b *broken) stored(ctx context.Context) ([]sessioncleanup.Session, error) {
	page, err := b.Store.List(ctx, sessioncleanup.Query{Limit: everything})
	sortByID(page.Sessions)
	return page.Sessions, err
}

// find returns one session of the sound store, and false when it is not there.
func (b *broken) find(ctx context.Context, id string) (sessioncleanup.Session, bool, error) {
	page, err := b.Store.List(ctx, sessioncleanup.Query{Filter: byID(id), Limit: 1})
	if err != nil || len(page.Sessions) == 0 {
		return sessioncleanup.Session{}, false, err
	}
	return page.Sessions[0], true, nil
}

// selected makes batches of the store's other methods: it selects the sessions that are due by the given rule, lets others go
// first, and then writes to what it selected, one session at a time and without a second look.
type selected struct {
	*broken
	due     dueFunc
	between func() // selecting and writing
}

type dueFunc func(sessioncleanup.Batch, sessioncleanup.Session) bool

// properly is the rule that a store must follow.
func properly(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
	return b.Filter.Matches(s) && b.May(s.ID) && b.Cutoffs.Due(b.Action, s)
}

func (h selected) sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	sessions, err := h.stored(ctx)
	if err != nil {
		return sessioncleanup.BatchResult{}, err
	}
	sessions = slices.DeleteFunc(sessions, func(s sessioncleanup.Session) bool { return s.ID <= b.After || !h.due(b, s) })
	var out sessioncleanup.BatchResult
	if len(sessions) > b.Limit {
		sessions = sessions[:b.Limit]
		out.Next = sessions[b.Limit-1].ID
	}
	if h.between != nil {
		h.between()
	}
	for _, s := range sessions {
		if h.write(ctx, b, s.ID) == nil { // otherwise somebody else was faster
			out.IDs = append(out.IDs, s.ID)
		}
	}
	return out, nil
}

// write does a batch's action to one session, whatever its state.
func (b *broken) write(ctx context.Context, batch sessioncleanup.Batch, id string) error {
	var err error
	switch batch.Action {
	case sessioncleanup.ActionDeleted:
		_, err = b.Store.Delete(ctx, sessioncleanup.Target{ID: id}, batch.Cause)
	case sessioncleanup.ActionDeactivated:
		c := sessioncleanup.Change{Cause: batch.Cause, Action: batch.Action, Active: sessioncleanup.Off}
		_, err = b.Store.Update(ctx, sessioncleanup.Target{ID: id}, c)
	case sessioncleanup.ActionDated:
		s, there, findErr := b.find(ctx, id)
		if err = findErr; there {
			err = b.app.Put(deactivatedAt(s.AsOf.Truncate(tick), s))
		}
	case sessioncleanup.ActionCorrected:
		_, err = b.Store.Touch(ctx, sessioncleanup.Touch{IDs: []string{id}})
	}
	return err
}

// asBatchError returns the BatchError in err, or nil.
func asBatchError(err error) *sessioncleanup.BatchError {
	bad, _ := errors.AsType[*sessioncleanup.BatchError](err)
	return bad
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

// every returns true each n-th time.
func every(n int64) func() bool {
	var count atomic.Int64
	return func() bool { return count.Add(1)%n == 0 }
}
