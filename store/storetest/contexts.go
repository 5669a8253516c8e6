package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "context" proves what happens when the caller gives up.
func contextChecks() []check {
	return []check{
		{"context", "cancelled before a call fails the call and changes nothing", contextCancelled},
		{"context", "that ends during a batch leaves the whole batch or nothing", contextEnds},
	}
}

// calls has every method of a store, with arguments that would change or find something.
func (f *fixture) calls() map[string]func(context.Context) error {
	store, target := f.Store, sessioncleanup.Target{ID: f.id(1)}
	batch := sessioncleanup.Batch{Cause: cause("cancelled"), Cutoffs: f.cut, Limit: 5}
	reactivate := activity()
	return map[string]func(context.Context) error{
		"Now":  func(ctx context.Context) error { _, err := store.Now(ctx); return err },
		"List": func(ctx context.Context) error { _, err := store.List(ctx, sessioncleanup.Query{Limit: 5}); return err },
		"Counts": func(ctx context.Context) error {
			_, err := store.Counts(ctx, sessioncleanup.CountsQuery{Cutoffs: f.cut})
			return err
		},
		"DeactivateDue": func(ctx context.Context) error { _, err := store.DeactivateDue(ctx, batch); return err },
		"DeleteDue":     func(ctx context.Context) error { _, err := store.DeleteDue(ctx, batch); return err },
		"Update": func(ctx context.Context) error {
			_, err := store.Update(ctx, target, sessioncleanup.Change{Cause: cause("cancelled"), Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: new(false)})
			return err
		},
		"Delete": func(ctx context.Context) error { _, err := store.Delete(ctx, target, cause("cancelled")); return err },
		"Touch": func(ctx context.Context) error {
			_, err := store.Touch(ctx, sessioncleanup.Touch{IDs: []string{f.id(1), f.id(2)}})
			return err
		},
		"Touch that reactivates": func(ctx context.Context) error {
			_, err := store.Touch(ctx, sessioncleanup.Touch{IDs: []string{f.id(1), f.id(2)}, Reactivate: &reactivate})
			return err
		},
		"Events": func(ctx context.Context) error {
			_, err := store.Events(ctx, sessioncleanup.EventQuery{Limit: 5})
			return err
		},
		"Record": func(ctx context.Context) error {
			_, err := store.Record(ctx, sessioncleanup.Record{
				Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system"}, ForgetBefore: f.now.Add(time.Hour),
			})
			return err
		},
		"Lease": func(ctx context.Context) error {
			_, err := store.Lease(ctx, sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "cancelled", TTL: long})
			return err
		},
	}
}

func contextCancelled(f *fixture) {
	sessions := []sessioncleanup.Session{f.dueForDeactivation(1), f.dueForDeletion(2)}
	f.insert(sessions...)
	old := f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", At: f.now.Add(-day)}})
	cancelled, cancel := context.WithCancel(f.ctx)
	cancel()
	late, cancelLate := context.WithDeadline(f.ctx, time.Unix(0, 0))
	defer cancelLate()
	calls := f.calls()
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		for _, ctx := range []context.Context{cancelled, late} {
			if err := calls[name](ctx); !errors.Is(err, ctx.Err()) {
				f.Errorf("%s with a context that ended: error %v, want %v", name, err, ctx.Err())
			}
		}
	}
	f.expectSessions("after calls with a context that ended", sessions...)
	f.expectLog("after calls with a context that ended", old.ID)
	if kept := f.events(sessioncleanup.EventQuery{}); len(kept) != 1 || kept[0].ID != old.ID {
		f.Errorf("after calls with a context that ended the log has the events %v, want %d", eventIDs(kept), old.ID)
	}
	a, _, _ := f.holders()
	a.take("cleanup")
}

// contextEnds gives batches less and less time. A call that was cut short may have been committed all the same, when
// only the answer got lost, and a database may need a moment to notice; but never may half of a batch be seen, nor a
// change without its event.
func contextEnds(f *fixture) {
	const each = 60
	sessions := slices.Concat(many(0, each-1, f.dueForDeletion), many(each, 2*each-1, f.dueForDeactivation))
	f.insert(sessions...)
	b := sessioncleanup.Batch{Cause: cause("sweep"), Cutoffs: f.cut, Limit: 6}
	var done []entry
	for _, p := range phases() {
		for n := range 8 {
			ctx, cancel := context.WithTimeout(f.ctx, 3*time.Millisecond>>n)
			out, err := p.step(f.Store, ctx, b)
			cancel()
			if err == nil {
				done = append(done, entries(p.action, b.Cause, those(sessions, out.IDs)...)...)
			} else if len(out.IDs) > 0 {
				f.Errorf("%s failed with %v and gave the sessions %v", p.name, err, out.IDs)
			}
		}
	}
	f.eventually("compare the log with the sessions after batches that were cut short", func() error { return f.replayed(sessions) })
	logged := sentences(flatten(f.events(sessioncleanup.EventQuery{})))
	for _, e := range sentences(done) {
		if !slices.Contains(logged, e) {
			f.Errorf("a batch succeeded but the log lacks: %s", e)
		}
	}
	for _, e := range f.events(sessioncleanup.EventQuery{}) {
		if len(e.Sessions) == 0 {
			f.Errorf("event %d holds no session", e.ID)
		}
	}
}
