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

// addNumbers lets the library's sequences continue after the numbers that are in use: logical replication copies rows, but not
// how far their sequences are.
func (p *plan) addNumbers(ctx context.Context) error {
	if p.set.complete == 0 || len(p.first) > 0 { // a new owner of the sessions cannot read the tables before the first steps
		return nil
	}
	behind, err := p.m.behind(ctx, p.q)
	if behind != "" {
		p.add(step{about: "continue the numbers of " + behind, sql: []string{p.m.statement("numbers_continue")}})
	}
	return err
}

// behind names the library's tables whose sequences are behind their rows.
func (m *mapping) behind(ctx context.Context, q *guarded) (tables string, err error) {
	err = q.QueryRow(ctx, m.statement("numbers_behind")).Scan(&tables)
	return tables, mapError("look at the numbers of the library's rows", err)
}
