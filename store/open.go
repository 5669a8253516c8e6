// Package store opens a sessioncleanup.Store by URL, for programs that learn at run time which backend they use.
// A program that knows imports that backend's package and opens it there, with all of its options.
package store

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// backend opens the part of a URL behind its scheme, or the whole of it.
type backend struct {
	form string // of its URLs, for people
	open func(ctx context.Context, url, rest string, c Config) (sessioncleanup.Store, error)
}

var backends = map[string]backend{
	"memory":     {"memory:", openMemory},
	"sqlite":     {"sqlite:PATH", openSQLite},
	"postgres":   {"postgres://USER@HOST/DATABASE", openPostgres},
	"postgresql": {"postgresql://USER@HOST/DATABASE", openPostgres},
}

// Open opens the store that a URL names:
//
//	memory:                          nothing is kept when the process ends
//	sqlite:PATH                      a file
//	postgres://USER@HOST/DATABASE    as libpq understands it; postgresql:// too
//
// The schema is the one adopted by an earlier Migrate, or else what the database itself tells. An unknown scheme is an
// ErrInvalid that lists the known ones. No error holds a password.
func Open(ctx context.Context, url string) (sessioncleanup.Store, error) {
	return OpenWith(ctx, url, Config{})
}

// Config is what every backend understands. The zero value is what Open works with.
type Config struct {
	// Schema says where the host keeps its sessions. Default: what an earlier Migrate adopted, or else what the
	// database itself tells.
	Schema sessioncleanup.Schema
	// Logger receives warnings of Migrate: what will be slow, or cannot be deleted. Default: none.
	Logger *slog.Logger
}

// OpenWith is Open with more to say than a URL can.
func OpenWith(ctx context.Context, url string, c Config) (sessioncleanup.Store, error) {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok {
		return nil, fmt.Errorf("%w: database URL has no scheme: want %s", sessioncleanup.ErrInvalid, strings.Join(Forms(), ", "))
	}
	b, known := backends[strings.ToLower(scheme)]
	if !known { // the rest of it may hold a password
		return nil, fmt.Errorf("%w: database URL has the unknown scheme %q: want %s", sessioncleanup.ErrInvalid, scheme, strings.Join(Forms(), ", "))
	}
	if err := c.Schema.Validate(); err != nil {
		return nil, err
	}
	return b.open(ctx, url, rest, c)
}

// Forms lists the forms of the URLs that Open takes.
func Forms() []string {
	forms := make([]string, 0, len(backends))
	for _, b := range backends {
		forms = append(forms, b.form)
	}
	slices.Sort(forms)
	return forms
}

func openMemory(_ context.Context, _, rest string, c Config) (sessioncleanup.Store, error) {
	if rest != "" {
		return nil, fmt.Errorf("%w: database URL is %q: want memory: and nothing behind it", sessioncleanup.ErrInvalid, "memory:"+rest)
	}
	if !c.Schema.IsZero() {
		return nil, fmt.Errorf("%w: a schema is given, but the database memory: has no tables", sessioncleanup.ErrInvalid)
	}
	return memory.New(memory.Config{}), nil
}

func openSQLite(ctx context.Context, _, path string, c Config) (sessioncleanup.Store, error) {
	path = strings.TrimPrefix(path, "//") // some tools write an absolute path behind sqlite://
	if path == "" {
		return nil, fmt.Errorf("%w: database URL is \"sqlite:\": want the path of a file behind it", sessioncleanup.ErrInvalid)
	}
	return sqlite.Open(ctx, path, sqlite.Config{Schema: c.Schema})
}

func openPostgres(ctx context.Context, url, _ string, c Config) (sessioncleanup.Store, error) {
	return postgres.Open(ctx, url, postgres.Config{Schema: c.Schema, Logger: c.Logger})
}
