package mysql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
)

func TestASessionThatIsTooLargeForTheArchiveStays(t *testing.T) {
	t.Parallel()
	for what, p := range map[string]sessioncleanup.Policy{"rows": {ArchiveMaxRows: 3}, "bytes": {ArchiveMaxBytes: 3000}} {
		_, d, m := concert(t, p, `UPDATE sessions SET extra = REPEAT('x', 4000) WHERE id = 1; INSERT INTO bills SELECT seq, 1 FROM seq_10_to_20`)
		makeDue(t, d, "TRUE")
		if _, err := m.Delete(t.Context(), "1"); !errors.Is(err, sessioncleanup.ErrTooLarge) {
			t.Errorf("%s: Delete: %v, want ErrTooLarge", what, err)
		}
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		deleted := result.Phases.Of(sessioncleanup.ActionDeleted)
		if err != nil || deleted.Done != 1 || deleted.Failed != 1 || result.Failures[0].SessionID != "1" || !strings.Contains(result.Failures[0].Error, "too large") {
			t.Errorf("%s: the run deleted %d, failed %+v, %v; want one of each", what, deleted.Done, result.Failures, err)
		}
		if left := value[string](t, d, "SELECT CONCAT((SELECT GROUP_CONCAT(id) FROM sessions), ' ', (SELECT GROUP_CONCAT(session) FROM sessioncleanup_archive))"); left != "1 2" {
			t.Errorf("%s: sessions and archive have %q, want session 1 and session 2", what, left)
		}
	}
}

// A value that the server cannot write as JSON in one packet must not be lost.
func TestARowThatDoesNotFitIntoAPacketStays(t *testing.T) {
	t.Parallel()
	_, d, m := concert(t, sessioncleanup.Policy{ArchiveMaxBytes: 1 << 40}, "ALTER TABLE songs ADD recording LONGBLOB; UPDATE songs SET recording = REPEAT('x', 9 << 20) WHERE id = 1")
	if _, err := m.Delete(t.Context(), "1"); !errors.Is(err, sessioncleanup.ErrTooLarge) || !strings.Contains(err.Error(), "max_allowed_packet") {
		t.Errorf("Delete: %v, want ErrTooLarge that names the setting", err)
	}
	if left := value[string](t, d, "SELECT CONCAT((SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM songs), (SELECT COUNT(*) FROM sessioncleanup_archive))"); left != "220" {
		t.Errorf("sessions, songs and entries are %s, want 2, 2 and 0", left)
	}
}

// What a statement with it could not hold, if its quotes were doubled, is restored all the same.
func TestLargeValuesAreRestored(t *testing.T) {
	t.Parallel()
	store, d, m := concert(t, sessioncleanup.Policy{ArchiveMaxBytes: 1 << 40}, `ALTER TABLE songs ADD recording LONGBLOB, ADD lyrics LONGTEXT;
		UPDATE songs SET recording = CONCAT(REPEAT('''', 5 << 20), REPEAT(X'FF00C3', 500000)) WHERE id = 1; INSERT INTO songs VALUES (3, 2, NULL, CONCAT('é', REPEAT('''', 14 << 20), '日'))`)
	const sums = "SELECT GROUP_CONCAT(id, MD5(COALESCE(recording, '')), MD5(COALESCE(lyrics, '')) ORDER BY id) FROM songs"
	before := value[string](t, d, sums)
	for _, fromFile := range []bool{false, true} {
		if _, err := m.Delete(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		if fromFile {
			from, file := archivetest.BackedUpAndPurged(t, store)
			if _, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{SessionIDs: []string{"1"}}); err != nil {
				t.Fatal(err)
			}
		} else if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if after := value[string](t, d, sums); after != before {
			t.Errorf("restored from a file: %t: values with the sums %s, want %s", fromFile, after, before)
		}
	}
}

func TestAForgedBackupFillsNoOtherTable(t *testing.T) {
	t.Parallel()
	store, d, m := concert(t, sessioncleanup.Policy{}, "")
	var rows []sessioncleanup.ArchivedRow
	for _, table := range []string{"users", "sessioncleanup_settings", "sessioncleanup_archive", "no_such_table"} {
		rows = append(rows, sessioncleanup.ArchivedRow{Number: 100, Table: table, Row: []byte(`{"id":77}`)})
	}
	archivetest.ForgedRows(t, m, store, rows...)
	if n := value[int](t, d, "SELECT COUNT(*) FROM users WHERE id = 77"); n != 0 {
		t.Errorf("%d forged users are there", n)
	}
}
