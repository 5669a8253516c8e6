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
	run := w.post(admin, "/cleanup", `{"inactive_hours":0.1}`).ok()
	if run.at("results.0.session_count") != 3.0 {
		t.Fatalf("the run deactivated another number than 3: %s", run.body)
	}
	w.waitUntil(time.Now().Add(2 * time.Millisecond)) // the time of a deactivation tells that it is another one
	one := "/runs/" + url.PathEscape(run.str("run_id"))
	w.get(ann, one).problem(http.StatusForbidden, "forbidden")
	w.get(admin, one+"?x=1").names("x")
	w.get(admin, one).ok().is("run.run_id", run.str("run_id"), "run.run.failed", false)
	for _, unknown := range []string{"no-such-run", "%00"} {
		w.get(admin, "/runs/"+unknown).problem(http.StatusNotFound, "not-found")
	}
	path := one + "/reactivate"
	w.patch(ann, "/"+Idle+"/reactivate", "").ok()
	w.patch(ann, "/"+Idle+"/deactivate", "").ok() // by a person: it stays closed
	for _, as := range []string{ann, "viewer"} {
		w.post(as, path, "").problem(http.StatusForbidden, "forbidden")
	}
	w.post(admin, path+"?x=1", "").names("x")
	w.post(admin, path, `{"x":1}`).names("x")
	w.post(admin, path, "").ok().is("due", 3.0, "done", 2.0, "skipped", 1.0, "run_id", run.str("run_id"), "message", some)
	for id, active := range map[string]bool{Busy: true, Bobs: true, Idle: false} {
		w.get(admin, "/"+url.PathEscape(id)).ok().is("session.active", active)
	}
	w.post(admin, path, "").ok().is("done", 0.0, "skipped", 3.0)
	for _, unknown := range []string{"no-such-run", "%00", "%ff"} {
		w.post(admin, "/runs/"+unknown+"/reactivate", "").problem(http.StatusNotFound, "not-found")
	}
}
