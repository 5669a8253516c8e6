package apitest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// keeping is a store that keeps a policy.
type keeping struct {
	sessioncleanup.Store
	sessioncleanup.Installer // nil: only the policy is needed

	policy sessioncleanup.Policy
}

// FollowsRules is true, as of the store that it wraps.
func (*keeping) FollowsRules() bool { return true }

func (k *keeping) Policy(context.Context) (sessioncleanup.Policy, error) { return k.policy, nil }

func (k *keeping) SetPolicy(ctx context.Context, change sessioncleanup.Policy, condition func(sessioncleanup.Policy) bool, e sessioncleanup.Event) (sessioncleanup.Policy, error) {
	if condition != nil && !condition(k.policy) {
		return sessioncleanup.Policy{}, sessioncleanup.ErrChanged
	}
	k.policy = change.Or(k.policy)
	_, err := k.Record(ctx, sessioncleanup.Record{Event: e})
	return k.policy, err
}

// policies show where each value comes from, what a run would do, and change what the database keeps.
func policies(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) {
		k := &keeping{Store: s.Store, policy: sessioncleanup.DefaultPolicy()}
		s.Store, s.Stored, s.Policy = k, &k.policy, sessioncleanup.Policy{AlertDue: 7}
	})
	do := func(as, method, query, body string) answer {
		t.Helper()
		return w.do(request{as: as, method: method, path: "/policy" + query, body: body})
	}
	for _, as := range []string{ann, "viewer"} {
		do(as, http.MethodPatch, "", `{"alert_activity_rate":0.3}`).problem(http.StatusForbidden, "forbidden")
	}
	for query, field := range map[string]string{"?x=1": "x", "?inactive_hours=x": "inactive_hours", "?delete_old_days=0": "delete_old_days"} {
		do(admin, http.MethodGet, query, "").names(field)
	}
	for body, field := range map[string]string{
		`{"x":1}`: "x", `{"delete_old_days":-1}`: "delete_old_days", `{"alert_due":9}`: "alert_due", `{"alert_use_rate":2}`: "alert_use_rate", `{"alert_activity_rate":2}`: "alert_activity_rate", `{"enabled":false}`: "enabled",
	} {
		do(admin, http.MethodPatch, "", body).names(field)
	}
	do(admin, http.MethodPatch, "?confirm=x", `{"delete_old_days":1}`).names("confirm")

	got := do(admin, http.MethodGet, "?delete_old_days=2&inactive_hours=never", "").want(http.StatusOK)
	if got.at("due", "delete") != 1.0 || got.at("due", "deactivate") != 1.0 || got.at("proposed", "delete") != 2.0 || got.at("proposed", "deactivate") != 0.0 {
		t.Errorf("what a run would do: %s", got.body)
	}
	dry := w.do(request{as: admin, method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true,"delete_old_days":2,"inactive_hours":"never"}`}).want(http.StatusOK)
	if n := dry.at("results", 1, "session_count"); n != got.at("proposed", "delete") {
		t.Errorf("a dry run deletes %v, the proposal %v", n, got.at("proposed", "delete"))
	}
	want := func(a answer, i int, name, origin string, value any, editable bool) {
		t.Helper()
		if a.at("settings", i, "name") != name || a.at("settings", i, "origin") != origin || a.at("settings", i, "value") != value || a.at("settings", i, "editable") != editable {
			t.Errorf("setting %d is %v, want %s from %s: %v", i, a.at("settings", i), name, origin, value)
		}
	}
	want(got, 0, "inactive_hours", "database", 24.0, true)
	want(got, 3, "alert_due", "program", 7.0, false)

	ask := do(admin, http.MethodPatch, "", `{"delete_old_days":2}`).problem(http.StatusPreconditionRequired, "confirmation-required")
	if ask.str("confirm") != "?confirm=2" || ask.at("due") != 2.0 || ask.at("due_before") != 1.0 {
		t.Errorf("what a change asks: %s", ask.body)
	}
	do(admin, http.MethodPatch, "?confirm=1", `{"delete_old_days":2}`).problem(http.StatusPreconditionRequired, "confirmation-required")
	set := do(admin, http.MethodPatch, ask.str("confirm")+"&reason=less+room", `{"delete_old_days":2,"inactive_hours":"never"}`).want(http.StatusOK)
	want(set, 0, "inactive_hours", "database", nil, true)
	want(set, 1, "delete_old_days", "database", 2.0, true)
	if set.at("due", "delete") != 2.0 || set.str("message") == "" {
		t.Errorf("after the change: %s", set.body)
	}
	if me := w.do(request{as: ann, method: http.MethodGet, path: "/me"}).want(http.StatusOK); me.at("delete_old_days") != 2.0 {
		t.Errorf("what an owner is told after the change: %s", me.body)
	}
	log := w.do(request{as: admin, method: http.MethodGet, path: "/events?action=policy_changed"}).want(http.StatusOK)
	if reason, _ := log.at("events", 0, "reason").(string); !strings.Contains(reason, "DeleteAfter from 30d to 2d: less room") {
		t.Errorf("the event: %s", log.body)
	}
	want(do(admin, http.MethodPatch, "", `{"alert_use_rate":0.2}`).want(http.StatusOK), 4, "alert_use_rate", "database", 0.2, true)
	want(do(admin, http.MethodPatch, "", `{"alert_use_rate":0}`).want(http.StatusOK), 4, "alert_use_rate", "database", 0.0, true)
	want(do(admin, http.MethodPatch, "", `{"alert_activity_rate":1}`).want(http.StatusOK), 5, "alert_activity_rate", "database", 1.0, true)
	if low := w.do(request{as: admin, method: http.MethodGet, path: "/stats"}).want(http.StatusOK); !strings.Contains(string(low.body), `"low_activity"`) {
		t.Errorf("with an alert below 100 %% active: %s", low.body)
	}
	want(do(admin, http.MethodPatch, "", `{"alert_activity_rate":0}`).want(http.StatusOK), 5, "alert_activity_rate", "database", 0.0, true)
	if low := w.do(request{as: admin, method: http.MethodGet, path: "/stats"}).want(http.StatusOK); strings.Contains(string(low.body), `"low_activity"`) {
		t.Errorf("without that alert: %s", low.body)
	}

	sharedPolicy(t, w)

	const rules = "test: inactive=1h delete=1d; vip: delete=never"
	do(admin, http.MethodGet, "?rules=vip", "").names("rules")
	do(admin, http.MethodPatch, "", `{"rules":"VIP: delete=1d"}`).names("rules")
	want(do(admin, http.MethodPatch, "", `{"rules":"vip: delete=never; test: delete=1d inactive=1h"}`).want(http.StatusOK), 6, "rules", "database", rules, true)
	want(do(admin, http.MethodGet, "?rules=none", "").want(http.StatusOK), 6, "rules", "database", rules, true)
	want(do(admin, http.MethodPatch, "", `{"rules":""}`).want(http.StatusOK), 6, "rules", "database", "", true)

	bare := newWorld(t, observe)
	if a := bare.do(request{as: admin, method: http.MethodGet, path: "/policy"}).want(http.StatusOK); a.at("editable") != false || a.at("settings", 0, "origin") != "default" {
		t.Errorf("a policy in code: %s", a.body)
	}
	bare.do(request{as: admin, method: http.MethodPatch, path: "/policy", body: `{"delete_old_days":50}`}).problem(http.StatusConflict, "policy-not-stored")
}

// sharedPolicy is edited by two people who saw the same one: the second change is refused, with whatever it changes.
func sharedPolicy(t *testing.T, w *World) {
	t.Helper()
	get := func() string {
		return w.do(request{as: admin, method: http.MethodGet, path: "/policy"}).want(http.StatusOK).header.Get("ETag")
	}
	patch := func(match, body string) answer {
		return w.do(request{as: admin, method: http.MethodPatch, path: "/policy", body: body, header: map[string]string{"If-Match": match}})
	}
	seen := get()
	if seen == "" || seen != get() {
		t.Errorf("ETags of one policy: %q and %q", seen, get())
	}
	next := patch(seen, `{"alert_use_rate":0.5}`).want(http.StatusOK).header.Get("ETag")
	if next == seen || next != get() {
		t.Errorf("ETag %q after a change of the policy with %q", next, seen)
	}
	before := w.snapshot()
	for _, match := range []string{seen, `"x"`, "W/" + next, ""} {
		for _, body := range []string{`{"alert_use_rate":0.25}`, `{"alert_use_rate":0.5}`, `{"inactive_hours":4}`, `{"rules":"vip: delete=never"}`} {
			if a := patch(match, body).problem(http.StatusPreconditionFailed, "changed-meanwhile"); !strings.Contains(a.str("detail"), "policy") {
				t.Errorf("If-Match %s: %s", match, a.body)
			}
		}
	}
	if get() != next || w.snapshot() != before {
		t.Error("a refused change of the policy changed something")
	}
	patch("x", `{"alert_use_rate":0.25}`).names("If-Match")
	patch(`"x", `+next, `{"alert_use_rate":0.25}`).want(http.StatusOK)
	patch("*", `{"alert_use_rate":0}`).want(http.StatusOK)
}
