package httpapi

import (
	"context"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// waitingPerTurn is how many requests may wait for each one that is served; more are refused immediately.
const waitingPerTurn = 16

// turns lets each principal have a few requests served at a time. The others wait, so that a browser that asks for several
// things at once is not affected.
type turns struct {
	most     int
	patience time.Duration

	mu     sync.Mutex
	queues map[sessioncleanup.Principal]*queue
}

type queue struct {
	served  chan struct{} // has an element for each request that is served
	present int           // requests that are served or wait; guarded by turns.mu
}

func newTurns(o Options) *turns {
	return &turns{most: o.MaxRequestsPerPrincipal, patience: o.Timeout, queues: map[sessioncleanup.Principal]*queue{}}
}

// take waits for a turn and returns a function that ends it. It may be called more than once.
func (t *turns) take(ctx context.Context, p sessioncleanup.Principal) (end func(), err error) {
	if t.most == 0 {
		return func() {}, nil
	}
	q, ok := t.join(p)
	if !ok {
		return nil, &fault{problem: tooManyRequests, retryAfter: t.patience}
	}
	ctx, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	select {
	case q.served <- struct{}{}:
		return sync.OnceFunc(func() {
			<-q.served
			t.leave(p, q)
		}), nil
	case <-ctx.Done():
		t.leave(p, q)
		return nil, &fault{problem: tooManyRequests, retryAfter: t.patience}
	}
}

func (t *turns) join(p sessioncleanup.Principal) (*queue, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queues[p]
	if q == nil {
		q = &queue{served: make(chan struct{}, t.most)}
		t.queues[p] = q
	}
	if q.present >= t.most*(1+waitingPerTurn) {
		return nil, false
	}
	q.present++
	return q, true
}

func (t *turns) leave(p sessioncleanup.Principal, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.present--; q.present == 0 {
		delete(t.queues, p)
	}
}
