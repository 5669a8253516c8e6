// Package store opens a sessioncleanup.Store by URL, for programs that choose the backend at run time. A program with a
// fixed backend imports that backend's package instead, which has more options.
package store

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/pgurl"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// backend opens URLs of one scheme; rest is the URL without the scheme and its colon.
type backend struct {
	form string // of its URLs, for messages
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
//	postgres://USER@HOST/DATABASE    as libpq understands it, %2Fdirectory%2Fof%2Fa%2Fsocket as HOST included; postgresql:// too
//
// The schema is the one that an earlier Migrate adopted, or else what Inspect proposes. An unknown scheme is an ErrInvalid
// that lists the known ones. No error contains a password.
func Open(ctx context.Context, url string) (sessioncleanup.Store, error) {
	return OpenWith(ctx, url, Config{})
}

// Config has the options that all backends share. Open uses the zero value.
type Config struct {
	// Schema describes the application's tables. Default: what an earlier Migrate adopted, or else what Inspect proposes.
	Schema sessioncleanup.Schema
	// Logger receives what an operator should know, from Migrate and Validate: times as they are understood, what will be
	// slow, or cannot be deleted or followed. Default: none.
	Logger *slog.Logger
	// Migrate says how Migrate adopts a table, where the table alone does not tell. Default: the zero MigrateOptions.
	Migrate sessioncleanup.MigrateOptions
	// TrustOwner is postgres.Config.TrustOwner; other backends have no roles. Default: false.
	TrustOwner bool
}

// OpenWith is Open with options that do not fit in a URL.
func OpenWith(ctx context.Context, url string, c Config) (sessioncleanup.Store, error) {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok {
		return nil, invalid.Errorf("database URL has no scheme: want %s", strings.Join(Forms(), ", "))
	}
	b, known := backends[strings.ToLower(scheme)]
	if !known { // the rest of the URL may contain a password
		return nil, invalid.Errorf("database URL has the unknown scheme %q: want %s", scheme, strings.Join(Forms(), ", "))
	}
	if err := c.Schema.Validate(); err != nil {
		return nil, err
	}
	return b.open(ctx, url, rest, c)
}

// Forms lists the forms of URLs that Open accepts.
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
		return nil, invalid.Errorf("database URL is %q: want memory: and nothing after it", "memory:"+rest)
	}
	if !c.Schema.IsZero() {
		return nil, invalid.Errorf("a schema is given, but the database memory: has no tables")
	}
	return memory.New(memory.Config{}), nil
}

func openSQLite(ctx context.Context, _, path string, c Config) (sessioncleanup.Store, error) {
	path = strings.TrimPrefix(path, "//") // some tools write an absolute path after sqlite://
	if path == "" {
		return nil, invalid.Errorf("database URL is \"sqlite:\": want sqlite: and the path of a file")
	}
	return sqlite.Open(ctx, path, sqlite.Config{Schema: c.Schema, Logger: c.Logger, Migrate: c.Migrate})
}

func openPostgres(ctx context.Context, url, _ string, c Config) (sessioncleanup.Store, error) {
	return postgres.Open(ctx, pgurl.WithSocket(url), postgres.Config{Schema: c.Schema, Logger: c.Logger, Migrate: c.Migrate, TrustOwner: c.TrustOwner})
}
