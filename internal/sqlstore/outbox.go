package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
)

// InsertNotices writes warnings of sessions that are unused since the given times, as the columns have these.
func InsertNotices(ctx context.Context, c Conn, refs []sessioncleanup.SessionRef, since []any, now time.Time) error {
	rows := make([]map[string]any, len(refs))
	for i, ref := range refs {
		rows[i] = map[string]any{"id": ref.ID, "owner": ref.OwnerID, "name": shorten.Text(ref.Name, sessioncleanup.MaxEventText), "since": since[i]}
	}
	_, err := c.Exec(ctx, c.SQL("insert_notices", nil), Params{"notices": JSON(rows), "now": now})
	return err
}

// ParseWarning reads what a session has of its notice: a list of times as JSON.
func ParseWarning(list string) (w sessioncleanup.Warning, err error) {
	if list == "" {
		return w, nil
	}
	var times [4]string // a null leaves an empty one
	if err := json.Unmarshal([]byte(list), &times); err != nil {
		return w, fmt.Errorf("read the warning: %w", err)
	}
	for i, at := range []*time.Time{&w.For, &w.QueuedAt, &w.DeliveredAt, &w.UndeliverableAt} {
		if *at, err = ParseTime(times[i]); err != nil {
			return w, fmt.Errorf("read the warning: %w", err)
		}
	}
	return w, nil
}

// ClaimNotices returns the message to send next. The lease keeps others from claiming meanwhile.
func (s Store) ClaimNotices(ctx context.Context, claim sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
	if claim.Limit <= 0 || claim.NewMessage == "" {
		return sessioncleanup.NoticeMessage{}, invalid.Errorf("claim of a message %q with at most %d notices: want an id, and at least 1", claim.NewMessage, claim.Limit)
	}
	return Answer(ctx, s.b.WritingSessions, func(c Conn) (out sessioncleanup.NoticeMessage, err error) {
		if err := c.Guard(ctx, claim.Lease); err != nil {
			return out, err
		}
		now, err := c.Now(ctx)
		if err != nil {
			return out, err
		}
		out = sessioncleanup.NoticeMessage{At: now, Cutoffs: c.Cutoffs(claim.Thresholds, now)}
		for len(out.Notices) == 0 {
			more, err := claimNext(ctx, c, claim, &out)
			if err != nil || !more {
				return out, err
			}
		}
		return out, nil
	})
}

// claimNext looks for a message, and removes those of its notices that no longer apply. It is false when there is none.
func claimNext(ctx context.Context, c Conn, claim sessioncleanup.NoticeClaim, out *sessioncleanup.NoticeMessage) (bool, error) {
	p := Params{"now": out.At, "told": nil}
	if claim.Every > 0 {
		p["told"] = out.At.Add(-claim.Every)
	}
	var deleted bool // it tells that sessions were deleted
	err := row(ctx, c, c.SQL("next_notice", nil), p, &out.OwnerID, &out.ID, &deleted)
	if errors.Is(err, sql.ErrNoRows) {
		out.OwnerID, out.ID = "", ""
		return false, nil
	}
	if err != nil {
		return false, err
	}
	all, err := Notices(ctx, c, c.SQL("notices_of_message", nil), Params{
		"owner": ID(out.OwnerID), "message": ID(out.ID), "deleted": deleted, "limit": claim.Limit,
	})
	if err != nil {
		return false, err
	}
	if out.ID == "" {
		out.ID = claim.NewMessage
	}
	var ids []string
	for _, n := range all {
		session, err := c.Session(ctx, n.SessionID)
		if err != nil {
			return false, err
		}
		applies := out.Cutoffs.Covers(session, n.For)
		if deleted {
			applies = session.ID == ""
		}
		if !applies {
			if _, err := c.Exec(ctx, c.SQL("drop_notice", nil), Params{"session": ID(n.SessionID)}); err != nil {
				return false, err
			}
			continue
		}
		if n.Message = out.ID; !deleted {
			n.Tags = session.Tags
		}
		out.Notices, ids = append(out.Notices, n), append(ids, n.SessionID)
	}
	_, err = c.Exec(ctx, c.SQL("put_in_message", nil), Params{"message": ID(out.ID), "sessions": idList(ids)})
	return true, err
}

// SettleNotices notes what became of a message.
func (s Store) SettleNotices(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
	return s.b.Writing(ctx, func(c Conn) error {
		if err := c.Guard(ctx, o.Lease); err != nil {
			return err
		}
		all, err := Notices(ctx, c, c.SQL("notices_to_settle", nil), Params{"message": ID(o.Message)})
		if err != nil {
			return err
		}
		now, err := c.Now(ctx)
		if err != nil {
			return err
		}
		now = now.Truncate(time.Millisecond)
		var refs []sessioncleanup.SessionRef
		for _, n := range all {
			n = o.Apply(n, now)
			_, err := c.Exec(ctx, c.SQL("write_notice", nil), Params{
				"session": ID(n.SessionID), "delivered_at": n.DeliveredAt, "failed_at": n.UndeliverableAt, "next_at": n.NextAt, "message": ID(n.Message),
				"attempts": n.Attempts, "first_at": n.FirstAt, "error": n.Error, "told_at": n.ToldAt,
			})
			if err != nil {
				return err
			}
			refs = append(refs, n.Ref())
		}
		action := o.Action()
		if action == "" || len(refs) == 0 {
			return nil
		}
		return c.InsertEvent(ctx, EventOf(now, action, o.Cause, refs))
	})
}

// Notices reads the notices that a statement selects.
func Notices(ctx context.Context, c Conn, statement string, p Params) (all []sessioncleanup.Notice, err error) {
	err = c.Query(ctx, statement, p, func(rows *sql.Rows) error {
		var n sessioncleanup.Notice
		var tags string
		err := rows.Scan(&n.SessionID, &n.OwnerID, &n.Name, Time(&n.For), Time(&n.QueuedAt), Time(&n.DeliveredAt), Time(&n.UndeliverableAt), Time(&n.NextAt),
			&n.Message, &n.Attempts, Time(&n.FirstAt), &n.Error, &n.Stage, Time(&n.DeletedAt), Time(&n.ToldAt), &tags)
		if err != nil {
			return fmt.Errorf("notice of session %q: %w", n.SessionID, err)
		}
		if tags != "" && !n.DeletedAt.IsZero() {
			n.Tags = strings.Fields(tags)
		}
		all = append(all, n)
		return nil
	})
	return all, err
}

// ResendNotices makes notices that were given up due again.
func (s Store) ResendNotices(ctx context.Context, sessionIDs []string) (int, error) {
	return Answer(ctx, s.b.Writing, func(c Conn) (int, error) {
		now, err := c.Now(ctx)
		if err != nil {
			return 0, err
		}
		n, err := c.Exec(ctx, c.SQL("resend_notices", nil), Params{
			"now": now.Truncate(time.Millisecond), "all": sessionIDs == nil, "sessions": idList(sessionIDs),
		})
		return int(n), err
	})
}

// OutboxSize counts what is in the outbox.
func (s Store) OutboxSize(ctx context.Context) (sessioncleanup.OutboxSize, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) (size sessioncleanup.OutboxSize, err error) {
		err = row(ctx, c, c.SQL("outbox_size", nil), nil, &size.Pending, &size.Undeliverable, Time(&size.OldestAt))
		return size, err
	})
}
