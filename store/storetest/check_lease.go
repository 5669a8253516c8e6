package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "lease" proves that one holder at a time has a lease, and that one who lost it can do no harm.
func leaseChecks() []check {
	return []check{
		{"lease", "is held by one, on every store, until released", leaseExclusive},
		{"lease", "asked for by many at once goes to one", leaseRace},
		{"lease", "renewed keeps its epoch and lasts longer", leaseRenewed},
		{"lease", "renewed after it expired keeps its epoch unless another holder took it", leaseRenewedLate},
		{"lease", "released and taken again has a higher epoch, for the same holder too", leaseReleased},
		{"lease", "ends by itself, and not before its time", leaseExpires},
		{"lease", "lost keeps a batch from changing anything", leaseFence},
		{"lease", "taken by somebody else while a batch commits keeps the batch from it, or waits for it", leaseFenceAtCommit},
		{"lease", "needs a name, a holder and no negative TTL", leaseInvalid},
		{"lease", "in random requests is what Lease.Apply says, and guards batches as Lease.Guards says", leaseRandom},
	}
}

const (
	long  = 10 * time.Minute // longer than any check takes
	brief = 5 * tick
	job   = "cleanup" // the name of most leases here
)

// holder asks for leases through one of the two stores.
type holder struct {
	f     *fixture
	store sessioncleanup.Store
	name  string
}

func (f *fixture) holders() (a, b, c holder) {
	return holder{f, f.Store, "a"}, holder{f, f.Second, "b"}, holder{f, f.Store, "c"}
}

// ask makes a request and compares the answer with Lease.Apply. It returns the lease as it then is.
func (h holder) ask(was sessioncleanup.Lease, name string, ttl time.Duration) sessioncleanup.Lease {
	f := h.f
	f.Helper()
	r, before := sessioncleanup.LeaseRequest{Name: name, Holder: h.name, TTL: ttl}, f.clock()
	got, err := h.store.Lease(f.ctx, r)
	after := f.clock()
	what := fmt.Sprintf("Lease of %q for %s with TTL %v", name, h.name, ttl)
	early, heldEarly := was.Apply(r, before)
	late, heldLate := was.Apply(r, after)
	if heldEarly != nil {
		f.expectHeld(what, err, heldEarly, heldLate)
		return was
	}
	if err != nil {
		f.Fatalf("%s, of %+v: %v", what, was, err)
	}
	if got.ExpiresAt.Location() != time.UTC {
		f.Errorf("%s: ExpiresAt is in %s, want UTC", what, got.ExpiresAt.Location())
	}
	if got.ExpiresAt.Before(early.ExpiresAt.Add(-tick)) || got.ExpiresAt.After(late.ExpiresAt.Add(tick)) {
		f.Errorf("%s: ExpiresAt is %s, want from %s to %s", what, stamp(got.ExpiresAt), stamp(early.ExpiresAt), stamp(late.ExpiresAt))
	}
	early.ExpiresAt = got.ExpiresAt
	if diff := firstDifference(early, got); diff != "" {
		f.Errorf("%s, of %+v: %s", what, was, diff)
	}
	return got
}

// expectHeld compares the error of a request for a lease that somebody else holds with that of Lease.Apply.
func (f *fixture) expectHeld(what string, err, early, late error) {
	f.Helper()
	got, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err)
	if !ok || !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
		f.Fatalf("%s: error %v, want a *LeaseHeldError", what, err)
	}
	want, _ := errors.AsType[*sessioncleanup.LeaseHeldError](early)
	last, ok := errors.AsType[*sessioncleanup.LeaseHeldError](late)
	if !ok {
		f.Fatalf("%s: the lease ended during the call", what)
	}
	if got.Name != want.Name || got.Holder != want.Holder || got.Until.Sub(want.Until).Abs() > tick {
		f.Errorf("%s: LeaseHeldError is %+v, want %+v", what, *got, *want)
	}
	if got.Remaining > want.Remaining+tick || got.Remaining < last.Remaining-tick {
		f.Errorf("%s: Remaining is %v, want from %v to %v", what, got.Remaining, last.Remaining, want.Remaining)
	}
}

// expired waits until a lease has ended by the store's clock.
func (f *fixture) expired(l sessioncleanup.Lease) {
	f.Helper()
	f.eventually("wait for the end of a lease", func() error {
		if now := f.clock(); !now.After(l.ExpiresAt.Add(tick)) {
			return fmt.Errorf("it is %s, the lease ends at %s", stamp(now), stamp(l.ExpiresAt))
		}
		return nil
	})
}

func leaseExclusive(f *fixture) {
	a, b, c := f.holders()
	none := sessioncleanup.Lease{}
	held := a.ask(none, job, long)
	b.ask(held, job, long)
	c.ask(held, job, long)
	other := b.ask(none, "other", long)
	held = b.ask(held, job, 0) // not b's: it stays
	c.ask(none, "never taken", 0)
	b.ask(held, job, long)
	released := a.ask(held, job, 0)
	held = b.ask(released, job, long)
	a.ask(held, job, long)
	c.ask(other, "other", long)
}

func leaseRace(f *fixture) {
	const askers = 8
	var wg sync.WaitGroup
	errs := make([]error, askers)
	for i := range askers {
		store := []sessioncleanup.Store{f.Store, f.Second}[i%2]
		r := sessioncleanup.LeaseRequest{Name: job, Holder: string(rune('a' + i)), TTL: long}
		wg.Go(func() { errs[i] = patiently(func() error { _, err := store.Lease(f.ctx, r); return err }) })
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

// expectGuard compares batches of every kind, on both stores, with Lease.Guards.
func (f *fixture) expectGuard(what string, stored, guard sessioncleanup.Lease) {
	f.Helper()
	holds := stored.Guards(guard, f.clock())
	for _, store := range []sessioncleanup.Store{f.Store, f.Second} {
		for _, p := range append(phases(), dating) {
			due := p.due(f, 1)
			f.insert(due)
			b, since := f.batchOf("guarded", 1), f.mark()
			b.Action, b.Lease = p.action, guard
			out, err := store.Sweep(f.ctx, b)
			switch {
			case holds && (err != nil || len(out.IDs) != 1):
				f.Errorf("%s with a lease %s: changed %v, error %v; want one session", p.name, what, out.IDs, err)
			case !holds && (!errors.Is(err, sessioncleanup.ErrLeaseLost) || len(out.IDs) > 0):
				f.Errorf("%s with a lease %s: changed %v, error %v; want ErrLeaseLost", p.name, what, out.IDs, err)
			case !holds:
				f.expectSessions("after batches with a lease "+what, due)
				f.expectLog("after batches with a lease "+what, since)
			}
			f.remove(idsOf(f.all())...)
		}
	}
}

func leaseRenewed(f *fixture) {
	a, b, _ := f.holders()
	first := a.ask(sessioncleanup.Lease{}, job, time.Minute)
	second := a.ask(first, job, long)
	b.ask(second, job, long)
	f.expectGuard("from before it was renewed", second, first) // the epoch counts, not the end
	f.expectGuard("that was renewed", second, second)
}

func leaseRenewedLate(f *fixture) {
	a, b, _ := f.holders()
	first := a.ask(sessioncleanup.Lease{}, job, brief)
	f.expired(first)
	second := a.ask(first, job, long)
	f.expectGuard("renewed after it expired", second, second)
	b.ask(second, job, long)
}

func leaseReleased(f *fixture) {
	a, b, c := f.holders()
	var l, other sessioncleanup.Lease
	for _, h := range []holder{a, b, a, a, c, b} {
		l = h.ask(h.ask(l, job, long), job, 0)
		other = h.ask(other, "other", long) // it has an epoch of its own
		other = h.ask(other, "other", 0)
	}
	if l.Epoch != 6 {
		f.Errorf("epoch after 6 holders is %d, want 6", l.Epoch)
	}
}

func leaseExpires(f *fixture) {
	a, b, _ := f.holders()
	short := a.ask(sessioncleanup.Lease{}, job, 150*tick)
	var taken sessioncleanup.Lease
	f.eventually("another holder asks for a lease that ends", func() (err error) {
		taken, err = b.store.Lease(f.ctx, sessioncleanup.LeaseRequest{Name: job, Holder: b.name, TTL: long})
		if err != nil && !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			f.Fatalf("Lease: %v", err)
		}
		return err
	})
	if now := f.clock(); now.Before(short.ExpiresAt.Add(-tick)) {
		f.Errorf("another holder took the lease at %s, before it ended at %s", stamp(now), stamp(short.ExpiresAt))
	}
	if taken.Epoch != short.Epoch+1 || taken.Holder != b.name {
		f.Errorf("the lease after one that ended is %+v, want that of %s with the epoch %d", taken, b.name, short.Epoch+1)
	}
	a.ask(taken, job, long)
	f.expectGuard("that ended", taken, short)
}

func leaseFence(f *fixture) {
	a, b, _ := f.holders()
	none := sessioncleanup.Lease{}
	f.expectGuard("that was never taken", none, sessioncleanup.Lease{Name: job, Holder: "a", Epoch: 1, ExpiresAt: f.now.Add(long)})
	first := a.ask(none, job, long)
	released := a.ask(first, job, 0)
	f.expectGuard("that was released", released, first)
	second := a.ask(released, job, long)
	f.expectGuard("of an earlier epoch", second, first)
	third := b.ask(a.ask(second, job, 0), job, brief)
	f.expired(third)
	f.expectGuard("that expired", third, third)
	third = b.ask(third, job, long)
	f.expectGuard("that another holder took", third, second)
	forged := third
	forged.Holder = "a"
	f.expectGuard("of another holder", third, forged)
	f.expectGuard("in force", third, third)
}

// leaseFenceAtCommit lets a lease expire during a batch, while another holder asks for it on another connection. Once the
// other holder has it, the batch must not be committed any more: its run may have begun.
func leaseFenceAtCommit(f *fixture) {
	const each = 40
	a, b, _ := f.holders()
	for round := range 6 {
		name := fmt.Sprint("round ", round)
		due := many(each*round, each*round+each-1, f.dueForDeactivation)
		f.insert(due...)
		batch := f.batchOf("fenced", each)
		batch.Action, batch.Lease = deactivation.action, a.ask(sessioncleanup.Lease{}, name, brief)
		done := make(chan error, 1)
		go func() {
			_, err := a.store.Sweep(f.ctx, batch)
			done <- err
		}()
		f.eventually("another holder asks for the lease of a batch", func() error {
			_, err := b.store.Lease(f.ctx, sessioncleanup.LeaseRequest{Name: name, Holder: b.name, TTL: long})
			if err != nil && !errors.Is(err, sessioncleanup.ErrLeaseHeld) && !errors.Is(err, sessioncleanup.ErrUnavailable) {
				f.Fatalf("Lease: %v", err)
			}
			return err
		})
		taken := f.mark()
		if err := <-done; err != nil && !errors.Is(err, sessioncleanup.ErrLeaseLost) {
			f.Errorf("a batch whose lease expired: %v, want none or ErrLeaseLost", err)
		}
		if f.mark() != taken {
			f.Errorf("a batch was committed after another holder had taken its lease")
			return
		}
	}
}

func leaseInvalid(f *fixture) {
	for _, r := range []sessioncleanup.LeaseRequest{{Holder: "a", TTL: long}, {Name: job, TTL: long}, {Name: job, Holder: "a", TTL: -1}} {
		f.expectError(failure(f.Store.Lease(f.ctx, r)), sessioncleanup.ErrInvalid, "Lease(%+v)", r)
	}
}

func leaseRandom(f *fixture) {
	g := f.generator()
	a, b, c := f.holders()
	leases := map[string]sessioncleanup.Lease{}
	var seen []sessioncleanup.Lease
	for range fewer(100, 40) {
		name, ttl := pick(g, job, job, "other"), pick(g, 0, brief, long, long)
		h := pick(g, a, b, c)
		l := h.ask(leases[name], name, ttl)
		leases[name] = l
		if l.Holder != "" {
			seen = append(seen, l)
		}
		if ttl == brief && l.Holder == h.name {
			f.expired(l)
		}
		if len(seen) > 0 && g.chance(25) {
			guard := seen[max(0, len(seen)-1-g.IntN(4))]
			f.expectGuard(fmt.Sprintf("%+v while it is %+v", guard, leases[guard.Name]), leases[guard.Name], guard)
		}
	}
}
