package postgres_test

import (
	"context"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestInstallerOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		url := pgtest.Empty(t)
		i := installation(t, url)
		i.Insert = func(ctx context.Context) error {
			return pgapps.Exec(ctx, url, "INSERT INTO sessions (id) VALUES ('a')")
		}
		return i
	})
}

func TestInstallerOnTablesOfAnApplication(t *testing.T) {
	t.Parallel()
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		url := fresh(t, "guide")
		err := pgapps.Exec(t.Context(), url, `INSERT INTO users (id, username) VALUES (1, 'ann');
			INSERT INTO sessions (id, streamer_id, name, active) SELECT i, 1, 'room ' || i, i % 2 = 1 FROM generate_series(1, 5) i;
			INSERT INTO propositions (session_id) VALUES (1), (1), (2)`)
		if err != nil {
			t.Fatal(err)
		}
		i := installation(t, url)
		i.Sessions = 5
		i.Unnoticed = func(ctx context.Context) (string, error) {
			return "1", pgapps.Exec(ctx, url, "UPDATE sessions SET last_activity = now() - interval '9 days' WHERE id = 1;"+
				"DROP TRIGGER sessioncleanup_insert_session_id ON propositions; INSERT INTO propositions (session_id, created_at) VALUES (1, now())")
		}
		return i
	})
}

func installation(t testing.TB, url string) storetest.Installation {
	t.Helper()
	return storetest.Installation{
		Store: open(t, url, postgres.Config{}), Second: open(t, url, postgres.Config{}),
		Describe: func(context.Context) (string, error) { return dump(t, url), nil }, //nolint:contextcheck // dump uses the test's
	}
}
