// Package apitest is the test suite of package httpapi. It is a separate package so that a module with validators of
// OpenAPI documents can run it too and check every response.
package apitest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// Observer gets every request with its response and reports errors to t. It may read both bodies.
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
		{"Me", me},
		{"Summary", summaries},
		{"Owners", owners},
		{"Keep", keeps},
		{"KeepLinks", keepLinks},
		{"Bulk", bulks},
		{"ExactCleanup", exactRuns},
		{"Progress", progress},
		{"Cleanup", runs},
		{"RefusedCleanup", refusedRuns},
		{"BrokenCleanup", brokenRuns},
		{"ReversedCleanup", reversedRuns},
		{"Pause", pauses},
		{"Policy", policies},
		{"Dependents", dependents},
		{"Archive", archive},
		{"Hold", hold},
		{"Erase", erase},
		{"NoArchive", noArchive},
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

// The sessions of every new world, and an ID of none. All but Bobs are ann's.
const (
	Busy   = "a/b é" // in use; an ID that needs escaping
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

// newWorld makes a world. change may alter the handler's options and its store.
func newWorld(t *testing.T, observe Observer, change ...func(*setup)) *World {
	t.Helper()
	w := &World{t: t, Store: memory.New(memory.Config{}), observe: observe}
	now := time.Now()
	put := func(id, owner, name string, active, auto bool, unused time.Duration) {
		var deactivated time.Time
		if !active {
			deactivated = now.Add(-unused)
		}
		w.put(sessioncleanup.Session{
			DeactivatedAt: deactivated,
			ID:            id, OwnerID: owner, OwnerName: strings.ToUpper(owner), Name: name, Code: "c-" + name, Active: active, AutoCleanup: auto,
			CreatedAt: now.Add(-unused - time.Hour), UpdatedAt: now.Add(-unused), LastActivity: now.Add(-unused), ActivityCount: 7,
		})
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
	m, err := sessioncleanup.New(s.Store, sessioncleanup.Config{Policy: s.Policy, Stored: s.Stored})
	if err != nil {
		t.Fatal(err)
	}
	if w.Handler, err = httpapi.New(m, s.Options); err != nil {
		t.Fatal(err)
	}
	return w
}

// setup is the part of a world that a test may change.
type setup struct {
	Store   sessioncleanup.Store
	Policy  sessioncleanup.Policy
	Stored  *sessioncleanup.Policy
	Options httpapi.Options
}

// roleHeader is the header that authenticate reads: "admin", "owner:ann", "viewer", or "" for nobody.
const roleHeader = "X-Test-Role"

func authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	who := r.Header.Get(roleHeader)
	if who == "" {
		return sessioncleanup.Principal{}, errors.New("secret: nobody is in table users")
	}
	role, id, _ := strings.Cut(who, ":")
	return sessioncleanup.Principal{Role: sessioncleanup.Role(role), ID: id}, nil
}

// The principals of most requests.
const (
	admin = "admin:root"
	ann   = "owner:ann"
	bob   = "owner:bob"
)

// put adds sessions to the store.
func (w *World) put(sessions ...sessioncleanup.Session) {
	w.t.Helper()
	if err := w.Store.Put(sessions...); err != nil {
		w.t.Fatal(err)
	}
}

// waitUntil waits until the store's clock shows a time.
func (w *World) waitUntil(at time.Time) {
	w.t.Helper()
	for {
		now, err := w.Store.Now(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if !now.Before(at) {
			return
		}
	}
}

// same requires that nothing changed since a snapshot.
func (w *World) same(before, what string) {
	w.t.Helper()
	if w.snapshot() != before {
		w.t.Errorf("%s changed something", what)
	}
}

// snapshot is everything in the store, to see whether it changed.
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
