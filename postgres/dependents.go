package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

var _ sessioncleanup.DependentLister = (*Store)(nil)

// mostDoomed is how many sessions Dependents follows: as many as a row of each would take to reach the count that is shown.
const mostDoomed = 10 * sessioncleanup.MaxDependentRows

// Dependents follows the foreign keys from the sessions, table by table.
func (s *Store) Dependents(ctx context.Context, q *sessioncleanup.Query) ([]sessioncleanup.Dependent, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	most := mostDoomed
	if q == nil || m.matchesNothing(q.Filter) {
		q, most = &sessioncleanup.Query{}, 0
	}
	args, err := s.dueArgs(ctx, m, q)
	if err != nil {
		return nil, s.failed("follow the foreign keys", err)
	}
	args = append(args, orNull(string(q.Status)), most, sessioncleanup.MaxDependentRows)
	var found []sessioncleanup.Dependent
	_, err = s.read(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("dependents", m.measuring(q.Thresholds), m.dueAmong(q.Status)), slices.Clip(args)...).Query(func(rows pgx.Rows) error {
			found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[sessioncleanup.Dependent])
			return err
		})
	})
	if err != nil {
		return nil, s.failed("follow the foreign keys", err)
	}
	return found, nil
}
