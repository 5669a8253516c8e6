package mysql_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/internal/warnmodel"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// age makes what counts for warnings older, without the triggers that would take it for use.
const age = `SET @sessioncleanup_own = 1, @d = %d;
	UPDATE sessions SET last_activity = last_activity - INTERVAL @d MICROSECOND, expires_at = expires_at - INTERVAL @d MICROSECOND, deactivated_at = deactivated_at - INTERVAL @d MICROSECOND;
	UPDATE sessioncleanup_notices SET kept_since = kept_since - INTERVAL @d MICROSECOND, queued_at = queued_at - INTERVAL @d MICROSECOND, delivered_at = delivered_at - INTERVAL @d MICROSECOND,
		failed_at = failed_at - INTERVAL @d MICROSECOND, next_at = next_at - INTERVAL @d MICROSECOND, first_at = first_at - INTERVAL @d MICROSECOND;
	SET @sessioncleanup_own = NULL`

func TestNoSessionIsDeletedWithoutAWarningInTime(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	for schedule := range 2 {
		d := mysqltest.New(t)
		store := open(t, d, mysql.Config{})
		if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
			t.Fatal(err)
		}
		warnmodel.Check(t, schedule, warnmodel.World{
			Store: store,
			Insert: func(ctx context.Context, sessions ...sessioncleanup.Session) error {
				for _, s := range sessions {
					_, err := d.DB.ExecContext(ctx, "INSERT INTO sessions (id, owner_id, name, active, auto_cleanup, created_at, last_activity, expires_at, deactivated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
						s.ID, null(s.OwnerID), null(s.Name), s.Active, s.AutoCleanup, written(s.CreatedAt, time.UTC), written(s.LastActivity, time.UTC), written(s.ExpiresAt, time.UTC), written(s.DeactivatedAt, time.UTC))
					if err != nil {
						return err
					}
				}
				return nil
			},
			Age: func(ctx context.Context, by time.Duration) error {
				conn, err := d.Conn(ctx)
				if err != nil {
					return err
				}
				defer func() { _ = conn.Close() }()
				_, err = conn.ExecContext(ctx, fmt.Sprintf(age, by.Microseconds()))
				return err
			},
		})
	}
}
