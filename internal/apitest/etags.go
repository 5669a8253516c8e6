package apitest

import (
	"net/http"
	"strings"
	"testing"
)

// entityTags avoid responses that the client already has, and changes that it does not want.
func entityTags(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	get := func(path, known string) answer {
		t.Helper()
		return w.getWith(ann, path, "If-None-Match", known)
	}
	for _, path := range []string{"/view", "/" + Idle} {
		tag := get(path, "").ok().header.Get("ETag")
		for _, known := range []string{tag, `"x", ` + tag, "*", strings.TrimPrefix(tag, "W/")} {
			if a := get(path, known).want(http.StatusNotModified); a.body != "" || a.header.Get("ETag") != tag {
				t.Errorf("%s: ETag %q, body %q", a.what, a.header.Get("ETag"), a.body)
			}
		}
		get(path, `"x"`).ok()
		get(path, "x").names("If-None-Match")
	}
	page, one := get("/view", "").header.Get("ETag"), get("/"+Idle, "").header.Get("ETag")
	patch := func(method, path, match string) answer {
		t.Helper()
		return w.do(request{as: ann, method: method, path: path, header: map[string]string{"If-Match": match}})
	}
	before := w.snapshot()
	for _, match := range []string{`"x"`, "W/" + one, `"x","y"`, ""} {
		for _, action := range []string{"/deactivate", "/reactivate", "/activity"} {
			patch(http.MethodPatch, "/"+Idle+action, match).problem(http.StatusPreconditionFailed, "changed-meanwhile")
		}
		patch(http.MethodDelete, "/"+Idle+"?confirm="+Idle, match).problem(http.StatusPreconditionFailed, "changed-meanwhile")
	}
	for _, match := range []string{"x", `"x`, `"x" "y"`, `*,"x"`, `W/x`} {
		patch(http.MethodPatch, "/"+Idle+"/deactivate", match).names("If-Match")
	}
	patch(http.MethodPatch, "/"+Bobs+"/deactivate", `"x"`).want(http.StatusNotFound)
	w.same(before, "a refused change")
	next := patch(http.MethodPatch, "/"+Idle+"/deactivate", `"x", `+one).ok().header.Get("ETag")
	if next == one || get("/"+Idle, "").header.Get("ETag") != next || get("/view", "").header.Get("ETag") == page {
		t.Error("entity tags did not follow the change")
	}
	patch(http.MethodPatch, "/"+Idle+"/reactivate", one).want(http.StatusPreconditionFailed)
	patch(http.MethodPatch, "/"+Idle+"/reactivate", "*").ok()
	tag := get("/"+Idle, "").header.Get("ETag")
	patch(http.MethodDelete, "/"+Idle+"?confirm="+Idle, tag).ok()
}
