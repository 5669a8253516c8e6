// Package store opens a sessioncleanup.Store by URL, for programs that choose the backend at run time. A program with a
// fixed backend imports that backend's package instead, which has more options.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/pgurl"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/mysql"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// Opener opens the store of a URL with the scheme that it was registered for. It refuses with an ErrInvalid what it
// cannot serve in the URL and in the configuration. Its errors contain no password.
type Opener func(ctx context.Context, url string, c Config) (sessioncleanup.Store, error)

// backend opens URLs of one scheme.
type backend struct {
	form string // of its URLs, for messages
	open Opener
}

var (
	mu       sync.RWMutex
	backends = map[string]backend{
		"memory":     {"memory:", openMemory},
		"mysql":      {"mysql://USER@HOST/DATABASE", openMySQL},
		"sqlite":     {"sqlite:PATH", openSQLite},
		"postgres":   {"postgres://USER@HOST/DATABASE", openPostgres},
		"postgresql": {"postgresql://USER@HOST/DATABASE", openPostgres},
	}
)

// Register adds a backend from outside of this module for URLs with the given scheme, to Open and to package command.
// Call it from main or an init function. It panics when the scheme is malformed or already registered.
func Register(scheme string, open Opener) {
	mu.Lock()
	defer mu.Unlock()
	if !schemeForm.MatchString(scheme) {
		panic(fmt.Sprintf("store: %q is no scheme of a URL in lower case", scheme))
	}
	if _, taken := backends[scheme]; taken {
		panic("store: the scheme " + scheme + " is registered twice")
	}
	if open == nil {
		panic("store: the opener of " + scheme + " is nil")
	}
	backends[scheme] = backend{scheme + ":...", open}
}

var schemeForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`) // RFC 3986, section 3.1

// Open opens the store that a URL names:
//
//	memory:                          nothing is kept when the process ends
//	mysql://USER@HOST/DATABASE       MariaDB or MySQL; separate several HOSTs with commas
//	sqlite:PATH                      a file
//	postgres://USER@HOST/DATABASE    as libpq understands it, with %2Fdirectory%2Fof%2Fa%2Fsocket as HOST too; or postgresql://
//
// Register adds other schemes.
//
// The schema is the one that an earlier Migrate adopted, or else what Inspect finds. An unknown scheme is an ErrInvalid
// that lists the known ones. No error contains a password.
func Open(ctx context.Context, url string) (sessioncleanup.Store, error) {
	return OpenWith(ctx, url, Config{})
}

// Config has the options that all backends share. Open uses the zero value.
type Config struct {
	// Schema describes the application's tables. Fields that it leaves open are those that an earlier Migrate adopted, or
	// else those that Inspect finds: the name of the table is often enough. Default: the zero Schema.
	Schema sessioncleanup.Schema
	// Name distinguishes several tables of sessions in one database, like postgres.Config.Name, sqlite.Config.Name and
	// mysql.Config.Name. memory: has no names. Default: no name.
	Name string
	// Logger receives what an operator should know from Migrate and Validate: how times are understood, and what will
	// be slow or cannot be deleted or tracked. Default: none.
	Logger *slog.Logger
	// Migrate says how Migrate adopts a table where the table alone does not tell. Default: the zero MigrateOptions.
	Migrate sessioncleanup.MigrateOptions
	// TrustOwner is postgres.Config.TrustOwner. Other backends ignore it. Default: false.
	TrustOwner bool
}

// OpenWith is Open with options that do not fit in a URL.
func OpenWith(ctx context.Context, url string, c Config) (sessioncleanup.Store, error) {
	scheme, _, ok := strings.Cut(url, ":")
	if !ok {
		return nil, invalid.Errorf("database URL has no scheme: want %s", strings.Join(Forms(), ", "))
	}
	mu.RLock()
	b, known := backends[strings.ToLower(scheme)]
	mu.RUnlock()
	if !known { // the rest of the URL may contain a password
		return nil, invalid.Errorf("database URL has the unknown scheme %q: want %s", scheme, strings.Join(Forms(), ", "))
	}
	if err := c.Schema.Validate(); err != nil {
		return nil, err
	}
	return b.open(ctx, url, c)
}

// Forms lists the forms of URLs that Open accepts.
func Forms() []string {
	mu.RLock()
	defer mu.RUnlock()
	forms := make([]string, 0, len(backends))
	for _, b := range backends {
		forms = append(forms, b.form)
	}
	slices.Sort(forms)
	return forms
}

func openMemory(_ context.Context, url string, c Config) (sessioncleanup.Store, error) {
	if _, rest, _ := strings.Cut(url, ":"); rest != "" {
		return nil, invalid.Errorf("database URL is %q: want memory: and nothing after it", url)
	}
	if !c.Schema.IsZero() {
		return nil, invalid.Errorf("a schema is given, but the database memory: has no tables")
	}
	if c.Name != "" {
		return nil, invalid.Errorf("the name %q is given, but the database memory: has no tables", c.Name)
	}
	return memory.New(memory.Config{}), nil
}

func openSQLite(ctx context.Context, url string, c Config) (sessioncleanup.Store, error) {
	_, path, _ := strings.Cut(url, ":")
	path = strings.TrimPrefix(path, "//") // some tools write an absolute path after sqlite://
	if path == "" {
		return nil, invalid.Errorf("database URL is \"sqlite:\": want sqlite: and the path of a file")
	}
	if strings.Contains(path, "?") {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, invalid.Errorf("database URL has options after a question mark: want sqlite: and the path of a file alone")
		}
	}
	return sqlite.Open(ctx, path, sqlite.Config{Name: c.Name, Schema: c.Schema, Logger: c.Logger, Migrate: c.Migrate})
}

func openMySQL(ctx context.Context, url string, c Config) (sessioncleanup.Store, error) {
	return mysql.Open(ctx, url, mysql.Config{Name: c.Name, Schema: c.Schema, Logger: c.Logger, Migrate: c.Migrate})
}

func openPostgres(ctx context.Context, url string, c Config) (sessioncleanup.Store, error) {
	return postgres.Open(ctx, pgurl.WithSocket(url), postgres.Config{Name: c.Name, Schema: c.Schema, Logger: c.Logger, Migrate: c.Migrate, TrustOwner: c.TrustOwner})
}
