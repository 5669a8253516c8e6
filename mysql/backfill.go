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

const (
	backfillFirst   = 200
	backfillMost    = 2000
	backfillLeast   = 20
	backfillHeld    = 50 * time.Millisecond // for which a batch may lock its rows
	backfillRetries = 20
	// adoptionPatience is how much older than its activity the last activity may be that the application itself kept.
	adoptionPatience = time.Hour
)

// backfill fills in the columns of the lifecycle of sessions that were there before, some at a time: as many as take a moment. Later
// it fills in what no trigger noticed: see catchup.go.
func (s *Store) backfill(ctx context.Context, catalog *catalog, set settings) error {
	l := newLayout(set)
	all, activity := l.knownTimes(catalog)
	names := sqlfile.Names{
		"known_times": all, "activity_times": activity, "auto_cleanup_default": autoCleanupDefault(set.policy), "mark_inactive": truth(set.adopted.MarkInactive), "behind": "TRUE",
		"revived": "FALSE", "appeared": "TRUE",
	}
	names["newest_known"] = l.sql("newest_known", names)
	patience := adoptionPatience
	if set.adopted.CatchUp {
		patience = set.policy.TouchInterval
	}
	names["patience"] = fmt.Sprintf("%.6f", patience.Seconds())
	names["lags"] = l.sql("lags", names)
	if set.adopted.CatchUp {
		s.log.InfoContext(ctx, sqlstore.CatchingUp)
		names["revived"] = l.sql("revived_unnoticed", names)
		if set.adopted.Filled {
			names["appeared"] = l.sql("appeared_unnoticed", nil)
		}
	}
	names["unswitched"] = l.sql("unswitched", names)
	size := backfillFirst
	for p := (params{}); ; {
		p["limit"] = size
		if more, err := s.nextPart(ctx, l, names, p); err != nil || !more {
			return err
		}
		started := time.Now()
		err := s.writingAgain(ctx, func(c *conn) error {
			return c.silently(ctx, catalog, func() error {
				_, err := c.exec(ctx, l.sql("backfill", names), p)
				return err
			})
		})
		if err != nil {
			return err
		}
		switch held := time.Since(started); {
		case held < backfillHeld/2:
			size = min(size*2, backfillMost)
		case held > backfillHeld:
			size = max(size/2, backfillLeast)
		}
	}
}

// knownTimes are the times at which a session was in use, as far as anything shows, and of these the times of its activity that is
// filled in where the last activity is older.
func (l *layout) knownTimes(catalog *catalog) (all, activity string) {
	add := func(list *string, time string) { *list += filled("known_time", sqlfile.Names{"time": time}) }
	updated := catalog.atTheLatest(l.schema.Table, l.schema.UpdatedAt, l.names["updated_at"])
	add(&all, catalog.atTheLatest(l.schema.Table, l.schema.CreatedAt, l.names["created_at"]))
	add(&all, updated)
	if l.adopted.LostActivity {
		add(&all, "UTC_TIMESTAMP(6)")
	}
	if len(l.schema.Sources) == 0 {
		add(&activity, updated)
	}
	for _, source := range l.schema.Sources {
		gap, at := slices.Contains(l.adopted.Gaps, source), "NULL"
		if source.At != "" {
			at = catalog.atTheLatest(source.Table, source.At, filled("source_at", sqlfile.Names{"source_at": sqlfile.Column(source.At)}))
		}
		if gap { // a row without a time may be of now
			at = filled("time_or_now", sqlfile.Names{"time": at})
		}
		newest := filled("newest_activity", with(l.names, sqlfile.Names{
			"source": sqlfile.Column(source.Table), "source_at": at, "source_session": sqlfile.Column(source.Session),
		}))
		if gap || source.At != "" {
			add(&all, newest)
		}
		if gap || source.At != "" && !l.adopted.Filled {
			add(&activity, newest)
		}
	}
	return all, activity
}

// atTheLatest is the end of the day where a column has a date only: a session may have been used until then.
func (c *catalog) atTheLatest(table, column, time string) string {
	if t := c.tables[table]; t != nil && t.column(column) != nil && t.column(column).base == "date" {
		return time + " + INTERVAL 1 DAY"
	}
	return time
}

// nextPart has the parameters and names be about the next sessions in the order of their ids, at most limit of them: those after from,
// where that is given, up to last. It is false when there are none.
func (s *Store) nextPart(ctx context.Context, l *layout, names sqlfile.Names, p params) (more bool, err error) {
	if last, given := p["last"]; given {
		p["from"], names["behind"] = last, l.sql("behind_last", nil)
	}
	var value any
	err = s.reading(ctx, func(c *conn) error { return c.row(ctx, l.sql("last_of_backfill", names), p, &value) })
	p["last"] = l.adopted.ID.scanned(value)
	return value != nil, err
}

// writingAgain is writing, and tries again while others have rows locked.
func (s *Store) writingAgain(ctx context.Context, do func(c *conn) error) error {
	for try := 1; ; try++ {
		err := s.writing(ctx, do)
		if err == nil || !errors.Is(err, sessioncleanup.ErrUnavailable) || try == backfillRetries {
			return err
		}
	}
}
