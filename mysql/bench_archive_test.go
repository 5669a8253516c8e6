package mysql_test

import (
	"fmt"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// BenchmarkArchive deletes 4,000 sessions with 8 rows of another table each, in runs without and with the archive, and restores a session
// with 1,000 rows.
func BenchmarkArchive(b *testing.B) {
	for _, work := range []string{"delete", "archive", "restore"} {
		sessions, rows := 4000, 8
		if work == "restore" {
			sessions, rows = 1, 1000
		}
		b.Run(work, func(b *testing.B) {
			d := mysqltest.New(b)
			execute(b, d.DB, guide.tables)
			policy := sessioncleanup.Policy{BusyShare: 1, Archive: sessioncleanup.SwitchOf(work != "delete")}
			store := open(b, d, mysql.Config{})
			if err := store.Migrate(b.Context(), policy); err != nil {
				b.Fatal(err)
			}
			m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				execute(b, d.DB, fmt.Sprintf(`DELETE FROM sessions; DELETE FROM sessioncleanup_archive; DELETE FROM sessioncleanup_archive_rows;
					SET @sessioncleanup_own = 1;
					INSERT INTO sessions (id, name, active, auto_cleanup, last_activity, deactivated_at) SELECT seq, REPEAT('name', 10), FALSE, TRUE, '2020-01-01', '2020-01-01' FROM seq_1_to_%d;
					INSERT INTO propositions (session_id, song) SELECT s.id, REPEAT('song', 20) FROM sessions s, seq_1_to_%d; SET @sessioncleanup_own = NULL`, sessions, rows))
				if work == "restore" {
					deletesAll(b, m, sessions)
				}
				b.StartTimer()
				if work != "restore" {
					deletesAll(b, m, sessions)
				} else if err := archivetest.RestoreAll(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// deletesAll requires that a run deletes all sessions.
func deletesAll(b *testing.B, m *sessioncleanup.Manager, sessions int) {
	b.Helper()
	result, err := m.Cleanup(b.Context(), sessioncleanup.Run{Force: true})
	if err != nil || result.Deleted() != sessions {
		b.Fatalf("the run deleted %d, %v", result.Deleted(), err)
	}
}
