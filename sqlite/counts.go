package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Counts returns the figures of the sessions that match the filter. Those of all sessions come from the indexes.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	var counts sessioncleanup.Counts
	err := s.readingSessions(ctx, func(c *conn) error {
		counts.Cutoffs = q.Thresholds.At(clock())
		p := cutoffParams(counts.Cutoffs)
		condition, possible := c.where(q.Filter, "", p)
		if !possible {
			return nil
		}
		statement := c.sql("counts", sqlfile.Names{"condition": condition})
		if q.Filter == (sessioncleanup.Filter{}) {
			statement = c.sql("counts_of_all", nil)
		}
		var idle, expired, gone sql.NullString // the longest due
		err := c.row(ctx, statement, p, &counts.Total, &counts.Active, &counts.Old, &counts.Protected,
			&counts.DueForDeactivation, &counts.DueForDeletion, &idle, &expired, &gone)
		if err != nil {
			return err
		}
		counts.Inactive = counts.Total - counts.Active
		for _, longest := range []struct {
			at     string
			cutoff time.Time
		}{{idle.String, counts.Cutoffs.Inactive}, {expired.String, counts.Cutoffs.Now}, {gone.String, counts.Cutoffs.Delete}} {
			at, err := parseTime(longest.at)
			if err != nil {
				return err
			}
			if !at.IsZero() {
				counts.OldestOverdue = max(counts.OldestOverdue, longest.cutoff.Sub(at))
			}
		}
		return nil
	})
	if err != nil {
		return sessioncleanup.Counts{}, err
	}
	return counts, nil
}
