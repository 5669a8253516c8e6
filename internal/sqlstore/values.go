package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Lease takes, renews or releases a lease, as sessioncleanup.Lease.Apply does.
func (s Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	return Answer(ctx, s.b.Writing, func(c Conn) (sessioncleanup.Lease, error) { return Lease(ctx, c, r) })
}

// Lease is Store.Lease within a transaction.
func Lease(ctx context.Context, c Conn, r sessioncleanup.LeaseRequest) (lease sessioncleanup.Lease, err error) {
	if _, err := (sessioncleanup.Lease{}).Apply(r, time.Time{}); err != nil { // before a row is made for it
		return lease, err
	}
	if _, err := c.Exec(ctx, c.SQL("make_lease", nil), Params{"name": ID(r.Name)}); err != nil {
		return lease, err
	}
	stored, err := ReadLease(ctx, c, r.Name)
	if err != nil {
		return lease, err
	}
	now, err := c.Now(ctx) // after the lease was locked
	if err != nil {
		return lease, err
	}
	if lease, err = stored.Apply(r, now); err != nil {
		return lease, err
	}
	_, err = c.Exec(ctx, c.SQL("write_lease", nil), Params{
		"name": ID(r.Name), "holder": ID(lease.Holder), "epoch": lease.Epoch, "expires_at": lease.ExpiresAt, "ttl_ms": lease.TTL.Milliseconds(),
	})
	return lease, err
}

// ReadLease reads, and locks, a lease; the zero Lease is one that was never taken.
func ReadLease(ctx context.Context, c Conn, name string) (sessioncleanup.Lease, error) {
	lease := sessioncleanup.Lease{Name: name}
	var ttl int64
	err := row(ctx, c, c.SQL("read_lease", nil), Params{"name": ID(name)}, &lease.Holder, &lease.Epoch, Time(&lease.ExpiresAt), &ttl)
	if errors.Is(err, sql.ErrNoRows) {
		return sessioncleanup.Lease{}, nil
	}
	lease.TTL = time.Duration(ttl) * time.Millisecond
	return lease, err
}

// Value is the one stored last under a name.
func (s Store) Value(ctx context.Context, name string) (data []byte, version int64, err error) {
	err = s.b.Reading(ctx, func(c Conn) error {
		err := row(ctx, c, c.SQL("read_value", nil), Params{"name": ID(name)}, &data, &version)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return err
	})
	return data, version, err
}

// SetValue stores a value after the given version.
func (s Store) SetValue(ctx context.Context, name string, data []byte, version int64) (stored bool, err error) {
	statement := "change_value"
	if version == 0 {
		statement = "add_value"
	}
	err = s.b.Writing(ctx, func(c Conn) error {
		n, err := c.Exec(ctx, c.SQL(statement, nil), Params{"name": ID(name), "data": string(data), "version": version})
		stored = n == 1
		return err
	})
	return stored && err == nil, err
}
