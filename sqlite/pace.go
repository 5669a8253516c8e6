package sqlite

import (
	"context"
	"sync"
	"time"
)

const (
	// breathEvery is for how long batches in a row hold the write lock before they make a pause.
	breathEvery = 2 * time.Second
	// breath is the length of that pause. SQLite has no queue for the lock: who waits for it looks again after at
	// most 100 ms. In a pause longer than that everybody who waits finds the lock free once.
	breath = 110 * time.Millisecond
	// checkpointEvery is for how long batches hold the write lock before what they wrote is moved into the database, for
	// which others need not wait. That would otherwise happen inside of the commit that fills the log, and has to be
	// done; done here, it is part of the pause.
	checkpointEvery = 300 * time.Millisecond
	// yield is how long the lock stays free after each batch while others write. Who has waited for no longer than a
	// batch takes looks again after 25 ms at most.
	yield = 26 * time.Millisecond
	// yieldFor is for how long others count as writing after they did.
	yieldFor = 3 * time.Second
)

// pace keeps batches in a row from starving other writers, who would otherwise find the lock taken whenever they look
// and give up after their busy timeout. Where others are seen to write, each batch makes way for them; where nobody is, a
// pause now and then lets a first one in.
type pace struct {
	off bool // nobody else can write

	mu      sync.Mutex
	spent   time.Duration // for how long the lock was held since the last pause
	unmoved time.Duration // and since the last checkpoint
	until   time.Time     // when it was let go
	version int64         // of the database, as the batches' connection saw it last: others' commits change it
	seen    time.Time     // when others' were noticed last
}

// wait does what is due before the lock is taken: a checkpoint, a pause.
func (p *pace) wait(ctx context.Context, checkpoint func(context.Context)) error {
	if p.off {
		return ctx.Err()
	}
	p.mu.Lock()
	full := p.unmoved >= checkpointEvery
	if full {
		p.unmoved = 0
	}
	p.mu.Unlock()
	if full {
		checkpoint(ctx)
	}
	p.mu.Lock()
	if time.Since(p.until) >= breath {
		p.spent = 0
	}
	end := p.until
	switch {
	case p.spent >= breathEvery:
		p.spent = 0
		end = end.Add(breath)
	case time.Since(p.seen) < yieldFor:
		end = end.Add(yield)
	}
	p.mu.Unlock()
	return pause(ctx, time.Until(end))
}

// sees notes the version of the database at a batch. The first one says nothing.
func (p *pace) sees(version int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version != 0 && p.version != version {
		p.seen = time.Now()
	}
	p.version = version
}

// held notes that a batch let the lock go, and gives for how long it had it. A zero time says that it did not get it.
func (p *pace) held(since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Now()
	took := p.until.Sub(since)
	p.spent += took
	p.unmoved += took
	return took
}

// pause waits for d, or fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
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
	if c, release, err := s.connect(ctx, s.read, false); err == nil { // the connection that writes is for who writes
		defer release()
		_, _ = c.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)") // the next one does what this one could not
	}
}
