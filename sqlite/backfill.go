package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const (
	backfillBatch = 1000 // sessions in one transaction of the backfill
	backfillShare = 0.5  // of the time that the backfill may hold the write lock while others write
)

// backfill sets the columns of sessions that were there before them: the last activity to the latest known time, and
// auto-cleanup to the policy's default where that column is the library's. Later it fills in what no trigger noticed: see
// catchup.go. It pauses for other writers between batches.
func (s *Store) backfill(ctx context.Context) error {
	var from any // the first session of the next batch
	for began, done := false, false; !done; {
		var h hold
		err := s.writing(ctx, func(c *conn) (err error) {
			if h, err = s.beginHold(ctx, c); err != nil {
				return err
			}
			set, err := readSettings(ctx, c)
			if done = set.adopted.Filled && !set.adopted.CatchUp; err != nil || done {
				return err
			}
			l := newLayout(set.schema, set.adopted, false)
			if !began {
				err = c.row(ctx, l.sql("first_session", nil), nil, &from)
				began = true
			}
			if err == nil && from != nil {
				from, err = l.fill(ctx, c, set, from)
			}
			if done = from == nil; err != nil || !done {
				return err
			}
			set.adopted.Filled, set.adopted.MarkInactive, set.adopted.CatchUp, set.adopted.Gaps, set.adopted.LostActivity = true, false, false, nil, false
			return set.store(ctx, c)
		})
		if err != nil {
			return err
		}
		_, pause := s.endHold(ctx, h, sessioncleanup.Batch{BusyShare: backfillShare})
		if err := s.failed(wait.For(ctx, pause)); err != nil {
			return err
		}
	}
	return nil
}

// withoutTriggers calls do while a table has no triggers of the application's or of another installation's, so that
// nothing but the library's columns changes. Nobody else sees that: they are there again, word for word and in their
// order, before the transaction ends.
func (c *conn) withoutTriggers(ctx context.Context, table string, do func() error) error {
	db := newNaming("").conn(c.bare(), c.clock) // their names and texts are not this installation's
	var drops, creates []string
	err := db.query(ctx, statements["list_triggers"], params{"table": table}, func(rows *sql.Rows) error {
		o := object{kind: "trigger"}
		if err := rows.Scan(&o.name, &o.sql); err != nil {
			return err
		}
		if name, own := adopt.Installation(o.name); own && name == c.naming.name {
			return nil
		}
		drops, creates = append(drops, drop(o)), append(creates, o.sql)
		return nil
	})
	if err == nil {
		err = db.execAll(ctx, drops)
	}
	if err == nil {
		err = do()
	}
	if err == nil {
		err = db.execAll(ctx, creates)
	}
	return err
}

// fill does one batch of the backfill, from a session on, and returns the first one of the next batch; nil when there is none.
func (l *layout) fill(ctx context.Context, c *conn, set settings, from any) (next any, err error) {
	p := params{
		"from": from, "limit": backfillBatch, "now": formatTime(c.clock()), "patience": "+1 hour",
		"auto_cleanup":      set.policy.AutoCleanupDefault.Or(true),
		"fill_auto_cleanup": !set.adopted.Filled && slices.Contains(set.adopted.AddedColumns, "auto_cleanup"),
		"mark_inactive":     set.adopted.MarkInactive,
		"catch_up":          set.adopted.CatchUp,
	}
	if set.adopted.CatchUp { // what runs allow for anyway
		p["patience"] = fmt.Sprintf("+%.3f seconds", set.policy.TouchInterval.Seconds())
	}
	var last any
	if err := c.row(ctx, l.sql("last_of_sessions", nil), p, &last, &next); err != nil || last == nil {
		return nil, err
	}
	p["last"] = last
	best, newest, outdone := l.known()
	lacking := sqlfile.Names{"outdone": outdone, "lags": l.sql("lags", sqlfile.Names{"newest_known": newest}), "revived": l.sql("revived_unnoticed", nil), "appeared": l.sql("appeared", nil)}
	lacking["lacks_values"] = l.sql("lacks_values", lacking)
	var lack bool
	if err := c.row(ctx, l.sql("backfill_needed", lacking), p, &lack); err != nil || !lack {
		return next, err
	}
	return next, c.unobserved(ctx, func(c *conn) error {
		return c.withoutTriggers(ctx, l.schema.Table, func() error {
			_, err := c.exec(ctx, l.sql("backfill", with(lacking, sqlfile.Names{
				"write_best_known": l.adopted.LastActivity.write(best), "write_newest_known": l.adopted.LastActivity.write(newest),
				"write_epoch": l.adopted.DeactivatedAt.write("'1970-01-01 00:00:00.000'"), "write_now": l.adopted.DeactivatedAt.write(":now"),
				"write_used_now": l.adopted.LastActivity.write(":now"),
			})), p)
			return err
		})
	})
}

// atTheLatest is the end of the day where a column has a date only: a session may have been used until then.
func atTheLatest(column, time string) string {
	return filled("at_the_latest", sqlfile.Names{"value": column, "time": time})
}

// known are expressions for the latest time at which a session was in use: as far as anything shows, now where nothing
// does; by its activity alone, NULL where there is none; and the condition that it is known although the session's last
// activity and creation do not say it. A time that cannot be read may be now, where no last activity says otherwise.
func (l *layout) known() (best, newest, outdone string) {
	var activity, all []string
	if l.observes() {
		activity = append(activity, atTheLatest(l.names["updated_at"], l.names["updated_at_time"]))
	}
	for _, source := range l.schema.Sources {
		table := sqlfile.Column(source.Table)
		newest := func(time string) string {
			return l.sql("newest_activity", sqlfile.Names{"source": table, "source_session": sqlfile.Column(source.Session), "source_at_time": time})
		}
		at := "NULL"
		if source.At != "" {
			at = table + "." + sqlfile.Column(source.At)
		}
		read := atTheLatest(at, readTime(formText, at))
		switch {
		case slices.Contains(l.adopted.Gaps, source): // a row without a time that can be read may be of now
			unnoticed := newest(filled("time_or_now", sqlfile.Names{"time": read}))
			activity, all = append(activity, unnoticed), append(all, unnoticed)
		case source.At == "":
		case l.adopted.Filled:
			all = append(all, newest(atTheLatest(at, timeOrUnreadable(at))))
		default:
			activity, all = append(activity, newest(read)), append(all, newest(atTheLatest(at, timeOrUnreadable(at))))
		}
	}
	times := func(name string, expressions ...string) string {
		known := ""
		for _, expression := range expressions {
			known += ", coalesce(" + expression + ", '')"
		}
		return l.sql(name, sqlfile.Names{"known_times": known})
	}
	if l.schema.UpdatedAt != "" {
		all = append(all, atTheLatest(l.names["updated_at"], timeOrUnreadable(l.names["updated_at"])))
	}
	all = append(all, atTheLatest(l.names["created_at"], l.names["created_at_time"]))
	newest, outdone = times("newest_known", activity...), times("outdone", all...)
	if l.adopted.LostActivity {
		all = append(all, ":now")
	}
	return times("best_known", all...), newest, outdone
}
