package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

var (
	_ sessioncleanup.Outbox      = (*Store)(nil)
	_ sessioncleanup.Reminder    = (*Store)(nil)
	_ sessioncleanup.OwnerFinder = (*Store)(nil)
)

// Warn does one batch of a run, in one call of a function of the database and one commit.
func (s *Store) Warn(ctx context.Context, b sessioncleanup.Batch) (out sessioncleanup.BatchResult, err error) {
	ready := s.ready
	if b.After == "" {
		ready = s.readyToRun
	}
	m, err := ready(ctx)
	if err != nil || m.matchesNothing(b.Filter) {
		return out, err
	}
	if b.Limit <= 0 {
		return out, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	err = s.transact(ctx, min(batchLimit, s.cfg.BatchTimeout), func(batch *pgx.Batch) {
		queueGuard(batch, m, b.Lease)
		batch.Queue(m.statement("warn"), b.Cutoffs.Now, moment(b.Cutoffs.Delete), moment(b.Cutoffs.Warn), moment(b.Cutoffs.Warned), b.After,
			orNull(b.Filter.ID), orNull(b.Filter.OwnerID), words(b.Filter), b.Cause.Actor, b.Cause.Reason, b.Cause.RunID, b.Limit, rulesOf(b.Cutoffs)).
			QueryRow(func(row pgx.Row) error {
				var held int64
				err := row.Scan(&out.IDs, &out.Next, &held)
				out.Held = max(time.Duration(held)*time.Microsecond, time.Microsecond)
				return err
			})
	})
	if err != nil {
		return sessioncleanup.BatchResult{}, s.failed("put warnings into the outbox", err)
	}
	if s.writers.busy() {
		out.Pause = b.PauseAfter(out.Held)
	}
	return out, nil
}

// ClaimNotices returns the message to send next.
func (s *Store) ClaimNotices(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
	if c.Limit <= 0 || c.NewMessage == "" {
		return sessioncleanup.NoticeMessage{}, invalid.Errorf("claim of a message %q with at most %d notices: want an id, and at least 1", c.NewMessage, c.Limit)
	}
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.NoticeMessage{}, err
	}
	for {
		out, dropped, err := s.claim(ctx, m, c)
		if err != nil {
			return sessioncleanup.NoticeMessage{}, s.failed("claim a message", err)
		}
		if len(out.Notices) > 0 || dropped == 0 {
			return out, nil
		}
	}
}

// claim looks for a message, and removes those of its notices that no longer apply.
func (s *Store) claim(ctx context.Context, m *mapping, c sessioncleanup.NoticeClaim) (out sessioncleanup.NoticeMessage, dropped int, err error) {
	var every *int64
	if c.Every > 0 {
		every = new(c.Every.Microseconds())
	}
	var ids, lost []string
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		queueGuard(batch, m, c.Lease)
		batch.Queue(statements["now"]).QueryRow(func(row pgx.Row) error { return row.Scan(&out.At, nil, nil) })
		args := slices.Concat(readArgs(sessioncleanup.Filter{}, c.Thresholds)[:3], []any{every, c.Limit})
		batch.Queue(m.statement("notice_claim", m.measuring(c.Thresholds)), args...).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				n, applies, err := scanNotice(rows)
				if err != nil {
					return err
				}
				if !applies {
					lost = append(lost, n.SessionID)
					continue
				}
				if n.Message == "" {
					n.Message = c.NewMessage
				}
				out.ID, out.OwnerID, out.Notices, ids = n.Message, n.OwnerID, append(out.Notices, n), append(ids, n.SessionID)
			}
			return rows.Err()
		})
	}, func(batch *pgx.Batch) error {
		batch.Queue(m.statement("notice_drop"), lost)
		batch.Queue(m.statement("notice_begin"), out.ID, ids)
		return nil
	})
	out.At = out.At.UTC()
	out.Cutoffs = m.cutoffs(c.Thresholds, out.At)
	return out, len(lost), err
}

func scanNotice(row pgx.Row) (n sessioncleanup.Notice, applies bool, err error) {
	var delivered, failed, next, first, deleted, told *time.Time
	err = row.Scan(&n.SessionID, &n.OwnerID, &n.Name, &n.For, &n.QueuedAt, &delivered, &failed, &next, &n.Message, &n.Attempts, &first, &n.Error,
		&n.Stage, &deleted, &told, &applies, &n.Tags)
	if len(n.Tags) == 0 {
		n.Tags = nil
	}
	n.DeletedAt, n.ToldAt = utc(deleted), utc(told)
	n.For, n.QueuedAt = n.For.UTC(), n.QueuedAt.UTC()
	n.DeliveredAt, n.UndeliverableAt, n.NextAt, n.FirstAt = utc(delivered), utc(failed), utc(next), utc(first)
	return n, applies, err
}

// SettleNotices notes what became of a message.
func (s *Store) SettleNotices(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
	m, err := s.ready(ctx)
	if err != nil {
		return err
	}
	return s.failed("settle a message", s.inTx(ctx, func(batch *pgx.Batch) {
		queueGuard(batch, m, o.Lease)
		batch.Queue(m.statement("notice_settle"), o.Message, string(o.Action()), o.Again.Microseconds(), o.Attempted, o.Error, o.Cause.Actor, o.Cause.Reason, o.Cause.RunID)
	}, nil))
}

// Remind makes delivered notices due whose stage has risen.
func (s *Store) Remind(ctx context.Context, r sessioncleanup.Reminding) (reminded int, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	var keep *int64
	if r.Thresholds.Delete > 0 {
		keep = new(r.Thresholds.Delete.Microseconds())
	}
	before := []int64{}
	for _, b := range r.Before {
		before = append(before, b.Microseconds())
	}
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		queueGuard(batch, m, r.Lease)
		batch.Queue(m.statement("notices_remind"), keep, r.Thresholds.Warn.Microseconds(), before, rulesOf(r.Thresholds.At(time.Now()))).
			Exec(func(tag pgconn.CommandTag) error {
				reminded = int(tag.RowsAffected())
				return nil
			})
	}, nil)
	if err != nil {
		return 0, s.failed("remind owners", err)
	}
	return reminded, nil
}

// Notices returns the notices that the query selects.
func (s *Store) Notices(ctx context.Context, q sessioncleanup.NoticeQuery) ([]sessioncleanup.Notice, error) {
	return collect(ctx, s, "notices", func(row pgx.CollectableRow) (sessioncleanup.Notice, error) {
		n, _, err := scanNotice(row)
		return n, err
	}, orNull(q.SessionID), orNull(q.OwnerID), q.Failed, q.Pending, q.Limit, strings.Fields(q.Tags))
}

// ResendNotices makes notices that were given up due again.
func (s *Store) ResendNotices(ctx context.Context, sessionIDs []string) (int, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	tag, err := s.pool.Exec(ctx, m.statement("notices_resend"), sessionIDs)
	return int(tag.RowsAffected()), s.failed("send warnings again", err)
}

// OutboxSize counts what is in the outbox.
func (s *Store) OutboxSize(ctx context.Context) (size sessioncleanup.OutboxSize, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return size, err
	}
	var oldest *time.Time
	err = s.pool.QueryRow(ctx, m.statement("outbox_size")).Scan(&size.Pending, &size.Undeliverable, &oldest)
	size.OldestAt = utc(oldest)
	return size, s.failed("measure the outbox", err)
}

// FindOwner returns how an owner is reached.
func (s *Store) FindOwner(ctx context.Context, id string) (o sessioncleanup.Owner, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return o, err
	}
	of := m.schema.Owners
	if of == nil || of.Mail == "" || !m.reads(*m.owners) {
		return o, errors.ErrUnsupported
	}
	names := sqlfile.Names{"owners": m.owners.sql(), "is_owner": m.ownerIs(m.owners.columns[of.ID])}
	for name, column := range map[string]string{"owner_mail": of.Mail, "owner_language": of.Language, "owner_zone": of.Zone} {
		names[name] = "NULL"
		if column != "" {
			names[name] = firstOf("o." + sqlfile.Column(column) + "::text")
		}
	}
	err = s.pool.QueryRow(ctx, m.statement("find_owner", names), id).Scan(&o.Mail, &o.Language, &o.Zone)
	if failure, ok := errors.AsType[*pgconn.PgError](err); errors.Is(err, pgx.ErrNoRows) || ok && strings.HasPrefix(failure.Code, "22") { // no ID of that type
		return o, sessioncleanup.ErrNotFound
	}
	return o, s.failed("find an owner", err)
}

// ownerIs is the condition for the row of the owner that $1 is.
func (m *mapping) ownerIs(id column) string {
	operator := " OPERATOR(pg_catalog.=) "
	if id.base == "citext" { // its operators are where its extension is
		operator = " = "
	}
	return "o." + sqlfile.Column(id.name) + operator + "$1::text::" + id.typ
}
