// Command embed is a small service that cleans up its rooms: it serves them over HTTP, records that they are used, and
// cleans up in the background.
//
//	go run ./examples/embed    # serves http://localhost:8080/rooms/{room}, keeps embed.db in the working directory
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, "sqlite:embed.db", "localhost:8080")
	stop()
	if err != nil {
		slog.Error("embed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, database, addr string) error {
	db, err := store.Open(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	s, err := newService(ctx, db)
	if err != nil {
		return err
	}
	// Both end with ctx. Of several instances, one at a time cleans up.
	go func() { _ = s.sessions.Run(ctx, sessioncleanup.Interval{Every: time.Hour}) }()
	go func() { _ = s.tracker.Run(ctx) }()

	server := &http.Server{Addr: addr, Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return s.tracker.Close(context.WithoutCancel(ctx))
}

// service is a service with sessions.
type service struct {
	sessions *sessioncleanup.Manager
	tracker  *sessioncleanup.Tracker
}

// newService uses any store: a database in production, the memory store in tests.
func newService(ctx context.Context, db sessioncleanup.Store) (*service, error) {
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{Logger: slog.Default()})
	if err != nil {
		return nil, err
	}
	if err := sessions.Migrate(ctx); err != nil {
		return nil, err
	}
	tracker, err := sessions.NewTracker(sessioncleanup.TrackerConfig{})
	if err != nil {
		return nil, err
	}
	return &service{sessions: sessions, tracker: tracker}, nil
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{room}", s.room)
	return mux
}

// room shows a room, which counts as activity.
func (s *service) room(w http.ResponseWriter, r *http.Request) {
	room, err := s.sessions.Get(r.Context(), r.PathValue("room"))
	switch {
	case errors.Is(err, sessioncleanup.ErrNotFound):
		http.NotFound(w, r)
		return
	case err != nil:
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	s.tracker.Touch(room.ID)
	_, _ = fmt.Fprintf(w, "%s is %s\n", room.Name, room.Status) // an error says that the client has disconnected
}
