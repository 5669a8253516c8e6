package apitest

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// statistics are those of all sessions for an admin, of its own for an owner.
func statistics(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	want := func(a answer, total, active, inactive, old, candidates float64) {
		t.Helper()
		got := a.want(http.StatusOK).at("stats")
		diff := cmp.Diff(map[string]any{
			"total": total, "active": active, "inactive": inactive, "old": old, "cleanup_candidates": candidates,
		}, got)
		if diff != "" {
			t.Errorf("%s: stats (-want +got):\n%s", a.what, diff)
		}
		for long, short := range map[string]string{
			"total_sessions": "total", "active_sessions": "active", "inactive_sessions": "inactive", "old_sessions": "old",
			"cleanup_candidates": "cleanup_candidates",
		} {
			if a.at("metrics", long) != a.at("stats", short) {
				t.Errorf("%s: metrics.%s is not stats.%s: %s", a.what, long, short, a.body)
			}
		}
		if a.at("metrics", "activity_rate") != active/total || a.at("metrics", "cleanup_efficiency") != candidates/total {
			t.Errorf("%s: rates are wrong: %s", a.what, a.body)
		}
	}
	stats := request{as: admin, method: http.MethodGet, path: "/stats"}
	want(w.do(stats), 6, 4, 2, 2, 2)
	if n := w.do(stats).at("metrics", "never_due_sessions"); n != 0.0 {
		t.Errorf("%v sessions can never become due, want none", n)
	}
	kept := newWorld(t, observe)
	forever := time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := kept.Store.Put(sessioncleanup.Session{ID: Busy, OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: forever}); err != nil {
		t.Fatal(err)
	}
	if n := kept.do(stats).at("metrics", "never_due_sessions"); n != 1.0 {
		t.Errorf("%v sessions can never become due, want 1", n)
	}
	stats.path = "/stats?owner=bob"
	want(w.do(stats), 1, 1, 0, 0, 0)
	stats.path, stats.as = "/stats", ann
	want(w.do(stats), 5, 3, 2, 2, 2)
	stats.as = bob
	a := w.do(stats)
	want(a, 1, 1, 0, 0, 0)
	if a.at("metrics", "last_run") != nil || len(a.at("alerts").([]any)) != 0 {
		t.Errorf("%s: %s", a.what, a.body)
	}

	busy := newWorld(t, observe, func(s *setup) { s.Policy = sessioncleanup.Policy{AlertDue: 1, AlertActivityRate: 0.9} })
	a = busy.do(request{as: admin, method: http.MethodGet, path: "/stats"}).want(http.StatusOK)
	due, low := a.str("alerts", 0, "message"), a.str("alerts", 1, "message")
	if a.str("alerts", 0, "code") != "too_many_due" || a.str("alerts", 1, "code") != "low_activity" ||
		due != "2 sessions are due for cleanup, more than 1" || low != "67% of the sessions are active, fewer than 90%" {
		t.Errorf("alerts: %s", a.body)
	}
	a = busy.do(request{as: admin, method: http.MethodGet, path: "/stats", header: map[string]string{"Accept-Language": "fr"}}).want(http.StatusOK)
	due, low = a.str("alerts", 0, "message"), a.str("alerts", 1, "message")
	if due != "2 sessions sont à nettoyer, plus de 1" || low != "67 % des sessions sont actives, moins de 90 %" {
		t.Errorf("alerts in French: %s", a.body)
	}
}
