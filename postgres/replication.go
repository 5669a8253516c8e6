package postgres

import (
	"context"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// replicatedError refuses a run on a subscriber of logical replication. What a subscription writes fires none of the
// triggers that notice activity, so that sessions in use would look idle here.
func replicatedError(problem string) error {
	return invalid.Errorf("%s; clean up where these rows are written; to write them here, drop the subscription, then migrate --reread", problem)
}

// checkReplicated returns an error when a subscription writes the sessions or an activity table.
func (s *Store) checkReplicated(ctx context.Context, m *mapping) error {
	var tables *string
	if err := s.pool.QueryRow(ctx, m.statement("replicated_now")).Scan(&tables); err != nil {
		return mapError("look for subscriptions", err)
	}
	if tables == nil {
		return nil
	}
	return replicatedError("rows arrive by logical replication, which fires no trigger that notices activity: " + *tables)
}
