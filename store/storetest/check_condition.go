package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "update" prove Target.If, which makes a change conditional, of Update and of Delete.
func conditionChecks() []check {
	return []check{
		{"update", "with a condition that holds is like one without, deletion included", conditionHolds},
		{"update", "with a condition that does not hold changes nothing, deletion included", conditionFails},
		{"update", "with a condition that two callers share succeeds for exactly one of them", conditionRace},
	}
}

// write is a change of one session, with the log entries that it makes.
type write struct {
	name   string
	action sessioncleanup.Action // empty when it changes nothing
	do     func(context.Context, sessioncleanup.Store, sessioncleanup.Target) error
}

func (f *fixture) writes() []write {
	updates := func(c sessioncleanup.Change) func(context.Context, sessioncleanup.Store, sessioncleanup.Target) error {
		c.Cause = cause("condition")
		return func(ctx context.Context, store sessioncleanup.Store, t sessioncleanup.Target) error {
			_, err := store.Update(ctx, t, c)
			return err
		}
	}
	const expiry = sessioncleanup.ActionExpirySet
	return []write{
		{"Update", expiry, updates(sessioncleanup.Change{Action: expiry, ExpiresAt: new(f.now.Add(3 * day))})},
		{"Update that changes nothing", "", updates(sessioncleanup.Change{Action: expiry, AutoCleanup: sessioncleanup.On})},
		{"Delete", sessioncleanup.ActionDeleted, func(ctx context.Context, store sessioncleanup.Store, t sessioncleanup.Target) error {
			_, err := store.Delete(ctx, t, cause("condition"))
			return err
		}},
	}
}

func conditionHolds(f *fixture) {
	for i, w := range f.writes() {
		s, since := f.fresh(i), f.mark()
		f.insert(s)
		same := func(got sessioncleanup.Session) bool { return difference(s, got) == "" }
		if err := w.do(f.ctx, f.Store, sessioncleanup.Target{ID: s.ID, OwnerID: s.OwnerID, If: same}); err != nil {
			f.Errorf("%s with a condition that holds: %v", w.name, err)
		}
		var logged []entry
		if w.action != "" {
			logged = entries(w.action, cause("condition"), s)
		}
		f.expectLog(w.name+" with a condition that holds", since, logged...)
		if _, there := f.find(s.ID); there == (w.action == sessioncleanup.ActionDeleted) {
			f.Errorf("after %s with a condition that holds the session is there: %v", w.name, there)
		}
	}
}

// conditionFails lets the condition see a session that has just been touched, so that it must be read at that moment, and
// keeps the sessions of others from it.
func conditionFails(f *fixture) {
	for i, w := range f.writes() {
		s, what := f.fresh(i), w.name+" with a condition that does not hold"
		f.insert(s)
		before := f.clock()
		f.touch(sessioncleanup.Touch{IDs: []string{s.ID}}, 1)
		touched, since := f.all(), f.mark()
		s = f.get(s.ID)

		var seen []sessioncleanup.Session
		refuse := func(got sessioncleanup.Session) bool { seen = append(seen, got); return false }
		err := w.do(f.ctx, f.Store, sessioncleanup.Target{ID: s.ID, If: refuse})
		if !errors.Is(err, sessioncleanup.ErrChanged) || errors.Is(err, sessioncleanup.ErrNotFound) {
			f.Errorf("%s: error %v, want ErrChanged", what, err)
		}
		if len(seen) == 0 {
			f.Fatalf("%s: the condition was not evaluated", what)
		}
		for _, got := range seen {
			if diff := difference(s, got); diff != "" {
				f.Errorf("%s: the condition got another session than the stored one: %s", what, diff)
			}
			f.expectClock(what+": AsOf of the session that the condition got", got.AsOf, before)
		}
		seen = nil
		for _, t := range f.strangers(s) {
			t.If = refuse
			if err := w.do(f.ctx, f.Store, t); !errors.Is(err, sessioncleanup.ErrNotFound) || len(seen) > 0 {
				f.Errorf("%s, for %q of owner %q: error %v after the condition got %v; want ErrNotFound, and no call", what, t.ID, t.OwnerID, err, idsOf(seen))
			}
		}
		f.expectSessions("after "+what, touched...)
		f.expectLog(what, since)
	}
}

// conditionRace has two callers who saw the same session, each on a store of its own, and write only if it is still as
// they saw it.
func conditionRace(f *fixture) {
	update, remove := f.writes()[0], f.writes()[2]
	pairs := [][2]write{{update, update}, {update, remove}, {remove, remove}}
	for n := range 8 * len(pairs) {
		pair, stores := pairs[n%len(pairs)], [2]sessioncleanup.Store{f.Store, f.Second}
		f.insert(f.fresh(n))
		seen, since := f.get(f.id(n)), f.mark()
		t := sessioncleanup.Target{ID: seen.ID, If: func(got sessioncleanup.Session) bool { return difference(seen, got) == "" }}
		var errs [2]error
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i, w := range pair {
			wg.Go(func() {
				<-start
				errs[i] = patiently(func() error { return w.do(f.ctx, stores[i], t) })
			})
		}
		close(start)
		wg.Wait()

		what := fmt.Sprintf("%s and %s at once, both if the session is as seen", pair[0].name, pair[1].name)
		var logged []entry
		for i, err := range errs {
			switch {
			case err == nil:
				logged = append(logged, entries(pair[i].action, cause("condition"), seen)...)
			case !errors.Is(err, sessioncleanup.ErrChanged) && !errors.Is(err, sessioncleanup.ErrNotFound):
				f.Errorf("%s: error %v, want ErrChanged or ErrNotFound", what, err)
			}
		}
		if len(logged) != 1 {
			f.Errorf("%s: %d succeeded, want one (errors %v and %v)", what, len(logged), errs[0], errs[1])
		}
		f.expectLog(what, since, logged...)
	}
}
