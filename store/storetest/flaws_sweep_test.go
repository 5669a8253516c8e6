package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// asksSweep changes the batches that the sound store is asked for.
func asksSweep(change func(*sessioncleanup.Batch)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
			change(&batch)
			return b.Store.Sweep(ctx, batch)
		}
	}
}

// afterSweep goes on after the sound store's batches.
func afterSweep(do func(ctx context.Context, b *broken, batch sessioncleanup.Batch, out *sessioncleanup.BatchResult, err error) error) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
			out, err := b.Store.Sweep(ctx, batch)
			err = do(ctx, b, batch, &out, err)
			return out, err
		}
	}
}

func sweepFlaws() []flaw {
	return []flaw{
		{"exceeds the limit", asksSweep(func(b *sessioncleanup.Batch) { b.Limit++ }), []func(*fixture){sweepBatches, workload}},
		{"sweeps the sessions of all owners", asksSweep(func(b *sessioncleanup.Batch) { b.Filter.OwnerID = "" }), []func(*fixture){sweepRandom, workload}},
		{"sweeps more than one session", asksSweep(func(b *sessioncleanup.Batch) { b.Filter.ID = "" }), []func(*fixture){sweepRandom}},
		{"sweeps without the text", asksSweep(func(b *sessioncleanup.Batch) { b.Filter.Text = "" }), []func(*fixture){sweepRandom}},
		{"forgets the filter after the first batch", asksSweep(func(b *sessioncleanup.Batch) {
			if b.After != "" {
				b.Filter = sessioncleanup.Filter{}
			}
		}), []func(*fixture){sweepRandom}},
		{"deletes more than only some sessions", asksSweep(func(b *sessioncleanup.Batch) { b.Only = nil }), []func(*fixture){sweepOnly}},
		{"deletes what it is asked to although it is not due", func(_ *Harness, b *broken) {
			b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
				if batch.Only == nil {
					return b.Store.Sweep(ctx, batch)
				}
				return selected{broken: b, due: func(batch sessioncleanup.Batch, s sessioncleanup.Session) bool { return batch.May(s.ID) }}.sweep(ctx, batch)
			}
		}, []func(*fixture){sweepOnly}},
		{"forgets the event of a batch", forgetsEvents, []func(*fixture){sweepBatches, cleanersAndWriters, twoCleaners, workload}},
		{"counts fewer rows than sessions that it deletes", afterSweep(func(_ context.Context, _ *broken, b sessioncleanup.Batch, out *sessioncleanup.BatchResult, err error) error {
			if b.Action == sessioncleanup.ActionDeleted && len(out.IDs) > 1 {
				out.Rows = len(out.IDs) - 1
			}
			return err
		}), []func(*fixture){sweepBatches}},
		{"writes an event without a change", afterSweep(func(ctx context.Context, b *broken, batch sessioncleanup.Batch, out *sessioncleanup.BatchResult, err error) error {
			if err == nil && len(out.IDs) == 0 {
				_, err = b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{Action: batch.Action, Actor: batch.Cause.Actor}})
			}
			return err
		}), []func(*fixture){sweepNothing}},
		{"takes a deactivation for activity", afterSweep(func(ctx context.Context, b *broken, _ sessioncleanup.Batch, out *sessioncleanup.BatchResult, err error) error {
			if err == nil {
				_, err = b.Store.Touch(ctx, sessioncleanup.Touch{IDs: out.IDs})
			}
			return err
		}), []func(*fixture){sweepBatches, dueAtCutoff, workload}},
		{"measures against the clock", asksSweep(func(b *sessioncleanup.Batch) {
			b.Cutoffs = sessioncleanup.Policy{}.CutoffsAt(time.Now())
		}), []func(*fixture){sweepCutoffs}},
		{"stops after one batch", afterSweep(func(_ context.Context, _ *broken, _ sessioncleanup.Batch, out *sessioncleanup.BatchResult, err error) error {
			out.Next = ""
			return err
		}), []func(*fixture){sweepBatches, sweepRandom}},
		{"asks for a pause that nobody needs", afterSweep(func(_ context.Context, _ *broken, _ sessioncleanup.Batch, out *sessioncleanup.BatchResult, err error) error {
			out.Pause = time.Second
			return err
		}), []func(*fixture){sweepPause}},
		{"says that it held its locks for longer than it worked", afterSweep(func(_ context.Context, _ *broken, _ sessioncleanup.Batch, out *sessioncleanup.BatchResult, err error) error {
			out.Held = time.Minute
			return err
		}), []func(*fixture){sweepPause, sweepBatches}},
		{"decides at the first batch what the others will do", remembers, []func(*fixture){sweepUnderChange}},
		{"harms sessions that are used between selecting and writing", func(_ *Harness, b *broken) {
			meet := make(crossroads)
			b.sweep = selected{broken: b, due: properly, between: meet.wait}.sweep
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				n, err := b.Store.Touch(ctx, t)
				meet.wait()
				return n, err
			}
		}, []func(*fixture){cleanersAndWriters}},
		{"reports the sessions that it selected, changed or not", reportsSelected, []func(*fixture){twoCleaners}},
		{"leaves half a batch when a row fails", afterSweep(func(ctx context.Context, b *broken, batch sessioncleanup.Batch, _ *sessioncleanup.BatchResult, err error) error {
			if bad := asBatchError(err); bad != nil {
				for _, id := range bad.IDs {
					_ = b.write(ctx, batch, id)
				}
			}
			return err
		}), []func(*fixture){pinnedBatch, pinnedSweep}},
		{"does not say where to continue after a row that fails", afterSweep(func(_ context.Context, _ *broken, _ sessioncleanup.Batch, _ *sessioncleanup.BatchResult, err error) error {
			if bad := asBatchError(err); bad != nil {
				bad.Next = ""
			}
			return err
		}), []func(*fixture){pinnedSweep}},
		{"ignores the lease", asksSweep(func(b *sessioncleanup.Batch) { b.Lease = sessioncleanup.Lease{} }), []func(*fixture){leaseFence, leaseExpires, leaseRandom}},
	}
}

// forgetsEvents hides the events that batches write.
func forgetsEvents(_ *Harness, b *broken) {
	var mu sync.Mutex
	forgotten := map[string]bool{}
	b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
		events, err := b.Store.Events(ctx, q)
		mu.Lock()
		defer mu.Unlock()
		return slices.DeleteFunc(events, func(e sessioncleanup.Event) bool { return forgotten[string(e.Action)+e.RunID] }), err
	}
	b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
		mu.Lock()
		forgotten[string(batch.Action)+batch.Cause.RunID] = true
		mu.Unlock()
		return b.Store.Sweep(ctx, batch)
	}
}

// remembers has a sweep select everything at its first batch.
func remembers(_ *Harness, b *broken) {
	chosen := map[string]bool{}
	hand := selected{broken: b, due: func(_ sessioncleanup.Batch, s sessioncleanup.Session) bool { return chosen[s.ID] }}
	b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
		if batch.After == "" {
			sessions, err := b.stored(ctx)
			if err != nil {
				return sessioncleanup.BatchResult{}, err
			}
			clear(chosen)
			for _, s := range sessions {
				chosen[s.ID] = properly(batch, s)
			}
		}
		return hand.sweep(ctx, batch)
	}
}

// reportsSelected returns the sessions that it selected, although somebody else may have been faster.
func reportsSelected(_ *Harness, b *broken) {
	meet := make(crossroads)
	b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
		sessions, err := b.stored(ctx)
		if err != nil {
			return sessioncleanup.BatchResult{}, err
		}
		due := slices.DeleteFunc(sessions, func(s sessioncleanup.Session) bool { return !properly(batch, s) })
		out := sessioncleanup.BatchResult{IDs: idsOf(due[:min(batch.Limit, len(due))])}
		meet.wait()
		for _, id := range out.IDs {
			_ = b.write(ctx, batch, id)
		}
		if len(due) > batch.Limit {
			out.Next = batch.After + "+"
		}
		return out, nil
	}
}

func contextFlaws() []flaw {
	return []flaw{
		{"goes on although its context ended", func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				return b.Store.Touch(context.WithoutCancel(ctx), t)
			}
		}, []func(*fixture){contextCanceled}},
		{"leaves half a batch when its context ends", halves, []func(*fixture){contextEnds}},
	}
}

// halves changes the first session of a batch before it begins, and only then looks at its context.
func halves(_ *Harness, b *broken) {
	b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
		sessions, err := b.stored(context.WithoutCancel(ctx))
		i := slices.IndexFunc(sessions, func(s sessioncleanup.Session) bool { return properly(batch, s) })
		if err != nil || i < 0 {
			return sessioncleanup.BatchResult{}, err
		}
		first := sessions[i]
		if batch.Action == sessioncleanup.ActionDeleted {
			_, err = b.app.Remove(first.ID)
		} else {
			changed := first
			changed.Active = false
			err = b.app.Put(changed)
		}
		if err != nil {
			return sessioncleanup.BatchResult{}, err
		}
		if _, limited := ctx.Deadline(); limited {
			<-ctx.Done()
			return sessioncleanup.BatchResult{}, ctx.Err()
		}
		if _, err := b.app.Remove(first.ID); err != nil {
			return sessioncleanup.BatchResult{}, err
		}
		if err := b.app.Put(first); err != nil {
			return sessioncleanup.BatchResult{}, err
		}
		return b.Store.Sweep(ctx, batch)
	}
}
