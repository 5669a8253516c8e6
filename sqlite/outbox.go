package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

var (
	_ sessioncleanup.Outbox      = (*Store)(nil)
	_ sessioncleanup.Reminder    = (*Store)(nil)
	_ sessioncleanup.OwnerFinder = (*Store)(nil)
)

// Warn does one batch of a run, as Sweep does.
func (s *Store) Warn(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	b.Action = sessioncleanup.ActionNoticed
	return s.Sweep(ctx, b)
}

// Remind makes delivered notices due whose stage has risen.
func (s *Store) Remind(ctx context.Context, r sessioncleanup.Reminding) (reminded int, err error) {
	err = s.writingSessions(ctx, func(c *conn) error {
		if err := c.guard(ctx, r.Lease); err != nil {
			return err
		}
		if len(r.Before) == 0 {
			return nil
		}
		own := ownConn{c}
		now, longest, latest := c.clock(), slices.Max(r.Before), r.Thresholds.At(c.clock()).Latest()
		kept, delivered := latest.Delete, latest.Warned
		for _, of := range r.Thresholds.At(c.clock()).Rules {
			if of.Warned.After(delivered) {
				delivered = of.Warned
			}
		}
		all, err := sqlstore.Notices(ctx, own, statements["notices_to_remind"], sqlstore.Params{
			"stages": len(r.Before), "kept_before": kept.Add(longest + 2*time.Millisecond), "delivered_before": delivered.Add(longest + 2*time.Millisecond),
		})
		for _, n := range all {
			if len(r.Thresholds.Rules) > 0 {
				session, err := own.Session(ctx, n.SessionID)
				if err != nil {
					return err
				}
				n.Tags = session.Tags
			}
			if stage := r.StageOf(n, now); stage > n.Stage {
				n.Stage, reminded = stage, reminded+1
				n = n.Next(now)
				if _, err := c.exec(ctx, statements["remind"], params{"session": n.SessionID, "stage": n.Stage, "now": formatTime(n.NextAt)}); err != nil {
					return err
				}
			}
		}
		return err
	})
	return reminded, err
}

// keepNoticeTags keeps the tags of sessions that are about to be deleted, for what their owners are told.
func (c *conn) keepNoticeTags(ctx context.Context, refs []sessioncleanup.SessionRef) error {
	_, err := c.exec(ctx, statements["note_tags"], params{"sessions": sqlstore.JSON(sqlstore.IDs(refs))})
	return err
}

// tellDeleted has the owners of sessions told that a run deleted them, if they were warned.
func (c *conn) tellDeleted(ctx context.Context, refs []sessioncleanup.SessionRef, now time.Time) error {
	p := params{"sessions": sqlstore.JSON(sqlstore.IDs(refs)), "now": formatTime(now.Truncate(time.Millisecond))}
	_, err := c.exec(ctx, statements["tell_deleted"], p)
	return err
}

// Notices returns the notices that the query selects.
func (s *Store) Notices(ctx context.Context, q sessioncleanup.NoticeQuery) (all []sessioncleanup.Notice, err error) {
	err = s.readingOwn(ctx, func(c *conn) (err error) {
		all, err = sqlstore.Notices(ctx, ownConn{c}, statements["notices"], sqlstore.Params{
			"tags": sqlstore.List(strings.Fields(q.Tags)), "session": q.SessionID, "owner": q.OwnerID, "failed": q.Failed, "pending": q.Pending, "limit": q.Limit,
		})
		return err
	})
	return all, err
}

// FindOwner returns how an owner is reached.
func (s *Store) FindOwner(ctx context.Context, id string) (o sessioncleanup.Owner, err error) {
	err = s.readingSessions(ctx, func(c *conn) error {
		of := c.schema.Owners
		if of == nil || of.Mail == "" {
			return errors.ErrUnsupported
		}
		names := sqlfile.Names{"owners": sqlfile.Column(of.Table), "owners_id": sqlfile.Column(of.ID)}
		for name, column := range map[string]string{"owners_mail": of.Mail, "owners_language": of.Language, "owners_zone": of.Zone} {
			names[name] = "''"
			if column != "" {
				names[name] = readName(sqlfile.Column(of.Table) + "." + sqlfile.Column(column))
			}
		}
		value, ok := c.adopted.Owner.bind(id)
		if !ok {
			return sessioncleanup.ErrNotFound
		}
		err := c.row(ctx, filled("find_owner", names), params{"owner": value}, &o.Mail, &o.Language, &o.Zone)
		if errors.Is(err, sql.ErrNoRows) {
			return sessioncleanup.ErrNotFound
		}
		return err
	})
	return o, err
}
