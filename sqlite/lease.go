package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sessioncleanup/sessioncleanup"
)

// Lease takes, renews or releases a lease. A holder whose lease has ended, and was taken by nobody since, renews it.
func (s *Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	lease := sessioncleanup.Lease{Name: r.Name, Holder: r.Holder}
	if r.Name == "" || r.Holder == "" || r.TTL < 0 {
		return lease, invalidf("lease %q for %q with TTL %v: want a name, a holder and a TTL of 0 or more", r.Name, r.Holder, r.TTL)
	}
	err := s.writing(ctx, func(w *work) error {
		if _, err := readSettings(ctx, w); err != nil {
			return err
		}
		if r.TTL == 0 {
			return w.releaseLease(ctx, &lease)
		}
		var until string
		err := w.row(ctx, text["take_lease"], values{"name": r.Name, "holder": r.Holder, "ttl": modifier(r.TTL)}, &lease.Epoch, &until)
		if errors.Is(err, sql.ErrNoRows) {
			return w.leaseHeld(ctx, r.Name)
		}
		if err != nil {
			return err
		}
		lease.ExpiresAt, err = parseTime(until)
		return err
	})
	if err != nil {
		return sessioncleanup.Lease{}, err
	}
	return lease, nil
}

// releaseLease lets a lease go, if it is held.
func (w *work) releaseLease(ctx context.Context, l *sessioncleanup.Lease) error {
	if _, err := w.exec(ctx, text["release_lease"], values{"name": l.Name, "holder": l.Holder}); err != nil {
		return err
	}
	var holder, until string
	err := w.row(ctx, text["read_lease"], values{"name": l.Name}, &holder, &l.Epoch, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// leaseHeld says who holds a lease.
func (w *work) leaseHeld(ctx context.Context, name string) error {
	held := &sessioncleanup.LeaseHeldError{Name: name}
	var epoch int64
	var until string
	err := w.row(ctx, text["read_lease"], values{"name": name}, &held.Holder, &epoch, &until)
	if err != nil {
		return err
	}
	if held.Until, err = parseTime(until); err != nil {
		return err
	}
	return held
}
