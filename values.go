package sessioncleanup

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// Values is implemented by stores that keep small named values for all processes that use them: figures that are expensive to
// count, and the history of runs.
type Values interface {
	// Value returns the value that was stored last under a name, with its version, which rises by one with each.
	// Without any, it returns nil and version 0.
	Value(ctx context.Context, name string) (data []byte, version int64, err error)
	// SetValue stores a value to replace the given version, and reports whether it did: it does not when another value
	// was stored since.
	SetValue(ctx context.Context, name string, data []byte, version int64) (bool, error)
}

const (
	busyShare   = 20                     // computing a value takes at most one twentieth of a core
	sharedWait  = 250 * time.Millisecond // how long a caller waits for a newer value
	sharedLong  = time.Minute            // after that long without a sign of life, a computation counts as abandoned
	sharedMost  = 10 * time.Minute       // a computation that takes longer is abandoned
	sharedPause = 20 * time.Millisecond  // between looks at a computation of another process
)

// shared is a value that processes compute for each other.
type shared[T any] struct {
	At    time.Time     `json:"at"`             // the store's clock when it was computed; zero: it never was
	Took  time.Duration `json:"took"`           // to compute it
	Busy  time.Time     `json:"busy,omitzero"`  // a process computes it until then
	Again time.Time     `json:"again,omitzero"` // when it may be computed again after it was given up
	Value T             `json:"value,omitzero"` // none yet without At
}

// next is when it may be computed again.
func (s shared[T]) next() time.Time {
	if next := s.At.Add(busyShare * s.Took); next.After(s.Again) {
		return next
	}
	return s.Again
}

// share returns a value that any process computed, and computes a new one when that is allowed: computing takes at most a
// twentieth of the time, however often and by however many processes it is called. A caller that would wait longer than 250 ms
// gets the last value, which is at most 20 times as old as computing takes, plus the time for a new one. A caller that cannot
// write, in a locked database or as a role that only reads, computes the value for itself.
func share[T any](ctx context.Context, m *Manager, name string, compute func(context.Context) (T, error)) (shared[T], error) {
	values, ok := StoreAs[Values](m.store)
	if !ok {
		return computed(ctx, m, compute)
	}
	began, counted := time.Now(), true
	for {
		var s shared[T]
		now, data, version, err := readShared(ctx, m, values, name)
		if err == nil && data != nil && json.Unmarshal(data, &s) != nil {
			s = shared[T]{} // another version stored it: as if there were none
		}
		if err != nil && !counted && ctx.Err() != nil {
			return shared[T]{}, notCounted(err)
		}
		if err != nil {
			return shared[T]{}, fmt.Errorf("read the figures that other processes counted: %w", err)
		}
		known, busy := !s.At.IsZero() && !s.At.After(now), s.Busy.After(now) && s.Busy.Before(now.Add(2*sharedLong))
		if !known && now.Before(s.Again) {
			return shared[T]{}, fmt.Errorf("%w: computing the value %s took longer than %v; it is tried again at %s",
				ErrUnavailable, name, sharedMost, s.Again.Format(time.RFC3339))
		}
		early := known && now.Before(s.next())
		switch {
		case known && (busy || early) && (time.Since(began) >= sharedWait || early && s.next().Sub(now) > sharedWait):
			return s, nil
		case busy || early:
			counted = known
			if err := wait.For(ctx, sharedPause); err != nil {
				return shared[T]{}, notCounted(err)
			}
			continue
		}
		s.Busy = now.Add(sharedLong)
		claimed, err := storeShared(ctx, values, name, s, version)
		if err != nil {
			m.log.DebugContext(ctx, "a value is computed without telling other processes", "value", name, "error", err)
			return computed(ctx, m, compute)
		}
		if claimed {
			c := claim[T]{m, values, name, version + 1, s}
			return c.compute(ctx, compute)
		}
	}
}

func readShared(ctx context.Context, m *Manager, values Values, name string) (now time.Time, data []byte, version int64, err error) {
	if now, err = m.store.Now(ctx); err == nil {
		data, version, err = values.Value(ctx, name)
	}
	return now, data, version, err
}

// claim is the right to compute a shared value.
type claim[T any] struct {
	m       *Manager
	values  Values
	name    string
	version int64
	before  shared[T]
}

// compute computes the value. It goes on when its caller leaves: others wait for it. A caller that leaves because of its own
// deadline gets the value from before, if there is one.
func (c *claim[T]) compute(ctx context.Context, compute func(context.Context) (T, error)) (shared[T], error) {
	type outcome struct {
		s   shared[T]
		err error
	}
	done, before := make(chan outcome, 1), c.before
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedMost)
	go func() {
		defer cancel()
		s, err := c.busy(lasting, func() (shared[T], error) { return computed(lasting, c.m, compute) })
		kept := s
		if err != nil {
			kept = c.before
			kept.Busy = time.Time{}
		}
		if err != nil && lasting.Err() != nil {
			kept.Again = c.before.Busy.Add(busyShare * sharedMost)
		}
		storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		if _, failed := storeShared(storing, c.values, c.name, kept, c.version); failed != nil {
			c.m.log.DebugContext(storing, "a value that was computed could not be stored for other processes", "value", c.name, "error", failed)
		}
		done <- outcome{s, err}
	}()
	select {
	case out := <-done:
		return out.s, out.err
	case <-ctx.Done():
		if !before.At.IsZero() {
			return before, nil
		}
		return shared[T]{}, notCounted(ctx.Err())
	}
}

// notCounted is the error for a caller that leaves while a value is computed for the first time.
func notCounted(left error) error { return fmt.Errorf("%w: %w", ErrNotCounted, left) }

// busy computes, and tells other processes meanwhile that it still does.
func (c *claim[T]) busy(ctx context.Context, compute func() (shared[T], error)) (s shared[T], err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err = compute()
	}()
	tell := time.NewTicker(sharedLong / 2)
	defer tell.Stop()
	for {
		select {
		case <-done:
			return s, err
		case <-tell.C:
			c.before.Busy = c.before.Busy.Add(sharedLong / 2)
			if stored, _ := storeShared(ctx, c.values, c.name, c.before, c.version); stored {
				c.version++
			}
		}
	}
}

func computed[T any](ctx context.Context, m *Manager, compute func(context.Context) (T, error)) (s shared[T], err error) {
	began := time.Now()
	if s.Value, err = compute(ctx); err == nil {
		s.Took = time.Since(began)
		s.At, err = m.store.Now(ctx)
	}
	return s, err
}

func storeShared[T any](ctx context.Context, values Values, name string, s shared[T], version int64) (bool, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return false, err
	}
	return values.SetValue(ctx, name, data, version)
}
