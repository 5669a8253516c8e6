package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// The clients that use the database during a cleanup.
const (
	clients        = 4 // on sessions that are not due
	clientInterval = 10 * time.Millisecond
	returners      = 4 // on sessions that are due
	returnInterval = 50 * time.Millisecond
)

// loadTimes are how long clients use a database before it is cleaned up: until connections are made and pages are in
// memory, and then to see how fast they are when nothing else happens.
type loadTimes struct{ settle, idle time.Duration }

// stroke is one statement of a client.
type stroke struct {
	due    time.Time // when it was meant to begin
	took   time.Duration
	failed bool
}

// client sends a statement at each interval until told to stop. What is late because the one before took long counts
// from when it was meant to begin, as a user would count, and is sent even after the end.
type client struct {
	interval time.Duration
	send     func(ctx context.Context, n int) error
	strokes  []stroke
}

func (c *client) run(ctx context.Context) {
	whole := context.WithoutCancel(ctx)       // what was begun is ended
	due := time.Now().Add(rand.N(c.interval)) // not all at the same moment
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	var end time.Time
	for {
		select {
		case <-ctx.Done():
			if end.IsZero() {
				end = time.Now()
			}
			if due.After(end) {
				return
			}
		case <-timer.C:
		}
		err := c.send(whole, rand.Int())
		c.strokes = append(c.strokes, stroke{due: due, took: time.Since(due), failed: err != nil})
		due = due.Add(c.interval)
		timer.Reset(time.Until(due))
	}
}

// strokes are what clients sent before a cleanup, during it, and during it to sessions that are due.
type strokes struct {
	idle, during, returning []stroke
	returned                int     // statements to sessions that were due, from the beginning on
	stolen                  float64 // part of the processors' time, in percent
}

// underLoad cleans a bed up while clients use it, and gives what the clients saw of it.
func underLoad(ctx context.Context, b bed, times loadTimes) (cleaned, strokes, error) {
	for range 20 { // connections and plans
		if err := b.use(ctx, rand.Int()); err != nil {
			return cleaned{}, strokes{}, err
		}
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var all []*client
	for range clients {
		all = append(all, &client{interval: clientInterval, send: b.use})
	}
	if back := b.comeBack(); back != nil {
		for range returners {
			all = append(all, &client{interval: returnInterval, send: back})
		}
	}
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() { c.run(loading) })
	}
	pause(ctx, times.settle)
	begun, stolen := time.Now(), watchProcessors()
	pause(ctx, times.idle)
	done, err := b.clean(ctx)
	stop()
	wg.Wait()
	seen := strokes{stolen: stolen()}
	for i, c := range all {
		if i >= clients {
			seen.returned += len(c.strokes)
		}
		for _, s := range c.strokes {
			switch {
			case s.due.Before(done.from):
				if i < clients && s.due.Add(s.took).Before(done.from) && s.due.After(begun) {
					seen.idle = append(seen.idle, s)
				}
			case s.due.After(done.to):
			case i < clients:
				seen.during = append(seen.during, s)
			default:
				seen.returning = append(seen.returning, s)
			}
		}
	}
	return done, seen, err
}

func latencyOf(strokes []stroke) Latency {
	l := Latency{Count: len(strokes)}
	var took []time.Duration
	for _, s := range strokes {
		took = append(took, s.took)
		if s.failed {
			l.Failed++
		}
	}
	l.P50, l.P99, l.Max = ms(percentile(took, 0.5)), ms(percentile(took, 0.99)), ms(percentile(took, 1))
	return l
}

// pause waits, unless the run is stopped.
func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
