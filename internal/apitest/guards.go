package apitest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// guards refuse requests before their routes do.
func guards(t *testing.T, observe Observer) {
	closed := newWorld(t, observe, func(s *setup) { s.Options.ReadOnly = true })
	before := closed.snapshot()
	for _, r := range []request{
		{method: http.MethodPost, path: "/cleanup"}, {method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true}`},
		{method: http.MethodPost, path: "/runs/x/reactivate"},
		{method: http.MethodPatch, path: "/2/deactivate"}, {method: http.MethodPatch, path: "/2/activity"},
		{method: http.MethodDelete, path: "/2?confirm=2"}, {method: http.MethodPatch, path: "/2/expiry", body: "{"},
	} {
		r.as = admin
		closed.do(r).problem(http.StatusForbidden, "read-only")
	}
	closed.same(before, "a read-only handler")
	closed.get(admin, "/view").ok()

	w := newWorld(t, observe)
	for _, h := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}} {
		for _, as := range []string{"", admin} {
			w.do(request{as: as, method: http.MethodPatch, path: "/2/deactivate", header: h}).problem(http.StatusForbidden, "cross-origin")
			w.do(request{as: as, method: http.MethodDelete, path: "/2?confirm=2", header: h}).problem(http.StatusForbidden, "cross-origin")
			w.do(request{as: as, method: http.MethodPost, path: "/cleanup", header: h}).problem(http.StatusForbidden, "cross-origin")
		}
		w.do(request{as: admin, method: http.MethodGet, path: "/view", header: h}).ok()
	}
	w.do(request{as: admin, method: http.MethodPatch, path: "/2/deactivate", header: map[string]string{"Sec-Fetch-Site": "same-origin"}}).ok()
	trusting := newWorld(t, observe, func(s *setup) {
		s.Options.CrossOrigin = http.NewCrossOriginProtection()
		if err := s.Options.CrossOrigin.AddTrustedOrigin("https://app.example"); err != nil {
			t.Fatal(err)
		}
	})
	trusting.do(request{as: admin, method: http.MethodPatch, path: "/2/deactivate", header: map[string]string{"Origin": "https://app.example"}}).ok()

	limited := newWorld(t, observe, func(s *setup) { s.Options.Limit = httpapi.PerPrincipal(0.5, 2) })
	for range 2 {
		limited.get(ann, "/view").ok()
	}
	a := limited.get(ann, "/view").problem(http.StatusTooManyRequests, "too-many-requests")
	if got := a.header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After is %q, want 2", got)
	}
	limited.get(bob, "/view").ok()

	if got := w.get("", "/view").want(http.StatusUnauthorized).header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate is %q, want Bearer", got)
	}
	document := w.get("", "/openapi.yaml").ok()
	if !strings.HasPrefix(document.body, "openapi: 3.1") || !strings.Contains(document.body, "- url: "+Prefix+"\n") {
		t.Errorf("openapi.yaml begins with %q", short(document.body))
	}
}
