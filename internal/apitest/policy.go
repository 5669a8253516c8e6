package apitest

import (
	"context"
	"fmt"
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

	got := do(admin, http.MethodGet, "?delete_old_days=2&inactive_hours=never", "").ok().is("due.delete", 1.0, "due.deactivate", 1.0, "proposed.delete", 2.0, "proposed.deactivate", 0.0)
	w.post(admin, "/cleanup", `{"dry_run":true,"delete_old_days":2,"inactive_hours":"never"}`).ok().is("results.1.session_count", got.at("proposed.delete"))
	want := func(a answer, i int, name, origin string, value any, editable bool) {
		t.Helper()
		at := fmt.Sprintf("settings.%d.", i)
		a.is(at+"name", name, at+"origin", origin, at+"value", value, at+"editable", editable)
	}
	want(got, 0, "inactive_hours", "database", 24.0, true)
	want(got, 3, "alert_due", "program", 7.0, false)

	ask := do(admin, http.MethodPatch, "", `{"delete_old_days":2}`).problem(http.StatusPreconditionRequired, "confirmation-required").is("confirm", "?confirm=2", "due", 2.0, "due_before", 1.0)
	do(admin, http.MethodPatch, "?confirm=1", `{"delete_old_days":2}`).problem(http.StatusPreconditionRequired, "confirmation-required")
	set := do(admin, http.MethodPatch, ask.str("confirm")+"&reason=less+room", `{"delete_old_days":2,"inactive_hours":"never"}`).ok()
	want(set, 0, "inactive_hours", "database", nil, true)
	want(set, 1, "delete_old_days", "database", 2.0, true)
	set.is("due.delete", 2.0, "message", some)
	w.get(ann, "/me").ok().is("delete_old_days", 2.0)
	log := w.get(admin, "/events?action=policy_changed").ok()
	if reason, _ := log.at("events.0.reason").(string); !strings.Contains(reason, "DeleteAfter from 30d to 2d: less room") {
		t.Errorf("the event: %s", log.body)
	}
	want(do(admin, http.MethodPatch, "", `{"alert_use_rate":0.2}`).ok(), 4, "alert_use_rate", "database", 0.2, true)
	want(do(admin, http.MethodPatch, "", `{"alert_use_rate":0}`).ok(), 4, "alert_use_rate", "database", 0.0, true)
	want(do(admin, http.MethodPatch, "", `{"alert_activity_rate":1}`).ok(), 5, "alert_activity_rate", "database", 1.0, true)
	if low := w.get(admin, "/stats").ok(); !strings.Contains(string(low.body), `"low_activity"`) {
		t.Errorf("with an alert below 100 %% active: %s", low.body)
	}
	want(do(admin, http.MethodPatch, "", `{"alert_activity_rate":0}`).ok(), 5, "alert_activity_rate", "database", 0.0, true)
	if low := w.get(admin, "/stats").ok(); strings.Contains(string(low.body), `"low_activity"`) {
		t.Errorf("without that alert: %s", low.body)
	}

	sharedPolicy(t, w)

	const rules = "test: inactive=1h delete=1d; vip: delete=never"
	do(admin, http.MethodGet, "?rules=vip", "").names("rules")
	do(admin, http.MethodPatch, "", `{"rules":"VIP: delete=1d"}`).names("rules")
	want(do(admin, http.MethodPatch, "", `{"rules":"vip: delete=never; test: delete=1d inactive=1h"}`).ok(), 6, "rules", "database", rules, true)
	want(do(admin, http.MethodGet, "?rules=none", "").ok(), 6, "rules", "database", rules, true)
	want(do(admin, http.MethodPatch, "", `{"rules":""}`).ok(), 6, "rules", "database", "", true)

	bare := newWorld(t, observe)
	bare.get(admin, "/policy").ok().is("editable", false, "settings.0.origin", "default")
	bare.patch(admin, "/policy", `{"delete_old_days":50}`).problem(http.StatusConflict, "policy-not-stored")
}

// sharedPolicy is edited by two people who saw the same one: the second change is refused, with whatever it changes.
func sharedPolicy(t *testing.T, w *World) {
	t.Helper()
	get := func() string {
		return w.get(admin, "/policy").ok().header.Get("ETag")
	}
	patch := func(match, body string) answer {
		return w.do(request{as: admin, method: http.MethodPatch, path: "/policy", body: body, header: map[string]string{"If-Match": match}})
	}
	seen := get()
	if seen == "" || seen != get() {
		t.Errorf("ETags of one policy: %q and %q", seen, get())
	}
	next := patch(seen, `{"alert_use_rate":0.5}`).ok().header.Get("ETag")
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
	patch(`"x", `+next, `{"alert_use_rate":0.25}`).ok()
	patch("*", `{"alert_use_rate":0}`).ok()
}
