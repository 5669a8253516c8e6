package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// trackingWays are the ways to track activity, by the kind of database that has them.
var trackingWays = []struct{ name, kind string }{
	{"no tracking", manual},
	{ours, library},
	{"row trigger", rowTrigger},
}

// rowsPerSecond is the figure of tracking.
const rowsPerSecond = "rows/s"

// The sessions that get activity.
const (
	oneSession   = "one session"
	manySessions = "many sessions"
	many         = 10_000 // of those in use
)

// tracking inserts activity as fast as it goes into databases that track it in different ways.
func (b *bench) tracking(t *testing.T, e *engine) {
	beds := map[string]*bed{}
	for _, way := range trackingWays {
		beds[way.name] = e.fresh(t, way.kind)
	}
	for round := range b.Rounds {
		for _, sessions := range []string{oneSession, manySessions} {
			for _, way := range rotated(trackingWays, round) {
				step(t, fmt.Sprintf("round %d, %s, %s", round+1, way.name, sessions), func(t *testing.T) {
					bed := beds[way.name]
					bed.midday(t)
					b.results.add("tracking, "+sessions, e.name, way.name, rowsPerSecond, bed.insertRate(t, sessions == manySessions))
				})
			}
		}
	}
}

// midday leaves the sessions in use as steady use does: each was touched at some time of the last minute.
func (b *bed) midday(t *testing.T) {
	b.exec(t, fmt.Sprintf("UPDATE sessions SET last_activity = "+b.ago+" WHERE id > %d", b.jitter, b.sizes.due()))
	b.exec(t, b.tidy...)
}

// insertRate is how many rows of activity per second the writers insert.
func (b *bed) insertRate(t *testing.T, spread bool) float64 {
	ctx, cancel := context.WithTimeout(t.Context(), b.sizes.Period)
	defer cancel()
	var rows atomic.Int64
	errs := make([]error, b.writers)
	var running sync.WaitGroup
	started := time.Now()
	for n := range errs {
		running.Go(func() {
			for ctx.Err() == nil && errs[n] == nil {
				session := 0
				if spread {
					session = rand.IntN(many)
				}
				errs[n] = b.insert(context.WithoutCancel(ctx), b.sizes.alive(session)) // the last one is finished, too
				rows.Add(1)
			}
		})
	}
	running.Wait()
	took := time.Since(started)
	for _, err := range errs {
		check(t, err)
	}
	return float64(rows.Load()) / took.Seconds()
}
