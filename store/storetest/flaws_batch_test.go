package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/sessioncleanup/sessioncleanup"
)

// batchFunc is both of a store's batch methods.
type batchFunc func(context.Context, phase, sessioncleanup.Batch) (sessioncleanup.Outcome, error)

func batchFlaws() []flaw {
	// around replaces batches by something that may call the sound ones.
	around := func(change func(b *broken, sound batchFunc) batchFunc) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.batches = change(b, func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				return p.step(b.Store, ctx, batch)
			})
		}
	}
	return []flaw{
		{"exceeds the limit", around(func(_ *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				batch.Limit++
				return sound(ctx, p, batch)
			}
		}), []func(*fixture){batchLimit, sweepLimits, workload}},
		{"forgets the event of a batch", around(forgetsEvents), []func(*fixture){batchLimit, sweepLimits, cleanersAndWriters, twoCleaners, workload}},
		{"writes an event without a change", around(func(b *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				out, err := sound(ctx, p, batch)
				if err == nil && len(out.IDs) == 0 {
					_, err = b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{Action: p.action, Actor: batch.Cause.Actor}})
				}
				return out, err
			}
		}), []func(*fixture){batchNothingDue}},
		{"takes a deactivation for activity", around(func(b *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				out, err := sound(ctx, p, batch)
				if err == nil {
					_, err = b.Store.Touch(ctx, sessioncleanup.Touch{IDs: out.IDs})
				}
				return out, err
			}
		}), []func(*fixture){batchLeavesRest, dueAtCutoff, workload}},
		{"measures against the clock", around(func(b *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				now, err := b.Now(ctx)
				if err != nil {
					return sessioncleanup.Outcome{}, err
				}
				batch.Cutoffs = sessioncleanup.Policy{}.CutoffsAt(now)
				return sound(ctx, p, batch)
			}
		}), []func(*fixture){batchCutoffs}},
		{"stops after one batch", around(func(_ *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				out, err := sound(ctx, p, batch)
				out.Next = ""
				return out, err
			}
		}), []func(*fixture){sweepLimits, sweepCounted}},
		{"decides at the first batch what the others will do", remembers, []func(*fixture){sweepUnderChange}},
		{"harms what was used between selecting and writing", func(_ *Harness, b *broken) {
			meet := make(crossroads)
			b.batches = byHand{broken: b, due: properly, between: meet.wait}.batch
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				n, err := b.Store.Touch(ctx, t)
				meet.wait()
				return n, err
			}
		}, []func(*fixture){cleanersAndWriters}},
		{"reports what it selected, changed or not", around(func(b *broken, _ batchFunc) batchFunc {
			meet := make(crossroads)
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				page, err := b.Store.List(ctx, sessioncleanup.Query{Status: p.status, Cutoffs: batch.Cutoffs, Limit: batch.Limit})
				if err != nil {
					return sessioncleanup.Outcome{}, err
				}
				meet.wait()
				out := sessioncleanup.Outcome{IDs: idsOf(page.Sessions)}
				for _, id := range out.IDs {
					_ = byHand{broken: b}.write(ctx, p, batch, id)
				}
				if page.Next != nil {
					out.Next = batch.After + "+"
				}
				return out, nil
			}
		}), []func(*fixture){twoCleaners}},
		{"leaves half a batch when a row fails", around(func(b *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				out, err := sound(ctx, p, batch)
				bad := new(sessioncleanup.BatchError)
				if errors.As(err, &bad) {
					for _, id := range bad.IDs {
						_ = byHand{broken: b}.write(ctx, p, batch, id)
					}
				}
				return out, err
			}
		}), []func(*fixture){pinnedBatch, pinnedSweep}},
		{"does not say where to go on after a row that fails", around(func(_ *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				out, err := sound(ctx, p, batch)
				bad := new(sessioncleanup.BatchError)
				if errors.As(err, &bad) {
					bad.Next = ""
				}
				return out, err
			}
		}), []func(*fixture){pinnedSweep}},
		{"ignores the lease", around(func(_ *broken, sound batchFunc) batchFunc {
			return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				batch.Lease = sessioncleanup.Lease{}
				return sound(ctx, p, batch)
			}
		}), []func(*fixture){leaseFence, leaseExpires}},
		{"leaves half a batch when its context ends", around(halves), []func(*fixture){contextEnds}},
	}
}

// forgetsEvents hides the events that batches write.
func forgetsEvents(b *broken, sound batchFunc) batchFunc {
	var mu sync.Mutex
	forgotten := map[string]bool{}
	b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
		events, err := b.Store.Events(ctx, q)
		mu.Lock()
		defer mu.Unlock()
		return slices.DeleteFunc(events, func(e sessioncleanup.Event) bool { return forgotten[string(e.Action)+e.RunID] }), err
	}
	return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
		mu.Lock()
		forgotten[string(p.action)+batch.Cause.RunID] = true
		mu.Unlock()
		return sound(ctx, p, batch)
	}
}

// remembers has a sweep select everything at its first batch.
func remembers(_ *Harness, b *broken) {
	chosen := map[string]bool{}
	hand := byHand{broken: b}
	hand.due = func(_ phase, _ sessioncleanup.Cutoffs, s sessioncleanup.Session) bool { return chosen[s.ID] }
	b.batches = func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
		if batch.After == "" {
			sessions, err := b.stored(ctx)
			if err != nil {
				return sessioncleanup.Outcome{}, err
			}
			clear(chosen)
			for _, s := range sessions {
				chosen[s.ID] = properly(p, batch.Cutoffs, s)
			}
		}
		return hand.batch(ctx, p, batch)
	}
}

// halves changes the first session of a batch before it begins, and only then looks at its context.
func halves(b *broken, sound batchFunc) batchFunc {
	return func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
		page, err := b.Store.List(context.WithoutCancel(ctx), sessioncleanup.Query{Status: p.status, Cutoffs: batch.Cutoffs, Limit: 1})
		if err != nil || len(page.Sessions) == 0 {
			return sessioncleanup.Outcome{}, err
		}
		first := page.Sessions[0]
		if p.action == sessioncleanup.ActionDeleted {
			_, err = b.host.Remove(first.ID)
		} else {
			changed := first
			changed.Active = false
			err = b.host.Put(changed)
		}
		if err != nil {
			return sessioncleanup.Outcome{}, err
		}
		if _, limited := ctx.Deadline(); limited {
			<-ctx.Done()
			return sessioncleanup.Outcome{}, ctx.Err()
		}
		if err := b.host.Put(first); err != nil {
			return sessioncleanup.Outcome{}, err
		}
		return sound(ctx, p, batch)
	}
}
