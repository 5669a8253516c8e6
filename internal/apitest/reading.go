package apitest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// queries that cannot be right are refused by name.
func queries(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	for path, field := range map[string]string{
		"/stats?nonsense=1":                    "nonsense",
		"/view?page=2":                         "page",
		"/view?limit=0":                        "limit",
		"/view?limit=-1":                       "limit",
		"/view?limit=1001":                     "limit",
		"/view?limit=ten":                      "limit",
		"/view?limit=":                         "limit",
		"/view?limit=1&limit=2":                "limit",
		"/view?status=sleeping":                "status",
		"/view?status=":                        "status",
		"/view?sort=colour":                    "sort",
		"/view?sort=--name":                    "sort",
		"/view?cursor=x":                       "cursor",
		"/view?cursor=e30":                     "cursor",
		"/view?q=%00":                          "q",
		"/view?q=%ff":                          "q",
		"/view?owner=%00":                      "owner",
		"/events?action=exploded":              "action",
		"/events?cursor=x":                     "cursor",
		"/events?cursor=e30":                   "cursor",
		"/events?limit=0":                      "limit",
		"/events?session=a%00":                 "session",
		"/live?since=1":                        "since",
		"/cleanup?force=1":                     "force",
		"/2?fields=name":                       "fields",
		"/2/deactivate?now=1":                  "now",
		"/openapi.yaml?format=xml":             "format",
		"/view?q=" + strings.Repeat("x", 1025): "q",
	} {
		method := http.MethodGet
		if strings.HasPrefix(path, "/cleanup") {
			method = http.MethodPost
		}
		if strings.Contains(path, "deactivate") {
			method = http.MethodPatch
		}
		w.do(request{as: admin, method: method, path: path}).names(field)
	}
	w.do(request{as: admin, method: http.MethodDelete, path: "/2?confirm=2&yes=1"}).names("yes")
	for _, path := range []string{"/view?a;b", "/view?q=%zz"} {
		w.do(request{as: admin, method: http.MethodGet, path: path}).problem(http.StatusBadRequest, "invalid-request")
	}
	w.do(request{as: admin, method: http.MethodGet, path: "/live", header: map[string]string{"Last-Event-ID": "x"}}).names("Last-Event-ID")
	w.do(request{as: ann, method: http.MethodGet, path: "/view?owner=bob"}).problem(http.StatusForbidden, "forbidden")
	w.do(request{as: ann, method: http.MethodGet, path: "/stats?owner=bob"}).problem(http.StatusForbidden, "forbidden")
	w.do(request{as: ann, method: http.MethodGet, path: "/events?owner=bob"}).problem(http.StatusForbidden, "forbidden")
}

// statistics are all for an admin, and their own for an owner.
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
	if a.str("alerts", 0, "code") != "too_many_due" || a.str("alerts", 1, "code") != "low_activity" {
		t.Errorf("alerts of a neglected table: %s", a.body)
	}
}

// views are pages of sessions: all for an admin, their own for an owner.
func views(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	ids := func(as, query string) []string {
		t.Helper()
		a := w.do(request{as: as, method: http.MethodGet, path: "/view" + query}).want(http.StatusOK)
		got := []string{}
		for i := range a.at("sessions").([]any) {
			got = append(got, a.str("sessions", i, "id"))
		}
		return got
	}
	for _, test := range []struct {
		as, query string
		want      []string
	}{
		{admin, "", []string{Kept, Gone, Closed, Idle, Busy, Bobs}},
		{ann, "", []string{Kept, Gone, Closed, Idle, Busy}},
		{bob, "?owner=bob", []string{Bobs}},
		{admin, "?owner=bob", []string{Bobs}},
		{admin, "?status=to_delete", []string{Gone}},
		{admin, "?status=to_deactivate", []string{Idle}},
		{admin, "?status=protected", []string{Kept}},
		{bob, "?status=protected", []string{}},
		{admin, "?q=QUI", []string{Busy}},
		{admin, "?sort=name&limit=2", []string{Bobs, Gone}},
		{admin, "?sort=-name&limit=2", []string{Closed, Busy}},
		{admin, "?sort=-created&limit=1", []string{Bobs}},
	} {
		if diff := cmp.Diff(test.want, ids(test.as, test.query)); diff != "" {
			t.Errorf("/view%s as %s (-want +got):\n%s", test.query, test.as, diff)
		}
	}
	a := w.do(request{as: ann, method: http.MethodGet, path: "/view?q=poll"})
	for key, want := range map[string]any{
		"id": Idle, "code": "c-poll", "name": "poll", "owner_id": "ann", "owner_name": "ANN", "active": true, "auto_cleanup": true,
		"expires_at": nil, "hours_inactive": 48.0, "days_old": 2.04, "status": "to_deactivate", "cleanup_status": "À désactiver", "activity_count": 7.0,
	} {
		if got := a.at("sessions", 0, key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	for _, key := range []string{"created_at", "updated_at", "last_activity", "delete_at"} {
		if a.str("sessions", 0, key) == "" {
			t.Errorf("%s is empty: %s", key, a.body)
		}
	}
	if a.str("user_role") != "owner" || a.at("next_cursor") != nil {
		t.Errorf("%s: %s", a.what, a.body)
	}
	if w.do(request{as: admin, method: http.MethodGet, path: "/view?status=protected"}).at("sessions", 0, "delete_at") != nil {
		t.Error("a protected session has a time of deletion")
	}
	cursors(t, w)
}

// cursors continue their own list, and give no access.
func cursors(t *testing.T, w *World) {
	for _, query := range []string{"", "&sort=-last_activity", "&sort=name", "&sort=-created"} {
		var all []string
		next := ""
		for range 10 {
			a := w.do(request{as: ann, method: http.MethodGet, path: "/view?limit=2" + query + next}).want(http.StatusOK)
			for i := range a.at("sessions").([]any) {
				all = append(all, a.str("sessions", i, "id"))
			}
			if a.at("next_cursor") == nil {
				break
			}
			next = "&cursor=" + url.QueryEscape(a.str("next_cursor"))
		}
		if len(all) != 5 {
			t.Errorf("pages of %q have %v, want ann's five sessions once", query, all)
		}
	}
	mine := w.do(request{as: admin, method: http.MethodGet, path: "/view?limit=1"}).str("next_cursor")
	w.do(request{as: bob, method: http.MethodGet, path: "/view?limit=1&cursor=" + mine}).names("cursor")
	w.do(request{as: admin, method: http.MethodGet, path: "/view?sort=name&cursor=" + mine}).names("cursor")
	w.do(request{as: admin, method: http.MethodGet, path: "/view?status=active&cursor=" + mine}).names("cursor")
	w.do(request{as: "", method: http.MethodGet, path: "/view?cursor=" + mine}).problem(http.StatusUnauthorized, "unauthenticated")
}

// logs are pages of the audit log: everything for an admin, their own for an owner.
func logs(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	for _, id := range []string{Busy, Bobs} {
		w.do(request{as: admin, method: http.MethodPatch, path: "/" + url.PathEscape(id) + "/deactivate"}).want(http.StatusOK)
	}
	w.do(request{as: admin, method: http.MethodPost, path: "/cleanup"}).want(http.StatusOK)
	count := func(as, query string) (answer, int) {
		t.Helper()
		a := w.do(request{as: as, method: http.MethodGet, path: "/events" + query}).want(http.StatusOK)
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
	run := a.str("events", 0, "run_id")
	if _, n := count(admin, "?run="+run); n != 3 || a.at("events", 0, "run", "deleted") != 1.0 || a.str("events", 0, "actor") != admin {
		t.Errorf("the run has %d events: %s", n, a.body)
	}
	a, _ = count(bob, "")
	if a.str("events", 0, "sessions", 0, "id") != Bobs || a.str("events", 0, "action") != "deactivated" {
		t.Errorf("bob's events: %s", a.body)
	}
	page, _ := count(admin, "?limit=4")
	next := url.QueryEscape(page.str("next_cursor"))
	if _, n := count(admin, "?limit=4&cursor="+next); n != 1 {
		t.Errorf("the second page has %d events, want 1", n)
	}
	w.do(request{as: bob, method: http.MethodGet, path: "/events?cursor=" + next}).names("cursor")
	w.do(request{as: admin, method: http.MethodGet, path: "/events?action=run&cursor=" + next}).names("cursor")
}
