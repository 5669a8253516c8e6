package sessioncleanup

import (
	"sync"
	"time"
)

// lateAfter is how long a scheduled run may be late, or a run may have done nothing, until it counts as overdue: the retries
// after a short outage, or a batch of one session with many rows of other tables, take less.
const lateAfter = 5 * time.Minute

// lateness follows the scheduled runs of a Manager, by the process's clock.
type lateness struct {
	mu   sync.Mutex
	slot time.Time // of the schedule, by the store's clock; zero when no run is scheduled
	due  time.Time // when it is due
	sign time.Time // the last sign of progress
}

// Overdue returns how late a scheduled run is while no instance shows any sign of working on it. It returns 0 for less
// than 5 minutes, and unless this Manager, or one that As or If made from it, is inside Run.
func (m *Manager) Overdue() time.Duration {
	l := m.late
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slot.IsZero() || time.Since(later(l.due, l.sign)) < lateAfter {
		return 0
	}
	return time.Since(l.due)
}

// NextRun returns when the next run is due that Manager.Run of this process scheduled, by the process's clock. It is
// zero when no run is scheduled. It may be in the past while a run is in progress or late.
func (m *Manager) NextRun() time.Time {
	l := m.late
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slot.IsZero() {
		return time.Time{}
	}
	return l.due
}

// expect notes when the run of a slot is due. A zero slot means that none is.
func (l *lateness) expect(slot time.Time, in time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.slot.Equal(slot) {
		l.slot, l.due = slot, time.Now().Add(in)
	}
}

// working notes that a run just made progress, here or in another instance.
func (l *lateness) working() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sign = time.Now()
}
