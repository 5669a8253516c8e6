// Package testing_test has the tests that docs/testing.md shows.
package testing_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestARoomIsDeletedAMonthAfterItsLastUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		if err := db.Put(sessioncleanup.Session{ID: "quiz", Active: true, AutoCleanup: true, LastActivity: time.Now()}); err != nil {
			t.Fatal(err)
		}
		sessions, err := sessioncleanup.New(db, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = sessions.Run(ctx, sessioncleanup.Interval{Every: time.Hour}) }()

		time.Sleep(27 * time.Hour) // takes no time
		if room, err := sessions.Get(ctx, "quiz"); err != nil || room.Active {
			t.Errorf("after a day the room is %+v, %v; want it inactive", room, err)
		}
		time.Sleep(31 * 24 * time.Hour)
		if _, err := sessions.Get(ctx, "quiz"); !errors.Is(err, sessioncleanup.ErrNotFound) {
			t.Errorf("after a month: %v, want it deleted", err)
		}
	})
}

func TestARoomInSQLiteIsDeactivatedADayAfterItsLastMessage(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "app.db")
	app, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	exec := func(statement string) {
		t.Helper()
		if _, err := app.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE rooms (id TEXT PRIMARY KEY, title TEXT)")
	exec("CREATE TABLE messages (room_id TEXT REFERENCES rooms (id) ON DELETE CASCADE, text TEXT)")

	var ahead time.Duration // how far the clock is ahead
	db, err := sqlite.Open(ctx, path, sqlite.Config{
		Clock: func() time.Time { return time.Now().Add(ahead) },
		Schema: sessioncleanup.Schema{
			Table: "rooms", ID: "id", Name: "title", Sources: []sessioncleanup.Source{{Table: "messages", Session: "room_id"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{IgnoreClock: true}) // the machine's is another one
	if err != nil {
		t.Fatal(err)
	}
	if err := sessions.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	exec("INSERT INTO rooms (id, title) VALUES ('quiz', 'Quiz night')")
	exec("INSERT INTO messages VALUES ('quiz', 'hello')")
	for _, after := range []struct {
		time   time.Duration
		active bool
	}{{23 * time.Hour, true}, {25 * time.Hour, false}} {
		ahead = after.time
		if _, err := sessions.Cleanup(ctx, sessioncleanup.Run{}); err != nil {
			t.Fatal(err)
		}
		if room, err := sessions.Get(ctx, "quiz"); err != nil || room.Active != after.active {
			t.Errorf("after %v the room is %+v, %v; want active: %v", after.time, room, err, after.active)
		}
	}
}

func TestAnOwnerSeesOnlyItsOwnRooms(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	for id, owner := range map[string]string{"quiz": "ann", "poll": "bob"} {
		if err := db.Put(sessioncleanup.Session{ID: id, OwnerID: owner, Active: true, LastActivity: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := httpapi.New(sessions, httpapi.Options{
		Authenticate: func(r *http.Request) (sessioncleanup.Principal, error) { // your own login, or in a test:
			return sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: r.Header.Get("Test-User")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/session-cleanup/view", http.NoBody)
	r.Header.Set("Test-User", "ann")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, `"quiz"`) || strings.Contains(body, `"poll"`) {
		t.Errorf("%d %s; want ann's quiz and not bob's poll", w.Code, body)
	}
}

// TestTheDocumentationShowsTheseTests: what a reader copies is what runs here.
func TestTheDocumentationShowsTheseTests(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("rooms_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(docs), "```go\n")[1:]
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(string(source), code) {
			t.Errorf("docs/testing.md has code that is not tested here:\n%s", code)
		}
	}
	if len(blocks) < 3 {
		t.Errorf("docs/testing.md has %d blocks of code, want each of the tests", len(blocks))
	}
}
