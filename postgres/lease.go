package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Lease applies a request to the lease's row, under its lock and by the database's clock.
func (s *Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Lease{}, err
	}
	var lease sessioncleanup.Lease
	var now time.Time
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("lease_make"), r.Name)
		batch.Queue(m.statement("lease_lock"), r.Name).QueryRow(func(row pgx.Row) (err error) {
			lease, now, err = scanLease(row)
			return err
		})
	}, func(batch *pgx.Batch) (err error) {
		if lease, err = lease.Apply(r, now); err == nil {
			batch.Queue(m.statement("lease_write"), lease.Name, lease.Holder, lease.Epoch, moment(lease.ExpiresAt), lease.TTL.Milliseconds())
		}
		return err
	})
	if err != nil {
		return sessioncleanup.Lease{}, s.failed("take or release a lease", err)
	}
	return lease, nil
}

// scanLease reads a lease as stored, and the clock.
func scanLease(row pgx.Row) (lease sessioncleanup.Lease, now time.Time, err error) {
	var expires *time.Time
	var ttl int64
	err = row.Scan(&lease.Name, &lease.Holder, &lease.Epoch, &expires, &ttl, &now)
	lease.ExpiresAt, lease.TTL = utc(expires), time.Duration(ttl)*time.Millisecond
	return lease, now.UTC(), err
}
