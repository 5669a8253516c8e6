package httpapi

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxSlots is the number of values that are kept, so that many owners cannot fill the memory.
const maxSlots = 1024

// shared computes values for many callers: the value of each key at most once per interval, and once for all callers that
// ask at the same time. It starts no goroutine; the first caller computes for the others.
type shared[V any] struct {
	interval time.Duration
	timeout  time.Duration // of a computation, even when its caller leaves
	pace     time.Duration // a value is also served for so many times as long as computing it took

	mu    sync.Mutex
	slots map[string]*slot[V]
}

type slot[V any] struct {
	value  V
	until  time.Time // the value is served until then; zero when there is none
	flight *flight[V]
}

// flight is a computation in progress.
type flight[V any] struct {
	done  chan struct{} // closed when the fields below are set
	value V
	until time.Time
	err   error
}

func newShared[V any](interval, timeout time.Duration) *shared[V] {
	return &shared[V]{interval: interval, timeout: timeout, slots: map[string]*slot[V]{}}
}

// longestCount is how long counting for a response may take that nothing else waits for.
const longestCount = time.Minute

// newPaced is newShared for what may take long: at most a twentieth of the time is spent on it.
func newPaced[V any](interval time.Duration) *shared[V] {
	s := newShared[V](interval, longestCount)
	s.pace = 20
	return s
}

var errPanicked = errors.New("the computation panicked")

// get returns the value of a key and the time until which it is served. Failures are not kept.
func (s *shared[V]) get(ctx context.Context, key string, compute func(context.Context) (V, error)) (V, time.Time, error) {
	s.mu.Lock()
	k := s.slots[key]
	if k != nil && time.Now().Before(k.until) {
		value, until := k.value, k.until
		s.mu.Unlock()
		return value, until, nil
	}
	if k == nil {
		s.makeRoom()
		k = &slot[V]{}
		s.slots[key] = k
	}
	if f := k.flight; f != nil {
		s.mu.Unlock()
		select {
		case <-f.done:
			return f.value, f.until, f.err
		case <-ctx.Done():
			var none V
			return none, time.Time{}, ctx.Err()
		}
	}
	f := &flight[V]{done: make(chan struct{}), err: errPanicked}
	k.flight = f
	s.mu.Unlock()

	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if k.flight == f { // forget was not called in between
			k.flight = nil
			if f.err == nil {
				k.value, k.until = f.value, f.until
			}
		}
		close(f.done)
	}()
	// Others wait for this, too: it continues when its caller leaves.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	began := time.Now()
	f.value, f.err = compute(ctx)
	f.until = time.Now().Add(max(s.interval, s.pace*time.Since(began)))
	return f.value, f.until, f.err
}

// forget drops the values of the keys, and those of computations in progress: the next caller computes again.
func (s *shared[V]) forget(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if k := s.slots[key]; k != nil {
			k.until, k.flight = time.Time{}, nil
		}
	}
}

// forgetAll is forget for every key.
func (s *shared[V]) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.slots)
}

// makeRoom drops outdated values when there are too many or, when those are too few, any. Callers that wait for a
// computation keep it.
func (s *shared[V]) makeRoom() {
	if len(s.slots) < maxSlots {
		return
	}
	now := time.Now()
	for key, k := range s.slots {
		if k.flight == nil && !now.Before(k.until) {
			delete(s.slots, key)
		}
	}
	for key := range s.slots {
		if len(s.slots) < maxSlots {
			return
		}
		delete(s.slots, key)
	}
}
