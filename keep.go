package sessioncleanup

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Keep postpones the deletion of a session: no run deletes it for the given time, by the store's clock. It never brings
// a deletion forward, and changes nothing when the deletion is farther away or never happens. The longest time is
// DeleteAfter, that of the policy or of the session's tags; to keep a session for longer, use SetAutoCleanup. An
// inactive session gets an expiry in the past from which DeleteAfter counts; an active one already has that much time.
func (m *Manager) Keep(ctx context.Context, id string, how time.Duration) (Session, error) {
	const operation = "keep session"
	if how <= 0 {
		return Session{}, invalid.Errorf("%s %q: for %v: want a positive duration", operation, id, how)
	}
	s, err := m.Get(ctx, id)
	if err != nil {
		return Session{}, err
	}
	if longest := m.policy.LongestKeep(s.Tags); longest != Never && how > longest {
		return Session{}, invalid.Errorf("%s %q: for %v: want a positive duration, up to its DeleteAfter, %v", operation, id, how, longest)
	}
	if s.DeleteAt.IsZero() || s.DeleteAt.Sub(s.AsOf) >= how {
		return s, nil
	}
	return m.change(ctx, operation, id, Change{Action: ActionExpirySet, Keep: how - m.policy.Thresholds().For(s.Tags).Delete})
}
