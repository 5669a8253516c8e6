package apitest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// errSQL is what a database might say. None of it may be answered.
var errSQL = errors.New(`ERROR: relation "secret" does not exist: SELECT * FROM secret (SQLSTATE 42P01)`)

// entityTags save answers that the client has, and changes that it would not want.
func entityTags(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	get := func(path, known string) answer {
		t.Helper()
		h := map[string]string{}
		if known != "" {
			h["If-None-Match"] = known
		}
		return w.do(request{as: ann, method: http.MethodGet, path: path, header: h})
	}
	for _, path := range []string{"/view", "/" + Idle} {
		tag := get(path, "").want(http.StatusOK).header.Get("ETag")
		for _, known := range []string{tag, `"x", ` + tag, "*", strings.TrimPrefix(tag, "W/")} {
			if a := get(path, known).want(http.StatusNotModified); a.body != "" || a.header.Get("ETag") != tag {
				t.Errorf("%s: ETag %q, body %q", a.what, a.header.Get("ETag"), a.body)
			}
		}
		get(path, `"x"`).want(http.StatusOK)
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
	if w.snapshot() != before {
		t.Error("a refused change changed something")
	}
	next := patch(http.MethodPatch, "/"+Idle+"/deactivate", `"x", `+one).want(http.StatusOK).header.Get("ETag")
	if next == one || get("/"+Idle, "").header.Get("ETag") != next || get("/view", "").header.Get("ETag") == page {
		t.Error("entity tags did not follow the change")
	}
	patch(http.MethodPatch, "/"+Idle+"/reactivate", one).want(http.StatusPreconditionFailed)
	patch(http.MethodPatch, "/"+Idle+"/reactivate", "*").want(http.StatusOK)
	tag := get("/"+Idle, "").header.Get("ETag")
	patch(http.MethodDelete, "/"+Idle+"?confirm="+Idle, tag).want(http.StatusOK)
}

// languages are English and French, as clients ask.
func languages(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	const en, fr = "There is no such session.", "Cette session n'existe pas."
	for header, want := range map[string]string{
		"": en, "en": en, "fr": fr, "FR": fr, "fr-CH, fr;q=0.9, en;q=0.8": fr, "en-GB,en;q=0.9,fr;q=0.8": en,
		"de": en, "de, fr;q=0.5": fr, "*": en, "fr;q=0": en, "fr;q=0.2, *;q=0.1": fr, "fr;q=x": en, ";;,,q=": en, "fr ; q=1": fr,
	} {
		h := map[string]string{}
		if header != "" {
			h["Accept-Language"] = header
		}
		a := w.do(request{as: admin, method: http.MethodGet, path: "/" + Nobody, header: h}).want(http.StatusNotFound)
		language := map[string]string{en: "en", fr: "fr"}[want]
		if a.str("error") != want || a.header.Get("Content-Language") != language {
			t.Errorf("Accept-Language %q: %q in %q, want %q", header, a.str("error"), a.header.Get("Content-Language"), want)
		}
	}
	french := func(method, path, body string) answer {
		t.Helper()
		return w.do(request{as: admin, method: method, path: path, body: body, header: map[string]string{"Accept-Language": "fr"}})
	}
	for want, a := range map[string]answer{
		"limit vaut":               french(http.MethodGet, "/view?limit=x", ""),
		"Session désactivée.":      french(http.MethodPatch, "/2/deactivate", ""),
		"À supprimer : 1":          french(http.MethodPost, "/cleanup", `{"dry_run":true}`),
		"définitive":               french(http.MethodDelete, "/2", ""),
		"n'accepte pas":            french(http.MethodPost, "/stats", ""),
		"n'est pas un objet JSON":  french(http.MethodPost, "/cleanup", `[`),
		"page précédente":          french(http.MethodGet, "/view?cursor=x", ""),
		`"cleanup_status":"À supp`: french(http.MethodGet, "/view?status=to_delete", ""),
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s in French: want %q in %s", a.what, want, a.body)
		}
	}
}

// guards are what stands before the routes.
func guards(t *testing.T, observe Observer) {
	closed := newWorld(t, observe, func(s *setup) { s.Options.ReadOnly = true })
	before := closed.snapshot()
	for _, r := range []request{
		{method: http.MethodPost, path: "/cleanup"}, {method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true}`},
		{method: http.MethodPatch, path: "/2/deactivate"}, {method: http.MethodPatch, path: "/2/activity"},
		{method: http.MethodDelete, path: "/2?confirm=2"}, {method: http.MethodPatch, path: "/2/expiry", body: "{"},
	} {
		r.as = admin
		closed.do(r).problem(http.StatusForbidden, "read-only")
	}
	if closed.snapshot() != before {
		t.Error("a read-only handler changed something")
	}
	closed.do(request{as: admin, method: http.MethodGet, path: "/view"}).want(http.StatusOK)

	w := newWorld(t, observe)
	for _, h := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}} {
		for _, as := range []string{"", admin} {
			w.do(request{as: as, method: http.MethodPatch, path: "/2/deactivate", header: h}).problem(http.StatusForbidden, "cross-origin")
			w.do(request{as: as, method: http.MethodDelete, path: "/2?confirm=2", header: h}).problem(http.StatusForbidden, "cross-origin")
			w.do(request{as: as, method: http.MethodPost, path: "/cleanup", header: h}).problem(http.StatusForbidden, "cross-origin")
		}
		w.do(request{as: admin, method: http.MethodGet, path: "/view", header: h}).want(http.StatusOK)
	}
	w.do(request{as: admin, method: http.MethodPatch, path: "/2/deactivate", header: map[string]string{"Sec-Fetch-Site": "same-origin"}}).want(http.StatusOK)
	trusting := newWorld(t, observe, func(s *setup) {
		s.Options.CrossOrigin = http.NewCrossOriginProtection()
		if err := s.Options.CrossOrigin.AddTrustedOrigin("https://app.example"); err != nil {
			t.Fatal(err)
		}
	})
	trusting.do(request{as: admin, method: http.MethodPatch, path: "/2/deactivate", header: map[string]string{"Origin": "https://app.example"}}).want(http.StatusOK)

	limited := newWorld(t, observe, func(s *setup) { s.Options.Limit = httpapi.PerPrincipal(0.5, 2) })
	for range 2 {
		limited.do(request{as: ann, method: http.MethodGet, path: "/view"}).want(http.StatusOK)
	}
	a := limited.do(request{as: ann, method: http.MethodGet, path: "/view"}).problem(http.StatusTooManyRequests, "too-many-requests")
	if got := a.header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After is %q, want 2", got)
	}
	limited.do(request{as: bob, method: http.MethodGet, path: "/view"}).want(http.StatusOK)

	if got := w.do(request{method: http.MethodGet, path: "/view"}).want(http.StatusUnauthorized).header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate is %q, want Bearer", got)
	}
	document := w.do(request{method: http.MethodGet, path: "/openapi.yaml"}).want(http.StatusOK)
	if !strings.HasPrefix(document.body, "openapi: 3.1") || !strings.Contains(document.body, "- url: "+Prefix+"\n") {
		t.Errorf("openapi.yaml begins with %q", short(document.body))
	}
}

// failures of the database and of the host's own code tell nobody anything.
func failures(t *testing.T, observe Observer) {
	requests := []request{
		{method: http.MethodGet, path: "/stats"}, {method: http.MethodGet, path: "/view"}, {method: http.MethodGet, path: "/events"},
		{method: http.MethodGet, path: "/live"}, {method: http.MethodGet, path: "/2"}, {method: http.MethodDelete, path: "/2"},
		{method: http.MethodDelete, path: "/2?confirm=2"}, {method: http.MethodPatch, path: "/2/deactivate"},
		{method: http.MethodPatch, path: "/2/activity"}, {method: http.MethodPost, path: "/cleanup"},
		{method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true}`},
		{method: http.MethodPatch, path: "/2/deactivate", header: map[string]string{"If-Match": `"x"`}},
	}
	for name, test := range map[string]struct {
		before  func(context.Context) error
		status  int
		problem string
	}{
		"away":          {func(context.Context) error { return fmt.Errorf("dial: %w: %w", sessioncleanup.ErrUnavailable, errSQL) }, http.StatusServiceUnavailable, "unavailable"},
		"hangs":         {Hang, http.StatusServiceUnavailable, "unavailable"},
		"not installed": {func(context.Context) error { return sessioncleanup.ErrNotInstalled }, http.StatusServiceUnavailable, "unavailable"},
		"broken":        {func(context.Context) error { return errSQL }, http.StatusInternalServerError, "internal-error"},
		"panics":        {func(context.Context) error { panic("secret") }, http.StatusInternalServerError, "internal-error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range requests {
				w := newWorld(t, observe, func(s *setup) {
					db := &Faulty{Store: s.Store}
					db.Before(test.before)
					s.Store, s.Options.Timeout = db, 20*time.Millisecond
				})
				r.as = admin
				a := w.do(r).problem(test.status, test.problem)
				if got := a.header.Get("Retry-After"); (got != "") != (test.status == http.StatusServiceUnavailable) {
					t.Errorf("%s: Retry-After is %q", a.what, got)
				}
			}
		})
	}
	broken := newWorld(t, observe, func(s *setup) {
		s.Options.Authenticate = func(r *http.Request) (sessioncleanup.Principal, error) {
			switch r.Header.Get(roleHeader) {
			case "panic":
				panic("secret")
			case "away":
				return sessioncleanup.Principal{}, sessioncleanup.ErrUnavailable
			default:
				return sessioncleanup.Principal{}, sessioncleanup.ErrForbidden
			}
		}
	})
	broken.do(request{as: "panic", method: http.MethodGet, path: "/view"}).problem(http.StatusInternalServerError, "internal-error")
	broken.do(request{as: "away", method: http.MethodGet, path: "/view"}).problem(http.StatusServiceUnavailable, "unavailable")
	broken.do(request{as: "known", method: http.MethodGet, path: "/view"}).problem(http.StatusForbidden, "forbidden")

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	newWorld(t, observe).doIn(gone, request{as: admin, method: http.MethodGet, path: "/view"}).want(http.StatusServiceUnavailable)
}
