package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Update applies a change to one session, as sessioncleanup.Change.Apply does. It does not change the application's
// updated_at.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, change sessioncleanup.Change) (sessioncleanup.Session, error) {
	return s.change(ctx, t, func(c *conn, before sessioncleanup.Session) (sessioncleanup.Session, error) {
		if err := c.schema.CheckTags(change.Tags); err != nil {
			return before, err
		}
		now := c.cut(before.AsOf)
		after := change.Apply(before, now)
		if after.Equal(before) {
			return before, nil
		}
		if err := c.writeTags(ctx, before.ID, change.Tags); err != nil {
			return before, err
		}
		untagged := after
		if untagged.Tags = before.Tags; !untagged.Equal(before) {
			if err := c.rewrite(ctx, before, after); err != nil {
				return before, err
			}
		}
		r, err := c.one(ctx, t.ID) // with the times as the application's columns keep them
		if err != nil {
			return before, err
		}
		after = r.seen(c.layout)
		return after, c.insertEvent(ctx, sqlstore.EventOf(now, change.Action, change.Cause, []sessioncleanup.SessionRef{after.Ref()}))
	})
}

// cut is a time as the column of the deactivation keeps it.
func (l *layout) cut(t time.Time) time.Time {
	unit := time.Millisecond
	for digits := l.adopted.Precision; digits < 3; digits++ {
		unit *= 10
	}
	return t.UTC().Truncate(unit)
}

// errLeftAlone: a trigger of the application kept the row as it is, without an error.
var errLeftAlone = errors.New("a trigger leaves some of the sessions as they are")

// rewrite writes what differs between two states of a session.
func (c *conn) rewrite(ctx context.Context, before, after sessioncleanup.Session) error {
	id, ok := c.adopted.ID.bind(after.ID)
	if !ok {
		return sessioncleanup.ErrNotFound
	}
	p := params{
		"id": id, "set_active": after.Active != before.Active, "active": after.Active,
		"set_auto_cleanup": after.AutoCleanup != before.AutoCleanup, "auto_cleanup": after.AutoCleanup,
	}
	for name, times := range map[string][2]time.Time{
		"last_activity": {before.LastActivity, after.LastActivity}, "expires_at": {before.ExpiresAt, after.ExpiresAt},
		"deactivated_at": {before.DeactivatedAt, after.DeactivatedAt},
	} {
		p["set_"+name], p[name] = !times[0].Equal(times[1]), nullTime(times[1])
	}
	if after.ExpiresAt.IsZero() {
		p["expires_at"] = c.noExpiry()
	}
	n, err := c.exec(ctx, c.sql("change", nil), p)
	if err == nil && n == 0 {
		err = errLeftAlone
	}
	return err
}

// Delete removes one session and returns it as it was.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	return s.change(ctx, t, func(c *conn, before sessioncleanup.Session) (sessioncleanup.Session, error) {
		reach, err := s.reach(ctx, c)
		if err != nil {
			return before, err
		}
		others, err := c.along(ctx, reach.links, []string{before.ID})
		if err == nil {
			err = t.CheckAlong(others)
		}
		if err != nil {
			return before, err
		}
		refs := []sessioncleanup.SessionRef{before.Ref()}
		rows, err := c.some(ctx, c.adopted.ID.list(others), false)
		if err != nil {
			return before, err
		}
		for _, r := range rows {
			refs = append(refs, r.table.Ref())
		}
		if t.Archive != nil && !c.schema.SoftDelete {
			if _, err := c.lock(ctx, c.adopted.ID.list(others), true); err != nil {
				return before, err
			}
			if err := s.archive(ctx, c, *t.Archive, cause, before.AsOf, refs, true); err != nil {
				return before, err
			}
		}
		if !c.schema.SoftDelete { // then they stay with the row
			if err := c.removeTagsOf(ctx, c.adopted.ID.list(sqlstore.IDs(refs))); err != nil {
				return before, err
			}
		}
		id, _ := c.adopted.ID.bind(before.ID)
		if err := c.forgetNotesOf(ctx, c.adopted.ID.list(sqlstore.IDs(refs))); err != nil { // a later session may have the id again
			return before, err
		}
		n, err := c.exec(ctx, c.sql("delete", nil), params{"chosen": chosen([]any{id}), "at": before.AsOf})
		if err == nil && n == 0 {
			err = errLeftAlone
		}
		if err != nil {
			return before, err
		}
		return before, c.insertEvent(ctx, sqlstore.EventOf(time.Time{}, sessioncleanup.ActionDeleted, cause, refs))
	})
}

// change finds and locks the session of a target and calls do, in one transaction. A note of the session is folded in before.
func (s *Store) change(ctx context.Context, t sessioncleanup.Target,
	do func(c *conn, before sessioncleanup.Session) (sessioncleanup.Session, error),
) (sessioncleanup.Session, error) {
	return sqlstore.Answer(ctx, s.writingSessions, func(c *conn) (none sessioncleanup.Session, err error) {
		id, ok := c.adopted.ID.bind(t.ID)
		if !ok || t.ID == "" {
			return none, sessioncleanup.ErrNotFound
		}
		if _, err := c.lock(ctx, []any{id}, true); err != nil {
			return none, err
		}
		before, err := c.one(ctx, t.ID)
		if err != nil {
			return none, err
		}
		seen := before.seen(c.layout)
		if err := t.Check(seen); err != nil {
			return none, err
		}
		if err := c.fold(ctx, []row{before}); err != nil {
			return none, err
		}
		return do(c, seen)
	})
}

// fold writes what notes make of sessions that are locked, with the events of those that become active by it.
func (c *conn) fold(ctx context.Context, rows []row) error {
	var revived []sessioncleanup.SessionRef
	used := map[string]time.Time{}
	for _, r := range rows {
		if r.noted.IsZero() {
			continue
		}
		after, write := c.noteOf(r.table.ID).Apply(r.table, r.noted, r.byRun)
		switch {
		case write && after.Active != r.table.Active:
			if err := c.rewrite(ctx, r.table, after); err != nil {
				return err
			}
			revived = append(revived, after.Ref())
		case write:
			used[after.ID] = after.LastActivity
		}
	}
	if err := c.writeUse(ctx, used); err != nil {
		return err
	}
	return c.reactivated(ctx, activityCause, revived)
}

// reactivated writes the event of sessions that became active.
func (c *conn) reactivated(ctx context.Context, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) error {
	if len(refs) == 0 {
		return nil
	}
	return c.insertEvent(ctx, sqlstore.EventOf(time.Time{}, sessioncleanup.ActionReactivated, cause, refs))
}

// usesAtOnce is how many last activities one statement writes: each row looks for its own among them.
const usesAtOnce = 250

// writeUse writes the last activity of sessions that are locked.
func (c *conn) writeUse(ctx context.Context, used map[string]time.Time) error {
	var ids []any
	var times []time.Time
	for id, at := range used {
		if value, ok := c.adopted.ID.bind(id); ok {
			ids, times = append(ids, value), append(times, at)
		}
	}
	if len(slices.Compact(slices.Clone(times))) == 1 {
		_, err := c.exec(ctx, c.sql("use", sqlfile.Names{"at": ":at"}), params{"chosen": chosen(ids), "at": times[0]})
		return err
	}
	for from := 0; from < len(ids); from += usesAtOnce {
		part := ids[from:min(from+usesAtOnce, len(ids))]
		cases, p := "", params{"chosen": chosen(part)}
		for i, id := range part {
			cases += fmt.Sprintf(" WHEN %s = :id%d THEN :at%[2]d", c.names["id"], i)
			p[fmt.Sprint("id", i)], p[fmt.Sprint("at", i)] = id, times[from+i]
		}
		if _, err := c.exec(ctx, c.sql("use", sqlfile.Names{"at": "CASE" + cases + " END"}), p); err != nil {
			return err
		}
	}
	return nil
}
