package mysql_test

import (
	"fmt"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
)

func TestAPurgePassesWhatIsKeptInBoundedBatches(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, "CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, last_activity DATETIME(3))")
	archivetest.PurgesPastWhatIsKept(t, store, func(from, to, days int, tags string, backedUp bool) {
		execute(t, d.DB, fmt.Sprintf(`
			INSERT INTO sessioncleanup_archive (session, owner, name, archived_at, actor, reason, run_id, row_count, bytes, tags, backed_up_at)
			SELECT seq, '', '', UTC_TIMESTAMP(6) - INTERVAL %d DAY, 'test', '', '', 0, 2, '%s', IF(%t, UTC_TIMESTAMP(6), NULL) FROM seq_%d_to_%d`, days, tags, backedUp, from, to))
	})
}
