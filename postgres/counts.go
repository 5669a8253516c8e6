package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Counts returns the figures of the sessions that match the filter. Those of all sessions come from the indexes.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Counts{}, err
	}
	return s.counts(ctx, m, q)
}

func (s *Store) counts(ctx context.Context, m *mapping, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	var c sessioncleanup.Counts
	statement := m.statement("counts", sqlfile.Names{"counted": m.names["sessions"]})
	if m.indexed(q.Filter) {
		statement = m.byIndex("counts_of_all")
	}
	now, err := s.read(ctx, func(batch *pgx.Batch) {
		if m.matchesNothing(q.Filter) {
			return
		}
		batch.Queue(statements["one_core"])
		batch.Queue(statement, readArgs(q.Filter, q.Thresholds)...).QueryRow(func(row pgx.Row) error {
			var overdue float64
			err := row.Scan(&c.Total, &c.Active, &c.Inactive, &c.Old, &c.Protected, &c.DueForDeactivation, &c.DueForDeletion, &c.NeverDue, &c.InUse, &c.Recent, &overdue)
			c.OldestOverdue = time.Duration(overdue) * time.Microsecond
			return err
		})
	})
	if err != nil {
		return sessioncleanup.Counts{}, s.failed("count sessions", err)
	}
	c.Cutoffs = m.cutoffs(q.Thresholds, now)
	return c, nil
}

// indexed reports whether figures of these sessions come from the indexes.
func (m *mapping) indexed(f sessioncleanup.Filter) bool {
	return f == (sessioncleanup.Filter{}) && !m.untracked
}

// byIndex is a statement for figures of all sessions.
func (m *mapping) byIndex(statement string) string {
	_, used := m.times(m.schema.LastActivity, "s.")
	n := sqlfile.Names{"used": used}
	without := sqlfile.Names{"noted": "false"}
	without["past_delete"] = m.statement("past", without, sqlfile.Names{"cutoff": "v_cut.delete"})
	n["gone_by_column"] = m.statement("gone", without)
	n["exceptions"] = m.statement("counts_exceptions")
	for _, fragment := range []string{"exceptions_of_all", "expired_by_column", "never_due_by_column", "counts_by_index", "counts_by_column", "overdue_by_index"} {
		n[fragment] = m.statement(fragment, n)
	}
	n["counts_as_they_are"] = m.statement("counts", sqlfile.Names{"counted": n["exceptions"]})
	return m.statement(statement, n)
}
