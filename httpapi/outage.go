package httpapi

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	outageEvery = time.Minute     // how often the log says that an outage continues
	outageOver  = 2 * time.Second // without failures
)

// outage logs failures for the same cause, an unavailable database, once and then their number: under load there may be
// thousands in a second.
type outage struct {
	mu      sync.Mutex
	said    time.Time // when the log had it last; zero when all is well
	last    time.Time // when a request failed last
	unsaid  int       // failures since then
	started time.Time
}

// failed logs the failure of a request, unless one was logged less than outageEvery ago.
func (o *outage) failed(ctx context.Context, log *slog.Logger, method string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.last = now
	if o.said.IsZero() {
		o.started = now
	} else if now.Sub(o.said) < outageEvery {
		o.unsaid++
		return
	}
	log.WarnContext(ctx, "request failed: unavailable", "method", method, "error", err, "failed_before", o.unsaid)
	o.said, o.unsaid = now, 0
}

// over logs the end of an outage, if there was one and no request failed lately.
func (o *outage) over(ctx context.Context, log *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.said.IsZero() || time.Since(o.last) < outageOver {
		return
	}
	log.InfoContext(ctx, "the database is available again", "after", o.last.Sub(o.started).Round(time.Millisecond).String(), "failed_before", o.unsaid)
	o.said, o.unsaid = time.Time{}, 0
}
