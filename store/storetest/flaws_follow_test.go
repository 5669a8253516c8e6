package storetest

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/sessioncleanup/sessioncleanup"
)

// lossy is a sound Follower of which some methods are replaced.
type lossy struct {
	sessioncleanup.Follower
	after func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error)
	at    func(ctx context.Context, consumer string) (int64, error)
	set   func(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error
}

func (l *lossy) EventsAfter(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
	return l.after(ctx, after, limit)
}

func (l *lossy) Position(ctx context.Context, consumer string) (int64, error) {
	return l.at(ctx, consumer)
}

func (l *lossy) SetPosition(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error {
	return l.set(ctx, consumer, position, held)
}

// follows replaces methods of the Follower.
func follows(change func(l *lossy)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		l := &lossy{Follower: b.Follower, after: b.EventsAfter, at: b.Position, set: b.SetPosition}
		change(l)
		b.Follower = l
	}
}

// showsForward changes what is read of the log.
func showsForward(change func(events []sessioncleanup.Event, after int64, limit int) []sessioncleanup.Event) func(*Harness, *broken) {
	return follows(func(l *lossy) {
		l.after = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
			events, err := l.Follower.EventsAfter(ctx, after, limit)
			return change(events, after, limit), err
		}
	})
}

func followFlaws() []flaw {
	return []flaw{
		{"skips an event now and then", showsForward(func(events []sessioncleanup.Event, _ int64, _ int) []sessioncleanup.Event {
			return slices.DeleteFunc(events, func(e sessioncleanup.Event) bool { return e.ID%5 == 0 })
		}), []func(*fixture){followForward, followWriters}},
		{"reads the log backward", showsForward(func(events []sessioncleanup.Event, _ int64, _ int) []sessioncleanup.Event {
			slices.Reverse(events)
			return events
		}), []func(*fixture){followForward}},
		{"reads the last event again", follows(func(l *lossy) {
			l.after = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
				return l.Follower.EventsAfter(ctx, max(after-1, 0), limit)
			}
		}), []func(*fixture){followForward, followWriters}},
		{"reads more than it was asked to", follows(func(l *lossy) {
			l.after = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
				return l.Follower.EventsAfter(ctx, after, limit+1)
			}
		}), []func(*fixture){followForward}},
		{"leaves the sessions out of the events that it follows", showsForward(func(events []sessioncleanup.Event, _ int64, _ int) []sessioncleanup.Event {
			for i := range events {
				events[i].Sessions = nil
			}
			return events
		}), []func(*fixture){followForward}},
		{"reads events before those that are committed late", commitsLate, []func(*fixture){followWriters}},
		{"has one position for all consumers", follows(func(l *lossy) {
			var position atomic.Int64
			l.at = func(context.Context, string) (int64, error) { return position.Load(), nil }
			l.set = func(_ context.Context, _ string, at int64, _ sessioncleanup.Lease) error {
				position.Store(at)
				return nil
			}
		}), []func(*fixture){followPositions, followLost}},
		{"forgets the position", follows(func(l *lossy) {
			l.set = func(context.Context, string, int64, sessioncleanup.Lease) error { return nil }
		}), []func(*fixture){followPositions, followLost}},
		{"stores a position whoever holds the lease", follows(func(l *lossy) {
			l.set = func(ctx context.Context, consumer string, position int64, _ sessioncleanup.Lease) error {
				return l.Follower.SetPosition(ctx, consumer, position, sessioncleanup.Lease{})
			}
		}), []func(*fixture){followLost}},
	}
}

// commitsLate is a log of which every tenth event is seen only when there are two more.
func commitsLate(_ *Harness, b *broken) {
	sound := b.Follower
	l := &lossy{Follower: sound, at: sound.Position, set: sound.SetPosition}
	l.after = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
		newest, err := b.Store.Events(ctx, sessioncleanup.EventQuery{Limit: 1})
		if err != nil {
			return nil, err
		}
		events, err := sound.EventsAfter(ctx, after, limit)
		return slices.DeleteFunc(events, func(e sessioncleanup.Event) bool { return e.ID%10 == 0 && newest[0].ID < e.ID+2 }), err
	}
	b.Follower = l
}
