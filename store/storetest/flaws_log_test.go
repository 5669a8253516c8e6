package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func eventFlaws() []flaw {
	asks := func(change func(*sessioncleanup.EventQuery)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
				change(&q)
				return b.Store.Events(ctx, q)
			}
		}
	}
	return []flaw{
		{"repeats an event between pages", asks(func(q *sessioncleanup.EventQuery) {
			if q.Before > 0 {
				q.Before++
			}
		}), []func(*fixture){eventPages}},
		{"forgets to filter by action within a run", asks(func(q *sessioncleanup.EventQuery) {
			if q.RunID != "" {
				q.Actions = nil
			}
		}), []func(*fixture){eventFilters}},
		{"shows an owner all sessions of an event", func(_ *Harness, b *broken) {
			b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
				owner := q.OwnerID
				q.OwnerID = ""
				events, err := b.Store.Events(ctx, q)
				return slices.DeleteFunc(events, func(e sessioncleanup.Event) bool {
					return owner != "" && !slices.ContainsFunc(e.Sessions, func(r sessioncleanup.SessionRef) bool { return r.OwnerID == owner })
				}), err
			}
		}, []func(*fixture){eventOwners}},
		{"shows an owner that somebody else's session shares an event with its own", func(_ *Harness, b *broken) {
			b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
				if q.OwnerID == "" || q.SessionID == "" {
					return b.Store.Events(ctx, q)
				}
				id := q.SessionID
				q.SessionID = ""
				mine, err := b.Store.Events(ctx, q)
				if err != nil {
					return nil, err
				}
				q.SessionID, q.OwnerID = id, ""
				its, err := b.Store.Events(ctx, q)
				return slices.DeleteFunc(mine, func(e sessioncleanup.Event) bool { return !slices.Contains(eventIDs(its), e.ID) }), err
			}
		}, []func(*fixture){eventOwners}},
		{"shows an owner the runs", func(_ *Harness, b *broken) {
			b.events = func(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
				events, err := b.Store.Events(ctx, q)
				if err == nil && q.OwnerID != "" {
					var runs []sessioncleanup.Event
					runs, err = b.Store.Events(ctx, sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}, Limit: q.Limit})
					events = append(events, runs...)
				}
				return events, err
			}
		}, []func(*fixture){eventOwners}},
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
		}, []func(*fixture){eventsOutlive, batchLimit, workload}},
		{"keeps whole milliseconds of a run's duration", func(_ *Harness, b *broken) {
			b.record = func(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
				if r.Event.Run != nil {
					run := *r.Event.Run
					run.Duration = run.Duration.Truncate(tick)
					r.Event.Run = &run
				}
				return b.Store.Record(ctx, r)
			}
		}, []func(*fixture){recordValues}},
		{"forgets an event one tick early", func(_ *Harness, b *broken) {
			b.record = func(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
				if !r.ForgetBefore.IsZero() {
					r.ForgetBefore = r.ForgetBefore.Add(tick)
				}
				return b.Store.Record(ctx, r)
			}
		}, []func(*fixture){recordForgets}},
	}
}

func leaseFlaws() []flaw {
	asks := func(change func(*sessioncleanup.LeaseRequest)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				change(&r)
				return b.Store.Lease(ctx, r)
			}
		}
	}
	return []flaw{
		{"gives a lease to everybody", func(_ *Harness, b *broken) {
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				name := r.Name
				r.Name += " of " + r.Holder
				l, err := b.Store.Lease(ctx, r)
				l.Name = name
				return l, err
			}
		}, []func(*fixture){leaseExclusive, leaseRace, leaseExpires}},
		{"lets anybody release a lease", func(_ *Harness, b *broken) {
			var mu sync.Mutex
			holders := map[string]string{}
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				mu.Lock()
				defer mu.Unlock()
				if holder := holders[r.Name]; r.TTL == 0 && holder != "" {
					r.Holder = holder
				}
				l, err := b.Store.Lease(ctx, r)
				if err == nil {
					holders[r.Name] = l.Holder
				}
				return l, err
			}
		}, []func(*fixture){leaseExclusive}},
		{"takes a renewal for a new lease", func(_ *Harness, b *broken) {
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				release := r
				if release.TTL = 0; r.TTL > 0 {
					if _, err := b.Store.Lease(ctx, release); err != nil {
						return sessioncleanup.Lease{}, err
					}
				}
				return b.Store.Lease(ctx, r)
			}
		}, []func(*fixture){leaseRenewed}},
		{"counts the epochs of all leases together", func(_ *Harness, b *broken) {
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				l, err := b.Store.Lease(ctx, r)
				if err != nil || r.TTL == 0 || r.Name == "all" {
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
		}, []func(*fixture){leaseEpoch}},
		{"ends a lease before its time", func(_ *Harness, b *broken) {
			b.lease = func(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
				l, err := b.Store.Lease(ctx, sessioncleanup.LeaseRequest{Name: r.Name, Holder: r.Holder, TTL: r.TTL / 3})
				l.ExpiresAt = l.ExpiresAt.Add(r.TTL - r.TTL/3)
				return l, err
			}
		}, []func(*fixture){leaseExpires}},
		{"never ends a lease by itself", asks(func(r *sessioncleanup.LeaseRequest) {
			if r.TTL > 0 {
				r.TTL = time.Hour
			}
		}), []func(*fixture){leaseExpires}},
	}
}
