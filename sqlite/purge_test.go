package sqlite_test

import (
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
)

func TestAPurgePassesWhatIsKeptInBoundedBatches(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	archivetest.PurgesPastWhatIsKept(t, store, func(from, to, days int, tags string, backedUp bool) {
		at := stamp(time.Now().AddDate(0, 0, -days))
		execute(t, app, `
			WITH RECURSIVE n (i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO sessioncleanup_archive (id, session, archived_at, actor, row_count, bytes, tags, backed_up_at) SELECT i, i, ?, 'test', 0, 2, ?, ? FROM n`,
			from, to, at, tags, map[bool]any{true: at}[backedUp])
	})
}
