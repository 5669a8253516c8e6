package apitest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// streams begin with the figures and the missed events, and continue with new ones.
func streams(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Options.Interval = 5 * time.Millisecond })
	w.patch(admin, "/"+Bobs+"/deactivate", "").ok()
	w.patch(admin, "/2/deactivate", "").ok()
	watch := func(as, last string) answer {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		h := map[string]string{}
		if last != "" {
			h["Last-Event-ID"] = last
		}
		a := w.doIn(ctx, request{as: as, method: http.MethodGet, path: "/live", header: h}).ok()
		if got := a.header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("%s: Content-Type is %q", a.what, got)
		}
		return a
	}
	a := watch(ann, "")
	if strings.Count(a.body, "event: stats\n") != 1 || strings.Contains(a.body, "event: event") || !strings.Contains(a.body, `"total":5`) {
		t.Errorf("ann's stream: %s", a.body)
	}
	log := w.get(admin, "/events")
	if n := len(log.at("events").([]any)); n != 2 {
		t.Fatalf("%d events, want 2", n)
	}
	if a := watch(admin, "1"); strings.Count(a.body, "event: event\n") != 1 || !strings.Contains(a.body, "id: 2\n") {
		t.Errorf("an admin that has event 1: %s", a.body)
	}
	if a := watch(bob, "0"); strings.Contains(a.body, `"id":"2"`) {
		t.Errorf("bob's stream has ann's session: %s", a.body)
	}
	head := w.do(request{as: admin, method: http.MethodHead, path: "/live"}).ok()
	if head.body != "" {
		t.Errorf("HEAD has the body %q", head.body)
	}
	still := newWorld(t, observe)
	handler := still.Handler
	still.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(struct{ http.ResponseWriter }{w}, r) // a writer that cannot flush
	})
	still.get(admin, "/live").problem(http.StatusNotImplemented, "no-stream")
}
