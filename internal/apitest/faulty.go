package apitest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Faulty is a store whose calls can be made to fail, to hang, or be counted.
type Faulty struct {
	sessioncleanup.Store
	// Calls counts the calls of Counts, which statistics cause.
	Calls atomic.Int64

	before atomic.Pointer[func(context.Context) error]
}

// Before makes every call go through f first, whose error is the call's; nil makes the store work again.
func (s *Faulty) Before(f func(context.Context) error) {
	if f == nil {
		s.before.Store(nil)
		return
	}
	s.before.Store(&f)
}

// Hang waits until the context ends, as a database does that stopped without a word.
func Hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *Faulty) ask(ctx context.Context) error {
	if f := s.before.Load(); f != nil {
		return (*f)(ctx)
	}
	return nil
}

// Now is the store's clock.
func (s *Faulty) Now(ctx context.Context) (time.Time, error) {
	if err := s.ask(ctx); err != nil {
		return time.Time{}, err
	}
	return s.Store.Now(ctx)
}

// List lists sessions.
func (s *Faulty) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Page{}, err
	}
	return s.Store.List(ctx, q)
}

// Counts counts sessions.
func (s *Faulty) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	s.Calls.Add(1)
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Counts{}, err
	}
	return s.Store.Counts(ctx, q)
}

// DeleteDue deletes a batch.
func (s *Faulty) DeleteDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Outcome{}, err
	}
	return s.Store.DeleteDue(ctx, b)
}

// DeactivateDue deactivates a batch.
func (s *Faulty) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Outcome{}, err
	}
	return s.Store.DeactivateDue(ctx, b)
}

// Update changes a session.
func (s *Faulty) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Session{}, err
	}
	return s.Store.Update(ctx, t, c)
}

// Delete deletes a session.
func (s *Faulty) Delete(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Session{}, err
	}
	return s.Store.Delete(ctx, t, c)
}

// Touch touches sessions.
func (s *Faulty) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if err := s.ask(ctx); err != nil {
		return 0, err
	}
	return s.Store.Touch(ctx, t)
}

// Events reads the audit log.
func (s *Faulty) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if err := s.ask(ctx); err != nil {
		return nil, err
	}
	return s.Store.Events(ctx, q)
}

// Record adds an event.
func (s *Faulty) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Event{}, err
	}
	return s.Store.Record(ctx, r)
}

// Lease takes or gives back a lease.
func (s *Faulty) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if err := s.ask(ctx); err != nil {
		return sessioncleanup.Lease{}, err
	}
	return s.Store.Lease(ctx, r)
}
