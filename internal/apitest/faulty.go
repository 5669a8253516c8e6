package apitest

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Faulty is a store whose calls are counted, and can be made to fail or to hang.
type Faulty struct {
	sessioncleanup.Store

	before atomic.Pointer[func(context.Context, string) error]
	mu     sync.Mutex
	calls  map[string]int
}

// Before makes every call go through f first, with the method's name. An error of f is the call's. Nil makes the store work
// again.
func (s *Faulty) Before(f func(ctx context.Context, method string) error) {
	if f == nil {
		s.before.Store(nil)
		return
	}
	s.before.Store(&f)
}

// Hang waits until the context ends, as a database does that does not respond.
func Hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// Calls returns the number of calls so far, by method.
func (s *Faulty) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Forget sets all numbers of calls to 0.
func (s *Faulty) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
}

// through counts a call and does it unless Before prevents it.
func through[T any](ctx context.Context, s *Faulty, method string, call func() (T, error)) (T, error) {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[method]++
	s.mu.Unlock()
	if f := s.before.Load(); f != nil {
		if err := (*f)(ctx, method); err != nil {
			var none T
			return none, err
		}
	}
	return call()
}

// Now is the store's clock.
func (s *Faulty) Now(ctx context.Context) (time.Time, error) {
	return through(ctx, s, "Now", func() (time.Time, error) { return s.Store.Now(ctx) })
}

// List lists sessions.
func (s *Faulty) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	return through(ctx, s, "List", func() (sessioncleanup.Page, error) { return s.Store.List(ctx, q) })
}

// Counts counts sessions.
func (s *Faulty) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	return through(ctx, s, "Counts", func() (sessioncleanup.Counts, error) { return s.Store.Counts(ctx, q) })
}

// Sweep does a batch.
func (s *Faulty) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	return through(ctx, s, "Sweep", func() (sessioncleanup.BatchResult, error) { return s.Store.Sweep(ctx, b) })
}

// Update changes a session.
func (s *Faulty) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	return through(ctx, s, "Update", func() (sessioncleanup.Session, error) { return s.Store.Update(ctx, t, c) })
}

// Delete deletes a session.
func (s *Faulty) Delete(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
	return through(ctx, s, "Delete", func() (sessioncleanup.Session, error) { return s.Store.Delete(ctx, t, c) })
}

// Touch touches sessions.
func (s *Faulty) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	return through(ctx, s, "Touch", func() (int, error) { return s.Store.Touch(ctx, t) })
}

// Events reads the audit log.
func (s *Faulty) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	return through(ctx, s, "Events", func() ([]sessioncleanup.Event, error) { return s.Store.Events(ctx, q) })
}

// Record adds an event.
func (s *Faulty) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	return through(ctx, s, "Record", func() (sessioncleanup.Event, error) { return s.Store.Record(ctx, r) })
}

// Lease takes or releases a lease.
func (s *Faulty) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	return through(ctx, s, "Lease", func() (sessioncleanup.Lease, error) { return s.Store.Lease(ctx, r) })
}
