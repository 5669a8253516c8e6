package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// ErrPaused says that somebody paused all cleanup: a run changed nothing, or nothing more. See Manager.Pause.
var ErrPaused = errors.New("cleanup is paused")

// LongestPause is how far ahead a pause may end. A later time is rejected as a typo.
const LongestPause = 366 * 24 * time.Hour

// Pause is a time during which no run changes anything, in any process. It is the newest event of its kind in the audit log.
type Pause struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"` // the actor
	Reason string    `json:"reason"`
}

// PausedError is the ErrPaused that a run returns.
type PausedError struct{ Pause }

// Error says until when, by whom and why, and how to end the pause.
func (e *PausedError) Error() string {
	return fmt.Sprintf("%v until %s, by %s: %s; it ends by itself then, or now with resume", ErrPaused, e.Until.UTC().Format(time.RFC3339), e.By, e.Reason)
}

// Is makes errors.Is(err, ErrPaused) hold.
func (e *PausedError) Is(target error) bool { return target == ErrPaused }

// Pause keeps every run, in any process and in SQL, from changing anything until the given time by the store's clock,
// at most LongestPause ahead. A run in progress stops between two batches, within a third of its Config.LeaseTTL. Dry
// runs and manual changes still work. A new pause replaces the one before. The reason is required.
func (m *Manager) Pause(ctx context.Context, until time.Time, reason string) (Pause, error) {
	const operation = "pause cleanup"
	if err := m.allowAll(operation); err != nil {
		return Pause{}, err
	}
	now, err := m.Now(ctx)
	if err != nil {
		return Pause{}, fmt.Errorf("%s: %w", operation, err)
	}
	reason = m.cause(reason).Reason
	switch {
	case strings.TrimSpace(reason) == "":
		return Pause{}, invalid.Errorf("%s: there is no reason: want one, for those who find cleanup paused", operation)
	case !until.After(now) || until.Sub(now) > LongestPause:
		return Pause{}, invalid.Errorf("%s: until is %s and it is %s: want a time in the next year", operation, until.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	paused := Event{Action: ActionPaused, Actor: m.actor(), Reason: reason, Until: until.UTC().Truncate(time.Millisecond)}
	e, err := m.store.Record(ctx, Record{Event: paused})
	if err != nil {
		return Pause{}, fmt.Errorf("%s: %w", operation, err)
	}
	m.log.WarnContext(ctx, operation, "until", e.Until, "actor", e.Actor, "reason", e.Reason)
	return pauseOf(e), nil
}

// Resume ends a pause. It returns no error when there is none.
func (m *Manager) Resume(ctx context.Context) error {
	const operation = "resume cleanup"
	if _, paused, err := m.Paused(ctx); err != nil || !paused {
		return err
	}
	e, err := m.store.Record(ctx, Record{Event: Event{Action: ActionResumed, Actor: m.actor(), Reason: m.cause("").Reason}})
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	m.log.InfoContext(ctx, operation, "actor", e.Actor)
	return nil
}

// Paused returns the pause that is in effect, and false when there is none.
func (m *Manager) Paused(ctx context.Context) (Pause, bool, error) {
	const operation = "find out whether cleanup is paused"
	if err := m.allowAll(operation); err != nil {
		return Pause{}, false, err
	}
	now, err := m.Now(ctx)
	if err != nil {
		return Pause{}, false, err
	}
	p, err := m.pausedAt(ctx, now)
	if err != nil || p == nil {
		return Pause{}, false, err
	}
	return *p, true, nil
}

// pausedAt is the pause that holds at now, the store's clock; nil when none does.
func (m *Manager) pausedAt(ctx context.Context, now time.Time) (*Pause, error) {
	q := EventQuery{Actions: []Action{ActionPaused, ActionResumed}, Limit: 1}
	events, err := within(ctx, callTimeout, func(ctx context.Context) ([]Event, error) { return m.store.Events(ctx, q) })
	if err != nil {
		return nil, fmt.Errorf("find out whether cleanup is paused: %w", err)
	}
	if len(events) == 0 || events[0].Action != ActionPaused || !events[0].Until.After(now) {
		return nil, nil //nolint:nilnil // no pause is no error
	}
	p := pauseOf(events[0])
	return &p, nil
}

func pauseOf(e Event) Pause { return Pause{Since: e.At, Until: e.Until, By: e.Actor, Reason: e.Reason} }

// notPaused fails with a PausedError while cleanup is paused.
func (r *run) notPaused(ctx context.Context) error {
	p, err := retry(ctx, func() (*Pause, error) {
		now, err := r.m.Now(ctx)
		if err != nil {
			return nil, err
		}
		return r.m.pausedAt(ctx, now)
	})
	if err == nil && p != nil {
		err = &PausedError{*p}
	}
	return err
}
