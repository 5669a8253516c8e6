package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The clients during a cleanup: four insert activity into sessions that are in use, and four into sessions that are due,
// whose people are just returning.
const (
	clients        = 4
	othersEvery    = 10 * time.Millisecond
	returningEvery = 20 * time.Millisecond
)

// client sends a statement per interval.
type client struct {
	every time.Duration
	send  func(ctx context.Context) error
	sent  []statement
	err   error
}

// statement was sent by a client. One that is late because the one before took long counts from when it was to be sent,
// as a user would count.
type statement struct {
	at   time.Time
	took time.Duration
}

// run sends statements until the next one would be sent after the end, which is nil until it is known.
func (c *client) run(ctx context.Context, end *atomic.Pointer[time.Time]) {
	over := func(at time.Time) bool {
		known := end.Load()
		return known != nil && at.After(*known)
	}
	for at := time.Now().Add(rand.N(c.every)); c.err == nil && !over(at); at = at.Add(c.every) {
		time.Sleep(time.Until(at))
		c.err = c.send(ctx)
		c.sent = append(c.sent, statement{at, time.Since(at)})
	}
}

// seen is what clients saw of a cleanup.
type seen struct {
	took              time.Duration   // of the cleanup
	others, returning []time.Duration // waits during it
	returned          int             // statements to sessions that are due, from the beginning on
}

// underLoad cleans up while clients use the database.
func underLoad(t *testing.T, b *bed, comeBack func(ctx context.Context, session int) error, clean func()) seen {
	t.Helper()
	var all []*client
	for range clients {
		all = append(all,
			&client{every: othersEvery, send: func(ctx context.Context) error { return b.insert(ctx, b.sizes.alive(rand.Int())) }},
			&client{every: returningEvery, send: func(ctx context.Context) error { return comeBack(ctx, b.sizes.stale(rand.Int())) }})
	}
	var end atomic.Pointer[time.Time]
	var running sync.WaitGroup
	for _, c := range all {
		running.Go(func() { c.run(t.Context(), &end) })
	}
	time.Sleep(b.sizes.Period / 2) // until connections are made and pages are in memory
	from := time.Now()
	clean()
	to := time.Now()
	end.Store(&to)
	running.Wait()

	s := seen{took: to.Sub(from)}
	for _, c := range all {
		check(t, c.err)
		if c.every == returningEvery {
			s.returned += len(c.sent)
		}
		for _, sent := range c.sent {
			switch {
			case sent.at.Before(from) || sent.at.After(to):
			case c.every == returningEvery:
				s.returning = append(s.returning, sent.took)
			default:
				s.others = append(s.others, sent.took)
			}
		}
	}
	return s
}
