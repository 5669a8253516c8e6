package sessioncleanup

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// loggedRun is what the log has of a run.
type loggedRun struct {
	ended       bool // it has its event
	done        map[Action]int
	first, last Event // of its batches; zero when there is none
}

// readRun reads a run's events.
func (m *Manager) readRun(ctx context.Context, id string) (loggedRun, error) {
	logged := loggedRun{done: map[Action]int{}}
	q := EventQuery{RunID: id, Limit: MaxPage, Part: true} // how many sessions, not which
	for {
		events, err := retry(ctx, func() ([]Event, error) { return m.store.Events(ctx, q) })
		if err != nil {
			return logged, err
		}
		for _, e := range events {
			if e.Action == ActionRun {
				logged.ended = true
				continue
			}
			logged.done[e.Action] += len(e.Sessions) + e.Unnamed
			logged.first = e
			if logged.last.ID == 0 {
				logged.last = e
			}
		}
		if !q.Enough(events) {
			return logged, nil
		}
		q.Before = events[len(events)-1].ID
	}
}

// runRecorded reports whether a run has its event.
func (m *Manager) runRecorded(ctx context.Context, id string) (bool, error) {
	events, err := m.store.Events(ctx, EventQuery{RunID: id, Actions: []Action{ActionRun}, Limit: 1})
	return len(events) > 0, err
}

// recordUnfinished records the run whose lease this one took over, unless that run did so itself: its process
// ended or is frozen, or the database could not be reached at its end. It counts what the log has of it: each batch is
// logged in its own transaction, and none can be added any more. A failure is only logged.
func (r *run) recordUnfinished(ctx context.Context, id string) {
	if id == "" {
		return
	}
	logged, err := r.m.readRun(ctx, id)
	if err == nil && logged.ended {
		return
	}
	log := r.m.log.With("run_id", id, "deleted", logged.done[ActionDeleted], "deactivated", logged.done[ActionDeactivated])
	if err == nil {
		_, err = retry(ctx, func() (Event, error) {
			return r.m.store.Record(ctx, logged.record(id, r.result.Cutoffs.Now, r.cause.Actor))
		})
	}
	if err != nil {
		log.WarnContext(ctx, "the previous run, which did not end, could not be recorded", "error", err)
		return
	}
	log.InfoContext(ctx, "the previous run did not end; its changes are recorded now from the audit log", "recorded_by", r.result.RunID)
}

// record is the event of a run that did not write it.
func (l loggedRun) record(id string, now time.Time, actor string) Record {
	summary := &RunSummary{
		StartedAt: now,
		Error: fmt.Sprintf("the run did not end: its process was killed or frozen, or could not reach the database; "+
			"recorded by the next run, from the log, at %s", now.Format(time.RFC3339)),
	}
	if l.first.ID != 0 {
		summary.StartedAt, summary.Duration = l.first.At, l.last.At.Sub(l.first.At)
	}
	for _, a := range []Action{ActionDeleted, ActionDeactivated} {
		summary.Phases = append(summary.Phases, PhaseResult{Action: a, Due: l.done[a], Done: l.done[a]})
	}
	return Record{Event: Event{
		Action: ActionRun, RunID: id, Run: summary, Actor: cmp.Or(l.first.Actor, actor), Reason: l.first.Reason,
	}}
}
