package httpapi

import (
	"net/http"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// maxLimited is the number of principals whose requests are remembered at a time.
const maxLimited = 10_000

// PerPrincipal returns an Options.Limit that allows each principal perSecond requests per second on average, and up to
// burst requests at once. It panics when either is not positive: both are constants of the program.
func PerPrincipal(perSecond float64, burst int) func(*http.Request, sessioncleanup.Principal) time.Duration {
	if !(perSecond > 0) || burst < 1 {
		panic("httpapi.PerPrincipal: want positive numbers")
	}
	l := &limiter{
		gap:   time.Duration(float64(time.Second) / perSecond),
		paid:  map[sessioncleanup.Principal]time.Time{},
		slack: time.Duration(float64(burst-1) / perSecond * float64(time.Second)),
	}
	return func(_ *http.Request, p sessioncleanup.Principal) time.Duration { return l.wait(p, time.Now()) }
}

// limiter spaces requests evenly, with some slack (the generic cell rate algorithm). It remembers one time of each
// principal, until which its past requests are paid for.
type limiter struct {
	gap, slack time.Duration

	mu   sync.Mutex
	paid map[sessioncleanup.Principal]time.Time
}

// wait charges a request, or returns how long to wait before it is allowed.
func (l *limiter) wait(p sessioncleanup.Principal, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	paid := l.paid[p]
	if paid.Before(now) {
		paid = now
	}
	if wait := paid.Sub(now) - l.slack; wait > 0 {
		return wait
	}
	if len(l.paid) >= maxLimited {
		l.forget(now)
	}
	l.paid[p] = paid.Add(l.gap)
	return 0
}

// forget drops principals that owe nothing or, when those are too few, any.
func (l *limiter) forget(now time.Time) {
	for p, paid := range l.paid {
		if !paid.After(now) {
			delete(l.paid, p)
		}
	}
	for p := range l.paid {
		if len(l.paid) < maxLimited {
			return
		}
		delete(l.paid, p)
	}
}
