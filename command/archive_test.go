package command

import (
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestDeletedSessionsAreArchivedAndRestored(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService, "MariaDB": newMySQLService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			u := newUser(t, map[string]string{envDatabase: s.url, "USER": "alice", sessioncleanup.EnvArchive: "true"})
			u.calls("migrate").want(t, exitDone)
			delete(u.vars, sessioncleanup.EnvArchive) // migrate stored it
			u.calls("archive").want(t, exitDone, "The archive is empty.")
			u.calls("restore", inUse).want(t, exitFailed, "not in the archive: the session is not deleted")
			u.calls("delete", inUse, "--yes").want(t, exitDone, "is deleted")
			u.calls("restore", "999").want(t, exitFailed, "never archived")
			u.calls("archive").want(t, exitDone, "archive:1", inUse, "admin:alice", "PURGED")
			u.calls("archive", "show", "archive:1").want(t, exitDone, "Session "+inUse, "sessions ")
			u.calls("archive", "show", "1").want(t, exitUsage, `entry is "1": want one such as archive:17`)
			u.calls("archive", "show", "archive:9").want(t, exitFailed, "not in the archive")
			u.calls("restore", inUse, "--dry-run").want(t, exitDone, "Would restore 1 session, with ")
			u.calls("restore", inUse, "archive:1").want(t, exitUsage, "not both")
			u.calls("restore").want(t, exitUsage, "restore needs the ID of a session")
			u.calls("restore", inUse, "--on-conflict", "replace").want(t, exitUsage, `on conflict is "replace": want one of fail, skip, new-id`)
			u.calls("restore", inUse).want(t, exitDone, "Restored 1 session, with ")
			u.calls("show", inUse).want(t, exitDone, "active")
			u.calls("restore", "archive:1").want(t, exitFailed, "restore archive entries: not in the archive: restored or purged since, or never there: archive:1")

			u.calls("delete", inUse, "--yes").want(t, exitDone)
			u.calls("archive", "hold", inUse, "--reason", "court order 7").want(t, exitDone, "Held 1 entry of the archive.")
			u.calls("archive", "--held").want(t, exitDone, inUse, "held")
			u.calls("events", "--limit", "1").want(t, exitDone, "held", "court order 7")
			held := `archive entries: held: release it first: archive:2 of session "` + inUse + `"`
			u.calls("restore", inUse).want(t, exitFailed, "restore "+held)
			u.calls("archive", "purge", inUse, "--yes").want(t, exitFailed, "purge "+held)
			u.calls("erase", "--owner", ownerID, "--confirm", ownerID).want(t, exitFailed, "1 entries of the archive are held")
			u.calls("archive", "hold", "archive:2", "--release").want(t, exitDone, "Released 1 entry of the archive.")
			u.calls("archive", "hold").want(t, exitUsage, "hold needs the ID of a session")
			u.calls("archive", "purge", "999", "--yes").want(t, exitFailed, "not in the archive")
			u.calls("archive", "purge", inUse).want(t, exitUsage, "add --yes")
			u.calls("archive", "purge", inUse, "--yes").want(t, exitDone, "Purged 1 entry of the archive.")
			u.calls("archive").want(t, exitDone, "The archive is empty.")

			s.exec(t, "INSERT INTO sessions (id, name, code, streamer_id) VALUES ("+inUse+", 'back', 'back', '"+ownerID+"')")
			u.calls("delete", inUse, "--yes").want(t, exitDone)
			s.exec(t, "INSERT INTO sessions (id, name, code, streamer_id) VALUES ("+inUse+", 'again', 'again', '"+ownerID+"')")
			blocked := u.calls("restore", inUse).want(t, exitFailed, "WHAT IS IN THE WAY", "1 obstacle in the way; nothing was changed")
			if strings.Contains(blocked.out, "Restored") {
				t.Errorf("a restore that fails prints %q", blocked.out)
			}
			u.calls("restore", inUse, "--on-conflict", "skip").want(t, exitDone, "Restored 0 sessions", "Skipped session "+inUse)
			u.calls("cleanup", "--archive=false", "--force").want(t, exitDone)
			entries := decode[struct{ Entries []sessioncleanup.Archived }](t, u.calls("archive", "--json")).Entries
			if len(entries) != 1 || entries[0].SessionID != inUse {
				t.Errorf("after cleanup --archive=false the archive has %+v, want the session that was deleted before", entries)
			}
		})
	}
}
