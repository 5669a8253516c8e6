package sqlite

import (
	"context"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const (
	backfillBatch = 1000 // sessions in one transaction of the backfill
	backfillShare = 0.5  // of the time that the backfill may hold the write lock while others write
)

// backfill sets the columns of sessions that were there before them: the last activity to the latest known time, and
// auto-cleanup to the policy's default where that column is the library's. It pauses for other writers between batches.
func (s *Store) backfill(ctx context.Context, set settings) error {
	l := newLayout(set.schema, set.adopted)
	l.reactivate = set.policy.ReactivateOnActivity.Or(false)
	var from any // the first session of the next batch
	err := s.reading(ctx, func(c *conn) error { return c.row(ctx, l.sql("first_session", nil), nil, &from) })
	for err == nil && !set.adopted.Filled {
		var h hold
		err = s.writing(ctx, func(c *conn) (err error) {
			if h, err = s.beginHold(ctx, c); err != nil {
				return err
			}
			err = c.unobserved(ctx, func(c *conn) error {
				from, err = l.fill(ctx, c, set, from)
				return err
			})
			if err != nil || from != nil {
				return err
			}
			set.adopted.Filled, set.adopted.MarkInactive = true, false
			return set.store(ctx, c)
		})
		if err == nil {
			_, pause := s.endHold(ctx, h, sessioncleanup.Batch{BusyShare: backfillShare})
			err = s.failed(wait.For(ctx, pause))
		}
	}
	return err
}

// fill does one batch of the backfill, from a session on, and returns its last session; nil when nothing was left.
func (l *layout) fill(ctx context.Context, c *conn, set settings, from any) (last any, err error) {
	p := params{
		"from": from, "limit": backfillBatch, "now": formatTime(clock()),
		"auto_cleanup":      set.policy.AutoCleanupDefault.Or(true),
		"fill_auto_cleanup": slices.Contains(set.adopted.AddedColumns, "auto_cleanup"),
		"mark_inactive":     set.adopted.MarkInactive,
	}
	lacking := sqlfile.Names{"lacks_values": l.sql("lacks_values", nil)}
	if err := c.row(ctx, l.sql("last_of_backfill", lacking), p, &last); err != nil || last == nil {
		return nil, err
	}
	p["last"] = last
	_, err = c.exec(ctx, l.sql("backfill", with(lacking, sqlfile.Names{
		"write_best_known": l.adopted.LastActivity.write(l.bestKnown()), "write_epoch": l.adopted.DeactivatedAt.write("'1970-01-01 00:00:00.000'"),
	})), p)
	return last, err
}

// bestKnown is the expression for the latest time at which a session was known to be in use.
func (l *layout) bestKnown() string {
	known := []string{l.names["updated_at_time"], l.names["created_at_time"]}
	for _, source := range l.schema.Sources {
		if source.At == "" {
			continue
		}
		table := sqlfile.Column(source.Table)
		known = append(known, l.sql("newest_activity", sqlfile.Names{
			"source": table, "source_session": sqlfile.Column(source.Session),
			"source_at_time": readTime(formText, table+"."+sqlfile.Column(source.At)),
		}))
	}
	times := ""
	for _, expression := range known {
		times += ", coalesce(" + expression + ", '')"
	}
	return filled("best_known", sqlfile.Names{"known_times": times})
}
