package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

type meAnswer struct {
	Success bool                `json:"success"`
	Role    sessioncleanup.Role `json:"role"`
	ID      string              `json:"id"`
	Actor   string              `json:"actor"` // the caller as events name it
	// What the caller may do, and what there is to do: the page shows nothing else.
	All      bool `json:"all_sessions"` // works with all sessions, and may do runs
	Changes  bool `json:"changes"`      // may change anything
	Archive  bool `json:"archive"`      // deleted sessions can be restored
	Archives bool `json:"archives"`     // deletion moves a session into the archive
	Tags     bool `json:"tags"`         // sessions have tags
	Warnings bool `json:"warnings"`     // owners are warned before a deletion
	// The policy: null for never.
	InactiveHours *float64 `json:"inactive_hours"`
	DeleteDays    *float64 `json:"delete_old_days"`
	ArchiveDays   *float64 `json:"archive_keep_days"`
	KeepDays      []int    `json:"keep_days"`
}

// me serves GET /me: who the caller is, and what it may do.
func (c *call) me() error {
	policy := c.m.Policy()
	out := meAnswer{
		Success: true, Role: c.who.Role, ID: c.who.ID, Actor: c.who.Actor(), All: c.m.PermitAll() == nil, Changes: !c.ReadOnly,
		Archive: c.m.HasArchive(), Archives: policy.Archive.Or(false), Tags: c.m.HasTags(),
		Warnings:      policy.WarnBefore != sessioncleanup.Never && policy.DeleteAfter != sessioncleanup.Never,
		InactiveHours: in(policy.InactiveAfter, time.Hour), DeleteDays: in(policy.DeleteAfter, day),
		ArchiveDays: in(policy.ArchiveKeep, day),
	}
	out.KeepDays = keepable(policy, nil)
	return c.reply(out)
}

// in is a threshold in a unit; nil for never.
func in(d, unit time.Duration) *float64 {
	if d == sessioncleanup.Never {
		return nil
	}
	return new(float64(d) / float64(unit))
}

type summaryAnswer struct {
	Success   bool       `json:"success"`
	At        time.Time  `json:"at"`
	Total     *int       `json:"total"` // null, as the next three, while they are still counted
	Open      *int       `json:"open"`
	Closed    *int       `json:"closed"`
	Protected *int       `json:"protected"`
	Closing   upcoming   `json:"closing"`
	Deleting  upcoming   `json:"deleting"`
	NextRun   *time.Time `json:"next_run_at"`     // for an admin, where this server schedules runs
	Overdue   float64    `json:"overdue_seconds"` // of that run
}

// upcoming is a sessioncleanup.Upcoming as clients see it.
type upcoming struct {
	Hours    float64   `json:"within_hours"`
	Count    int       `json:"count"`
	More     bool      `json:"more"`
	Sessions []session `json:"sessions"`
}

func (c *call) upcoming(u sessioncleanup.Upcoming, within time.Duration) upcoming {
	return upcoming{Hours: within.Hours(), Count: u.Count, More: u.More, Sessions: sessionsOf(u.Sessions, c.m.Policy())}
}

// summary serves GET /summary: what there is, and what happens soon.
func (c *call) summary() error {
	o, _, err := c.outlooks.get(c.r.Context(), c.scope, func(ctx context.Context) (sessioncleanup.Outlook, error) {
		return c.m.Outlook(ctx, c.scope)
	})
	if err != nil {
		return err
	}
	out := summaryAnswer{
		Success: true, At: o.At,
		Closing: c.upcoming(o.Closing, sessioncleanup.ClosesSoon), Deleting: c.upcoming(o.Deleting, sessioncleanup.DeletesSoon),
	}
	f, counted, err := soon(c, func(ctx context.Context) (figures, error) {
		f, _, err := c.currentFigures(ctx, c.scope, "")
		return f, err
	})
	if err != nil {
		return err
	}
	if n := f.counts; counted {
		out.Total, out.Open, out.Closed, out.Protected = &n.Total, &n.Active, &n.Inactive, &n.Protected
	}
	if c.m.PermitAll() == nil {
		out.NextRun, out.Overdue = known(c.m.NextRun().UTC()), c.m.Overdue().Seconds()
	}
	return c.reply(out)
}

// soon is a value that many callers share, unless computing it takes longer than what else a response says should wait for.
func soon[V any](c *call, get func(context.Context) (V, error)) (v V, there bool, err error) {
	type outcome struct {
		v   V
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := get(context.WithoutCancel(c.r.Context()))
		done <- outcome{v, err}
	}()
	select {
	case out := <-done:
		if errors.Is(out.err, sessioncleanup.ErrNotCounted) {
			return v, false, nil
		}
		return out.v, out.err == nil, out.err
	case <-time.After(c.Timeout / 3):
		return v, false, nil
	}
}
