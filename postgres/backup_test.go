package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// backedUpAndPurged moves the archive into a file of backups.
func backedUpAndPurged(t *testing.T, store *postgres.Store) (from *backup.Files, file string) {
	t.Helper()
	return archivetest.BackedUpAndPurged(t, store)
}

func TestAForgedBackupFillsNoOtherTable(t *testing.T) {
	t.Parallel()
	store, pool, m := concert(t, sessioncleanup.Policy{}, "")
	archivetest.ForgedRows(t, m, store, []sessioncleanup.ArchivedRow{
		{Number: 100, Table: "public.users", Row: []byte(`{"id":"666"}`)},
		{Number: 100, Table: "public.users", Unlinked: true, Row: []byte(`{"key":{"id":"1"},"set":{"id":"666"}}`)},
		{Number: 100, Table: "public.sessioncleanup_archive", Row: []byte(`{}`)},
		{Number: 100, Table: "no_such_table", Row: []byte(`{}`)},
	}...)
	if got := value[string](t, pool, "SELECT concat((SELECT count(*) FROM sessions), (SELECT count(*) FROM users WHERE id = 1), (SELECT count(*) FROM users), (SELECT count(*) FROM sessioncleanup_archive))"); got != "2110" {
		t.Errorf("after restoring there are %s sessions, users and entries, want 2, 1, 1 and none", got)
	}
}

func TestTheSQLFunctionPurgesOnlyWhatIsBackedUpWhenThePolicySaysSo(t *testing.T) {
	t.Parallel()
	store, pool, m := concert(t, sessioncleanup.Policy{Backup: sessioncleanup.On}, "")
	for _, id := range []string{"1", "2"} {
		if _, err := m.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, pool, "UPDATE sessioncleanup_archive SET archived_at = now() - interval '40 days'")
	if err := store.MarkBackedUp(t.Context(), []int64{2}); err != nil {
		t.Fatal(err)
	}
	run := func() int {
		mustExec(t, pool, "SELECT FROM cleanup_inactive_sessions()")
		return value[int](t, pool, "SELECT count(*) FROM sessioncleanup_archive")
	}
	if left := run(); left != 1 {
		t.Errorf("%d entries are left, want the one that is not backed up", left)
	}
	if id := value[string](t, pool, "SELECT session_id FROM sessioncleanup_archive"); id != "1" {
		t.Errorf("session %s is left, want 1, which is not backed up", id)
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{Archive: sessioncleanup.On}); err != nil {
		t.Fatal(err)
	}
	if left := run(); left != 0 {
		t.Errorf("once the policy does not ask for backups, %d entries are left, want none", left)
	}
}

func TestACleanerCannotPurgeWhatIsNotBackedUpNorBackUp(t *testing.T) {
	t.Parallel()
	pool, as := granted(t, func(role string) sessioncleanup.MigrateOptions {
		return sessioncleanup.MigrateOptions{CleanerRole: role}
	})
	owner := open(t, pool.Config().ConnString(), postgres.Config{})
	if err := owner.Migrate(t.Context(), sessioncleanup.Policy{Archive: sessioncleanup.On, Backup: sessioncleanup.On}); err != nil {
		t.Fatal(err)
	}
	m, err := sessioncleanup.New(owner, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err == nil {
		_, err = m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, pool, "UPDATE sessioncleanup_archive SET archived_at = now() - interval '40 days'")
	all, err := owner.NotBackedUp(t.Context(), 0, 1000)
	if err != nil || len(all) == 0 {
		t.Fatalf("NotBackedUp: %d entries, %v; want some", len(all), err)
	}
	cleaner := open(t, as, postgres.Config{})
	purge := sessioncleanup.Batch{Action: sessioncleanup.ActionPurged, Limit: 1000, Cause: sessioncleanup.Cause{Actor: "test"}}
	if out, err := cleaner.Purge(t.Context(), purge, time.Now()); err != nil || len(out.IDs) != 0 {
		t.Errorf("a cleaner that does not ask for backups purged %v, %v; want nothing", out.IDs, err)
	}
	copied := sessioncleanup.RestoreRequest{Copies: []sessioncleanup.ArchivedCopy{{Archived: all[0]}}, Cause: sessioncleanup.Cause{Actor: "test"}}
	if _, err := owner.Restore(t.Context(), copied); err == nil || !strings.Contains(err.Error(), "no row with the number 1") {
		t.Errorf("a copy without the row of its session: %v, want an error that says so", err)
	}
	copied.Copies[0].Content = []sessioncleanup.ArchivedRow{{Number: 1, Table: "public.sessions", Row: []byte(`{}`)}}
	_, readErr := cleaner.ArchivedContents(t.Context(), []int64{all[0].ID})
	_, copyErr := cleaner.Restore(t.Context(), copied)
	for what, err := range map[string]error{"reads the rows": readErr, "marks entries": cleaner.MarkBackedUp(t.Context(), []int64{all[0].ID}), "restores from a file": copyErr} {
		if !hasState(err, "42501") {
			t.Errorf("a cleaner %s: %v, want that it may not", what, err)
		}
	}
	if err := owner.MarkBackedUp(t.Context(), []int64{all[0].ID}); err != nil {
		t.Fatal(err)
	}
	if out, err := cleaner.Purge(t.Context(), purge, time.Now()); err != nil || len(out.IDs) != 1 {
		t.Errorf("a cleaner purged %v, %v; want what is backed up", out.IDs, err)
	}
}
