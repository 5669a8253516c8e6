package store_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/store"
)

func TestOpenPicksTheBackendByScheme(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.db")
	for _, url := range []string{"memory:", "sqlite:" + path, "sqlite://" + path, "SQLITE:" + path} {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Errorf("Open(%q): %v", url, err)
			continue
		}
		m, err := sessioncleanup.New(db, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Migrate(t.Context()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if stats, err := m.Stats(t.Context(), ""); err != nil || stats.Total != 0 {
			t.Errorf("%s: stats %+v, %v; want an empty store", url, stats, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOpenSaysWhatIsWrongAndShowsNoPassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                     "no scheme: want memory:, mysql://",
		"app.db":                               "no scheme",
		"oracle://root:secret@host/db":         `unknown scheme "oracle": want memory:, mysql://`,
		"mysql://root:secret@host":             "want mysql://USER@HOST/DATABASE",
		"mysql://root:secret@host/db?charset=": `unknown option "charset"`,
		"memory:x":                             "nothing after it",
		"sqlite:":                              "path of a file",
		"postgres://ann:secret@host:none/db":   "",
		"postgres://ann:sec%ret@localhost/db":  "",
		"postgres://ann:secret@ho st/db?a=b%c": "",
	} {
		db, err := store.Open(t.Context(), url)
		if err == nil {
			_ = db.Close()
			t.Errorf("Open(%q) succeeds", url)
			continue
		}
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("Open(%q) = %v, want ErrInvalid with %q and no password", url, err, want)
		}
	}
}

func TestOpenRefusesASchemaWithAQuoteInIt(t *testing.T) {
	t.Parallel()
	for url, schema := range map[string]sessioncleanup.Schema{
		"sqlite:" + filepath.Join(t.TempDir(), "app.db"): {Table: `a"b`},
		"memory:": {Table: "rooms"},
	} {
		if _, err := store.OpenWith(t.Context(), url, store.Config{Schema: schema}); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("OpenWith(%q, %+v) = %v, want ErrInvalid", url, schema, err)
		}
	}
}

func TestOpenReadsASocketAsTheHostLikeLibpq(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), "postgres://ann:secret@%2Fno%2Fsuch:6543/db?connect_timeout=2")
	if !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), "/no/such/.s.PGSQL.6543") || strings.Contains(err.Error(), "secret") {
		t.Errorf("Open: %v, want an ErrUnavailable that names the socket", err)
	}
}

func TestOpenUsesARegisteredBackend(t *testing.T) {
	t.Parallel()
	var opened string
	var got store.Config
	store.Register("shelf", func(_ context.Context, url string, c store.Config) (sessioncleanup.Store, error) {
		opened, got = url, c
		return memory.New(memory.Config{}), nil
	})
	logger := slog.New(slog.DiscardHandler)
	if _, err := store.OpenWith(t.Context(), "SHELF:a?b=c", store.Config{Schema: sessioncleanup.Schema{Table: "rooms"}, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	if opened != "SHELF:a?b=c" || got.Schema.Table != "rooms" || got.Logger != logger {
		t.Errorf("the opener got %q and %+v, want the whole URL and the configuration", opened, got)
	}
	_, err := store.Open(t.Context(), "desk:")
	if err == nil || !strings.Contains(err.Error(), "shelf:...") {
		t.Errorf("an unknown scheme: %v, want an error that lists shelf:", err)
	}
}

func TestRegisterRefusesASchemeThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	open := func(context.Context, string, store.Config) (sessioncleanup.Store, error) {
		return memory.New(memory.Config{}), nil
	}
	for _, c := range []struct {
		scheme string
		open   store.Opener
	}{{"sqlite", open}, {"Upper", open}, {"", open}, {"with:colon", open}, {"nothing", nil}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Register(%q) is accepted", c.scheme)
				}
			}()
			store.Register(c.scheme, c.open)
		}()
	}
}
