package mysql

import (
	"context"
	"database/sql"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Lease takes, renews or releases a lease, as sessioncleanup.Lease.Apply does.
func (s *Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if _, err := (sessioncleanup.Lease{}).Apply(r, time.Time{}); err != nil { // before a row is made for it
		return sessioncleanup.Lease{}, s.failed(ctx, err)
	}
	var lease sessioncleanup.Lease
	err := s.writing(ctx, func(c *conn) (err error) {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		lease, err = c.lease(ctx, r)
		return err
	})
	if err != nil {
		return sessioncleanup.Lease{}, err
	}
	return lease, nil
}

// lease is Lease within a transaction.
func (c *conn) lease(ctx context.Context, r sessioncleanup.LeaseRequest) (lease sessioncleanup.Lease, err error) {
	name := params{"name": []byte(r.Name)}
	if _, err := c.exec(ctx, statements["make_lease"], name); err != nil {
		return lease, err
	}
	stored := sessioncleanup.Lease{Name: r.Name}
	var expires sql.NullTime
	var ttl int64
	if err := c.row(ctx, statements["read_lease"], name, &stored.Holder, &stored.Epoch, &expires, &ttl); err != nil {
		return lease, err
	}
	var now time.Time // after the lease was locked
	if err := c.row(ctx, statements["clock"], nil, &now); err != nil {
		return lease, err
	}
	stored.ExpiresAt, stored.TTL = expires.Time, time.Duration(ttl)*time.Millisecond
	if lease, err = stored.Apply(r, now); err != nil {
		return lease, err
	}
	_, err = c.exec(ctx, statements["write_lease"], params{
		"name": []byte(r.Name), "holder": []byte(lease.Holder), "epoch": lease.Epoch, "expires_at": nullTime(lease.ExpiresAt),
		"ttl_ms": lease.TTL.Milliseconds(),
	})
	return lease, err
}
