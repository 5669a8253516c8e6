package apitest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// everyCase tries every route with every role, session and body, each in a new world. The expected status follows from
// four rules: without the right to use a route, any request is a 401 or 403; a wrong body is refused before anything is
// looked up; a missing session and somebody else's are the same 404; the rest works. Nothing changes unless the status is
// 200.
func everyCase(t *testing.T, observe Observer) {
	for _, rt := range table {
		for _, as := range []string{"", "viewer", "viewer:ann", "system", "owner", "root", ann, bob, admin} {
			for _, id := range rt.sessions() {
				for _, b := range rt.bodies() {
					name := fmt.Sprintf("%s %s as %q, %.20q, %s body", rt.method, rt.path, as, id, b.name)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, observe)
						before := w.snapshot()
						path := strings.ReplaceAll(rt.path, "{id}", url.PathEscape(id))
						if rt.method == http.MethodDelete && possible(id) {
							path += "?confirm=" + url.QueryEscape(id)
						}
						a := w.do(request{as: as, method: rt.method, path: path, body: b.text, header: b.header})
						a.want(rt.expect(as, id, b))
						if a.status != http.StatusOK && w.snapshot() != before {
							t.Errorf("%s: %d, yet something changed", a.what, a.status)
						}
						if a.status == http.StatusOK && rt.writes && w.snapshot() == before {
							t.Errorf("%s: %d, yet nothing changed", a.what, a.status)
						}
					})
				}
			}
		}
	}
}

// tableRoute is a route of the table.
type tableRoute struct {
	method, path string
	good         string // a body that works
	fields       bool   // the body has fields
	needed       bool   // and one of them is needed
	open         bool
	adminOnly    bool
	writes       bool
}

var table = []tableRoute{
	{method: http.MethodGet, path: "/stats"},
	{method: http.MethodGet, path: "/me"},
	{method: http.MethodGet, path: "/summary"},
	{method: http.MethodGet, path: "/tags"},
	{method: http.MethodGet, path: "/view"},
	{method: http.MethodGet, path: "/policy", adminOnly: true},
	{method: http.MethodGet, path: "/analytics", adminOnly: true},
	{method: http.MethodGet, path: "/owners", adminOnly: true},
	{method: http.MethodGet, path: "/pause", adminOnly: true},
	{method: http.MethodPost, path: "/pause", good: `{"hours":2,"reason":"because"}`, fields: true, needed: true, adminOnly: true, writes: true},
	{method: http.MethodPost, path: "/bulk", good: `{"action":"protect","ids":["a/b é","5"]}`, fields: true, needed: true, writes: true},
	{method: http.MethodGet, path: "/events"},
	{method: http.MethodGet, path: "/archive"},
	{method: http.MethodGet, path: "/openapi.yaml", open: true},
	{method: http.MethodPost, path: "/cleanup", good: `{"dry_run":false,"owner_id":"ann"}`, fields: true, adminOnly: true, writes: true},
	{method: http.MethodGet, path: "/{id}"},
	{method: http.MethodDelete, path: "/{id}", writes: true},
	{method: http.MethodPatch, path: "/{id}/deactivate", writes: true},
	{method: http.MethodPatch, path: "/{id}/reactivate"},
	{method: http.MethodPatch, path: "/{id}/activity", writes: true},
	{method: http.MethodPatch, path: "/{id}/auto-cleanup", good: `{"auto_cleanup":false}`, fields: true, needed: true, writes: true},
	{method: http.MethodPatch, path: "/{id}/keep", good: `{"days":30}`, fields: true, needed: true},
	{method: http.MethodPatch, path: "/{id}/tags", good: `{"add":["vip"],"remove":["test"]}`, fields: true, needed: true, writes: true},
	{method: http.MethodPatch, path: "/{id}/expiry", good: `{"expires_at":"2030-01-02T03:04:05+02:00"}`, fields: true, needed: true, writes: true},
}

// tableBody is a body, and its status when everything else is right.
type tableBody struct {
	name, text string
	header     map[string]string
	status     int
}

func (rt tableRoute) sessions() []string {
	if strings.Contains(rt.path, "{id}") {
		return []string{Busy, Bobs, Nobody, "\x00", "\xff", strings.Repeat("x", 2000)}
	}
	return []string{"-"}
}

func (rt tableRoute) bodies() []tableBody {
	if rt.method == http.MethodGet {
		return []tableBody{{name: "no", status: http.StatusOK}}
	}
	long := strings.Repeat(" ", 64<<10)
	all := []tableBody{
		{name: "good", text: rt.good, status: http.StatusOK},
		{name: "unknown field", text: `{"nonsense":1}`, status: http.StatusBadRequest},
		{name: "broken", text: `{"`, status: http.StatusBadRequest},
		{name: "list", text: `[]`, status: http.StatusBadRequest},
		{name: "second", text: `{} {}`, status: http.StatusBadRequest},
		{name: "large", text: `{` + long + `}`, status: http.StatusRequestEntityTooLarge},
		{name: "form", text: `a=b`, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, status: http.StatusUnsupportedMediaType},
		{name: "untyped", text: `{}`, header: map[string]string{"Content-Type": ""}, status: http.StatusUnsupportedMediaType},
		{name: "packed", text: `{}`, header: map[string]string{"Content-Encoding": "gzip"}, status: http.StatusUnsupportedMediaType},
	}
	empty := http.StatusOK
	if rt.needed {
		empty = http.StatusBadRequest
	}
	all = append(all, tableBody{name: "empty object", text: `{}`, status: empty}, tableBody{name: "no", status: empty})
	if rt.good == "" {
		all[0].text = ""
	}
	return all
}

// expect is the status according to the rules.
func (rt tableRoute) expect(as, id string, b tableBody) int {
	owner := strings.HasPrefix(as, "owner:")
	switch {
	case rt.open:
		return http.StatusOK
	case as == "":
		return http.StatusUnauthorized
	case !owner && as != admin, owner && rt.adminOnly:
		return http.StatusForbidden
	case b.status != http.StatusOK:
		return b.status
	case id == "-":
		return http.StatusOK
	case id == Busy && as != bob, id == Bobs && as != ann:
		return http.StatusOK
	default:
		return http.StatusNotFound
	}
}

// unknownPaths are problems, too. A 405 lists the methods of the path.
func unknownPaths(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	for _, path := range []string{"/", "", "/stats/", "/view/x", "/a/b/c", "/a/touch", "/runs/a/touch", "/runs//reactivate", "/runs/a/reactivate/b", "/a/b/reactivate", "//", "//deactivate", "/a/"} {
		w.get(admin, path).problem(http.StatusNotFound, "not-found")
	}
	for path, methods := range map[string]string{
		"/stats": "GET, HEAD", "/view": "GET, HEAD", "/events": "GET, HEAD", "/me": "GET, HEAD", "/keep": "GET, HEAD, POST", "/summary": "GET, HEAD", "/bulk": "POST", "/a/keep": "PATCH", "/policy": "GET, HEAD, PATCH", "/pause": "DELETE, GET, HEAD, POST", "/analytics": "GET, HEAD", "/owners": "GET, HEAD", "/live": "GET, HEAD", "/openapi.yaml": "GET, HEAD",
		"/cleanup": "POST", "/a": "DELETE, GET, HEAD", "/a/deactivate": "PATCH", "/a/reactivate": "PATCH",
		"/runs/a/reactivate": "POST", "/runs/a": "GET, HEAD", "/runs": "DELETE, GET, HEAD", "/runs/reactivate": "PATCH",
		"/a/auto-cleanup": "PATCH", "/a/activity": "PATCH", "/a/expiry": "PATCH", "/a/tags": "PATCH", "/tags": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if strings.Contains(methods, method) {
				continue
			}
			a := w.do(request{as: admin, method: method, path: path}).problem(http.StatusMethodNotAllowed, "method-not-allowed")
			if got := a.header.Get("Allow"); got != methods {
				t.Errorf("%s: Allow is %q, want %q", a.what, got, methods)
			}
		}
	}
}

// possible reports whether a session may have the ID.
func possible(id string) bool { return len(id) < 1000 && id != "\x00" && id != "\xff" }
