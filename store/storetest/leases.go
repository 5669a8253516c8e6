package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "lease" proves that one at a time holds a lease, and that whoever lost it can do no harm.
func leaseChecks() []check {
	return []check{
		{"lease", "is held by one, on every store, until released", leaseExclusive},
		{"lease", "asked for by many at once goes to one", leaseRace},
		{"lease", "renewed keeps its epoch and lasts longer", leaseRenewed},
		{"lease", "has an epoch that rises by one each time it passes on", leaseEpoch},
		{"lease", "ends by itself, and not before its time", leaseExpires},
		{"lease", "lost keeps a batch from changing anything", leaseFence},
	}
}

// long is more than any check takes.
const long = 10 * time.Minute

// holder is somebody who asks for leases, through one of the two stores.
type holder struct {
	f     *fixture
	store sessioncleanup.Store
	name  string
}

func (h holder) ask(lease string, ttl time.Duration) (sessioncleanup.Lease, error) {
	return h.store.Lease(h.f.ctx, sessioncleanup.LeaseRequest{Name: lease, Holder: h.name, TTL: ttl})
}

// take asks for a lease that is to be had.
func (h holder) take(lease string) sessioncleanup.Lease {
	h.f.Helper()
	before := h.f.clock()
	l, err := h.ask(lease, long)
	if err != nil {
		h.f.Fatalf("Lease of %q for %s: %v", lease, h.name, err)
	}
	if l.Name != lease || l.Holder != h.name {
		h.f.Errorf("Lease of %q for %s gave %+v", lease, h.name, l)
	}
	h.f.expectJustNow("the time at which a new lease ends, less its TTL,", l.ExpiresAt.Add(-long), before)
	return l
}

func (h holder) release(lease string) {
	h.f.Helper()
	if _, err := h.ask(lease, 0); err != nil {
		h.f.Fatalf("release of %q by %s: %v", lease, h.name, err)
	}
}

// expectHeld requires that a lease is not to be had and that the error says who has it.
func (h holder) expectHeld(lease string, by sessioncleanup.Lease) {
	h.f.Helper()
	_, err := h.ask(lease, long)
	held := new(sessioncleanup.LeaseHeldError)
	if !errors.Is(err, sessioncleanup.ErrLeaseHeld) || !errors.As(err, &held) {
		h.f.Fatalf("Lease of %q for %s while %s holds it: error %v, want a *LeaseHeldError", lease, h.name, by.Holder, err)
	}
	if held.Name != lease || held.Holder != by.Holder || (held.Until.Sub(by.ExpiresAt)).Abs() > tick {
		h.f.Errorf("LeaseHeldError is %+v, want what %+v says", held, by)
	}
}

func (f *fixture) holders() (a, b, c holder) {
	return holder{f, f.Store, "a"}, holder{f, f.Second, "b"}, holder{f, f.Store, "c"}
}

func leaseExclusive(f *fixture) {
	a, b, c := f.holders()
	held := a.take("cleanup")
	b.expectHeld("cleanup", held)
	c.expectHeld("cleanup", held)
	b.take("something else")
	b.release("cleanup") // not b's: nothing happens
	c.release("never taken")
	b.expectHeld("cleanup", held)
	a.release("cleanup")
	held = b.take("cleanup")
	a.expectHeld("cleanup", held)
}

func leaseRace(f *fixture) {
	const askers = 8
	var wg sync.WaitGroup
	errs := make([]error, askers)
	for i := range askers {
		h := holder{f, f.Store, string(rune('a' + i))}
		if i%2 == 1 {
			h.store = f.Second
		}
		wg.Go(func() { errs[i] = f.patiently(func() error { _, err := h.ask("cleanup", long); return err }) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, sessioncleanup.ErrLeaseHeld):
			f.Errorf("asker %d: error %v, want ErrLeaseHeld", i, err)
		}
	}
	if won != 1 {
		f.Errorf("%d of %d got the lease, want one", won, askers)
	}
}

// patiently tries again while the store says that it is too busy.
func (f *fixture) patiently(do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if try == 20 || !errors.Is(err, sessioncleanup.ErrUnavailable) {
			return err
		}
	}
}

func leaseRenewed(f *fixture) {
	a, b, _ := f.holders()
	first, err := a.ask("cleanup", time.Minute)
	if err != nil {
		f.Fatalf("Lease: %v", err)
	}
	second := a.take("cleanup")
	if second.Epoch != first.Epoch || !second.ExpiresAt.After(first.ExpiresAt) {
		f.Errorf("renewed lease is %+v, want the epoch of %+v and a later end", second, first)
	}
	b.expectHeld("cleanup", second)
	due := f.dueForDeletion(1)
	f.insert(due)
	for _, lease := range []sessioncleanup.Lease{first, second} { // the epoch counts, not the end
		if _, err := f.Store.DeleteDue(f.ctx, sessioncleanup.Batch{Cause: cause("renewed"), Cutoffs: f.cut, Limit: 1, Lease: lease}); err != nil {
			f.Errorf("batch with a renewed lease: %v", err)
		}
	}
	if _, there := f.find(due.ID); there {
		f.Errorf("a batch with a renewed lease left a session that was due")
	}
}

func leaseEpoch(f *fixture) {
	a, b, c := f.holders()
	last := int64(0)
	for i, h := range []holder{a, b, a, a, c, b} {
		l := h.take("cleanup")
		if i == 0 && l.Epoch <= 0 || i > 0 && l.Epoch != last+1 {
			f.Errorf("epoch of holder %d is %d after %d, want one more", i, l.Epoch, last)
		}
		last = l.Epoch
		h.release("cleanup")
		h.take("something else") // an epoch of its own
		h.release("something else")
	}
}

func leaseExpires(f *fixture) {
	a, b, _ := f.holders()
	short, err := a.ask("cleanup", 150*tick)
	if err != nil {
		f.Fatalf("Lease: %v", err)
	}
	var taken sessioncleanup.Lease
	f.eventually("another holder asks for a lease that ends", func() error {
		taken, err = b.ask("cleanup", long)
		if err != nil && !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			f.Fatalf("Lease: %v", err)
		}
		return err
	})
	if now := f.clock(); now.Before(short.ExpiresAt.Add(-tick)) {
		f.Errorf("the lease passed on at %s, before it ended at %s", stamp(now), stamp(short.ExpiresAt))
	}
	if taken.Epoch != short.Epoch+1 {
		f.Errorf("epoch after a lease that ended is %d, want %d", taken.Epoch, short.Epoch+1)
	}
	a.expectHeld("cleanup", taken)
	f.insert(f.dueForDeletion(1))
	f.expectFenced("that ended", short)
}

// patience is how long a check waits for what must come. The suite's own tests have less of it.
var patience = 5 * time.Second

// eventually waits until there is no more error.
func (f *fixture) eventually(what string, check func() error) {
	f.Helper()
	ticker, deadline := time.NewTicker(5*time.Millisecond), time.NewTimer(patience)
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

// expectFenced requires that no batch with this lease changes anything, on either store.
func (f *fixture) expectFenced(what string, stale sessioncleanup.Lease) {
	f.Helper()
	sessions, since := f.all(), f.mark()
	for _, store := range []sessioncleanup.Store{f.Store, f.Second} {
		for _, p := range phases() {
			b := sessioncleanup.Batch{Cause: cause("stale"), Cutoffs: f.cut, Limit: 5, Lease: stale}
			out, err := p.step(store, f.ctx, b)
			if !errors.Is(err, sessioncleanup.ErrLeaseLost) && len(f.page(sessioncleanup.Query{Status: p.status, Cutoffs: f.cut, Limit: 1}).Sessions)+len(out.IDs) > 0 {
				f.Errorf("%s with a lease %s: error %v, want ErrLeaseLost", p.name, what, err)
			}
			f.expectIDs(p.name+" with a lease "+what, out.IDs)
		}
	}
	f.expectSessions("after batches with a lease "+what, sessions...)
	f.expectLog("after batches with a lease "+what, since)
}

func leaseFence(f *fixture) {
	a, b, _ := f.holders()
	f.insert(f.dueForDeletion(1), f.dueForDeletion(2), f.dueForDeactivation(3), f.dueForDeactivation(4))

	f.expectFenced("that was never given", sessioncleanup.Lease{Name: "cleanup", Holder: "a", Epoch: 1, ExpiresAt: f.now.Add(long)})
	first := a.take("cleanup")
	a.release("cleanup")
	f.expectFenced("that was released", first)
	second := a.take("cleanup")
	f.expectFenced("of an earlier epoch", first)
	a.release("cleanup")
	third := b.take("cleanup")
	f.expectFenced("that passed on", second)
	forged := third
	forged.Holder = "a"
	f.expectFenced("of another holder", forged)

	for _, p := range phases() {
		changed := f.sweep(p, sessioncleanup.Batch{Cause: cause("held"), Cutoffs: f.cut, Limit: 1, Lease: third}, nil)
		if len(changed) != 2 {
			f.Errorf("%s with the lease in force changed %v, want 2 sessions", p.name, changed)
		}
	}
}
