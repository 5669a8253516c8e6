// Command embed is a small service that cleans up its rooms. It has tables of its own, a login, handlers that show and use
// rooms, and this library for the rest: activity, cleanup, an API for the owners of rooms, files that go with a room.
//
//	go run ./examples/embed                                   # keeps embed.db and the folder uploads in the working directory
//	DATABASE_URL=postgres://… go run ./examples/embed
//	curl -d name=ann localhost:8080/people                    # prints the token for the others
//	curl -H "Authorization: Bearer $TOKEN" -d title=quiz localhost:8080/rooms
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/store"
)

func main() {
	err := run(context.Background(), config{
		database: cmp.Or(os.Getenv("DATABASE_URL"), "sqlite:embed.db"), addr: "localhost:8080", every: time.Hour,
		removeFiles: func(_ context.Context, room string) error { return os.RemoveAll(filepath.Join("uploads", room)) },
	})
	if err != nil {
		slog.Error("embed", "error", err)
		os.Exit(1)
	}
}

type config struct {
	database    string // a URL: sqlite:PATH or postgres://…
	addr        string
	every       time.Duration // between two cleanups
	removeFiles func(ctx context.Context, room string) error
	started     func(*service, net.Addr) // for tests
}

// run serves until SIGTERM or Ctrl-C. Then requests in flight finish; touches are written; a cleanup in progress ends
// after its current batch; and the database is closed, in this order.
func run(ctx context.Context, c config) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := newService(ctx, c)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return errors.Join(err, s.close())
	}
	streaming, endStreams := context.WithCancel(ctx)
	defer endStreams()
	handler, err := s.routes(streaming)
	if err != nil {
		return errors.Join(err, listener.Close(), s.close())
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	server.RegisterOnShutdown(endStreams)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	working, end := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	for _, do := range []func(context.Context) error{
		s.tracker.Run,
		func(ctx context.Context) error { return s.sessions.Run(ctx, sessioncleanup.Interval{Every: c.every}) }, // one instance at a time
		func(ctx context.Context) error { return s.sessions.Follow(ctx, "notices", s.notice) },
	} {
		work.Go(func() {
			if err := do(working); working.Err() == nil {
				slog.Error("background work ended", "error", err)
				stop()
			}
		})
	}
	if c.started != nil {
		c.started(s, listener.Addr())
	}
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err = errors.Join(err, server.Shutdown(last))
	err = errors.Join(err, s.tracker.Close(last))
	end()
	work.Wait()
	return errors.Join(err, s.close())
}

// service has the application's own database handle and this library's.
type service struct {
	db       *sql.DB
	store    sessioncleanup.Store
	sessions *sessioncleanup.Manager
	tracker  *sessioncleanup.Tracker
}

func newService(ctx context.Context, c config) (*service, error) {
	db, err := openTables(ctx, c.database)
	if err != nil {
		return nil, err
	}
	s := &service{db: db}
	s.store, err = store.OpenWith(ctx, c.database, store.Config{Logger: slog.Default(), Schema: sessioncleanup.Schema{
		Table: "rooms", Owner: "host_id", Name: "title", CreatedAt: "created_at",
		Owners:  &sessioncleanup.Owners{Table: "people", ID: "id", Name: "name"},
		Sources: []sessioncleanup.Source{{Table: "messages", Session: "room_id", At: "sent_at"}},
	}})
	if err == nil {
		s.sessions, err = sessioncleanup.New(s.store, sessioncleanup.Config{Logger: slog.Default(), BeforeDelete: removing(c.removeFiles)})
	}
	if err == nil {
		err = s.sessions.Migrate(ctx)
	}
	if err == nil {
		s.tracker, err = s.sessions.NewTracker(sessioncleanup.TrackerConfig{})
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *service) close() error {
	err := s.db.Close()
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}

// removing removes the files of rooms before the rooms are deleted. A room whose files are in use stays until the next run.
func removing(files func(ctx context.Context, room string) error) func(context.Context, []sessioncleanup.Session) error {
	return func(ctx context.Context, rooms []sessioncleanup.Session) error {
		kept := &sessioncleanup.KeepError{Reasons: map[string]error{}}
		for _, room := range rooms {
			if err := files(ctx, room.ID); err != nil {
				kept.Reasons[room.ID] = err
			}
		}
		if len(kept.Reasons) > 0 {
			return kept
		}
		return nil
	}
}

// notice tells hosts what became of their rooms.
func (s *service) notice(events []sessioncleanup.Event) error {
	for _, e := range events {
		if e.Action != sessioncleanup.ActionDeleted {
			continue
		}
		for _, room := range e.Sessions {
			slog.Info("your room was deleted", "host", room.OwnerID, "room", room.Name)
		}
	}
	return nil
}
