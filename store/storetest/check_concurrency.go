package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "concurrency" proves that runs and writers do not harm each other.
func concurrencyChecks() []check {
	return []check{
		{"concurrency", "of two cleaners and eight writers harms no session in use and loses no event", cleanersAndWriters},
		{"concurrency", "of two cleaners changes each session once", twoCleaners},
	}
}

const (
	writers        = 8
	rounds         = 4
	writerSessions = 6 // of each writer in each round
)

// arena is where cleaners and writers meet. Each writer has sessions of its own, all of them due, and saves them in its
// way; a saved session must stay as it then was.
type arena struct {
	f      *fixture
	stores [2]sessioncleanup.Store

	mu      sync.Mutex
	saved   map[string]sessioncleanup.Session
	changed map[sessioncleanup.Action][]string // as the cleaners' batches said
	wrong   []string                           // found by goroutines, which must not end the check themselves
}

func (f *fixture) arena() *arena {
	return &arena{
		f: f, stores: [2]sessioncleanup.Store{f.Store, f.Second},
		saved: map[string]sessioncleanup.Session{}, changed: map[sessioncleanup.Action][]string{},
	}
}

func (a *arena) failf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

// report fails with the first thing that went wrong.
func (a *arena) report() {
	a.f.Helper()
	if len(a.wrong) > 0 {
		a.f.Errorf("%d failures, first: %s", len(a.wrong), a.wrong[0])
	}
}

func cleanersAndWriters(f *fixture) {
	a := f.arena()
	var inserted []sessioncleanup.Session
	for round := range rounds {
		first := round * writers * writerSessions
		sessions := many(first, first+writers*writerSessions-1, func(n int) sessioncleanup.Session {
			if way := n / writerSessions % 4; way == 0 || way == 2 && n%2 == 0 {
				return f.dueForDeactivation(n)
			}
			return f.dueForDeletion(n)
		})
		inserted = append(inserted, sessions...)
		f.insert(sessions...)
		a.round(sessions)
	}
	for id, want := range a.saved {
		got, there := f.find(id)
		if !there {
			a.failf("session %s was saved and is gone", id)
		} else if diff := harm(want, got); diff != "" {
			a.failf("session %s, after it was saved: %s", id, diff)
		} else if status := f.cut.Status(got); status == toDeactivate || status == toDelete {
			a.failf("session %s, after it was saved, has status %s", id, status)
		}
	}
	a.report()
	a.expectLogged(inserted)
}

// round has cleaners and writers work on fresh sessions. The cleaners sweep until the writers are done, and once more.
func (a *arena) round(sessions []sessioncleanup.Session) {
	var work, clean sync.WaitGroup
	var done atomic.Bool
	start := make(chan struct{})
	for i, store := range a.stores {
		clean.Go(func() {
			<-start
			for last := false; !last; {
				last = done.Load()
				a.clean(store, 1+2*i)
			}
		})
	}
	for w := range writers {
		own := sessions[w*writerSessions : (w+1)*writerSessions]
		work.Go(func() {
			<-start
			for _, s := range own {
				a.write(w, s)
			}
		})
	}
	close(start)
	work.Wait()
	done.Store(true)
	clean.Wait()
}

// clean sweeps both phases as a run does.
func (a *arena) clean(store sessioncleanup.Store, limit int) {
	for _, p := range phases() {
		b := a.f.batchOf("sweep", limit)
		b.Action = p.action
		for range maxSteps {
			var out sessioncleanup.BatchResult
			err := patiently(func() (err error) { out, err = store.Sweep(a.f.ctx, b); return err })
			if err != nil {
				a.failf("%s: %v", p.name, err)
				return
			}
			a.mu.Lock()
			a.changed[p.action] = append(a.changed[p.action], out.IDs...)
			a.mu.Unlock()
			if b.After = out.Next; b.After == "" {
				break
			}
		}
	}
}

// write saves a session in the writer's way, unless a cleaner was faster, and keeps it as it then is.
func (a *arena) write(w int, s sessioncleanup.Session) {
	store, target := a.stores[w/4%2], sessioncleanup.Target{ID: s.ID}
	change := sessioncleanup.Change{Cause: cause("save")}
	switch w % 4 {
	case 0, 1:
		a.use(w, s.ID)
		return
	case 2:
		change.Action, change.AutoCleanup = sessioncleanup.ActionAutoCleanupOff, sessioncleanup.Off
	case 3:
		change.Action, change.ExpiresAt = sessioncleanup.ActionExpirySet, new(a.f.now.Add(day))
	}
	err := patiently(func() (err error) { s, err = store.Update(a.f.ctx, target, change); return err })
	switch {
	case err == nil:
		a.keep(s)
	case !errors.Is(err, sessioncleanup.ErrNotFound):
		a.failf("Update of session %s: %v", s.ID, err)
	}
}

// use touches a session, and keeps it as it then is when it was there.
func (a *arena) use(w int, id string) {
	n := 0
	err := patiently(func() (err error) {
		n, err = a.stores[w/4%2].Touch(a.f.ctx, sessioncleanup.Touch{IDs: []string{id}})
		return err
	})
	if err != nil {
		a.failf("Touch of session %s: %v", id, err)
		return
	}
	if s, there := a.see(w, id); there != (n == 1) {
		a.failf("Touch wrote %d sessions of ID %s, and then it is there: %v", n, id, there)
	} else if there {
		a.keep(s)
	}
}

// see reads a session through the other store.
func (a *arena) see(w int, id string) (sessioncleanup.Session, bool) {
	var page sessioncleanup.Page
	err := patiently(func() (err error) {
		page, err = a.stores[(w/4+1)%2].List(a.f.ctx, sessioncleanup.Query{Filter: byID(id), Limit: 1})
		return err
	})
	if err != nil {
		a.failf("List of ID %s: %v", id, err)
	}
	if len(page.Sessions) == 0 {
		return sessioncleanup.Session{}, false
	}
	return page.Sessions[0], true
}

func (a *arena) keep(s sessioncleanup.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.saved[s.ID] = s
}

// harm is the difference between a saved session then and now. A store may write a touch a little later when the row was
// locked.
func harm(want, got sessioncleanup.Session) string {
	if got.LastActivity.After(want.LastActivity) {
		want.LastActivity = got.LastActivity
	}
	return difference(want, got)
}

// expectLogged compares the log with the sessions and with what the batches said.
func (a *arena) expectLogged(inserted []sessioncleanup.Session) {
	a.f.Helper()
	if err := a.f.replayed(inserted); err != nil {
		a.f.Errorf("the log contradicts the sessions: %v", err)
	}
	logged := map[sessioncleanup.Action][]string{}
	for _, e := range flatten(a.f.events(sessioncleanup.EventQuery{RunID: sweepRun})) {
		logged[e.Action] = append(logged[e.Action], e.Session.ID)
	}
	for _, p := range phases() {
		a.f.expectIDs("sessions changed by "+p.name+", compared with the log", a.changed[p.action], logged[p.action]...)
	}
}

// twoCleaners has no writers, so that nothing may be left.
func twoCleaners(f *fixture) {
	sessions := slices.Concat(many(0, 99, f.dueForDeletion), many(100, 199, f.dueForDeactivation))
	f.insert(sessions...)
	a := f.arena()
	var wg sync.WaitGroup
	for _, store := range a.stores {
		wg.Go(func() { a.clean(store, 7) })
	}
	wg.Wait()
	a.clean(f.Store, 50) // the sessions that the two left to each other
	a.report()
	f.expectIDs("sessions deleted", a.changed[sessioncleanup.ActionDeleted], idsOf(sessions[:100])...)
	f.expectIDs("sessions deactivated", a.changed[sessioncleanup.ActionDeactivated], idsOf(sessions[100:])...)
	a.expectLogged(sessions)
}
