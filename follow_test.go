package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// diary notes the reasons of events, in the order in which they are given.
type diary struct {
	mu    sync.Mutex
	lines []string
	fail  func(call int) error // what a call returns after it noted nothing; nil: none
	calls int
}

func (d *diary) handle(events []sessioncleanup.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.fail != nil {
		if err := d.fail(d.calls); err != nil {
			return err
		}
	}
	for _, e := range events {
		d.lines = append(d.lines, e.Reason)
	}
	return nil
}

func (d *diary) expect(t *testing.T, what string, count int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var want []string
	for n := range count {
		want = append(want, fmt.Sprint(n))
	}
	if diff := cmp.Diff(want, d.lines); diff != "" {
		t.Errorf("%s, events (-want +got):\n%s", what, diff)
	}
}

// record adds events with the reasons from first to last, without last.
func record(t *testing.T, db sessioncleanup.Store, first, last int) {
	t.Helper()
	for n := first; n < last; n++ {
		if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{
			Action: sessioncleanup.ActionRun, Actor: "system", Reason: fmt.Sprint(n),
		}}); err != nil {
			t.Fatal(err)
		}
	}
}

// follow follows the log of a store in a goroutine, until the function that it returns is called.
func follow(t *testing.T, db sessioncleanup.Store, handle func([]sessioncleanup.Event) error) (stop func()) {
	t.Helper()
	m := managerOver(t, db, sessioncleanup.Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Follow(ctx, "mailer", handle) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v", err)
		}
	}
}

func TestFollowGivesEachEventOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, d := memory.New(memory.Config{}), &diary{}
		record(t, db, 0, 250)
		stop := follow(t, db, d.handle)
		time.Sleep(2 * time.Second)
		d.expect(t, "at first", 250)
		record(t, db, 250, 260)
		time.Sleep(2 * time.Second)
		d.expect(t, "later", 260)
		stop()
		record(t, db, 260, 270)
		stop = follow(t, db, d.handle)
		time.Sleep(time.Second)
		d.expect(t, "after a restart", 270)
		stop()
	})
}

func TestOneInstanceFollowsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, d := memory.New(memory.Config{}), &diary{}
		busy := 0
		handle := func(events []sessioncleanup.Event) error {
			if busy++; busy > 1 {
				t.Error("two instances handle events at the same time")
			}
			time.Sleep(5 * time.Minute) // many times the lease's
			busy--
			return d.handle(events)
		}
		record(t, db, 0, 200)
		stops := []func(){follow(t, db, handle), follow(t, db, handle), follow(t, db, handle)}
		time.Sleep(12 * time.Minute)
		for _, stop := range stops {
			stop()
			record(t, db, len(d.lines), len(d.lines)+1)
			time.Sleep(10 * time.Minute)
		}
		d.expect(t, "by three instances", 202)
	})
}

func TestFollowGivesEventsAgainThatCouldNotBeHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		began := time.Now()
		var at []time.Duration
		d := &diary{fail: func(call int) error {
			at = append(at, time.Since(began))
			switch call {
			case 1:
				panic("out of range")
			case 2, 3, 4, 5, 6, 7, 8:
				return errors.New("mail server is away")
			}
			return nil
		}}
		record(t, db, 0, 10)
		stop := follow(t, db, d.handle)
		time.Sleep(5 * time.Minute)
		stop()
		d.expect(t, "in the end", 10)
		want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("calls after (-want +got):\n%s", diff)
		}
	})
}

// offline is a store that cannot store positions for a while.
type offline struct {
	*memory.Store
	until time.Time
}

func (o *offline) SetPosition(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error {
	if time.Now().Before(o.until) {
		return sessioncleanup.ErrUnavailable
	}
	return o.Store.SetPosition(ctx, consumer, position, held)
}

func TestEventsAreNotRepeatedBecauseTheirPositionCouldNotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, d := &offline{memory.New(memory.Config{}), time.Now().Add(10 * time.Minute)}, &diary{}
		record(t, db, 0, 150)
		stop := follow(t, db, d.handle)
		time.Sleep(9 * time.Minute)
		d.expect(t, "before the position of the first 100 is stored", 100)
		time.Sleep(5 * time.Minute)
		d.expect(t, "once positions are stored again", 150)
		stop()
	})
}

// cutOff is a store that one process cannot reach for a while.
type cutOff struct {
	*memory.Store
	cut atomic.Bool
}

func (c *cutOff) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if c.cut.Load() {
		return sessioncleanup.Lease{}, sessioncleanup.ErrUnavailable
	}
	return c.Store.Lease(ctx, r)
}

func TestAnInstanceThatWasReplacedMovesNoPosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, first, second := memory.New(memory.Config{}), &diary{}, &diary{}
		network := &cutOff{Store: db}
		record(t, db, 0, 10)
		stopFirst := follow(t, network, func(events []sessioncleanup.Event) error {
			network.cut.Store(true)
			time.Sleep(2 * time.Minute)
			network.cut.Store(false)
			return first.handle(events)
		})
		time.Sleep(time.Second)
		stopSecond := follow(t, db, second.handle)
		time.Sleep(time.Minute)
		second.expect(t, "by the instance that took over", 10)
		record(t, db, 10, 20)
		time.Sleep(5 * time.Minute)
		first.expect(t, "by the instance that was replaced", 10)
		second.expect(t, "by the instance that took over", 20)
		if position, err := db.Position(t.Context(), "mailer"); err != nil || position != 20 {
			t.Errorf("position %d, %v; want 20", position, err)
		}
		stopSecond()
		stopFirst()
	})
}

func TestFollowWaitsForItsFunctionAndStoresThePosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, d := memory.New(memory.Config{}), &diary{}
		record(t, db, 0, 10)
		stop := follow(t, db, func(events []sessioncleanup.Event) error {
			time.Sleep(time.Minute)
			return d.handle(events)
		})
		time.Sleep(30 * time.Second)
		stop()
		d.expect(t, "after the stop", 10)
		if position, err := db.Position(t.Context(), "mailer"); err != nil || position != 10 {
			t.Errorf("position %d, %v; want 10", position, err)
		}
		lease, err := db.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "follow:mailer", Holder: "another", TTL: time.Second})
		if err != nil || lease.Replaced != "" {
			t.Errorf("lease %+v, %v; want it released", lease, err)
		}
	})
}

func TestFollowRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	m := managerOver(t, db, sessioncleanup.Policy{})
	plain := managerOver(t, struct{ sessioncleanup.Store }{db}, sessioncleanup.Policy{})
	fine := func([]sessioncleanup.Event) error { return nil }
	for what, c := range map[string]struct {
		err, want error
	}{
		"without a name":        {m.Follow(t.Context(), "", fine), sessioncleanup.ErrInvalid},
		"with a long name":      {m.Follow(t.Context(), strings.Repeat("x", 101), fine), sessioncleanup.ErrInvalid},
		"without a function":    {m.Follow(t.Context(), "a", nil), sessioncleanup.ErrInvalid},
		"for an owner":          {m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"}).Follow(t.Context(), "a", fine), sessioncleanup.ErrForbidden},
		"on a store without it": {plain.Follow(t.Context(), "a", fine), errors.ErrUnsupported},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
}
