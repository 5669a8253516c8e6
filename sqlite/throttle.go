package sqlite

import (
	"context"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// SQLite has no queue for the write lock: waiting connections poll for it, at least every 100 ms. Without pauses between
// batches they might find it taken each time, until their busy timeout ends.
const (
	// othersFor is for how long others count as writing after they did. Meanwhile batches pause as Policy.BusyShare says, but
	// for no less than yield.
	othersFor = 3 * time.Second
	// yield is the shortest pause while others write: a connection that has waited for less than about 100 ms polls at least
	// once in it.
	yield = 26 * time.Millisecond
	// longPause follows batches that together held the lock for longPauseEvery, even if nobody was seen to write. Every
	// waiting connection polls at least once in it.
	longPause      = 110 * time.Millisecond
	longPauseEvery = 2 * time.Second
	// checkpointEvery is for how long batches hold the lock before their pages are moved from the log into the database.
	checkpointEvery = 300 * time.Millisecond
)

// throttle computes the pauses between batches.
type throttle struct {
	mu      sync.Mutex
	version int64         // PRAGMA data_version at the last batch; commits of other connections change it
	others  time.Time     // when others were last seen to have written
	held    time.Duration // for how long batches held the lock since the last long pause
	unmoved time.Duration // and since the last checkpoint
}

// after is what follows a batch: how long the run pauses, and whether a checkpoint is due.
func (t *throttle) after(b sessioncleanup.Batch, version int64, held time.Duration) (pause time.Duration, checkpoint bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version != 0 && t.version != version {
		t.others = time.Now()
	}
	t.version = version
	t.held += held
	t.unmoved += held
	if time.Since(t.others) < othersFor {
		pause = max(b.PauseAfter(held), yield)
	}
	if t.held >= longPauseEvery {
		t.held = 0
		pause = max(pause, longPause)
	}
	if t.unmoved >= checkpointEvery {
		t.unmoved, checkpoint = 0, true
	}
	return pause, checkpoint
}

// hold is a batch's hold of the write lock.
type hold struct {
	since   time.Time // zero: it did not get the lock
	version int64
}

// beginHold is called when a batch has the write lock.
func (s *Store) beginHold(ctx context.Context, c *conn) (hold, error) {
	h := hold{since: time.Now()}
	if s.shared { // data_version can only be compared within one connection
		return h, nil
	}
	err := c.row(ctx, "PRAGMA data_version", nil, &h.version)
	return h, err
}

// endHold is called when a batch has released the write lock. It makes the checkpoint that is due, for which writers need
// not wait.
func (s *Store) endHold(ctx context.Context, h hold, b sessioncleanup.Batch) (held, pause time.Duration) {
	if h.since.IsZero() {
		return 0, 0
	}
	held = time.Since(h.since)
	if s.path == "" && !s.shared { // in memory there are no others
		return held, 0
	}
	pause, checkpoint := s.throttle.after(b, h.version, held)
	if checkpoint && s.path != "" {
		// On a connection for reading: the one that writes is for those who write. The next checkpoint moves what readers
		// keep this one from moving.
		_, _ = s.reader.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	}
	return held, pause
}
