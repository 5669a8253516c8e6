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
		{"context", "canceled before a call fails the call and changes nothing", contextCanceled},
		{"context", "that ends during a batch leaves the whole batch or nothing", contextEnds},
	}
}

// calls has every method of a store, with arguments that would change or find something.
func (f *fixture) calls() map[string]func(context.Context, sessioncleanup.Store) error {
	target, c := sessioncleanup.Target{ID: f.id(1)}, cause("canceled")
	sweep := func(p phase) func(context.Context, sessioncleanup.Store) error {
		b := f.batchOf("canceled", 5)
		b.Action = p.action
		return func(ctx context.Context, s sessioncleanup.Store) error { return failure(s.Sweep(ctx, b)) }
	}
	touch := func(reactivate *sessioncleanup.Cause) func(context.Context, sessioncleanup.Store) error {
		t := sessioncleanup.Touch{IDs: []string{f.id(1), f.id(2)}, Reactivate: reactivate}
		return func(ctx context.Context, s sessioncleanup.Store) error { return failure(s.Touch(ctx, t)) }
	}
	change := sessioncleanup.Change{Cause: c, Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: sessioncleanup.Off}
	record := sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system"}, ForgetBefore: f.now.Add(time.Hour)}
	lease := sessioncleanup.LeaseRequest{Name: job, Holder: "canceled", TTL: long}
	return map[string]func(context.Context, sessioncleanup.Store) error{
		"Now": func(ctx context.Context, s sessioncleanup.Store) error { return failure(s.Now(ctx)) },
		"List": func(ctx context.Context, s sessioncleanup.Store) error {
			return failure(s.List(ctx, sessioncleanup.Query{Limit: 5}))
		},
		"Counts": func(ctx context.Context, s sessioncleanup.Store) error {
			return failure(s.Counts(ctx, sessioncleanup.CountsQuery{Thresholds: f.pin}))
		},
		"Sweep, deletion":        sweep(deletion),
		"Sweep, deactivation":    sweep(deactivation),
		"Sweep, dating":          sweep(dating),
		"Update":                 func(ctx context.Context, s sessioncleanup.Store) error { return failure(s.Update(ctx, target, change)) },
		"Delete":                 func(ctx context.Context, s sessioncleanup.Store) error { return failure(s.Delete(ctx, target, c)) },
		"Touch":                  touch(nil),
		"Touch that reactivates": touch(activity()),
		"Events": func(ctx context.Context, s sessioncleanup.Store) error {
			return failure(s.Events(ctx, sessioncleanup.EventQuery{Limit: 5}))
		},
		"Record": func(ctx context.Context, s sessioncleanup.Store) error { return failure(s.Record(ctx, record)) },
		"Lease":  func(ctx context.Context, s sessioncleanup.Store) error { return failure(s.Lease(ctx, lease)) },
	}
}

func contextCanceled(f *fixture) {
	sessions := []sessioncleanup.Session{f.dueForDeactivation(1), f.dueForDeletion(2), f.undated(3)}
	f.insert(sessions...)
	old := f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", At: f.now.Add(-day)}})
	canceled, cancel := context.WithCancel(f.ctx)
	cancel()
	late, cancelLate := context.WithDeadline(f.ctx, time.Unix(0, 0))
	defer cancelLate()
	calls := f.calls()
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		for _, ctx := range []context.Context{canceled, late} {
			if err := calls[name](ctx, f.Store); !errors.Is(err, ctx.Err()) {
				f.Errorf("%s with a context that ended: error %v, want %v", name, err, ctx.Err())
			}
		}
	}
	f.expectSessions("after calls with a context that ended", sessions...)
	if kept := eventIDs(f.events(sessioncleanup.EventQuery{})); inOrder([]int64{old.ID}, kept) != "" {
		f.Errorf("events after calls with a context that ended: %s", inOrder([]int64{old.ID}, kept))
	}
	a, _, _ := f.holders()
	a.ask(sessioncleanup.Lease{}, job, long)
}

// contextEnds allows batches less and less time. A call that was cut short may have been committed all the same, when
// only the answer was lost, and a database may need a moment to notice; but half of a batch must never be visible, nor a
// change without its event.
func contextEnds(f *fixture) {
	const each = 60
	sessions := slices.Concat(many(0, each-1, f.dueForDeletion), many(each, 2*each-1, f.dueForDeactivation))
	f.insert(sessions...)
	b := f.batchOf("sweep", 6)
	var done []entry
	for _, p := range phases() {
		b.Action = p.action
		for n := range 8 {
			ctx, cancel := context.WithTimeout(f.ctx, 3*time.Millisecond>>n)
			out, err := f.Store.Sweep(ctx, b)
			cancel()
			if err == nil {
				done = append(done, entries(p.action, b.Cause, those(sessions, out.IDs)...)...)
			} else if len(out.IDs) > 0 {
				f.Errorf("%s failed with %v and returned the sessions %v", p.name, err, out.IDs)
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
}
