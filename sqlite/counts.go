package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Counts returns the figures of the sessions that match the filter. Those of all sessions come from the indexes.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	return sqlstore.Answer(ctx, s.readingSessions, func(c *conn) (counts sessioncleanup.Counts, err error) {
		counts.Cutoffs = c.cutoffsAt(q.Thresholds)
		if err := c.ruled(ctx, counts.Cutoffs, true); err != nil {
			return counts, err
		}
		p := c.cutoffParams(counts.Cutoffs)
		condition, noted, possible := c.where(q.Filter, "", p)
		if !possible {
			return counts, nil
		}
		names := sqlfile.Names{"figures": c.figures(q.Filter, condition, noted), "figures_class": "NULL", "figures_grouped": ""}
		if c.measure != nil {
			names["figures_class"], names["figures_grouped"] = "class", " GROUP BY class"
		}
		err = c.query(ctx, c.sql("add_figures", names), p, func(rows *sql.Rows) error { return addFigures(&counts, rows) })
		counts.Inactive = counts.Total - counts.Active
		return counts, err
	})
}

// addFigures adds those of a class.
func addFigures(counts *sessioncleanup.Counts, rows *sql.Rows) error {
	var class sql.NullString
	return sqlstore.AddFigures(counts, rows, &class, func() sessioncleanup.Cutoffs { return counts.Cutoffs.For(strings.Fields(class.String)) })
}

// figures are the statements whose figures add up to those asked for. Those of all sessions are counted as their table
// has them; then those with a note are counted as it makes them instead.
func (l *layout) figures(f sessioncleanup.Filter, condition, noted string) string {
	class, grouped := "NULL", ""
	if l.measure != nil {
		class, grouped = l.noted["class"], "\n GROUP BY 1"
	}
	figures := func(sign, from, condition string) string {
		return filled("figures", with(l.noted, sqlfile.Names{
			"sign": sign, "figures_from": from, "condition": condition, "figures_class": class, "figures_grouped": grouped,
		}))
	}
	var parts []string
	if f == (sessioncleanup.Filter{}) && l.measure == nil {
		parts = []string{l.sql("figures_of_all", sqlfile.Names{
			"used_since_inactive": l.sql("used_since", sqlfile.Names{"cutoff": l.names["in_use_cutoff"]}),
			"used_since_recent":   l.sql("used_since", sqlfile.Names{"cutoff": l.names["recent_cutoff"]}),
		}), figures("-1", "("+statements["measured_in_table"]+")", "1")}
	} else {
		parts = []string{figures("1", "("+l.sql("measured", sqlfile.Names{"condition": condition})+")", "1")}
	}
	return strings.Join(append(parts, figures("1", "sessioncleanup_noted", noted)), "\nUNION ALL\n")
}
