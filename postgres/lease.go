package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Lease takes, renews or releases a lease: a row with its holder, its end by the database's clock, and an epoch.
func (s *Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Lease{}, err
	}
	if r.TTL == 0 {
		_, err := s.pool.Exec(ctx, l.statement("lease_release"), r.Name, r.Holder)
		return sessioncleanup.Lease{}, s.failed("release lease", err)
	}
	lease := sessioncleanup.Lease{Name: r.Name, Holder: r.Holder}
	s.others.end(ctx, s.pool)
	for {
		err := s.pool.QueryRow(ctx, l.statement("lease_take"), r.Name, r.Holder, r.TTL.Microseconds()).Scan(&lease.Epoch, &lease.ExpiresAt)
		if err == nil {
			lease.ExpiresAt = lease.ExpiresAt.UTC()
			s.others.begin(ctx, s.pool)
			return lease, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return sessioncleanup.Lease{}, s.failed("take lease", err)
		}
		held := &sessioncleanup.LeaseHeldError{Name: r.Name}
		err = s.pool.QueryRow(ctx, l.statement("lease_show"), r.Name).Scan(&held.Holder, &held.Until)
		if err != nil {
			return sessioncleanup.Lease{}, s.failed("take lease", err)
		}
		if held.Until.After(time.Unix(0, 0)) { // else it was released in between
			held.Until = held.Until.UTC()
			return sessioncleanup.Lease{}, held
		}
	}
}
