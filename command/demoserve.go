package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/login"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// serveDemo serves the page on a new demo database until ctx ends.
func (a *app) serveDemo(ctx context.Context, path, addr string) error {
	if _, err := makeDemoDatabase(ctx, path, time.Now()); err != nil {
		return fmt.Errorf("create the demo's database: %w", err)
	}
	db, err := sqlite.Open(ctx, path, sqlite.Config{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	log := a.logTo(slog.LevelWarn)
	m, err := sessioncleanup.New(db, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}, Logger: log})
	if err != nil {
		return err
	}
	if err := m.Migrate(ctx); err != nil {
		return err
	}
	stored, err := db.Policy(ctx)
	if err != nil {
		return err
	}
	if m, err = sessioncleanup.New(db, sessioncleanup.Config{Stored: &stored, Logger: log}); err != nil { // so that it can be changed in the page
		return err
	}
	if err := liveDemo(ctx, m); err != nil {
		return err
	}
	admin, owner := rand.Text(), rand.Text()
	known, err := tokens.Parse(fmt.Sprintf("%s admin\n%s owner %s\n", admin, owner, demoOwner))
	if err != nil {
		return err
	}
	at := &endpoint{addr: addr, known: known, shortcuts: []login.Shortcut{{Name: "admin", Token: admin}, {Name: demoOwnerName, Token: owner}}}
	at.listening = func(url string) error {
		return a.say("Open %s and log in as admin or as %s, an owner. Ctrl-C stops it and removes the database.\n", url, demoOwnerName)
	}
	schedule := sessioncleanup.Interval{Every: defaultEvery}
	all := []served{{m: m, store: db, log: log}}
	measured, err := (&metricsFlags{}).handler(ctx, all, schedule, log)
	if err != nil {
		return err
	}
	err = serveHTTP(ctx, all, at, measured, log, func(ctx context.Context) error { return m.Run(ctx, schedule) })
	if errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// liveDemo leaves the database as a service that is cleaned up has it: a first cleanup has run, and people have made changes.
func liveDemo(ctx context.Context, m *sessioncleanup.Manager) error {
	if _, err := protectOldest(ctx, m); err != nil {
		return err
	}
	_, err := m.Cleanup(ctx, sessioncleanup.Run{Reason: "demo"})
	return err
}
