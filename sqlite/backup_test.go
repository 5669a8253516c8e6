package sqlite_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
)

func TestAForgedBackupFillsNoOtherTable(t *testing.T) {
	t.Parallel()
	store, app, m := concert(t, sessioncleanup.Policy{})
	archivetest.ForgedRows(t, m, store, []sessioncleanup.ArchivedRow{
		{Number: 100, Table: "users", Row: []byte(`{"id":666}`)},
		{Number: 100, Table: "users", Unlinked: true, Row: []byte(`{"key":{"id":1},"set":{"id":666}}`)},
		{Number: 100, Table: "sessioncleanup_archive", Row: []byte(`{}`)},
		{Number: 100, Table: "no_such_table", Row: []byte(`{}`)},
	}...)
	if got := line(t, app, "SELECT (SELECT count(*) FROM sessions) || (SELECT count(*) FROM users WHERE id = 1) || (SELECT count(*) FROM users) || (SELECT count(*) FROM sessioncleanup_archive)"); got != "2110" {
		t.Errorf("after restoring there are %s sessions, users and entries, want 2, 1, 1 and none", got)
	}
}
