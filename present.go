package sessioncleanup

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Cutoffs are what the policy measures sessions against now, by the store's clock.
func (m *Manager) Cutoffs(ctx context.Context) (Cutoffs, error) { return m.cutoffs(ctx, m.policy) }

// Scope is the owner whose sessions the principal works with when it asks for those of owner, "" for all: an admin gets
// what it asks for, an owner always itself. ErrForbidden when the principal may not see those sessions, or none at all.
// Operations check this themselves; it is for callers that want to know before they do anything else.
func (m *Manager) Scope(owner string) (string, error) { return m.scope("list sessions", owner) }

// PermitAll is an ErrForbidden unless the principal may do what concerns all sessions at once, such as a run.
func (m *Manager) PermitAll() error { return m.allowAll("work on all sessions") }

// CleanupStatus is the status in the words of docs/guide.md, for people: "À désactiver" and "À supprimer" for what is
// due, "Actif" for everything else.
func (s Status) CleanupStatus() string {
	switch s {
	case StatusToDeactivate:
		return "À désactiver"
	case StatusToDelete:
		return "À supprimer"
	default:
		return "Actif"
	}
}

// DeleteAt is the moment from which a run deletes the session if nobody uses or changes it until then; for an active
// session, a run has to deactivate it before. Zero when nothing automatic ever deletes it.
func (c Cutoffs) DeleteAt(s Session) time.Time {
	if !s.AutoCleanup || c.Delete.IsZero() || s.Active && c.Inactive.IsZero() {
		return time.Time{}
	}
	at := LastSign(s).Add(c.Now.Sub(c.Delete))
	if !s.Active {
		return at
	}
	off := s.LastActivity.Add(c.Now.Sub(c.Inactive))
	if !s.ExpiresAt.IsZero() && s.ExpiresAt.Before(off) {
		off = s.ExpiresAt
	}
	if off.After(at) {
		return off
	}
	return at
}

// HoursInactive is for how many hours the session has not been used, rounded to hundredths.
func (c Cutoffs) HoursInactive(s Session) float64 {
	return hundredths(c.Now.Sub(s.LastActivity).Hours())
}

// DaysOld is for how many days the session has existed, rounded to hundredths; false when that is not known.
func (c Cutoffs) DaysOld(s Session) (float64, bool) {
	if s.CreatedAt.IsZero() {
		return 0, false
	}
	return hundredths(c.Now.Sub(s.CreatedAt).Hours() / 24), true
}

func hundredths(v float64) float64 { return math.Round(max(v, 0)*100) / 100 }

// Threshold is a threshold of a policy in a unit, for people: "24", "0.5", or "never".
func Threshold(d, unit time.Duration) string {
	if d == Never {
		return "never"
	}
	return fmt.Sprintf("%g", float64(d)/float64(unit))
}
