package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Counts returns the figures of the sessions that match the filter. Those of all sessions come from the indexes.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	var counts sessioncleanup.Counts
	err := s.readingSessions(ctx, func(c *conn) error {
		counts.Cutoffs = c.cutoffsAt(q.Thresholds)
		p := cutoffParams(counts.Cutoffs)
		condition, noted, possible := c.where(q.Filter, "", p)
		if !possible {
			return nil
		}
		statement := c.sql("add_figures", sqlfile.Names{"figures": c.figures(q.Filter, condition, noted)})
		var idle, expired, gone sql.NullString // the longest due
		err := c.row(ctx, statement, p, &counts.Total, &counts.Active, &counts.Old, &counts.Protected,
			&counts.DueForDeactivation, &counts.DueForDeletion, &counts.NeverDue, &counts.InUse, &counts.Recent, &idle, &expired, &gone)
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

// figures are the statements whose figures add up to those asked for. Those of all sessions are counted as their table
// has them; then those with a note are counted as it makes them instead.
func (l *layout) figures(f sessioncleanup.Filter, condition, noted string) string {
	figures := func(sign, from, condition string) string {
		return filled("figures", with(l.noted, sqlfile.Names{"sign": sign, "figures_from": from, "condition": condition}))
	}
	var parts []string
	if f == (sessioncleanup.Filter{}) {
		parts = []string{l.sql("figures_of_all", sqlfile.Names{
			"used_since_inactive": l.sql("used_since", sqlfile.Names{"cutoff": l.names["inactive_cutoff"]}),
			"used_since_recent":   l.sql("used_since", sqlfile.Names{"cutoff": l.names["recent_cutoff"]}),
		}), figures("-1", "("+statements["measured_in_table"]+")", "1")}
	} else {
		parts = []string{figures("1", "("+l.sql("measured", sqlfile.Names{"condition": condition})+")", "1")}
	}
	return strings.Join(append(parts, figures("1", "sessioncleanup_noted", noted)), "\nUNION ALL\n")
}
