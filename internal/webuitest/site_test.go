package webuitest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/webui"
)

// whoCookie says who looks at the page: "admin", "owner:ann" or "viewer".
const whoCookie = "who"

// site is the page and its API over a store in memory.
type site struct {
	t       *testing.T
	url     string
	mux     *http.ServeMux
	api     http.Handler
	store   *memory.Store
	kept    *keeping
	manager *sessioncleanup.Manager
	expired atomic.Bool                                                   // no login is valid
	down    atomic.Bool                                                   // the API does not answer
	between atomic.Pointer[func(http.ResponseWriter, *http.Request) bool] // sees requests of the API first; true: and responds
}

const day = 24 * time.Hour

// hostile is a name that tries to be markup, and is hard to lay out.
const hostile = `<img src=x onerror="window.pwned=1"><b>bold</b> مرحبا بالعالم 🎉👩‍👩‍👧‍👦 ` + "\u202eevil"

func newSite(t *testing.T, policy sessioncleanup.Policy, options ...func(*httpapi.Options)) *site {
	t.Helper()
	s := &site{t: t, store: memory.New(memory.Config{})}
	var err error
	db := &keeping{Store: s.store, policy: sessioncleanup.DefaultPolicy()}
	s.kept = db
	if s.manager, err = sessioncleanup.New(db, sessioncleanup.Config{Policy: policy, Stored: &db.policy}); err != nil {
		t.Fatal(err)
	}
	// A machine that is busy with other tests must not look like a database that does not respond.
	o := httpapi.Options{Interval: 200 * time.Millisecond, Timeout: 20 * time.Second, Context: t.Context(), Authenticate: s.authenticate}
	for _, f := range options {
		f(&o)
	}
	api, err := httpapi.New(s.manager, o)
	if err != nil {
		t.Fatal(err)
	}
	s.api = api
	page, err := webui.Handler(webui.Options{Prefix: "/page", Login: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.mux = mux
	mux.Handle("/page/", page)
	mux.Handle(httpapi.DefaultPrefix+"/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := s.between.Load(); f != nil && (*f)(w, r) {
			return
		}
		if s.down.Load() {
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(w, r)
	}))
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.url = server.URL + "/page/"
	return s
}

// atNextChange calls f when the next request arrives that changes something, before the API sees it. A page that is still
// loading would show by itself what f breaks, before the test can click.
func (s *site) atNextChange(f func()) {
	var once sync.Once
	between := func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			once.Do(f)
		}
		return false
	}
	s.between.Store(&between)
}

func (s *site) authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	who, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c, err := r.Cookie(whoCookie); err == nil {
		who = c.Value
	}
	if who == "" || s.expired.Load() {
		return sessioncleanup.Principal{}, errors.New("no login")
	}
	role, id, _ := strings.Cut(who, ":")
	return sessioncleanup.Principal{Role: sessioncleanup.Role(role), ID: id}, nil
}

// put adds a session that was last used some time ago.
func (s *site) put(id, owner, name string, active bool, unused time.Duration, change ...func(*sessioncleanup.Session)) {
	s.t.Helper()
	used := time.Now().Add(-unused)
	session := sessioncleanup.Session{
		ID: id, OwnerID: owner, OwnerName: strings.ToUpper(owner), Name: name, Code: "C-" + id, Active: active, AutoCleanup: true,
		CreatedAt: used.Add(-day), UpdatedAt: used, LastActivity: used, ActivityCount: 12,
	}
	if !active {
		session.DeactivatedAt = used
	}
	for _, f := range change {
		f(&session)
	}
	if err := s.store.Put(session); err != nil {
		s.t.Fatal(err)
	}
}

// annsSessions are one of each state.
func (s *site) annsSessions() {
	s.put("live", "ann", "Friday requests", true, time.Hour)
	s.put("closing", "ann", "Chill evening", true, 20*time.Hour)
	s.put("closed", "ann", "Rock night", false, 3*day)
	s.put("deleting", "ann", "80s special", false, 25*day)
	s.put("protected", "ann", "Community choice", true, 90*day, func(s *sessioncleanup.Session) { s.AutoCleanup = false })
	s.put("bobs", "bob", "Bob's own", true, time.Hour)
}

// get is a session as stored.
func (s *site) get(id string) sessioncleanup.Session {
	s.t.Helper()
	found, err := s.manager.Get(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func (s *site) gone(id string) bool {
	_, err := s.manager.Get(s.t.Context(), id)
	return errors.Is(err, sessioncleanup.ErrNotFound)
}
