package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// These flaws concern the time of a deactivation, and who may undo one.
func deactivationFlaws() []flaw {
	type (
		session = sessioncleanup.Session
		batch   = sessioncleanup.Batch
		touch   = sessioncleanup.Touch
	)
	dueBy := func(due dueFunc) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) { b.sweep = selected{broken: b, due: due}.sweep }
	}
	return []flaw{
		{"counts the deletion from the last activity alone", dueBy(func(b batch, s session) bool {
			if !s.DeactivatedAt.IsZero() {
				s.DeactivatedAt = time.Unix(0, 0)
			}
			return properly(b, s)
		}), []func(*fixture){dueKeptByDeactivation, graceKeeps, sweepRandom, workload}},
		{"takes an unknown deactivation for the first of all times", dueBy(func(b batch, s session) bool {
			if b.Action == sessioncleanup.ActionDeleted && s.DeactivatedAt.IsZero() {
				s.DeactivatedAt = time.Unix(0, 0)
			}
			return properly(b, s)
		}), []func(*fixture){dueUndated, sweepRandom}},
		{"deactivates a tick before its event", afterSweep(func(ctx context.Context, b *broken, done batch, out *sessioncleanup.BatchResult, err error) error {
			for _, id := range out.IDs {
				if s, there, _ := b.find(ctx, id); there && done.Action == sessioncleanup.ActionDeactivated {
					err = errors.Join(err, b.app.Put(deactivatedAt(s.DeactivatedAt.Add(-tick), s)))
				}
			}
			return err
		}), []func(*fixture){graceStamps, sweepBatches, twoCleaners, workload}},
		{"does not note when a run deactivates", afterSweep(func(ctx context.Context, b *broken, done batch, out *sessioncleanup.BatchResult, err error) error {
			for _, id := range out.IDs {
				if s, there, _ := b.find(ctx, id); there && done.Action == sessioncleanup.ActionDeactivated {
					err = errors.Join(err, b.app.Put(deactivatedAt(time.Time{}, s)))
				}
			}
			return err
		}), []func(*fixture){graceStamps, graceKeeps, sweepRandom}},
		{"does not note when somebody deactivates", afterUpdate(func(_ context.Context, b *broken, was, is session, _ sessioncleanup.Change) (session, error) {
			is.DeactivatedAt = was.DeactivatedAt
			return is, b.app.Put(is)
		}), []func(*fixture){updateEvery, updateReactivates, updateRandom, graceKeeps, workload}},
		{"dates what somebody protected", dueBy(func(b batch, s session) bool {
			if b.Action == sessioncleanup.ActionDated {
				s.AutoCleanup = true
			}
			return properly(b, s)
		}), []func(*fixture){datesUnknown, sweepNothing}},
		{"dates everything at once, whatever the filter", asksSweep(func(b *batch) {
			if b.Action == sessioncleanup.ActionDated {
				b.Filter = sessioncleanup.Filter{}
			}
		}), []func(*fixture){datesUnknown, datesRandom, workload}},
		{"corrects a last activity a little in the future", dueBy(func(b batch, s session) bool {
			if b.Action == sessioncleanup.ActionCorrected {
				s.LastActivity = s.LastActivity.Add(tick)
			}
			return properly(b, s)
		}), []func(*fixture){correctsTheFuture}},
		{"corrects whatever the filter", asksSweep(func(b *batch) {
			if b.Action == sessioncleanup.ActionCorrected {
				b.Filter = sessioncleanup.Filter{}
			}
		}), []func(*fixture){correctsTheFuture}},
		{"leaves the future as it is", afterSweep(func(ctx context.Context, b *broken, done batch, out *sessioncleanup.BatchResult, err error) error {
			for _, id := range out.IDs {
				if s, there, _ := b.find(ctx, id); there && done.Action == sessioncleanup.ActionCorrected {
					s.LastActivity = s.LastActivity.Add(day)
					err = errors.Join(err, b.app.Put(s))
				}
			}
			return err
		}), []func(*fixture){correctsTheFuture}},
		{"logs what it dates", afterSweep(func(ctx context.Context, b *broken, done batch, out *sessioncleanup.BatchResult, err error) error {
			if done.Action == sessioncleanup.ActionDated && len(out.IDs) > 0 {
				_, logErr := b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{Action: done.Action, Actor: done.Cause.Actor}})
				err = errors.Join(err, logErr)
			}
			return err
		}), []func(*fixture){datesUnknown, workload}},
		{"dates to the last activity", afterSweep(func(ctx context.Context, b *broken, done batch, out *sessioncleanup.BatchResult, err error) error {
			for _, id := range out.IDs {
				if s, there, _ := b.find(ctx, id); there && done.Action == sessioncleanup.ActionDated {
					err = errors.Join(err, b.app.Put(deactivatedAt(s.LastActivity, s)))
				}
			}
			return err
		}), []func(*fixture){datesUnknown, datesRandom}},

		{"forgets that a touch has a time of its own", asksTouch(func(t *touch) { t.Ago = nil }), []func(*fixture){touchAgo, touchBuffered, touchRandom, workload}},
		{"takes the first of several touches of a session", asksTouch(func(t *touch) {
			if t.Ago == nil {
				return
			}
			first := touch{}
			for i, id := range t.IDs {
				if !slices.Contains(first.IDs, id) {
					first.IDs, first.Ago = append(first.IDs, id), append(first.Ago, t.Ago[i])
				}
			}
			t.IDs, t.Ago = first.IDs, first.Ago
		}), []func(*fixture){touchAgo, touchBuffered}},
		{"reactivates by a touch from before the deactivation", aroundTouch(func(ctx context.Context, b *broken, t touch, s session) (int, error) {
			n, err := b.Store.Touch(ctx, t)
			if err == nil && t.Reactivate != nil && !s.Active {
				_, err = b.Store.Touch(ctx, touch{IDs: t.IDs, OwnerID: t.OwnerID, Reactivate: t.Reactivate})
			}
			return n, err
		}), []func(*fixture){touchBuffered, touchRandom, workload}},
		{"reactivates what somebody closed", aroundTouch(func(ctx context.Context, b *broken, t touch, s session) (int, error) {
			n, err := b.Store.Touch(ctx, t)
			if err != nil || t.Reactivate == nil || !s.AutoCleanup || t.Ago[0] > 0 {
				return n, err
			}
			return n, b.reactivate(ctx, t, s)
		}), []func(*fixture){touchClosed, touchRandom, workload}},
		{"reactivates what a run deactivated before somebody closed it", aroundTouch(func(ctx context.Context, b *broken, t touch, s session) (int, error) {
			n, err := b.Store.Touch(ctx, t)
			if err != nil || t.Reactivate == nil || !s.AutoCleanup {
				return n, err
			}
			events, err := b.Store.Events(ctx, sessioncleanup.EventQuery{
				SessionID: s.ID, Actions: []sessioncleanup.Action{sessioncleanup.ActionDeactivated}, Limit: everything,
			})
			if err == nil && slices.ContainsFunc(events, func(e sessioncleanup.Event) bool { return e.RunID != "" }) {
				err = b.reactivate(ctx, t, s)
			}
			return n, err
		}), []func(*fixture){touchClosed}},
		{"reactivates nothing", asksTouch(func(t *touch) { t.Reactivate = nil }), []func(*fixture){touchReactivates, touchBuffered, touchClosed, touchRandom, workload}},
		{"lets activity reactivate what somebody closed", func(h *Harness, b *broken) {
			follow := h.Activity
			h.Activity = func(ctx context.Context, id string) error {
				s, _, err := b.find(ctx, id)
				if err == nil {
					err = follow(ctx, id)
				}
				if err == nil && s.AutoCleanup {
					err = b.reactivate(ctx, touch{IDs: []string{id}, Reactivate: activity()}, s)
				}
				return err
			}
		}, []func(*fixture){activityReactivates, activityTouches}},
		{"does not let activity reactivate", func(h *Harness, b *broken) {
			h.Activity = func(_ context.Context, id string) error { return b.app.AddActivity(id, 1) }
		}, []func(*fixture){activityReactivates}},

		{"does not notice that the application sets active", setsActive(func(_, is session) session { return is }),
			[]func(*fixture){applicationCloses, applicationOpens, applicationKeeps, graceKeeps}},
		{"does not take the application's opening for activity", setsActive(func(was, is session) session {
			is = is.Observe(was, time.Now())
			is.LastActivity = was.LastActivity
			return is
		}), []func(*fixture){applicationOpens, applicationKeeps}},
		{"notes a deactivation whenever the application writes", setsActive(func(was, is session) session {
			if is = is.Observe(was, time.Now()); !is.Active {
				is.DeactivatedAt = time.Now().Truncate(tick)
			}
			return is
		}), []func(*fixture){applicationCloses}},
		{"logs what the application does", func(h *Harness, b *broken) {
			set := h.SetActive
			h.SetActive = func(ctx context.Context, id string, active bool) error {
				_, err := b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionDeactivated, Actor: "system"}})
				return errors.Join(err, set(ctx, id, active))
			}
		}, []func(*fixture){applicationCloses, applicationOpens}},
	}
}

// reactivate makes a session active for a touch, whoever deactivated it.
func (b *broken) reactivate(ctx context.Context, t sessioncleanup.Touch, s sessioncleanup.Session) error {
	c := sessioncleanup.Change{Cause: *t.Reactivate, Action: sessioncleanup.ActionReactivated, Active: sessioncleanup.On}
	_, err := b.Store.Update(ctx, sessioncleanup.Target{ID: s.ID, OwnerID: t.OwnerID}, c)
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		err = nil
	}
	return err
}

// setsActive stores what follows from the application's own change by another rule than Session.Observe.
func setsActive(rule func(was, is sessioncleanup.Session) sessioncleanup.Session) func(*Harness, *broken) {
	return func(h *Harness, b *broken) {
		h.SetActive = func(ctx context.Context, id string, active bool) error {
			was, _, err := b.find(ctx, id)
			if err != nil {
				return err
			}
			is := was
			is.Active = active
			_, err = b.app.Remove(id)
			return errors.Join(err, b.app.Put(rule(was, is)))
		}
	}
}
