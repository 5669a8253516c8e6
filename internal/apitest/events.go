package apitest

import (
	"net/url"
	"testing"
)

// logs are pages of the audit log: all events for an admin, those of its own sessions for an owner.
func logs(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	for _, id := range []string{Busy, Bobs} {
		w.patch(admin, "/"+url.PathEscape(id)+"/deactivate", "").ok()
	}
	w.post(admin, "/cleanup", "").ok()
	count := func(as, query string) (answer, int) {
		t.Helper()
		a := w.get(as, "/events"+query).ok()
		return a, len(a.at("events").([]any))
	}
	for _, test := range []struct {
		as, query string
		want      int
	}{
		{admin, "", 5}, {ann, "", 3}, {bob, "", 1}, {admin, "?owner=bob", 1}, {admin, "?action=run", 1},
		{admin, "?session=" + Bobs, 1}, {ann, "?session=" + Bobs, 0}, {ann, "?action=run", 0}, {admin, "?limit=2", 2},
	} {
		if _, n := count(test.as, test.query); n != test.want {
			t.Errorf("/events%s as %s has %d events, want %d", test.query, test.as, n, test.want)
		}
	}
	a, _ := count(admin, "?action=run")
	run := a.str("events.0.run_id")
	if _, n := count(admin, "?run="+run); n != 3 {
		t.Errorf("the run has %d events: %s", n, a.body)
	}
	phases := []any{
		map[string]any{"action": "deleted", "due": 1.0, "done": 1.0, "skipped": 0.0, "failed": 0.0},
		map[string]any{"action": "deactivated", "due": 1.0, "done": 1.0, "skipped": 0.0, "failed": 0.0},
	}
	a.is("events.0.run.phases", phases, "events.0.actor", admin, "events.0.run.partial", false)
	a, _ = count(bob, "")
	a.is("events.0.sessions.0.id", Bobs, "events.0.action", "deactivated")
	page, _ := count(admin, "?limit=4")
	next := url.QueryEscape(page.str("next_cursor"))
	if _, n := count(admin, "?limit=4&cursor="+next); n != 1 {
		t.Errorf("the second page has %d events, want 1", n)
	}
	w.get(bob, "/events?cursor="+next).names("cursor")
	w.get(admin, "/events?action=run&cursor="+next).names("cursor")
}
