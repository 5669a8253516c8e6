package sqlite

import (
	"context"
	"sync"
	"time"
)

const (
	// breathEvery is for how long batches in a row hold the write lock before they make a pause.
	breathEvery = time.Second
	// breath is the length of that pause. SQLite has no queue for the lock: who waits for it looks again after at
	// most 100 ms. In a pause longer than that everybody who waits finds the lock free once.
	breath = 110 * time.Millisecond
)

// pace keeps batches in a row from starving other writers, who would otherwise find the lock taken whenever they look
// and give up after their busy timeout.
type pace struct {
	off bool // nobody else can write

	mu    sync.Mutex
	spent time.Duration // for how long the lock was held since the last pause
	until time.Time     // when it was let go
}

// wait makes the pause that is due, before the lock is taken. What it is given is done in the pause.
func (p *pace) wait(ctx context.Context, meanwhile func(context.Context)) error {
	p.mu.Lock()
	if time.Since(p.until) >= breath {
		p.spent = 0
	}
	due := !p.off && p.spent >= breathEvery
	if due {
		p.spent = 0
	}
	end := p.until.Add(breath)
	p.mu.Unlock()
	if !due {
		return ctx.Err()
	}
	meanwhile(ctx)
	return pause(ctx, time.Until(end))
}

// held notes that a batch let the lock go. A zero time says that it did not get it.
func (p *pace) held(since time.Time) {
	if since.IsZero() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Now()
	p.spent += p.until.Sub(since)
}

// pause waits for d, or fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkpoint moves what is in the write-ahead log into the database, as far as readers let it. Writers need not wait.
func (s *Store) checkpoint(ctx context.Context) {
	if s.path == "" {
		return // the host's connections see to that
	}
	if c, release, err := s.connect(ctx, s.write, false); err == nil {
		defer release()
		_, _ = c.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)") // the next one does what this one could not
	}
}
