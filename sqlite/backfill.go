package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// backfillBatch is the number of sessions in one transaction of the backfill.
const backfillBatch = 1000

// backfill gives the sessions that were there before the columns their values: the last activity from the best known
// time, and the policy's default for auto-cleanup where that column is the library's.
func (s *Store) backfill(ctx context.Context, set settings) error {
	after := set.adopted.ID.least()
	for !set.adopted.Filled {
		if err := s.pace.wait(ctx, s.checkpoint); err != nil {
			return s.failed(err)
		}
		var started time.Time
		err := s.writing(ctx, func(w *work) error {
			started = time.Now()
			var err error
			if after, err = w.fill(ctx, &set, after); err != nil || !set.adopted.Filled {
				return err
			}
			return set.store(ctx, w)
		})
		s.pace.held(started)
		if err != nil {
			return err
		}
	}
	return nil
}

// fill does one batch of the backfill, after a session, and gives the last session of the batch. After the last batch
// it notes in the settings that all is filled.
func (w *work) fill(ctx context.Context, set *settings, after any) (last any, err error) {
	l := newLayout(set.schema, set.adopted)
	n := with(l.names, sqlfile.Names{"write_best_known": l.adopted.LastActivity.write(l.bestKnown()), "until": ""})
	n["unfilled"] = filled("unfilled", n)
	v := values{
		"after": after, "skip": backfillBatch - 1,
		"auto_cleanup":      set.policy.AutoCleanupDefault.Or(true),
		"fill_auto_cleanup": slices.Contains(set.adopted.AddedColumns, "auto_cleanup"),
	}
	err = w.row(ctx, filled("last_unfilled", n), v, &last)
	switch {
	case err == nil:
		v["last"], n["until"] = last, filled("until", n)
	case errors.Is(err, sql.ErrNoRows):
		set.adopted.Filled = true
	default:
		return nil, err
	}
	_, err = w.exec(ctx, filled("backfill", n), v)
	return last, err
}

// bestKnown is the expression for the latest time at which a session was known to be in use.
func (l *layout) bestKnown() string {
	n := with(l.names, nil)
	times := []string{n["updated_at_time"], n["created_at_time"]}
	for _, source := range l.schema.Sources {
		if source.At == "" {
			continue
		}
		times = append(times, filled("newest_activity", with(n, sqlfile.Names{
			"source": sqlfile.Column(source.Table), "source_session": sqlfile.Column(source.Session),
			"source_at_time": timeOf(source.Table, source.At),
		})))
	}
	var known strings.Builder
	for _, at := range times {
		known.WriteString(", " + filled("known_time", sqlfile.Names{"value": at}))
	}
	n["known_times"] = known.String()
	return filled("best_known", n)
}
