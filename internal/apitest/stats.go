package apitest

import (
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// statistics are those of all sessions for an admin, of its own for an owner.
func statistics(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	want := func(a answer, total, active, inactive, old, candidates float64) {
		t.Helper()
		a.ok().is(
			"stats", map[string]any{"total": total, "active": active, "inactive": inactive, "old": old, "cleanup_candidates": candidates},
			"metrics.total_sessions", total, "metrics.active_sessions", active, "metrics.inactive_sessions", inactive, "metrics.old_sessions", old,
			"metrics.cleanup_candidates", candidates, "metrics.activity_rate", active/total, "metrics.cleanup_efficiency", candidates/total,
		)
	}
	want(w.get(admin, "/stats").is("metrics.never_due_sessions", 0.0), 6, 4, 2, 2, 2)
	kept := newWorld(t, observe)
	forever := time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	kept.put(sessioncleanup.Session{ID: Busy, OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: forever})
	kept.get(admin, "/stats").is("metrics.never_due_sessions", 1.0)
	want(w.get(admin, "/stats?owner=bob"), 1, 1, 0, 0, 0)
	want(w.get(ann, "/stats"), 5, 3, 2, 2, 2)
	want(w.get(bob, "/stats").is("metrics.last_run", nil, "alerts", "[]"), 1, 1, 0, 0, 0)

	busy := newWorld(t, observe, func(s *setup) { s.Policy = sessioncleanup.Policy{AlertDue: 1, AlertActivityRate: 0.9} })
	busy.get(admin, "/stats").ok().is(
		"alerts.0.code", "too_many_due", "alerts.0.message", "2 sessions are due for cleanup, more than 1",
		"alerts.1.code", "low_activity", "alerts.1.message", "67% of the sessions are active, fewer than 90%",
	)
	busy.getWith(admin, "/stats", "Accept-Language", "fr").ok().is(
		"alerts.0.message", "2 sessions sont à nettoyer, plus de 1", "alerts.1.message", "67 % des sessions sont actives, moins de 90 %",
	)
}
