package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Lease takes, renews or releases a lease, as sessioncleanup.Lease.Apply does.
func (s *Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	var lease sessioncleanup.Lease
	err := s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		stored, err := c.readLease(ctx, r.Name)
		if err != nil {
			return err
		}
		if lease, err = stored.Apply(r, s.clock()); err != nil {
			return err
		}
		_, err = c.exec(ctx, statements["write_lease"], params{
			"name": lease.Name, "holder": lease.Holder, "epoch": lease.Epoch, "expires_at": formatTime(lease.ExpiresAt),
			"ttl_ms": lease.TTL.Milliseconds(),
		})
		return err
	})
	if err != nil {
		return sessioncleanup.Lease{}, err
	}
	return lease, nil
}

// readLease reads a lease; the zero Lease is one that was never taken.
func (c *conn) readLease(ctx context.Context, name string) (sessioncleanup.Lease, error) {
	lease := sessioncleanup.Lease{Name: name}
	var expires string
	var ttl int64
	err := c.row(ctx, statements["read_lease"], params{"name": name}, &lease.Holder, &lease.Epoch, &expires, &ttl)
	lease.TTL = time.Duration(ttl) * time.Millisecond
	if errors.Is(err, sql.ErrNoRows) {
		return sessioncleanup.Lease{}, nil
	}
	if err == nil {
		lease.ExpiresAt, err = parseTime(expires)
	}
	return lease, err
}
