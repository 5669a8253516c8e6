package apitest

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// reversedRuns are those whose deactivations are undone, where nobody changed the session since.
func reversedRuns(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	run := w.do(request{as: admin, method: http.MethodPost, path: "/cleanup", body: `{"inactive_hours":0.1}`}).want(http.StatusOK)
	if run.at("results", 0, "session_count") != 3.0 {
		t.Fatalf("the run deactivated another number than 3: %s", run.body)
	}
	time.Sleep(2 * time.Millisecond) // the time of a deactivation tells that it is another one
	one := "/runs/" + url.PathEscape(run.str("run_id"))
	w.do(request{as: ann, method: http.MethodGet, path: one}).problem(http.StatusForbidden, "forbidden")
	w.do(request{as: admin, method: http.MethodGet, path: one + "?x=1"}).names("x")
	if a := w.do(request{as: admin, method: http.MethodGet, path: one}).want(http.StatusOK); a.at("run", "run_id") != run.str("run_id") || a.at("run", "run", "failed") != false {
		t.Errorf("the run: %s", a.body)
	}
	for _, unknown := range []string{"no-such-run", "%00"} {
		w.do(request{as: admin, method: http.MethodGet, path: "/runs/" + unknown}).problem(http.StatusNotFound, "not-found")
	}
	path := one + "/reactivate"
	w.do(request{as: ann, method: http.MethodPatch, path: "/" + Idle + "/reactivate"}).want(http.StatusOK)
	w.do(request{as: ann, method: http.MethodPatch, path: "/" + Idle + "/deactivate"}).want(http.StatusOK) // by a person: it stays closed
	for _, as := range []string{ann, "viewer"} {
		w.do(request{as: as, method: http.MethodPost, path: path}).problem(http.StatusForbidden, "forbidden")
	}
	w.do(request{as: admin, method: http.MethodPost, path: path + "?x=1"}).names("x")
	w.do(request{as: admin, method: http.MethodPost, path: path, body: `{"x":1}`}).names("x")
	a := w.do(request{as: admin, method: http.MethodPost, path: path}).want(http.StatusOK)
	if a.at("due") != 3.0 || a.at("done") != 2.0 || a.at("skipped") != 1.0 || a.str("run_id") != run.str("run_id") || a.str("message") == "" {
		t.Errorf("reversed: %s", a.body)
	}
	for id, active := range map[string]bool{Busy: true, Bobs: true, Idle: false} {
		s := w.do(request{as: admin, method: http.MethodGet, path: "/" + url.PathEscape(id)}).want(http.StatusOK)
		if s.at("session", "active") != active {
			t.Errorf("session %q after the run was reversed: %s", id, s.body)
		}
	}
	again := w.do(request{as: admin, method: http.MethodPost, path: path}).want(http.StatusOK)
	if again.at("done") != 0.0 || again.at("skipped") != 3.0 {
		t.Errorf("reversed twice: %s", again.body)
	}
	for _, unknown := range []string{"no-such-run", "%00", "%ff"} {
		w.do(request{as: admin, method: http.MethodPost, path: "/runs/" + unknown + "/reactivate"}).problem(http.StatusNotFound, "not-found")
	}
}
