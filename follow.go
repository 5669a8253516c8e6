package sessioncleanup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/failures"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// Follower is implemented by stores whose audit log can be read forward without gaps, from a position that they keep for each
// consumer.
type Follower interface {
	// EventsAfter returns the events with an ID above after, oldest first, at most limit, and fewer when they have many
	// sessions, as EventQuery.Enough says for a part. No event with a smaller ID than one of them is ever added later: while a
	// transaction is open that may still commit such an event, the answer ends before it.
	EventsAfter(ctx context.Context, after int64, limit int) ([]Event, error)
	// Position returns the position that SetPosition stored last for a consumer, which is the ID of an event, or 0.
	Position(ctx context.Context, consumer string) (int64, error)
	// SetPosition stores a position. It fails with ErrLeaseLost unless the holder still has the lease at that moment;
	// see Lease.Guards.
	SetPosition(ctx context.Context, consumer string, position int64, held Lease) error
}

const (
	followPage   = 100         // events at most in one call
	followPause  = time.Second // between two looks at a log with nothing new
	followFirst  = time.Second // pause after a failure, doubled each time up to
	followLast   = time.Minute
	maxConsumer  = 100 // bytes of a consumer's name
	followPrefix = "follow:"
)

// Follow calls handle with the events of the audit log, oldest first, each once, until ctx ends. It returns ctx's
// error; any other error means that it could not start. A consumer is a name that you choose. Follow continues where
// this consumer stopped, in whichever process; a new consumer begins with the oldest event of the log.
//
// Call it in as many instances as you like: only one of them at a time calls handle, and another one takes over when
// its process dies. It skips no event, even one that is committed late. It stores the position after each call of
// handle, so events repeat only when a process dies between the two, or loses the database for longer than
// Config.LeaseTTL.
//
// When handle returns an error or panics, Follow logs that, pauses for a second to a minute, and calls it again with
// the same events. When ctx ends during a call, Follow waits for the call and stores the position. The log forgets
// events after Policy.EventsKeep, even when a consumer has not read them yet.
func (m *Manager) Follow(ctx context.Context, consumer string, handle func([]Event) error) error {
	const operation = "follow the audit log"
	if err := m.allowAll(operation); err != nil {
		return err
	}
	follower, err := storeAs[Follower](m, operation, "cannot read its log forward")
	switch {
	case consumer == "" || len(consumer) > maxConsumer:
		return invalid.Errorf("%s: consumer is %q: want a name of 1 to %d bytes", operation, consumer, maxConsumer)
	case handle == nil:
		return invalid.Errorf("%s: handle is nil: want a function", operation)
	case err != nil:
		return err
	}
	f := &following{m: m, store: follower, consumer: consumer, handle: handle, holder: rand.Text()}
	defer f.release(ctx)
	for {
		pause, err := f.step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			pause = f.failed(ctx, err)
		} else {
			f.failures = 0
		}
		if err := wait.For(ctx, pause); err != nil {
			return err
		}
	}
}

// following is one Follow in progress.
type following struct {
	m        *Manager
	store    Follower
	consumer string
	handle   func([]Event) error
	holder   string

	lease    Lease
	renewed  time.Time // when the lease was last taken or renewed
	position int64     // of the last event handled, while the lease has this epoch
	known    bool      // the position is
	unsaved  bool      // the position is not stored yet
	failures failures.Count
}

// step does the next thing, and returns the pause after it.
func (f *following) step(ctx context.Context) (pause time.Duration, err error) {
	err = f.hold(ctx)
	if held, ok := errors.AsType[*LeaseHeldError](err); ok { // its holder may release it earlier
		return max(followPause, min(held.Remaining, f.m.leaseTTL/3)), nil
	}
	if err != nil {
		return 0, err
	}
	switch {
	case f.unsaved:
		return 0, f.save(ctx)
	case !f.known:
		f.position, err = within(ctx, callTimeout, func(ctx context.Context) (int64, error) { return f.store.Position(ctx, f.consumer) })
		f.known = err == nil
		return 0, err
	}
	events, err := within(ctx, callTimeout, func(ctx context.Context) ([]Event, error) {
		return f.store.EventsAfter(ctx, f.position, followPage)
	})
	if err != nil {
		return 0, err
	}
	if len(events) == 0 {
		return min(followPause, f.m.leaseTTL/3), nil
	}
	last := events[len(events)-1].ID
	// A call that has begun is waited for, whatever becomes of the context and of the lease.
	lasting := context.WithoutCancel(ctx)
	result, _ := f.m.during(lasting, func(ctx context.Context) error {
		if err := f.hold(ctx); err != nil {
			f.m.log.WarnContext(ctx, "the lease of a follower could not be renewed", "consumer", f.consumer, "error", err)
		}
		return nil
	}, func() error { return f.handle(events) })
	if result != nil {
		return 0, fmt.Errorf("handle events up to %d: %w", last, result)
	}
	f.position, f.unsaved = last, f.known // unknown: another holder had the lease meanwhile
	saving, cancel := wait.Outlive(ctx, finishGrace)
	defer cancel()
	return 0, f.save(saving)
}

// hold takes the consumer's lease, or renews it. When another holder had it, the position may be another one.
func (f *following) hold(ctx context.Context) error {
	if f.lease.Name != "" && time.Since(f.renewed) <= f.m.leaseTTL/3 {
		return nil
	}
	asked := time.Now()
	lease, err := f.m.store.Lease(ctx, LeaseRequest{Name: followPrefix + f.consumer, Holder: f.holder, TTL: f.m.leaseTTL})
	lost := errors.Is(err, ErrLeaseHeld) || err == nil && lease.Epoch != f.lease.Epoch
	if lost {
		if f.unsaved {
			f.m.log.WarnContext(ctx, "events are handled again: another instance took over before the position was stored", "consumer", f.consumer)
		}
		f.lease, f.known, f.unsaved = Lease{}, false, false
	}
	if err == nil {
		f.lease, f.renewed = lease, asked
	}
	return err
}

// save stores the position. When the lease is no longer valid, the next step renews it, if nobody had it meanwhile, and
// tries again.
func (f *following) save(ctx context.Context) error {
	if !f.unsaved {
		return nil
	}
	err := doWithin(ctx, callTimeout, func(ctx context.Context) error { return f.store.SetPosition(ctx, f.consumer, f.position, f.lease) })
	if errors.Is(err, ErrLeaseLost) {
		f.renewed = time.Time{}
	}
	f.unsaved = err != nil
	if err != nil {
		return fmt.Errorf("store the position %d: %w", f.position, err)
	}
	return nil
}

// failed logs an error and returns the pause after it.
func (f *following) failed(ctx context.Context, err error) time.Duration {
	pause := min(followLast, followFirst<<min(f.failures, 10))
	if f.failures.Add() {
		f.m.log.ErrorContext(ctx, "following the audit log failed and will be tried again", "consumer", f.consumer, "in", pause, "failures", f.failures, "error", err)
	}
	return pause
}

// release lets another instance take over at once.
func (f *following) release(ctx context.Context) {
	if f.lease.Name == "" {
		return
	}
	ctx, cancel := wait.Outlive(ctx, finishGrace)
	defer cancel()
	if _, err := f.m.store.Lease(ctx, LeaseRequest{Name: f.lease.Name, Holder: f.holder}); err != nil { // it expires by itself
		f.m.log.WarnContext(ctx, "the lease of a follower could not be released; others wait until it expires", "consumer", f.consumer, "error", err)
	}
}
