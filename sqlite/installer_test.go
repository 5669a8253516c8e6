package sqlite_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestInstallerOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		i, app := installation(t)
		i.Insert = func(ctx context.Context) error {
			_, err := app.ExecContext(ctx, "INSERT INTO sessions (id) VALUES ('a')")
			return err
		}
		return i
	})
}

func TestInstallerOnTablesOfAnApplication(t *testing.T) {
	t.Parallel()
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		i, app := installation(t, appTables,
			"INSERT INTO users (id, username) VALUES (1, 'ann')",
			"INSERT INTO sessions (id, streamer_id, name, active) SELECT value, 1, 'room ' || value, value % 2 FROM json_each('[1,2,3,4,5]')",
			"INSERT INTO propositions (session_id) VALUES (1), (1), (2)")
		i.Sessions = 5
		i.Unnoticed = func(ctx context.Context) (string, error) {
			_, err := app.ExecContext(ctx, "UPDATE sessions SET last_activity = datetime('now', '-9 days') WHERE id = 1;"+
				"DROP TRIGGER sessioncleanup_propositions_session_id_inserted; INSERT INTO propositions (session_id, created_at) VALUES (1, CURRENT_TIMESTAMP)")
			return "1", err
		}
		return i
	})
}

func installation(t testing.TB, statements ...string) (storetest.Installation, *sql.DB) {
	t.Helper()
	path, app := newApp(t, statements...)
	return storetest.Installation{
		Store: open(t, path, sqlite.Config{}), Second: open(t, path, sqlite.Config{}),
		Describe: func(context.Context) (string, error) { return dump(t, app, false), nil }, //nolint:contextcheck // dump uses the test's
	}, app
}
