package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	day = 24 * time.Hour
	// tick is the finest difference in time that every backend keeps.
	tick = time.Millisecond
	// everything is a page or a count that no check fills.
	everything = 5000
	// maxSteps bounds loops that should end by themselves: pages of a list, batches of a sweep.
	maxSteps = 2000
)

// patience is how long a check waits for something that must happen. The suite's own tests shorten it.
var patience = 5 * time.Second

// fixture is what a check works with. Its helpers end the check when the store fails unexpectedly.
type fixture struct {
	tester
	Harness
	ctx context.Context

	now time.Time                 // the store's clock when the check began, in whole milliseconds
	pin sessioncleanup.Thresholds // the default policy's, measured at now
	cut sessioncleanup.Cutoffs    // what pin amounts to
}

func newFixture(t tester, h Harness) *fixture {
	t.Helper()
	f := &fixture{tester: t, Harness: h, ctx: t.Context()}
	f.now = f.clock().Truncate(tick)
	f.pin = f.pinned(sessioncleanup.Policy{})
	f.cut = f.pin.At(f.now)
	return f
}

// pinned are the thresholds of a policy, measured when the check began.
func (f *fixture) pinned(p sessioncleanup.Policy) sessioncleanup.Thresholds {
	t := p.Thresholds()
	t.Now = f.now
	return t
}

// must is the value of a call that must succeed.
func must[T any](value T, err error) func(t tester, call string, args ...any) T {
	return func(t tester, call string, args ...any) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", fmt.Sprintf(call, args...), err)
		}
		return value
	}
}

// must requires that a call succeeds.
func (f *fixture) must(err error, call string, args ...any) {
	f.Helper()
	must(struct{}{}, err)(f, call, args...)
}

// failure is the error of a call whose value does not matter.
func failure[T any](_ T, err error) error { return err }

// expectError requires that a call fails in some way.
func (f *fixture) expectError(err, want error, call string, args ...any) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s: error %v, want %v", fmt.Sprintf(call, args...), err, want)
	}
}

// optional is an optional interface of the store, or skips the check.
func optional[T any](f *fixture) T { return optionalOf[T](f, f.Store) }

// optionalOf is optional for one of the two stores.
func optionalOf[T any](t tester, store sessioncleanup.Store) T {
	t.Helper()
	is, ok := sessioncleanup.StoreAs[T](store)
	if !ok {
		t.Skipf("the store is no %s", reflect.TypeFor[T]().Name())
	}
	return is
}

// clock reads the store's clock.
func (f *fixture) clock() time.Time {
	f.Helper()
	return must(f.Store.Now(f.ctx))(f, "Now")
}

// expectClock requires that a time is the store's clock at some moment between before and now.
func (f *fixture) expectClock(what string, got, before time.Time) {
	f.Helper()
	after := f.clock()
	if got.Before(before.Add(-tick)) || got.After(after.Add(tick)) {
		f.Errorf("%s is %s, want the store's clock, from %s to %s", what, stamp(got), stamp(before), stamp(after))
	}
}

// eventually waits until there is no error.
func (f *fixture) eventually(what string, check func() error) {
	f.Helper()
	ticker, deadline := time.NewTicker(2*time.Millisecond), time.NewTimer(patience)
	defer ticker.Stop()
	defer deadline.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			f.Fatalf("%s: after %v still: %v", what, patience, err)
		case <-f.ctx.Done():
			f.Fatalf("%s: %v", what, f.ctx.Err())
		}
	}
}

// patiently tries again while the store is too busy.
func patiently(do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if try == 20 || !errors.Is(err, sessioncleanup.ErrUnavailable) {
			return err
		}
	}
}

// expectSessions compares everything in the store with what should be there.
func (f *fixture) expectSessions(what string, want ...sessioncleanup.Session) {
	f.Helper()
	want = slices.Clone(want)
	sortByID(want)
	if diff := differences(want, f.all()); diff != "" {
		f.Errorf("%s: %s", what, diff)
	}
}

// expectUnchanged requires that these sessions are stored as given.
func (f *fixture) expectUnchanged(what string, sessions ...sessioncleanup.Session) {
	f.Helper()
	for _, s := range sessions {
		if diff := difference(s, f.get(s.ID)); diff != "" {
			f.Errorf("%s: session %s: %s", what, s.ID, diff)
		}
	}
}

// expectIDs compares IDs whose order does not matter.
func (f *fixture) expectIDs(what string, got []string, want ...string) {
	f.Helper()
	if diff := unordered(want, got); diff != "" {
		f.Errorf("%s: %s", what, diff)
	}
}

// expectApplied compares a session with what a rule makes of it at two readings of the store's clock, before and after
// the call. Only the last activity and the time of the deactivation may depend on the clock.
func (f *fixture) expectApplied(what string, early, late, got sessioncleanup.Session) {
	f.Helper()
	for _, field := range []struct {
		name             string
		early, late, got *time.Time
	}{
		{"LastActivity", &early.LastActivity, &late.LastActivity, &got.LastActivity},
		{"DeactivatedAt", &early.DeactivatedAt, &late.DeactivatedAt, &got.DeactivatedAt},
	} {
		if field.early.Equal(*field.late) {
			continue
		}
		if field.got.Before(field.early.Add(-tick)) || field.got.After(field.late.Add(tick)) {
			f.Errorf("%s: session %s: %s is %s, want the store's clock, from %s to %s",
				what, got.ID, field.name, stamp(*field.got), stamp(*field.early), stamp(*field.late))
			return
		}
		*field.early = *field.got
	}
	if diff := difference(early, got); diff != "" {
		f.Errorf("%s: session %s: %s", what, early.ID, diff)
	}
}

func sortByID(sessions []sessioncleanup.Session) {
	slices.SortFunc(sessions, func(a, b sessioncleanup.Session) int { return strings.Compare(a.ID, b.ID) })
}
