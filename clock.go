package sessioncleanup

import (
	"context"
	"fmt"
	"time"
)

// ClockError is the ErrClock that a run returns. It holds the time that each clock showed.
type ClockError struct {
	Store, Process time.Time
	Difference     time.Duration // by how much the store's is ahead at least; negative when it is behind
}

// Error names the difference and says what to do about it.
func (e *ClockError) Error() string {
	return fmt.Sprintf("%v: the database has %s and this process %s, a difference of %v; nothing was changed. Correct the wrong clock, "+
		"or trust the database's with --ignore-clock", ErrClock, e.Store.UTC().Format(time.RFC3339), e.Process.UTC().Format(time.RFC3339),
		e.Difference.Abs().Round(time.Second))
}

// Is makes errors.Is(err, ErrClock) hold.
func (e *ClockError) Is(target error) bool { return target == ErrClock }

// ClockDifference returns how far the store's clock is ahead of this process's clock; negative when it is behind. It
// returns 0 when the difference is 10 minutes or less, or when the answer took too long to tell.
func (m *Manager) ClockDifference(ctx context.Context) (time.Duration, error) {
	now, asked, err := m.askClock(ctx)
	return asked.ahead(now), err
}

// guardedNow is the store's clock, or a ClockError unless Config.IgnoreClock is set.
func (m *Manager) guardedNow(ctx context.Context) (time.Time, error) {
	now, asked, err := m.askClock(ctx)
	if err != nil || m.ignoreClock {
		return now, err
	}
	if ahead := asked.ahead(now); ahead != 0 {
		return now, &ClockError{Store: now, Process: asked.until, Difference: ahead}
	}
	return now, nil
}

func (m *Manager) askClock(ctx context.Context) (time.Time, span, error) {
	asked := since()
	now, err := m.Now(ctx)
	return now, asked.end(), err
}

// span is the time from a question to its answer, by the process's wall clock: the monotonic clock may stand still while the
// machine sleeps.
type span struct{ from, until time.Time }

func since() span { return span{from: time.Now().Round(0)} }

func (s span) end() span {
	s.until = time.Now().Round(0)
	return s
}

// ahead is by how much a clock that was read at some moment of the span differs at least from the process's; 0 for
// clockTolerance or less.
func (s span) ahead(other time.Time) time.Duration {
	switch late, early := other.Sub(s.until), other.Sub(s.from); {
	case late > clockTolerance:
		return late
	case early < -clockTolerance:
		return early
	default:
		return 0
	}
}
