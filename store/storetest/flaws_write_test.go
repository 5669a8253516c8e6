package storetest

import (
	"context"
	"errors"

	"github.com/sessioncleanup/sessioncleanup"
)

func changeFlaws() []flaw {
	// after goes on after a successful update.
	after := func(do func(ctx context.Context, b *broken, was, is sessioncleanup.Session, c sessioncleanup.Change) (sessioncleanup.Session, error)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
				page, err := b.Store.List(ctx, sessioncleanup.Query{ID: t.ID, Limit: 1})
				if err != nil {
					return sessioncleanup.Session{}, err
				}
				is, err := b.Store.Update(ctx, t, c)
				if err != nil {
					return is, err
				}
				return do(ctx, b, page.Sessions[0], is, c)
			}
		}
	}
	return []flaw{
		{"gives the session as it was before the update", after(func(_ context.Context, _ *broken, was, _ sessioncleanup.Session, _ sessioncleanup.Change) (sessioncleanup.Session, error) {
			return was, nil
		}), []func(*fixture){updateEvery, updateReactivates, workload}},
		{"writes an event of an update that changed nothing", after(func(ctx context.Context, b *broken, was, is sessioncleanup.Session, c sessioncleanup.Change) (sessioncleanup.Session, error) {
			if difference(was, is) != "" {
				return is, nil
			}
			_, err := b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{
				Action: c.Action, Actor: c.Cause.Actor, Sessions: []sessioncleanup.SessionRef{{ID: is.ID, OwnerID: is.OwnerID, Name: is.Name}},
			}})
			return is, err
		}), []func(*fixture){updateNothing, workload}},
		{"keeps an expiry that has passed when it reactivates", after(func(_ context.Context, b *broken, was, is sessioncleanup.Session, c sessioncleanup.Change) (sessioncleanup.Session, error) {
			if c.Active != nil && *c.Active && !was.Active {
				is.ExpiresAt = was.ExpiresAt
			}
			return is, b.host.Put(is)
		}), []func(*fixture){updateReactivates, workload}},
		{"does not take reactivation for activity", after(func(_ context.Context, b *broken, was, is sessioncleanup.Session, _ sessioncleanup.Change) (sessioncleanup.Session, error) {
			is.LastActivity = was.LastActivity
			return is, b.host.Put(is)
		}), []func(*fixture){updateReactivates, workload}},
		{"ignores the owner of a target", func(_ *Harness, b *broken) {
			b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
				return b.Store.Update(ctx, sessioncleanup.Target{ID: t.ID}, c)
			}
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				return b.Store.Delete(ctx, sessioncleanup.Target{ID: t.ID}, c)
			}
		}, []func(*fixture){updateNotFound, deleteNotFound, workload}},
		{"does not log what is deleted by hand", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, _ sessioncleanup.Cause) (sessioncleanup.Session, error) {
				page, err := b.Store.List(ctx, sessioncleanup.Query{ID: t.ID, OwnerID: t.OwnerID, Limit: 1})
				if err == nil && len(page.Sessions) == 0 {
					err = sessioncleanup.ErrNotFound
				}
				if err == nil {
					_, err = b.host.Remove(t.ID)
				}
				if err != nil {
					return sessioncleanup.Session{}, err
				}
				return page.Sessions[0], nil
			}
		}, []func(*fixture){deleteAny, workload}},
		{"says that what cannot be deleted is not there", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				s, err := b.Store.Delete(ctx, t, c)
				if err != nil {
					err = sessioncleanup.ErrNotFound
				}
				return s, err
			}
		}, []func(*fixture){deletePinned}},
	}
}

func touchFlaws() []flaw {
	asks := func(change func(*sessioncleanup.Touch)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				change(&t)
				return b.Store.Touch(ctx, t)
			}
		}
	}
	return []flaw{
		{"logs touches", func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				n, err := b.Store.Touch(ctx, t)
				if err == nil && n > 0 {
					_, err = b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{Action: "touched", Actor: "system"}})
				}
				return n, err
			}
		}, []func(*fixture){touchWrites, touchInactive, workload}},
		{"does not throttle touches", asks(func(t *sessioncleanup.Touch) { t.Interval = 0 }), []func(*fixture){touchThrottled, touchMany, workload}},
		{"counts the ids it was asked for", func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				_, err := b.Store.Touch(ctx, t)
				return len(t.IDs), err
			}
		}, []func(*fixture){touchStrangers, touchThrottled}},
		{"touches the sessions of other owners", asks(func(t *sessioncleanup.Touch) { t.OwnerID = "" }), []func(*fixture){touchOwner, workload}},
		{"reactivates whatever is touched", asks(func(t *sessioncleanup.Touch) {
			reason := activity()
			t.Reactivate = &reason
		}), []func(*fixture){touchInactive, workload}},
		{"does not reactivate within the interval", func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				throttled := t
				throttled.IDs = nil
				for _, id := range t.IDs {
					page, err := b.Store.List(ctx, sessioncleanup.Query{ID: id, Limit: 1})
					if err != nil {
						return 0, err
					}
					now, err := b.Now(ctx)
					if err != nil {
						return 0, err
					}
					if len(page.Sessions) == 1 && now.Sub(page.Sessions[0].LastActivity) >= t.Interval {
						throttled.IDs = append(throttled.IDs, id)
					}
				}
				return b.Store.Touch(ctx, throttled)
			}
		}, []func(*fixture){touchReactivates, workload}},
		{"reactivates protected sessions", func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				n, err := b.Store.Touch(ctx, t)
				if err != nil || t.Reactivate == nil {
					return n, err
				}
				for _, id := range t.IDs {
					c := sessioncleanup.Change{Cause: *t.Reactivate, Action: sessioncleanup.ActionReactivated, Active: new(true)}
					if _, err := b.Store.Update(ctx, sessioncleanup.Target{ID: id, OwnerID: t.OwnerID}, c); err != nil && !errors.Is(err, sessioncleanup.ErrNotFound) {
						return n, err
					}
				}
				return n, nil
			}
		}, []func(*fixture){touchProtected, workload}},
		{"drops ids beyond a thousand", asks(func(t *sessioncleanup.Touch) {
			if len(t.IDs) > 1000 {
				t.IDs = t.IDs[len(t.IDs)-1000:]
			}
		}), []func(*fixture){touchMany}},
		{"loses a touch now and then", func(_ *Harness, b *broken) {
			lost := every(3)
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				if lost() {
					return len(t.IDs), ctx.Err()
				}
				return b.Store.Touch(ctx, t)
			}
		}, []func(*fixture){workload, cleanersAndWriters}},
		{"does not follow its activity sources", func(h *Harness, b *broken) {
			h.Activity = func(ctx context.Context, id string) error {
				page, err := b.Store.List(ctx, sessioncleanup.Query{ID: id, Limit: 1})
				if err != nil {
					return err
				}
				page.Sessions[0].ActivityCount++
				return b.host.Put(page.Sessions...)
			}
		}, []func(*fixture){activityTouches, activitySaves}},
		{"goes on although its context ended", func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				return b.Store.Touch(context.WithoutCancel(ctx), t)
			}
		}, []func(*fixture){contextCancelled}},
	}
}
