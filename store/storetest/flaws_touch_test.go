package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// asksTouch changes the touches that the sound store is asked for.
func asksTouch(change func(*sessioncleanup.Touch)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
			change(&t)
			return b.Store.Touch(ctx, t)
		}
	}
}

// aroundTouch replaces the touch of each session by something that may call the sound store.
func aroundTouch(do func(ctx context.Context, b *broken, t sessioncleanup.Touch, s sessioncleanup.Session) (int, error)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
			total := 0
			for i, id := range t.IDs {
				s, there, err := b.find(ctx, id)
				if err != nil {
					return total, err
				}
				if there && !slices.Contains(t.IDs[:i], id) {
					at, _ := used(t, id, s.AsOf)
					one := t
					one.IDs, one.Ago = []string{id}, []time.Duration{s.AsOf.Sub(at)}
					n, err := do(ctx, b, one, s)
					if err != nil {
						return total, err
					}
					total += n
				}
			}
			return total, ctx.Err()
		}
	}
}

func touchFlaws() []flaw {
	return []flaw{
		{"logs touches", aroundTouch(func(ctx context.Context, b *broken, t sessioncleanup.Touch, _ sessioncleanup.Session) (int, error) {
			n, err := b.Store.Touch(ctx, t)
			if err == nil && n > 0 {
				_, err = b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{Action: "touched", Actor: "system"}})
			}
			return n, err
		}), []func(*fixture){touchWrites, touchInactive, touchRandom, workload}},
		{"does not throttle touches", asksTouch(func(t *sessioncleanup.Touch) { t.Interval = 0 }), []func(*fixture){touchThrottled, touchMany, touchRandom, workload}},
		{"moves the last activity backward", aroundTouch(func(ctx context.Context, b *broken, t sessioncleanup.Touch, s sessioncleanup.Session) (int, error) {
			if n, err := b.Store.Touch(ctx, t); n > 0 || err != nil || s.LastActivity.Before(s.AsOf) {
				return n, err
			}
			s.LastActivity = s.AsOf
			return 1, b.app.Put(s)
		}), []func(*fixture){touchKeepsActivity, touchRandom}},
		{"counts the ids it was asked for", func(_ *Harness, b *broken) {
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				_, err := b.Store.Touch(ctx, t)
				return len(t.IDs), err
			}
		}, []func(*fixture){touchStrangers, touchThrottled, touchRandom}},
		{"touches the sessions of other owners", asksTouch(func(t *sessioncleanup.Touch) { t.OwnerID = "" }), []func(*fixture){touchOwner, touchRandom, workload}},
		{"reactivates every session that is touched", asksTouch(func(t *sessioncleanup.Touch) { t.Reactivate = activity() }), []func(*fixture){touchInactive, touchRandom, workload}},
		{"does not reactivate within the interval", aroundTouch(func(ctx context.Context, b *broken, t sessioncleanup.Touch, s sessioncleanup.Session) (int, error) {
			if s.AsOf.Sub(s.LastActivity) < t.Interval {
				return 0, nil
			}
			return b.Store.Touch(ctx, t)
		}), []func(*fixture){touchReactivates, touchRandom, workload}},
		{"reactivates protected sessions", aroundTouch(func(ctx context.Context, b *broken, t sessioncleanup.Touch, s sessioncleanup.Session) (int, error) {
			n, err := b.Store.Touch(ctx, t)
			if err != nil || t.Reactivate == nil {
				return n, err
			}
			return n, b.reactivate(ctx, t, s)
		}), []func(*fixture){touchProtected, touchRandom, workload}},
		{"drops ids beyond a thousand", asksTouch(func(t *sessioncleanup.Touch) {
			if len(t.IDs) > 1000 {
				t.IDs, t.Ago = t.IDs[len(t.IDs)-1000:], nil
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
		{"does not follow its activity tables", func(h *Harness, b *broken) {
			h.Activity = func(ctx context.Context, id string) error {
				s, _, err := b.find(ctx, id)
				if err != nil {
					return err
				}
				s.ActivityCount++
				return b.app.Put(s)
			}
		}, []func(*fixture){activityTouches, activitySaves}},
	}
}
