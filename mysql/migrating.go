package mysql

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// The lease of those who migrate. It is a row, which all nodes of a cluster have, unlike a lock of the server's.
const (
	migrationLease = "migrate"
	migrationTTL   = 15 * time.Second // for how long others wait for a process that was killed
	migrationRenew = migrationTTL / 5
	migrationPoll  = 100 * time.Millisecond // by those who wait
)

// errTakenOver ends what a process does whose lease another one has taken, because it was not renewed in time.
var errTakenOver = errors.New("another process migrates the database")

// migration is a Migrate or an Uninstall that has the lease.
type migration struct {
	*Store
	*conn // waits for no table
	lease sessioncleanup.LeaseRequest
}

// migrating calls do while no other process migrates this database. A process that loses its lease, since it was frozen
// for example, waits for it and starts again: all that it did may be done twice. Only what it stores must not be written
// by two: see storing.
func (s *Store) migrating(ctx context.Context, do func(ctx context.Context, m *migration) error) error {
	request := sessioncleanup.LeaseRequest{Name: migrationLease, Holder: rand.Text(), TTL: migrationTTL}
	for {
		if err := s.waitForLease(ctx, request); err != nil {
			return err
		}
		err := s.holding(ctx, request, do)
		if !errors.Is(err, errTakenOver) {
			return err
		}
	}
}

// waitForLease returns when the process has the lease.
func (s *Store) waitForLease(ctx context.Context, r sessioncleanup.LeaseRequest) error {
	for {
		err := s.renew(ctx, r)
		if errors.Is(err, sessioncleanup.ErrNotInstalled) { // the first time, and when an Uninstall dropped the table
			err = s.reading(ctx, func(c *conn) error {
				_, err := c.ExecContext(ctx, statements["create_leases"])
				return err
			})
			if err == nil {
				continue
			}
		}
		if !errors.Is(err, sessioncleanup.ErrLeaseHeld) && errorNumber(err) != deadlock { // with another node of a cluster
			return err
		}
		select {
		case <-time.After(migrationPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// holding calls do and renews the lease meanwhile.
func (s *Store) holding(ctx context.Context, r sessioncleanup.LeaseRequest, do func(ctx context.Context, m *migration) error) error {
	held, end := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for {
			select {
			case <-held.Done():
				return
			case <-time.After(migrationRenew):
			}
			if err := s.renew(held, r); errors.Is(err, sessioncleanup.ErrLeaseHeld) {
				end(errTakenOver)
			}
		}
	}()
	err := s.reading(held, func(c *conn) error {
		defer c.discard() // which ends its settings
		if _, err := c.ExecContext(held, statements["wait_for_no_table"]); err != nil {
			return err
		}
		return do(held, &migration{Store: s, conn: c, lease: r})
	})
	takenOver := context.Cause(held)
	end(nil)
	<-renewed
	if err != nil && errors.Is(takenOver, errTakenOver) {
		return takenOver
	}
	r.TTL = 0
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), migrationRenew)
	defer cancel()
	_ = s.renew(after, r) // it expires by itself, and an Uninstall dropped it
	return err
}

// renew takes, renews or releases the lease.
func (s *Store) renew(ctx context.Context, r sessioncleanup.LeaseRequest) error {
	return s.writing(ctx, func(c *conn) error {
		_, err := sqlstore.Lease(ctx, ownConn{c}, r)
		return err
	})
}

// storing stores settings, and an event that is not nil, unless another process has the lease.
func (m *migration) storing(ctx context.Context, set settings, e *sessioncleanup.Event) error {
	return m.writing(ctx, func(c *conn) error {
		if _, err := sqlstore.Lease(ctx, ownConn{c}, m.lease); errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			return errTakenOver
		} else if err != nil {
			return err
		}
		if err := set.store(ctx, c); err != nil || e == nil {
			return err
		}
		return c.insertEvent(ctx, e)
	})
}
