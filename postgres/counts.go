package postgres

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Counts reads the table once and counts.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Counts{}, err
	}
	if q.OwnerID != "" && !l.isOwner(q.OwnerID) {
		return sessioncleanup.Counts{}, nil
	}
	var c sessioncleanup.Counts
	var overdue float64
	args := append(cutoffArgs(q.Cutoffs), orNull(q.OwnerID))
	err = s.pool.QueryRow(ctx, l.statement("counts"), args...).Scan(
		&c.Total, &c.Active, &c.Inactive, &c.Old, &c.Protected, &c.DueForDeactivation, &c.DueForDeletion, &overdue)
	if err != nil {
		return sessioncleanup.Counts{}, s.failed("count sessions", err)
	}
	c.OldestOverdue = time.Duration(overdue) * time.Microsecond
	return c, nil
}
