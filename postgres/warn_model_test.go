package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/internal/warnmodel"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// age makes what counts for warnings older, in whole milliseconds and without the triggers that would take it for use.
const age = `
	BEGIN;
	SET LOCAL session_replication_role = replica;
	UPDATE sessions SET (last_activity, expires_at, deactivated_at) = ROW (last_activity - d, expires_at - d, deactivated_at - d) FROM (SELECT interval '%[1]d milliseconds' AS d) AS by;
	UPDATE sessioncleanup_notices SET (kept_since, queued_at, delivered_at, failed_at, next_at, first_at, deleted_at, told_at)
	     = ROW (kept_since - d, queued_at - d, delivered_at - d, failed_at - d, next_at - d, first_at - d, deleted_at - d, told_at - d)
	  FROM (SELECT interval '%[1]d milliseconds' AS d) AS by;
	COMMIT`

// TestNoRunInSQLDeletesASessionWithoutAWarningInTime has the guide's function clean up, in the schedules of the model.
func TestNoRunInSQLDeletesASessionWithoutAWarningInTime(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	guide := pgapps.All()["guide"]
	for schedule := range 2 {
		url := pgtest.Prepared(t, "guide", guide.Adopt)
		store, pool := open(t, url, postgres.Config{}), connect(t, url)
		warnmodel.Check(t, schedule, warnmodel.World{
			Store: store, Insert: guide.Harness(t, url).Insert, SetPolicy: store.Migrate,
			Run: func(ctx context.Context, _ *sessioncleanup.Manager) (deleted int, err error) {
				err = pool.QueryRow(ctx, "SELECT session_count FROM cleanup_inactive_sessions(force => true) WHERE action = 'deleted'").Scan(&deleted)
				return deleted, err
			},
			Age: func(ctx context.Context, d time.Duration) error {
				_, err := pool.Exec(ctx, fmt.Sprintf(age, d.Milliseconds()))
				return err
			},
		})
	}
}
