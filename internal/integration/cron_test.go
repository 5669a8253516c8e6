package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
)

// TestCron has pg_cron run the cleanup with the line in docs/postgres.md, each minute instead of each night.
func TestCron(t *testing.T) {
	server := pgtest.Start(t, map[string]string{
		"shared_preload_libraries": "pg_cron", "cron.database_name": "app", "cron.use_background_workers": "on",
	})
	if err := pgapps.Exec(t.Context(), server.URL(), "CREATE DATABASE app"); err != nil {
		t.Fatal(err)
	}
	url := server.URLOf("app")
	if err := pgapps.All()["guide"].Adopt(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	err := pgapps.Exec(t.Context(), url, `
		INSERT INTO sessions (id, last_activity) SELECT n, now() - interval '2 days' FROM generate_series(1, 10) n;
		CREATE EXTENSION pg_cron;
		SELECT cron.schedule('session-cleanup', '* * * * *', 'SELECT * FROM cleanup_inactive_sessions()');`)
	if err != nil {
		t.Fatalf("%v; install pg_cron for this server (Debian: apt-get install postgresql-15-cron)", err)
	}
	await(t, 3*time.Minute, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		var left, runs int
		err = conn.QueryRow(ctx, "SELECT (SELECT count(*) FROM sessions WHERE active), (SELECT count(*) FROM sessioncleanup_events WHERE action = 'run')").Scan(&left, &runs)
		if err == nil && (left > 0 || runs == 0) {
			err = errors.New("pg_cron did not run the cleanup yet")
		}
		return err
	})
}
