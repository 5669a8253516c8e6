package mysql

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
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

var _ sessioncleanup.Outbox = (*Store)(nil)

// Warn does one batch of a run, as Sweep does.
func (s *Store) Warn(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	b.Action = sessioncleanup.ActionNoticed
	return s.Sweep(ctx, b)
}

// timeForm is how the server writes times, and reads them, in JSON.
const timeForm = "2006-01-02 15:04:05.000000"

// insertNotices writes warnings of sessions that are unused since the given times.
func (c *conn) insertNotices(ctx context.Context, refs []sessioncleanup.SessionRef, since []time.Time, now time.Time) error {
	rows := make([]map[string]string, len(refs))
	for i, ref := range refs {
		rows[i] = map[string]string{
			"id": ref.ID, "owner": ref.OwnerID, "name": shorten.Text(ref.Name, sessioncleanup.MaxEventText), "since": since[i].UTC().Format(timeForm),
		}
	}
	list, err := json.Marshal(rows)
	if err == nil {
		_, err = c.exec(ctx, statements["insert_notices"], params{"notices": string(list), "now": now})
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
		if times[i] == "" {
			continue
		}
		if *at, err = time.Parse(timeForm, times[i]); err != nil {
			return w, fmt.Errorf("read the warning: %w", err)
		}
	}
	return w, nil
}

// ClaimNotices returns the message to send next. The lease, which it writes, keeps others from claiming meanwhile.
func (s *Store) ClaimNotices(ctx context.Context, claim sessioncleanup.NoticeClaim) (out sessioncleanup.NoticeMessage, err error) {
	if claim.Limit <= 0 || claim.NewMessage == "" {
		return out, invalid.Errorf("claim of a message %q with at most %d notices: want an id, and at least 1", claim.NewMessage, claim.Limit)
	}
	err = s.writingSessions(ctx, func(c *conn) error {
		if err := c.guard(ctx, claim.Lease); err != nil {
			return err
		}
		out = sessioncleanup.NoticeMessage{}
		if err := c.row(ctx, statements["clock"], nil, &out.At); err != nil {
			return err
		}
		out.Cutoffs = c.cutoffsAt(claim.Thresholds, out.At)
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
	p := params{"now": out.At, "told": nil}
	if claim.Every > 0 {
		p["told"] = out.At.Add(-claim.Every)
	}
	err := c.row(ctx, statements["next_notice"], p, &out.OwnerID, &out.ID)
	if errors.Is(err, sql.ErrNoRows) {
		out.OwnerID, out.ID = "", ""
		return false, nil
	}
	if err != nil {
		return false, err
	}
	all, err := c.noticesBy(ctx, "notices_of_message", params{"owner": []byte(out.OwnerID), "message": []byte(out.ID), "limit": claim.Limit})
	if err != nil {
		return false, err
	}
	if out.ID == "" {
		out.ID = claim.NewMessage
	}
	var ids []any
	for _, n := range all {
		session, err := c.sessionOf(ctx, n)
		if err != nil {
			return false, err
		}
		if !out.Cutoffs.Covers(session, n.For) {
			if _, err := c.exec(ctx, statements["drop_notice"], params{"session": []byte(n.SessionID)}); err != nil {
				return false, err
			}
			continue
		}
		n.Message, n.Tags = out.ID, session.Tags
		out.Notices, ids = append(out.Notices, n), append(ids, []byte(n.SessionID))
	}
	_, err = c.exec(ctx, statements["put_in_message"], params{"message": []byte(out.ID), "sessions": ids})
	return true, err
}

// sessionOf is the session of a notice; the zero Session when it is gone.
func (c *conn) sessionOf(ctx context.Context, n sessioncleanup.Notice) (sessioncleanup.Session, error) {
	r, err := c.one(ctx, n.SessionID)
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		return sessioncleanup.Session{}, nil
	}
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	return r.seen(c.layout), nil
}

// SettleNotices notes what became of a message.
func (s *Store) SettleNotices(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
	return s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		if err := c.guard(ctx, o.Lease); err != nil {
			return err
		}
		all, err := c.noticesBy(ctx, "notices_to_settle", params{"message": []byte(o.Message)})
		if err != nil {
			return err
		}
		var now time.Time
		if err := c.row(ctx, statements["clock"], nil, &now); err != nil {
			return err
		}
		now = now.Truncate(time.Millisecond)
		var refs []sessioncleanup.SessionRef
		for _, n := range all {
			n = o.Apply(n, now)
			_, err := c.exec(ctx, statements["write_notice"], params{
				"session": []byte(n.SessionID), "delivered_at": nullTime(n.DeliveredAt), "failed_at": nullTime(n.UndeliverableAt), "next_at": nullTime(n.NextAt),
				"message": []byte(n.Message), "attempts": n.Attempts, "first_at": nullTime(n.FirstAt), "error": n.Error,
			})
			if err != nil {
				return err
			}
			refs = append(refs, n.Ref())
		}
		if action := o.Action(); action != "" && len(refs) > 0 {
			return c.addEvent(ctx, sessioncleanup.Event{
				At: now, Action: action, Sessions: refs, Actor: o.Cause.Actor, Reason: o.Cause.Reason, RunID: o.Cause.RunID,
			})
		}
		return nil
	})
}

// Notices returns the notices that the query selects.
func (s *Store) Notices(ctx context.Context, q sessioncleanup.NoticeQuery) (all []sessioncleanup.Notice, err error) {
	err = s.readingSessions(ctx, func(c *conn) (err error) {
		p := params{"session": []byte(q.SessionID), "owner": []byte(q.OwnerID), "failed": q.Failed, "pending": q.Pending, "limit": q.Limit}
		var tagged strings.Builder
		for i, word := range strings.Fields(q.Tags) {
			name, not := "tags_"+parameterName(1+i), ""
			if strings.HasPrefix(word, "-") {
				not = "NOT "
			}
			p[name] = tagsOf(word)
			tagged.WriteString(" " + c.sql("if_tagged", sqlfile.Names{"not": not, "tags": ":" + name}))
		}
		all, err = c.noticesBy(ctx, "notices", p, tagged.String())
		return err
	})
	return all, err
}

func (c *conn) noticesBy(ctx context.Context, statement string, p params, tagged ...string) (all []sessioncleanup.Notice, err error) {
	text := filled(statement, sqlfile.Names{"notice_columns": statements["notice_columns"], "if_tagged": strings.Join(tagged, "")})
	err = c.query(ctx, text, p, func(rows *sql.Rows) error {
		var n sessioncleanup.Notice
		var delivered, failed, next, first sql.NullTime
		err := rows.Scan(&n.SessionID, &n.OwnerID, &n.Name, &n.For, &n.QueuedAt, &delivered, &failed, &next, &n.Message, &n.Attempts, &first, &n.Error)
		n.DeliveredAt, n.UndeliverableAt, n.NextAt, n.FirstAt = delivered.Time, failed.Time, next.Time, first.Time
		all = append(all, n)
		return err
	})
	return all, err
}

// ResendNotices makes notices that were given up due again.
func (s *Store) ResendNotices(ctx context.Context, sessionIDs []string) (int, error) {
	var resent int64
	err := s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		var now time.Time
		err := c.row(ctx, statements["clock"], nil, &now)
		if err != nil {
			return err
		}
		ids := make([]any, len(sessionIDs))
		for i, id := range sessionIDs {
			ids[i] = []byte(id)
		}
		resent, err = c.exec(ctx, statements["resend_notices"], params{"now": now.Truncate(time.Millisecond), "all": sessionIDs == nil, "sessions": ids})
		return err
	})
	return int(resent), err
}

// OutboxSize counts what is in the outbox.
func (s *Store) OutboxSize(ctx context.Context) (size sessioncleanup.OutboxSize, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		var oldest sql.NullTime
		err := c.row(ctx, statements["outbox_size"], nil, &size.Pending, &size.Undeliverable, &oldest)
		size.OldestAt = oldest.Time
		return err
	})
	return size, err
}
