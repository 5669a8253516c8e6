package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// asksEvents changes the questions to the sound store's log.
func asksEvents(change func(*sessioncleanup.EventQuery)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
			change(&q)
			return b.Store.Events(ctx, q)
		}
	}
}

// records changes the events that are added.
func records(change func(*sessioncleanup.Record)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.record = func(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
			change(&r)
			return b.Store.Record(ctx, r)
		}
	}
}

func eventFlaws() []flaw {
	return []flaw{
		{"repeats an event between pages", asksEvents(func(q *sessioncleanup.EventQuery) {
			if q.Before > 0 {
				q.Before++
			}
		}), []func(*fixture){eventPages, eventSelection}},
		{"forgets to filter by action within a run", asksEvents(func(q *sessioncleanup.EventQuery) {
			if q.RunID != "" {
				q.Actions = nil
			}
		}), []func(*fixture){eventSelection}},
		{"shows an owner all sessions of an event", selectsEvents(func(q sessioncleanup.EventQuery, e sessioncleanup.Event) (sessioncleanup.Event, bool) {
			_, ok := q.Select(e)
			return e, ok
		}), []func(*fixture){eventSelection}},
		{"shows an owner that somebody else's session shares an event with its own", selectsEvents(func(q sessioncleanup.EventQuery, e sessioncleanup.Event) (sessioncleanup.Event, bool) {
			ofSession, ofOwner := q, q
			ofSession.OwnerID, ofOwner.SessionID = "", ""
			_, ok := ofSession.Select(e)
			part, mine := ofOwner.Select(e)
			return part, ok && mine
		}), []func(*fixture){eventSelection}},
		{"shows an owner the runs", selectsEvents(func(q sessioncleanup.EventQuery, e sessioncleanup.Event) (sessioncleanup.Event, bool) {
			if e.Action == sessioncleanup.ActionRun && q.SessionID == "" {
				q.OwnerID = ""
			}
			return q.Select(e)
		}), []func(*fixture){eventSelection}},
		{"looks at the whole log for a part", asksEvents(func(q *sessioncleanup.EventQuery) { q.Part = false }), []func(*fixture){eventParts, eventSelection}},
		{"cuts names in the middle of a character", func(_ *Harness, b *broken) {
			b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
				events, err := b.Store.Events(ctx, q)
				for _, e := range events {
					for i, r := range e.Sessions {
						e.Sessions[i].Name = r.Name[:min(len(r.Name), sessioncleanup.MaxEventText)]
					}
				}
				return events, err
			}
		}, []func(*fixture){eventTexts}},
		{"deletes the events of a session with it", func(_ *Harness, b *broken) {
			b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
				events, err := b.Store.Events(ctx, q)
				if err != nil {
					return nil, err
				}
				there, err := b.stored(ctx)
				return slices.DeleteFunc(events, func(e sessioncleanup.Event) bool {
					return !slices.ContainsFunc(e.Sessions, func(r sessioncleanup.SessionRef) bool { return slices.Contains(idsOf(there), r.ID) })
				}), err
			}
		}, []func(*fixture){eventsOutlive, sweepBatches, workload}},
		{"keeps whole milliseconds of a run's duration", records(func(r *sessioncleanup.Record) {
			if r.Event.Run != nil {
				run := *r.Event.Run
				run.Duration = run.Duration.Truncate(tick)
				r.Event.Run = &run
			}
		}), []func(*fixture){recordValues}},
		{"keeps one phase of a run", records(func(r *sessioncleanup.Record) {
			if r.Event.Run != nil {
				run := *r.Event.Run
				run.Phases = run.Phases[:1]
				r.Event.Run = &run
			}
		}), []func(*fixture){recordValues}},
		{"forgets until when a pause lasts", records(func(r *sessioncleanup.Record) { r.Event.Until = time.Time{} }), []func(*fixture){recordValues}},
		{"forgets an event one tick early", records(func(r *sessioncleanup.Record) {
			if !r.ForgetBefore.IsZero() {
				r.ForgetBefore = r.ForgetBefore.Add(tick)
			}
		}), []func(*fixture){recordForgets}},
	}
}

// selectsEvents answers questions to the log by another rule than EventQuery.Select.
func selectsEvents(rule func(sessioncleanup.EventQuery, sessioncleanup.Event) (sessioncleanup.Event, bool)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
			all, err := b.Store.Events(ctx, sessioncleanup.EventQuery{Limit: everything})
			var found []sessioncleanup.Event
			for _, e := range all {
				if part, ok := rule(q, e); ok && !q.Enough(found) && (q.Before == 0 || e.ID < q.Before) {
					found = append(found, part)
				}
			}
			return found, err
		}
	}
}

// asksLease changes the requests for leases.
func asksLease(change func(*sessioncleanup.LeaseRequest)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
			change(&r)
			return b.Store.Lease(ctx, r)
		}
	}
}

// tracksLease replaces requests by something that knows the lease as it was.
func tracksLease(do func(ctx context.Context, b *broken, was sessioncleanup.Lease, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		var mu sync.Mutex
		leases := map[string]sessioncleanup.Lease{}
		b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
			mu.Lock()
			defer mu.Unlock()
			l, err := do(ctx, b, leases[r.Name], r)
			if err == nil {
				leases[r.Name] = l
			}
			return l, err
		}
	}
}

func leaseFlaws() []flaw {
	// again has the holder release its lease before it takes it.
	again := func(ctx context.Context, b *broken, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
		if _, err := b.Store.Lease(ctx, sessioncleanup.LeaseRequest{Name: r.Name, Holder: r.Holder}); err != nil {
			return sessioncleanup.Lease{}, err
		}
		return b.Store.Lease(ctx, r)
	}
	return []flaw{
		{"grants a lease to everybody", func(_ *Harness, b *broken) {
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				name := r.Name
				r.Name += " of " + r.Holder
				l, err := b.Store.Lease(ctx, r)
				l.Name = name
				return l, err
			}
		}, []func(*fixture){leaseExclusive, leaseRace, leaseExpires, leaseRandom}},
		{"lets anybody release a lease", tracksLease(func(ctx context.Context, b *broken, was sessioncleanup.Lease, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
			if r.TTL == 0 && was.Holder != "" {
				r.Holder = was.Holder
			}
			return b.Store.Lease(ctx, r)
		}), []func(*fixture){leaseExclusive, leaseRandom}},
		{"takes a renewal for a new lease", tracksLease(func(ctx context.Context, b *broken, _ sessioncleanup.Lease, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
			return again(ctx, b, r)
		}), []func(*fixture){leaseRenewed, leaseRandom}},
		{"takes a late renewal for a new lease", tracksLease(func(ctx context.Context, b *broken, was sessioncleanup.Lease, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
			if was.Holder == r.Holder && was.ExpiresAt.Before(time.Now()) {
				return again(ctx, b, r)
			}
			return b.Store.Lease(ctx, r)
		}), []func(*fixture){leaseRenewedLate, leaseRandom}},
		{"takes a lease for renewed when its last holder released it", tracksLease(func(ctx context.Context, b *broken, was sessioncleanup.Lease, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
			if r.TTL > 0 || was.Holder != r.Holder {
				return b.Store.Lease(ctx, r)
			}
			r.TTL = 1 // it expires at once, and its holder is not forgotten
			l, err := b.Store.Lease(ctx, r)
			l.Holder, l.ExpiresAt = "", time.Time{}
			return l, err
		}), []func(*fixture){leaseReleased, leaseRandom}},
		{"counts the epochs of all leases together", countsEpochs, []func(*fixture){leaseReleased, leaseRandom}},
		{"ends a lease before its time", func(_ *Harness, b *broken) {
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				l, err := b.Store.Lease(ctx, sessioncleanup.LeaseRequest{Name: r.Name, Holder: r.Holder, TTL: r.TTL / 3})
				l.ExpiresAt = l.ExpiresAt.Add(r.TTL - r.TTL/3)
				return l, err
			}
		}, []func(*fixture){leaseExpires}},
		{"never ends a lease by itself", asksLease(func(r *sessioncleanup.LeaseRequest) {
			if r.TTL > 0 {
				r.TTL = time.Hour
			}
		}), []func(*fixture){leaseExpires}},
		{"looks at the lease of a batch only before its transaction", func(_ *Harness, b *broken) {
			b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
				if batch.Lease.Name != "" {
					one := batch
					one.Filter.ID, one.Limit = "of no session", 1
					if _, err := b.Store.Sweep(ctx, one); err != nil {
						return sessioncleanup.BatchResult{}, err
					}
					_ = wait.For(ctx, time.Until(batch.Lease.ExpiresAt)+20*tick) // a transaction that takes its time
					batch.Lease = sessioncleanup.Lease{}
				}
				return b.Store.Sweep(ctx, batch)
			}
		}, []func(*fixture){leaseFenceAtCommit}},
		{"takes any request for a lease", asksLease(func(r *sessioncleanup.LeaseRequest) {
			r.TTL = max(r.TTL, 0)
			if r.Holder == "" {
				r.Holder = "somebody"
			}
		}), []func(*fixture){leaseInvalid}},
	}
}

// countsEpochs takes the epoch of every lease from one that all share.
func countsEpochs(_ *Harness, b *broken) {
	b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
		l, err := b.Store.Lease(ctx, r)
		if err != nil || r.TTL == 0 {
			return l, err
		}
		all := sessioncleanup.LeaseRequest{Name: "all", Holder: r.Holder, TTL: r.TTL}
		counted, err := b.Store.Lease(ctx, all)
		if err != nil {
			return l, err
		}
		l.Epoch = counted.Epoch
		all.TTL = 0
		_, err = b.Store.Lease(ctx, all)
		return l, err
	}
}
