// Package apitest is the test suite of package httpapi. It is a package of its own so that a module with validators of
// OpenAPI documents can run it too and look at every answer.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// Observer sees a request and its answer. It reports what is wrong with them to t. The bodies of both can be read.
type Observer func(t *testing.T, req *http.Request, res *http.Response)

// Run runs the suite. observe may be nil.
func Run(t *testing.T, observe Observer) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, Observer)
	}{
		{"EveryRouteAnswersEveryRoleAsItShould", everyCase},
		{"UnknownPathsAndMethods", unknownPaths},
		{"Queries", queries},
		{"Bodies", bodies},
		{"Stats", statistics},
		{"View", views},
		{"Change", changes},
		{"Delete", deletions},
		{"Cleanup", runs},
		{"Events", logs},
		{"Live", streams},
		{"EntityTags", entityTags},
		{"Languages", languages},
		{"Guards", guards},
		{"Failures", failures},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t, observe)
		})
	}
}

// Prefix is where the handler under test is mounted.
const Prefix = httpapi.DefaultPrefix

// The sessions that every world begins with. All but Busy and Bobs are ann's.
const (
	Busy   = "a/b é" // in use; ann's; an ID that needs escaping
	Idle   = "2"     // due for deactivation
	Gone   = "3"     // due for deletion
	Kept   = "4"     // protected, though unused for long
	Bobs   = "5"     // bob's, in use
	Closed = "6"     // inactive, not due
	Nobody = "no-such-session"
)

// World is a handler over a store with a few sessions.
type World struct {
	t       *testing.T
	Store   *memory.Store
	Handler http.Handler
	observe Observer
}

// newWorld makes a world. change may alter the options and the store that the handler sees.
func newWorld(t *testing.T, observe Observer, change ...func(*setup)) *World {
	t.Helper()
	w := &World{t: t, Store: memory.New(memory.Config{}), observe: observe}
	now := time.Now()
	put := func(id, owner, name string, active, auto bool, unused time.Duration) {
		err := w.Store.Put(sessioncleanup.Session{
			ID: id, OwnerID: owner, OwnerName: strings.ToUpper(owner), Name: name, Code: "c-" + name, Active: active, AutoCleanup: auto,
			CreatedAt: now.Add(-unused - time.Hour), UpdatedAt: now.Add(-unused), LastActivity: now.Add(-unused), ActivityCount: 7,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour
	put(Busy, "ann", "quiz", true, true, time.Hour)
	put(Idle, "ann", "poll", true, true, 2*day)
	put(Gone, "ann", "chat", false, true, 60*day)
	put(Kept, "ann", "fête", true, false, 90*day)
	put(Bobs, "bob", "cart", true, true, time.Hour/2)
	put(Closed, "ann", "room", false, true, 3*day)
	s := setup{Store: w.Store, Options: httpapi.Options{Authenticate: authenticate, Interval: time.Nanosecond}}
	for _, f := range change {
		f(&s)
	}
	m, err := sessioncleanup.New(s.Store, sessioncleanup.Config{Policy: s.Policy})
	if err != nil {
		t.Fatal(err)
	}
	if w.Handler, err = httpapi.New(m, s.Options); err != nil {
		t.Fatal(err)
	}
	return w
}

// setup is what a test may change of a world.
type setup struct {
	Store   sessioncleanup.Store
	Policy  sessioncleanup.Policy
	Options httpapi.Options
}

// who is a header value that authenticate understands: "admin", "owner:ann", "viewer", or "" for nobody.
const roleHeader = "X-Test-Role"

func authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	who := r.Header.Get(roleHeader)
	if who == "" {
		return sessioncleanup.Principal{}, errors.New("secret: nobody is in table users")
	}
	role, id, _ := strings.Cut(who, ":")
	return sessioncleanup.Principal{Role: sessioncleanup.Role(role), ID: id}, nil
}

const (
	admin = "admin:root"
	ann   = "owner:ann"
	bob   = "owner:bob"
)

// request is one request; its path is below the prefix.
type request struct {
	as     string
	method string
	path   string
	body   string
	header map[string]string
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
}

// do sends a request and checks what holds for every answer.
func (w *World) do(r request) answer {
	w.t.Helper()
	return w.doIn(w.t.Context(), r)
}

func (w *World) doIn(ctx context.Context, r request) answer {
	w.t.Helper()
	req := httptest.NewRequestWithContext(ctx, r.method, Prefix+r.path, strings.NewReader(r.body))
	if r.as != "" {
		req.Header.Set(roleHeader, r.as)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	w.Handler.ServeHTTP(rec, req)
	a := answer{
		t: w.t, what: r.method + " " + r.path + " as " + r.as + " with " + short(r.body),
		status: rec.Code, header: rec.Header(), body: rec.Body.String(),
	}
	a.check(r)
	if w.observe != nil {
		req.Body = io.NopCloser(strings.NewReader(r.body))
		w.observe(w.t, req, rec.Result())
	}
	return a
}

func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// check reports what no answer may do.
func (a answer) check(r request) {
	a.t.Helper()
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		a.t.Errorf("%s: Cache-Control is %q, want no-store", a.what, got)
	}
	if got := a.header.Get("X-Content-Type-Options"); got != "nosniff" {
		a.t.Errorf("%s: X-Content-Type-Options is %q, want nosniff", a.what, got)
	}
	for _, secret := range []string{"SELECT", "secret", "goroutine", ".go:", "pq:", "SQLSTATE"} {
		if strings.Contains(a.body, secret) {
			a.t.Errorf("%s: the answer shows %q: %s", a.what, secret, a.body)
		}
	}
	if a.status == http.StatusNotModified || a.header.Get("Content-Type") == "text/event-stream" || strings.HasSuffix(r.path, "openapi.yaml") && a.status == http.StatusOK {
		return
	}
	var common struct {
		Success *bool
		Type    string
		Title   string
		Status  int
		Detail  string
		Error   string
	}
	if err := json.Unmarshal([]byte(a.body), &common); err != nil {
		a.t.Fatalf("%s: %d with no JSON: %q", a.what, a.status, a.body)
	}
	if common.Success == nil || *common.Success != (a.status == http.StatusOK) {
		a.t.Errorf("%s: %d with success %v", a.what, a.status, common.Success)
	}
	if a.status == http.StatusOK {
		if got := a.header.Get("Content-Type"); got != "application/json" {
			a.t.Errorf("%s: Content-Type is %q", a.what, got)
		}
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: Content-Type is %q", a.what, got)
	}
	if common.Status != a.status || common.Title == "" || common.Detail == "" || common.Error != common.Detail || !strings.Contains(common.Type, "/http.md#") {
		a.t.Errorf("%s: %d with a problem that lacks something: %s", a.what, a.status, a.body)
	}
}

// want reports another status than the one given.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// problem reports another problem than the one given.
func (a answer) problem(status int, name string) answer {
	a.t.Helper()
	a.want(status)
	if got := a.str("type"); !strings.HasSuffix(got, "#"+name) {
		a.t.Fatalf("%s: problem %s, want %s", a.what, got, name)
	}
	return a
}

// names reports a problem that does not name a field, in words too.
func (a answer) names(field string) answer {
	a.t.Helper()
	a.problem(http.StatusBadRequest, "invalid-request")
	if a.str("field") != field || !strings.Contains(a.str("error"), field) {
		a.t.Fatalf("%s: want a problem with %s: %s", a.what, field, a.body)
	}
	return a
}

// at gives a value of the answer by a path of keys and indexes.
func (a answer) at(path ...any) any {
	a.t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader([]byte(a.body)))
	if err := dec.Decode(&v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if _, there := m[s]; !ok || !there {
				a.t.Fatalf("%s: no %q in %s", a.what, s, a.body)
			}
			v = m[s]
		case int:
			list, ok := v.([]any)
			if !ok || s >= len(list) {
				a.t.Fatalf("%s: no item %d in %s", a.what, s, a.body)
			}
			v = list[s]
		}
	}
	return v
}

func (a answer) str(path ...any) string {
	a.t.Helper()
	s, ok := a.at(path...).(string)
	if !ok {
		a.t.Fatalf("%s: %v is no text in %s", a.what, path, a.body)
	}
	return s
}

func (a answer) has(key string) bool {
	a.t.Helper()
	m, ok := a.at().(map[string]any)
	_, there := m[key]
	return ok && there
}

// snapshot is everything that the store holds, to see whether it changed.
func (w *World) snapshot() string {
	w.t.Helper()
	ctx := w.t.Context()
	page, err := w.Store.List(ctx, sessioncleanup.Query{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	log, err := w.Store.Events(ctx, sessioncleanup.EventQuery{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := json.Marshal([]any{page.Sessions, log})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}
