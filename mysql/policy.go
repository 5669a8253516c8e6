package mysql

import (
	"context"

	"github.com/sessioncleanup/sessioncleanup"
)

var _ sessioncleanup.PolicySetter = (*Store)(nil)

// SetPolicy changes some values of the stored policy. It first replaces the views, whose definitions contain these
// values.
func (s *Store) SetPolicy(ctx context.Context, change sessioncleanup.Policy, condition func(sessioncleanup.Policy) bool, e sessioncleanup.Event) (sessioncleanup.Policy, error) {
	if err := change.Validate(); err != nil {
		return sessioncleanup.Policy{}, err
	}
	set, err := s.settings(ctx) // an ErrNotInstalled, before there is a lease
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	defer s.forgetLayout()
	err = s.migrating(ctx, func(ctx context.Context, m *migration) (err error) {
		if set, err = readSettings(ctx, m.conn); err != nil {
			return err
		}
		if condition != nil && !condition(set.policy) {
			return sessioncleanup.ErrChanged
		}
		set.policy = change.Or(set.policy)
		if set.adopted.View {
			catalog, err := readCatalog(ctx, m.conn)
			if err == nil {
				err = s.createViews(ctx, m.conn, catalog, &set)
			}
			if err != nil {
				return err
			}
		}
		return m.storing(ctx, set, &e)
	})
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	if change.Rules != "" { // the policy is stored: the next run does the rest, or says what keeps it from that
		_ = s.followRules(ctx, set.policy, classAtOnce)
	}
	return set.policy, nil
}
