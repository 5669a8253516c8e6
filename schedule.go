package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/failures"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// Schedule says when the next run is due after a given time, which is in the local time zone. The schedules of common
// cron libraries fit. A zero time means never again.
type Schedule interface {
	Next(after time.Time) time.Time
}

// Interval is a Schedule that counts from the start of the last completed run. Without one, it counts from the first
// start of a scheduler on that store.
type Interval struct {
	Every time.Duration // at least 1 s
	// Jitter delays each run by a random part of it, so that many services do not start at the same moment. Default: none.
	Jitter time.Duration
}

// Next returns the time one interval after the given one.
func (i Interval) Next(after time.Time) time.Time { return after.Add(i.Every) }

func (i Interval) validate() error {
	switch {
	case i.Every < shortestWait:
		return invalid.Errorf("Interval.Every is %v: want at least %v", i.Every, shortestWait)
	case i.Jitter < 0 || i.Jitter > i.Every:
		return invalid.Errorf("Interval.Jitter is %v: want 0 to Interval.Every, %v", i.Jitter, i.Every)
	}
	return nil
}

const (
	// lookAgain is how long at most a scheduler sleeps before it looks at the store's clock and log again: clocks are
	// set, machines sleep, and another instance may have run.
	lookAgain    = 10 * time.Minute
	firstRetry   = 10 * time.Second // after a run that failed, doubled each time unless the database was unavailable
	longestRetry = 15 * time.Minute
	shortestWait = time.Second // between two looks, whatever a Schedule says
	pausedAgain  = time.Minute // how long at most a scheduler that is due sleeps while cleanup is paused: somebody may resume it
)

// errDone says that the run of a slot was done already, by another instance.
var errDone = errors.New("done already")

// Run cleans up whenever the schedule says so, until ctx ends, and returns ctx's error. Any other error means that it
// could not start. Call it from a goroutine of your own, in as many instances as you like: each scheduled run happens
// once. When an instance dies in the middle of a run, another one takes over as soon as its lease ends.
//
// The schedule counts from the last completed run in the store's log. After a downtime that missed several runs, one
// run is due at once. Without any run, the schedule counts from the first start of a scheduler, which the log also
// records; so the first start cleans up nothing. A run that fails is tried again, first soon and then at longer
// intervals. One that met the deletion limit waits for its next scheduled time. When ctx ends during a run, the run
// finishes the current batch.
func (m *Manager) Run(ctx context.Context, s Schedule) error {
	const operation = "run the schedule"
	err := m.allowAll(operation)
	if p, ok := s.(*Interval); ok && p != nil {
		s = *p
	}
	interval, isInterval := s.(Interval)
	switch {
	case err != nil:
		return err
	case s == nil:
		return invalid.Errorf("%s: schedule is nil: want a Schedule", operation)
	case isInterval:
		err = interval.validate()
	}
	if err == nil && !m.policy.Enabled.Or(true) {
		err = ErrDisabled
	}
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	sched := &scheduler{m: m, schedule: s, jitter: interval.Jitter}
	return sched.loop(ctx)
}

// scheduler is one Manager.Run in progress.
type scheduler struct {
	m        *Manager
	schedule Schedule
	jitter   time.Duration
	began    time.Time     // the first start of a scheduler, by the store's clock; zero when not yet read
	paused   time.Time     // until when, as the log says
	slot     time.Time     // found last
	delay    time.Duration // of the slot, by the jitter
	failures failures.Count
}

func (s *scheduler) loop(ctx context.Context) error {
	defer s.m.late.expect(time.Time{}, 0)
	for {
		pause, slot, err := s.next(ctx)
		if err == nil && pause <= 0 {
			pause, err = s.runSlot(ctx, slot)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			pause = s.backoff(err)
			if s.failures.Add() {
				s.m.log.ErrorContext(ctx, "scheduled cleanup failed and will be tried again", "in", pause, "failures", s.failures, "error", err)
			}
		}
		if err := wait.For(ctx, max(shortestWait, min(pause, lookAgain))); err != nil {
			return err
		}
	}
}

// next finds the slot that is due next and how long it is until then. Both come from the store, so all instances find the same.
func (s *scheduler) next(ctx context.Context) (time.Duration, time.Time, error) {
	now, err := s.m.guardedNow(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	last, found, err := s.m.lastCompleted(ctx, now)
	if err == nil && !found {
		last, err = s.firstStart(ctx, now)
	}
	if err != nil {
		return 0, time.Time{}, err
	}
	slot := s.schedule.Next(last.Local())
	if !slot.Equal(s.slot) {
		s.slot, s.delay = slot, 0
		if s.jitter > 0 {
			s.delay = rand.N(s.jitter)
		}
	}
	pause := slot.Add(s.delay).Sub(now)
	s.m.late.expect(slot, pause)
	if slot.IsZero() {
		pause = lookAgain
	}
	return pause, slot, nil
}

// firstStart is when a scheduler first started on the store. The log records it, so that a service which is deployed more
// often than its schedule is due still gets its first run.
func (s *scheduler) firstStart(ctx context.Context, now time.Time) (time.Time, error) {
	if !s.began.IsZero() && !s.began.After(now) {
		return s.began, nil
	}
	events, err := s.m.store.Events(ctx, EventQuery{Actions: []Action{ActionScheduled}, Limit: MaxPage})
	if err != nil {
		return time.Time{}, fmt.Errorf("find the first start: %w", err)
	}
	s.began = now
	for _, e := range events {
		if e.At.Before(s.began) {
			s.began = e.At
		}
	}
	if s.began.Equal(now) {
		_, err = s.m.store.Record(ctx, Record{Event: Event{Action: ActionScheduled, Actor: s.m.actor(), At: now}})
	}
	if err != nil {
		s.began = time.Time{}
		return time.Time{}, fmt.Errorf("record the first start: %w", err)
	}
	return s.began, nil
}

// runSlot does the run of a slot unless another instance does, and returns the pause after it.
func (s *scheduler) runSlot(ctx context.Context, slot time.Time) (time.Duration, error) {
	_, err := s.m.cleanup(ctx, Run{Reason: "scheduled"}, slot.Truncate(time.Millisecond))
	if held, ok := errors.AsType[*LeaseHeldError](err); ok {
		// By then the other run has ended, or its process is dead and the lease has expired.
		s.m.late.working()
		s.m.log.InfoContext(ctx, "another instance is cleaning up", "run_id", held.Holder, "until", held.Until)
		return min(held.Remaining, s.m.leaseTTL), nil
	}
	if p, ok := errors.AsType[*PausedError](err); ok {
		s.m.late.working()
		if !s.paused.Equal(p.Until) {
			s.paused = p.Until
			s.m.log.WarnContext(ctx, "scheduled cleanup waits: cleanup is paused", "until", p.Until, "by", p.By, "reason", p.Reason)
		}
		return pausedAgain, nil
	}
	switch {
	case errors.Is(err, ErrTooMany): // an operator has to look at it first
		s.m.log.ErrorContext(ctx, "the scheduled cleanup deleted nothing: the deletion limit stopped it", "error", err)
	case err != nil && !errors.Is(err, errDone):
		return 0, err
	}
	s.failures = 0
	return 0, nil
}

// backoff is the pause after an error. It doubles with each, except while the database is unavailable: that may be back at
// any moment.
func (s *scheduler) backoff(err error) time.Duration {
	pause := longestRetry
	switch {
	case errors.Is(err, ErrUnavailable):
		pause = firstRetry
	case s.failures < 10:
		pause = min(longestRetry, firstRetry<<s.failures)
	}
	return pause
}

// lastCompleted is when the last whole run began that ended without an error, or with the deletion limit only, by the
// store's clock.
func (m *Manager) lastCompleted(ctx context.Context, now time.Time) (at time.Time, found bool, err error) {
	err = m.eachRun(ctx, now, func(e Event, future bool) bool {
		found = !future && e.Run != nil && (e.Run.Error == "" || e.Run.Refused) && !e.Run.Partial
		if found {
			at = e.Run.StartedAt
		}
		return !found
	})
	return at, found, err
}

// eachRun calls f for the events of runs, newest first, until it returns false. Runs of the future began after now, the
// store's clock: a clock was wrong then, and they must not count, because that could mean waiting for years.
func (m *Manager) eachRun(ctx context.Context, now time.Time, f func(e Event, future bool) bool) error {
	for e, err := range m.eachEvent(ctx, EventQuery{Actions: []Action{ActionRun}, Limit: 20}, callTimeout) {
		if err != nil {
			return fmt.Errorf("find last run: %w", err)
		}
		future := e.Run != nil && e.Run.StartedAt.After(now)
		if future {
			m.log.WarnContext(ctx, "the audit log has a run in the future, which is ignored; check the clock of the database", "run_id", e.RunID, "started_at", e.Run.StartedAt)
		}
		if !f(e, future) {
			break
		}
	}
	return nil
}
