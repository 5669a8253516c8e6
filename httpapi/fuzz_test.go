package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// The fuzz tests send malformed requests and check that no response is an internal error, something else than JSON, or
// somebody else's session, and that no refused request changes anything.

const foreign = "bobs-own-session"

// target is a handler for requests of ann, and of an admin for runs. Its store has a protected session of bob, too.
type target struct {
	store   *memory.Store
	handler http.Handler
	bob     sessioncleanup.Session
}

func newTarget(tb testing.TB) *target {
	tb.Helper()
	t := &target{store: memory.New(memory.Config{})}
	t.bob = sessioncleanup.Session{ID: foreign, OwnerID: "bob", Name: foreign, Active: true, LastActivity: time.Now().UTC().Round(0)}
	m, err := sessioncleanup.New(t.store, sessioncleanup.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	t.handler, err = httpapi.New(m, httpapi.Options{
		Interval: time.Nanosecond,
		Authenticate: func(r *http.Request) (sessioncleanup.Principal, error) {
			if r.URL.Path == httpapi.DefaultPrefix+"/cleanup" {
				return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}, nil
			}
			return sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"}, nil
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	t.reset(tb)
	return t
}

// reset restores the sessions.
func (t *target) reset(tb testing.TB) {
	tb.Helper()
	now := time.Now()
	err := t.store.Put(t.bob,
		sessioncleanup.Session{ID: "1", OwnerID: "ann", Name: "quiz", Active: true, AutoCleanup: true, LastActivity: now},
		sessioncleanup.Session{ID: "2", OwnerID: "ann", Name: "poll", AutoCleanup: true, LastActivity: now.AddDate(0, 0, -2)},
	)
	if err != nil {
		tb.Fatal(err)
	}
}

// send sends a request that nothing has escaped, and checks the response.
func (t *target) send(tb testing.TB, method, path, query, body string, header http.Header) *httptest.ResponseRecorder {
	tb.Helper()
	u, err := url.ParseRequestURI(httpapi.DefaultPrefix + path)
	if err != nil {
		return nil // a server does not get that far
	}
	u.RawQuery = query
	req := &http.Request{
		Method: method, URL: u, Host: "example.com", Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.MaxBytesReader(nil, readCloser{strings.NewReader(body)}, 1<<20), ContentLength: int64(len(body)),
	}
	rec := httptest.NewRecorder()
	t.handler.ServeHTTP(rec, req.WithContext(tb.Context()))
	t.check(tb, rec)
	return rec
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func (t *target) check(tb testing.TB, rec *httptest.ResponseRecorder) {
	tb.Helper()
	switch rec.Code {
	case 200, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 429:
	default:
		tb.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	if rec.Code == http.StatusNotModified || rec.Header().Get("Content-Type") == "application/yaml" {
		return
	}
	if !json.Valid(rec.Body.Bytes()) || !utf8.Valid(rec.Body.Bytes()) {
		tb.Fatalf("status %d with no JSON: %q", rec.Code, rec.Body)
	}
	if rec.Code == http.StatusOK && bytes.Contains(rec.Body.Bytes(), []byte(foreign)) {
		tb.Fatalf("ann was shown bob's session: %s", rec.Body)
	}
	for name, values := range rec.Header() {
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				tb.Fatalf("header %s is %q", name, v)
			}
		}
	}
	page, err := t.store.List(tb.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: foreign}, Limit: 1})
	if err != nil || len(page.Sessions) != 1 || !page.Sessions[0].Equal(t.bob) {
		tb.Fatalf("bob's session is %+v, %v", page.Sessions, err)
	}
}

func typed() http.Header { return http.Header{"Content-Type": {"application/json"}} }

func FuzzSessionIDs(f *testing.F) {
	for _, id := range []string{"1", "", foreign, "stats", "a/b", "..", "%2e%2e", "\x00", "\xff", "é", "' OR 1=1 --", strings.Repeat("x", 2000), "1;1", "?", "#", "%"} {
		f.Add(id)
	}
	t := newTarget(f)
	f.Fuzz(func(tb *testing.T, id string) {
		t.reset(tb)
		for _, path := range []string{"/" + id, "/" + url.PathEscape(id)} {
			for _, r := range [][3]string{
				{http.MethodGet, ""}, {http.MethodPatch, "/deactivate"}, {http.MethodPatch, "/activity"},
				{http.MethodDelete, ""}, {http.MethodDelete, "", "confirm=" + url.QueryEscape(id)},
			} {
				rec := t.send(tb, r[0], path+r[1], r[2], "", http.Header{})
				if rec != nil && rec.Code == http.StatusOK && r[0] != http.MethodGet && id != "1" && id != "2" && id != "%31" && id != "%32" {
					if len(id) < 3 || !strings.Contains(id, "%") {
						tb.Fatalf("%s %s changed a session", r[0], path)
					}
				}
			}
		}
	})
}

func FuzzQueries(f *testing.F) {
	for _, q := range []string{
		"", "limit=1", "sort=-name&status=active", "q=%00", "owner=bob", "owner=ann", "limit=99999999999999999999", "a=b&a=b", ";", "%zz", "&&&=",
		"q=" + strings.Repeat("x", 2000), "cursor=e30", "action=run&limit=3", "action=x", "status=x", "sort=x", "q=QUIZ", "limit=0", "session=" + foreign, "run=x&owner=%ff",
	} {
		f.Add(q)
	}
	t := newTarget(f)
	f.Fuzz(func(tb *testing.T, query string) {
		for _, path := range []string{"/stats", "/view", "/events", "/1", "/openapi.yaml"} {
			t.send(tb, http.MethodGet, path, query, "", http.Header{})
		}
	})
}

func FuzzCursors(f *testing.F) {
	t := newTarget(f)
	for _, path := range []string{"/view", "/events"} {
		var page struct {
			Next string `json:"next_cursor"`
		}
		t.send(f, http.MethodPatch, "/1/deactivate", "", "", http.Header{})
		t.send(f, http.MethodPatch, "/1/reactivate", "", "", http.Header{})
		if err := json.Unmarshal(t.send(f, http.MethodGet, path, "limit=1", "", http.Header{}).Body.Bytes(), &page); err != nil || page.Next == "" {
			f.Fatalf("%s has no second page: %v", path, err)
		}
		f.Add(page.Next)
	}
	for _, c := range []string{"", "e30", "x", "eyJsIjoiIn0", "bnVsbA", "W10", "eyJsIjoiIiwiayI6IlwwIn0"} {
		f.Add(c)
	}
	f.Fuzz(func(tb *testing.T, cursor string) {
		for _, path := range []string{"/view", "/events"} {
			for _, filter := range []string{"", "&sort=name", "&sort=-created", "&owner=ann"} {
				if path == "/events" && strings.Contains(filter, "sort") {
					continue
				}
				t.send(tb, http.MethodGet, path, "limit=1&cursor="+url.QueryEscape(cursor)+filter, "", http.Header{})
			}
		}
	})
}

func FuzzBodies(f *testing.F) {
	for _, b := range []string{
		"", "{}", `{"auto_cleanup":true}`, `{"auto_cleanup":1}`, `{"expires_at":null}`, `{"expires_at":"2030-01-01T00:00:00Z"}`,
		`{"expires_at":"9999-12-31T23:59:59-23:59"}`, `[`, `[]`, `5`, `{"owner_id":"ann"}`, `{"owner_id":"\ud800"}`, `{"a":{"b":[1,2,{}]}}`, `{} {}`, "\xff", `{"\ud800":1}`, `nul`, `{"auto_cleanup":true,"auto_cleanup":false}`,
		strings.Repeat("[", 20_000), `{"expires_at":"0000-01-01T00:00:00Z"}`, `{"inactive_hours":1e-9,"dry_run":true}`,
	} {
		f.Add(b)
	}
	t := newTarget(f)
	f.Fuzz(func(tb *testing.T, body string) {
		t.reset(tb)
		for _, r := range [][2]string{
			{http.MethodPatch, "/1/auto-cleanup"}, {http.MethodPatch, "/1/expiry"}, {http.MethodPatch, "/1/deactivate"},
			{http.MethodPatch, "/" + foreign + "/auto-cleanup"}, {http.MethodPost, "/cleanup"}, {http.MethodDelete, "/1"},
		} {
			rec := t.send(tb, r[0], r[1], "", body, typed())
			if rec.Code == http.StatusOK && !json.Valid([]byte(body)) && body != "" {
				tb.Fatalf("%s took the body %q", r[1], body)
			}
		}
	})
}

func FuzzHeaders(f *testing.F) {
	for _, h := range []string{
		"", "*", `"x"`, `"a"b`, `"a" , W/"b"`, `W/"x", "y"`, `"`, `,,,`, "fr;q=0.5, en", "fr;q=NaN", "q=;;", "application/json; charset=utf-8", "gzip",
		"18446744073709551616", "-1", "cross-site", "https://evil.example", "\r\nX: y", "\x00", strings.Repeat(`"a",`, 1000),
	} {
		f.Add(h)
	}
	t := newTarget(f)
	f.Fuzz(func(tb *testing.T, value string) {
		t.reset(tb)
		for _, name := range []string{"If-Match", "If-None-Match", "Accept-Language", "Content-Type", "Content-Encoding", "Origin", "Sec-Fetch-Site"} {
			h := typed()
			h[name] = []string{value}
			for _, r := range [][3]string{
				{http.MethodGet, "/view"}, {http.MethodGet, "/1"}, {http.MethodPatch, "/1/auto-cleanup", `{"auto_cleanup":true}`}, {http.MethodDelete, "/2"},
			} {
				t.send(tb, r[0], r[1], "", r[2], h)
			}
		}
	})
}
