package pgurl_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup/internal/pgurl"
)

func TestASocketInTheHostIsUsedAsLibpqDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		host, user, password, database string
		port                           uint16
	}{
		"postgres://ann@%2Fvar%2Frun/app":                             {"/var/run", "ann", "", "app", 5432},
		"postgres://ann:p%40ss@%2fvar%2frun:6543/app?sslmode=disable": {"/var/run", "ann", "p@ss", "app", 6543},
		"postgresql://%2Fa%20b%3Ac?dbname=app&user=ann":               {"/a b:c", "ann", "", "app", 5432},
		"postgres://ann@localhost/app":                                {"localhost", "ann", "", "app", 5432},
		"postgres://ann@/app?host=/tmp":                               {"/tmp", "ann", "", "app", 5432},
	} {
		config, err := pgconn.ParseConfig(pgurl.WithSocket(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if config.Host != want.host || config.User != want.user || config.Password != want.password || config.Database != want.database || config.Port != want.port {
			t.Errorf("%s: host %q, port %d, user %q, password %q, database %q; want %+v", text, config.Host, config.Port, config.User, config.Password, config.Database, want)
		}
	}
	for _, text := range []string{"sqlite:%2Fx", "postgres://host%zz/db", "postgres:", "host=/tmp"} {
		if got := pgurl.WithSocket(text); got != text {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}
