package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
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

// insertNotices writes warnings of sessions that are unused since the given times.
func (c *conn) insertNotices(ctx context.Context, refs []sessioncleanup.SessionRef, since []string, now time.Time) error {
	rows := make([]map[string]string, len(refs))
	for i, ref := range refs {
		rows[i] = map[string]string{"id": ref.ID, "owner": ref.OwnerID, "name": shorten.Text(ref.Name, sessioncleanup.MaxEventText), "kept_since": since[i]}
	}
	list, err := json.Marshal(rows)
	if err == nil {
		_, err = c.exec(ctx, statements["insert_notices"], params{"notices": string(list), "now": formatTime(now)})
	}
	return err
}

// parseWarning reads what a session has of its notice.
func parseWarning(list string) (w sessioncleanup.Warning, err error) {
	if list == "" {
		return w, nil
	}
	var times [4]string // a null leaves an empty one
	if err := json.Unmarshal([]byte(list), &times); err != nil {
		return w, fmt.Errorf("read the warning: %w", err)
	}
	for i, at := range []*time.Time{&w.For, &w.QueuedAt, &w.DeliveredAt, &w.UndeliverableAt} {
		if *at, err = parseTime(times[i]); err != nil {
			return w, err
		}
	}
	return w, nil
}

// ClaimNotices returns the message to send next.
func (s *Store) ClaimNotices(ctx context.Context, claim sessioncleanup.NoticeClaim) (out sessioncleanup.NoticeMessage, err error) {
	if claim.Limit <= 0 || claim.NewMessage == "" {
		return out, invalid.Errorf("claim of a message %q with at most %d notices: want an id, and at least 1", claim.NewMessage, claim.Limit)
	}
	err = s.writingSessions(ctx, func(c *conn) error {
		if err := c.guard(ctx, claim.Lease); err != nil {
			return err
		}
		out = sessioncleanup.NoticeMessage{At: c.clock(), Cutoffs: c.cutoffsAt(claim.Thresholds)}
		for len(out.Notices) == 0 {
			more, err := c.claim(ctx, claim, &out)
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return sessioncleanup.NoticeMessage{}, err
	}
	return out, nil
}

// claim looks for a message, and removes those of its notices that no longer apply. It is false when there is none.
func (c *conn) claim(ctx context.Context, claim sessioncleanup.NoticeClaim, out *sessioncleanup.NoticeMessage) (bool, error) {
	p := params{"now": formatTime(out.At), "told": nil}
	if claim.Every > 0 {
		p["told"] = formatTime(out.At.Add(-claim.Every))
	}
	var deleted bool
	err := c.row(ctx, statements["next_notice"], p, &out.OwnerID, &out.ID, &deleted)
	if errors.Is(err, sql.ErrNoRows) {
		out.OwnerID, out.ID = "", ""
		return false, nil
	}
	if err != nil {
		return false, err
	}
	all, err := c.noticesBy(ctx, "notices_of_message", params{"owner": out.OwnerID, "message": out.ID, "deleted": deleted, "limit": claim.Limit})
	if err != nil {
		return false, err
	}
	if out.ID == "" {
		out.ID = claim.NewMessage
	}
	var ids []string
	for _, n := range all {
		session, err := c.sessionOf(ctx, n)
		if err != nil {
			return false, err
		}
		applies := out.Cutoffs.Covers(session, n.For)
		if deleted {
			applies = session.ID == ""
		}
		if !applies {
			if _, err := c.exec(ctx, statements["drop_notice"], params{"session": n.SessionID}); err != nil {
				return false, err
			}
			continue
		}
		if n.Message = out.ID; !deleted {
			n.Tags = session.Tags
		}
		out.Notices, ids = append(out.Notices, n), append(ids, n.SessionID)
	}
	list, err := json.Marshal(ids)
	if err == nil {
		_, err = c.exec(ctx, statements["put_in_message"], params{"message": out.ID, "sessions": string(list)})
	}
	return true, err
}

// sessionOf is the session of a notice; the zero Session when it is gone.
func (c *conn) sessionOf(ctx context.Context, n sessioncleanup.Notice) (sessioncleanup.Session, error) {
	id, ok := c.adopted.ID.bind(n.SessionID)
	if !ok {
		return sessioncleanup.Session{}, nil
	}
	session, err := c.one(ctx, id)
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		err = nil
	}
	return session, err
}

// SettleNotices notes what became of a message.
func (s *Store) SettleNotices(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
	return s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		if err := c.guard(ctx, o.Lease); err != nil {
			return err
		}
		all, err := c.noticesBy(ctx, "notices_to_settle", params{"message": o.Message})
		if err != nil {
			return err
		}
		now := c.clock().Truncate(time.Millisecond)
		var refs []sessioncleanup.SessionRef
		for _, n := range all {
			n = o.Apply(n, now)
			_, err := c.exec(ctx, statements["write_notice"], params{
				"session": n.SessionID, "delivered_at": formatTime(n.DeliveredAt), "failed_at": formatTime(n.UndeliverableAt), "next_at": formatTime(n.NextAt),
				"message": n.Message, "attempts": n.Attempts, "first_at": formatTime(n.FirstAt), "error": n.Error, "told_at": formatTime(n.ToldAt),
			})
			if err != nil {
				return err
			}
			refs = append(refs, n.Ref())
		}
		if action := o.Action(); action != "" && len(refs) > 0 {
			return c.addEventAt(ctx, now, action, o.Cause, refs)
		}
		return nil
	})
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
		now, longest, latest := c.clock(), slices.Max(r.Before), r.Thresholds.At(c.clock()).Latest()
		kept, delivered := latest.Delete, latest.Warned
		for _, of := range r.Thresholds.At(c.clock()).Rules {
			if of.Warned.After(delivered) {
				delivered = of.Warned
			}
		}
		all, err := c.noticesBy(ctx, "notices_to_remind", params{
			"stages": len(r.Before), "kept_before": formatTime(kept.Add(longest + 2*time.Millisecond)),
			"delivered_before": formatTime(delivered.Add(longest + 2*time.Millisecond)),
		})
		for _, n := range all {
			if len(r.Thresholds.Rules) > 0 {
				session, err := c.sessionOf(ctx, n)
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
	list, err := json.Marshal(idsOf(refs))
	if err == nil {
		_, err = c.exec(ctx, statements["note_tags"], params{"sessions": string(list)})
	}
	return err
}

// tellDeleted has the owners of sessions told that a run deleted them, if they were warned.
func (c *conn) tellDeleted(ctx context.Context, refs []sessioncleanup.SessionRef, now time.Time) error {
	list, err := json.Marshal(idsOf(refs))
	if err == nil {
		_, err = c.exec(ctx, statements["tell_deleted"], params{"sessions": string(list), "now": formatTime(now.Truncate(time.Millisecond))})
	}
	return err
}

// Notices returns the notices that the query selects.
func (s *Store) Notices(ctx context.Context, q sessioncleanup.NoticeQuery) (all []sessioncleanup.Notice, err error) {
	err = s.reading(ctx, func(c *conn) (err error) {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		words := "[]"
		if all := strings.Fields(q.Tags); len(all) > 0 {
			words = wordList(all)
		}
		all, err = c.noticesBy(ctx, "notices", params{
			"tags": words, "session": q.SessionID, "owner": q.OwnerID, "failed": q.Failed, "pending": q.Pending, "limit": q.Limit,
		})
		return err
	})
	return all, err
}

func (c *conn) noticesBy(ctx context.Context, statement string, p params) (all []sessioncleanup.Notice, err error) {
	err = c.query(ctx, statements[statement], p, func(rows *sql.Rows) error {
		var n sessioncleanup.Notice
		var since, queued, tags string
		var delivered, failed, next, first, deleted, told sql.NullString
		err := rows.Scan(&n.SessionID, &n.OwnerID, &n.Name, &since, &queued, &delivered, &failed, &next, &n.Message, &n.Attempts, &first, &n.Error,
			&n.Stage, &deleted, &told, &tags)
		if err != nil {
			return err
		}
		for _, t := range []struct {
			dest  *time.Time
			value string
		}{
			{&n.For, since}, {&n.QueuedAt, queued}, {&n.DeliveredAt, delivered.String}, {&n.UndeliverableAt, failed.String},
			{&n.NextAt, next.String}, {&n.FirstAt, first.String}, {&n.DeletedAt, deleted.String}, {&n.ToldAt, told.String},
		} {
			if *t.dest, err = parseTime(t.value); err != nil {
				return fmt.Errorf("notice of session %q: %w", n.SessionID, err)
			}
		}
		if deleted.Valid {
			n.Tags = tagList(tags)
		}
		all = append(all, n)
		return nil
	})
	return all, err
}

// ResendNotices makes notices that were given up due again.
func (s *Store) ResendNotices(ctx context.Context, sessionIDs []string) (int, error) {
	var resent int64
	err := s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		p := params{"now": formatTime(c.clock().Truncate(time.Millisecond)), "sessions": nil}
		if sessionIDs != nil {
			list, err := json.Marshal(sessionIDs)
			if err != nil {
				return err
			}
			p["sessions"] = string(list)
		}
		var err error
		resent, err = c.exec(ctx, statements["resend_notices"], p)
		return err
	})
	return int(resent), err
}

// OutboxSize counts what is in the outbox.
func (s *Store) OutboxSize(ctx context.Context) (size sessioncleanup.OutboxSize, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		var oldest string
		err := c.row(ctx, statements["outbox_size"], nil, &size.Pending, &size.Undeliverable, &oldest)
		if err == nil {
			size.OldestAt, err = parseTime(oldest)
		}
		return err
	})
	return size, err
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
