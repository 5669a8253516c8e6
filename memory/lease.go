package memory

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// lease is what is known of a lease that was ever taken. Its epoch outlives its holders.
type lease struct {
	holder  string // empty once released
	epoch   int64
	expires time.Time
}

// Lease takes, renews or releases a lease. A holder whose lease has ended, and was taken by nobody since, renews it.
func (s *Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if r.Name == "" || r.Holder == "" || r.TTL < 0 {
		return sessioncleanup.Lease{}, invalidf("lease %q for %q with TTL %v: want a name, a holder and a TTL of 0 or more", r.Name, r.Holder, r.TTL)
	}
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Lease{}, err
	}
	defer s.mu.Unlock()
	l := s.leases[r.Name]
	if l == nil {
		l = &lease{}
	}
	now := clock()
	switch {
	case r.TTL == 0:
		if l.holder == r.Holder {
			l.holder, l.expires = "", time.Time{}
		}
		return sessioncleanup.Lease{Name: r.Name, Holder: r.Holder, Epoch: l.epoch}, nil
	case l.holder == r.Holder:
	case l.holder != "" && now.Before(l.expires):
		return sessioncleanup.Lease{}, &sessioncleanup.LeaseHeldError{Name: r.Name, Holder: l.holder, Until: l.expires}
	default:
		l.holder = r.Holder
		l.epoch++
	}
	l.expires = now.Add(r.TTL)
	s.leases[r.Name] = l
	return sessioncleanup.Lease{Name: r.Name, Holder: r.Holder, Epoch: l.epoch, ExpiresAt: l.expires}, nil
}

// fence fails unless the lease is still its holder's. A lease without a name always is.
func (s *Store) fence(held sessioncleanup.Lease) error {
	if held.Name == "" {
		return nil
	}
	l := s.leases[held.Name]
	if l == nil || l.holder != held.Holder || l.epoch != held.Epoch || !clock().Before(l.expires) {
		return sessioncleanup.ErrLeaseLost
	}
	return nil
}
