package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// routes are the service's handlers. Streams of the library's end with the context.
func (s *service) routes(streaming context.Context) (http.Handler, error) {
	owners, err := httpapi.New(s.sessions, httpapi.Options{Authenticate: s.principal, Context: streaming})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/session-cleanup/", owners)
	mux.HandleFunc("POST /people", s.join)
	mux.HandleFunc("POST /rooms", s.loggedIn(s.createRoom))
	mux.HandleFunc("GET /rooms/{room}", s.loggedIn(s.showRoom))
	mux.HandleFunc("POST /rooms/{room}/messages", s.loggedIn(s.say))
	return mux, nil
}

// join makes a person and prints the token with which that person logs in.
func (s *service) join(w http.ResponseWriter, r *http.Request) {
	token := rand.Text()
	_, err := s.db.ExecContext(r.Context(), "INSERT INTO people (id, name, token) VALUES ($1, $2, $3)", rand.Text(), r.PostFormValue("name"), hashed(token))
	respond(w, err, token)
}

// person is who sent a request; an error when the token is nobody's.
func (s *service) person(r *http.Request) (id string, err error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	err = s.db.QueryRowContext(r.Context(), "SELECT id FROM people WHERE token = $1", hashed(token)).Scan(&id)
	return id, err
}

func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// principal limits the library's own handlers to the rooms of the person.
func (s *service) principal(r *http.Request) (sessioncleanup.Principal, error) {
	id, err := s.person(r)
	return sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: id}, err
}

func (s *service) loggedIn(next func(w http.ResponseWriter, r *http.Request, person string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person, err := s.person(r)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next(w, r, person)
	}
}

func (s *service) createRoom(w http.ResponseWriter, r *http.Request, person string) {
	id := rand.Text()
	_, err := s.db.ExecContext(r.Context(), "INSERT INTO rooms (id, host_id, title) VALUES ($1, $2, $3)", id, person, r.PostFormValue("title"))
	respond(w, err, id)
}

// showRoom reads no table that the library follows, so it tells the tracker that the room is used.
func (s *service) showRoom(w http.ResponseWriter, r *http.Request, _ string) {
	room, err := s.sessions.Get(r.Context(), r.PathValue("room"))
	if err == nil {
		s.tracker.Touch(room.ID)
	}
	respond(w, err, fmt.Sprintf("%s is %s", room.Name, room.Status))
}

// say adds a message. That counts as activity, because messages are a source in the Schema.
func (s *service) say(w http.ResponseWriter, r *http.Request, _ string) {
	text := r.PostFormValue("text") // reads the body, however slowly it comes
	// A run that has begun is finished when the service stops, so it does not end with the client's connection.
	ctx := context.WithoutCancel(r.Context())
	_, err := s.db.ExecContext(ctx, "INSERT INTO messages (id, room_id, text) SELECT $1, id, $2 FROM rooms WHERE id = $3", rand.Text(), text, r.PathValue("room"))
	respond(w, err, "said")
}

func respond(w http.ResponseWriter, err error, text string) {
	switch {
	case err == nil:
		_, _ = fmt.Fprintln(w, text) // an error says that the client has disconnected
	case errors.Is(err, sessioncleanup.ErrNotFound), errors.Is(err, sql.ErrNoRows):
		w.WriteHeader(http.StatusNotFound)
	default:
		slog.Error("request", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
