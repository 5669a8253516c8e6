package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// backupUser is a user of a service with the archive on, and a directory for backups that is not there yet.
func backupUser(t *testing.T, s *service) (u *user, path string) {
	t.Helper()
	u = newUser(t, map[string]string{envDatabase: s.url, "USER": "alice", sessioncleanup.EnvArchive: "true"})
	path = filepath.Join(u.dir, "backups")
	u.calls("migrate").want(t, exitDone)
	delete(u.vars, sessioncleanup.EnvArchive) // migrate stored it
	u.vars[sessioncleanup.EnvBackup] = "file://" + path
	return u, path
}

func TestVerbsDoNotWaitForeverForAPlaceForBackups(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "rooms"} {
		a := &app{backupTo: "file:///backups", name: name}
		a.lookup = func(string) (string, bool) { return "", false }
		all := map[string]sessioncleanup.Backups{}
		var err error
		if all["list"], err = a.needBackups(); err != nil {
			t.Fatal(err)
		}
		if err = a.openBackups(); err != nil {
			t.Fatal(err)
		}
		all["migrate"] = a.backups
		for _, word := range []string{"a file", "./a file", "file:///backups/a"} {
			if all[word], _, err = a.backupFile(word); err != nil {
				t.Fatal(err)
			}
		}
		for what, files := range all {
			if sessioncleanup.BackupsOf(files) != files {
				t.Errorf("%s, installation %q: calls of the files may never end", what, name)
			}
		}
	}
}

// onlyFile is the one file in a directory.
func onlyFile(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%s has %v, %v; want one file", path, entries, err)
	}
	return entries[0].Name()
}

func TestDeletedSessionsAreBackedUpAndRestoredToANewDatabase(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService, "MariaDB": newMySQLService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.exec(t, "INSERT INTO propositions (session_id, viewer_id, url) VALUES (42, '8', 'https://example.org/?a=1&b=<2>'), (42, '7', 'x')")
			s.exec(t, "INSERT INTO playlist_tracks (proposition_id, title) SELECT id, 'Été 🎉' FROM propositions")
			u, path := backupUser(t, s)
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			u.calls("backup", "list").want(t, exitDone, "There are no backups.")
			u.calls("backup", "verify").want(t, exitDone, "There are no backups.")
			u.calls("delete", "42", "--yes").want(t, exitDone)
			u.calls("cleanup").want(t, exitDone, "Backed up 2 deleted sessions to sessioncleanup-")
			file := onlyFile(t, path)
			u.calls("cleanup").want(t, exitDone)
			u.calls("backup", "now").want(t, exitDone, "Everything in the archive is backed up.")
			u.calls("backup", "list").want(t, exitDone, file, "FILE", "TIME", "B")
			u.calls("backup", "verify").want(t, exitDone, file, "ok")
			verified := decode[struct{ Files []verified }](t, u.calls("backup", "verify", filepath.Join("backups", file), "file://"+filepath.Join(path, file), file, "--json")).Files
			if len(verified) != 3 || verified[2].Entries != 2 || verified[2].Rows != 6 || verified[2].SHA256 != verified[0].SHA256 || verified[1].Error != "" {
				t.Errorf("verify of a path, a URL and a name: %+v; want the same file three times", verified)
			}
			entries := decode[struct{ Entries []sessioncleanup.Archived }](t, u.calls("archive", "--json")).Entries
			if len(entries) != 2 || entries[0].BackedUpAt.IsZero() || entries[1].BackedUpAt.IsZero() {
				t.Errorf("the archive has %+v, want two entries that are backed up", entries)
			}

			lost := open(t)
			lost.exec(t, "DELETE FROM sessions WHERE id IN (4, 42)")
			u.vars[envDatabase] = lost.url
			u.calls("migrate", "--backup", "none").want(t, exitDone)
			u.calls("restore", "42", "--from", file, "--dry-run").want(t, exitDone, "Would restore 1 session, with 4 rows")
			u.calls("restore", "42", "43", "--from", file).want(t, exitFailed, `does not have session "43"`)
			u.calls("restore", "archive:9", "--from", file).want(t, exitFailed, "does not have entry archive:9")
			u.calls("restore", "--from", file).want(t, exitDone, "Restored 2 sessions, with 4 rows of other tables")
			for _, query := range []string{
				"SELECT count(*) FROM sessions WHERE id = 42 AND name = 'Room 42' AND code = 'C42'",
				"SELECT count(*) - 1 FROM propositions WHERE session_id = 42",
				"SELECT count(*) - 1 FROM playlist_tracks WHERE title = 'Été 🎉'",
				"SELECT count(*) FROM propositions WHERE url = 'https://example.org/?a=1&b=<2>'",
			} {
				if n := lost.count(t, query); n != 1 {
					t.Errorf("%d for %s, want 1", n, query)
				}
			}
			u.calls("restore", "--from", file).want(t, exitFailed, "WHAT IS IN THE WAY", "nothing was changed")
			u.calls("restore", "--from", file, "--on-conflict", "skip").want(t, exitDone, "Restored 0 sessions", "Skipped session 42")
			u.calls("events", "--session", "42").want(t, exitDone, "restored", "from "+file)

			lost.exec(t, "DELETE FROM playlist_tracks")
			lost.exec(t, "DELETE FROM propositions")
			lost.exec(t, "UPDATE sessions SET code = 'other', name = 'another with this id' WHERE id = 42")
			u.calls("restore", "42", "--from", file).want(t, exitFailed, "WHAT IS IN THE WAY", "nothing was changed")
			u.calls("restore", "42", "--from", file, "--on-conflict", "new-id").want(t, exitDone, "Restored 1 session, with 4 rows of other tables", "Session 42 has the ID ")
			for _, query := range []string{
				"SELECT count(*) FROM sessions WHERE id = 42 AND name = 'another with this id'",
				"SELECT count(*) FROM sessions WHERE id <> 42 AND name = 'Room 42' AND code = 'C42'",
				"SELECT count(*) - 1 FROM playlist_tracks WHERE proposition_id IN (SELECT p.id FROM propositions p JOIN sessions s ON s.id = p.session_id WHERE s.code = 'C42')",
			} {
				if n := lost.count(t, query); n != 1 {
					t.Errorf("with a new id: %d for %s, want 1", n, query)
				}
			}
		})
	}
}

func TestABackupThatIsImpossibleIsAnAlertAndTheRunIsDone(t *testing.T) {
	t.Parallel()
	u, path := backupUser(t, newSQLiteService(t))
	u.calls("migrate").want(t, exitDone, "warning: the backups cannot be reached", path)
	run := u.calls("cleanup", "--force").want(t, exitDone, "warning: 1 archived session without a backup, which is not purged", "no such file or directory")
	if strings.Contains(run.out, "Backed up") {
		t.Errorf("a run without a backup prints %q", run.out)
	}
	u.calls("stats", "--check").want(t, exitAlert, "backup_failed")
	u.calls("events", "--action", "run").want(t, exitDone, "the archive was not backed up")
	quiet := u.calls("cleanup", "--cron").want(t, exitDone, "warning: 1 archived session")
	if quiet.out != "" {
		t.Errorf("a run with --cron that did nothing prints %q", quiet.out)
	}
	report := decode[jsonReport](t, u.calls("cleanup", "--json").want(t, exitDone))
	if report.Backup == nil || report.Backup.Waiting != 1 || report.Backup.Error == "" {
		t.Errorf("the report has the backup %+v, want one entry that waits", report.Backup)
	}
	u.calls("backup", "now").want(t, exitFailed, "no such file or directory")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	u.calls("cleanup").want(t, exitDone, "Backed up 1 deleted session")
	if out := u.calls("stats", "--check"); strings.Contains(out.out, "backup_failed") {
		t.Errorf("after a backup, stats --check prints %q", out.out)
	}
}

func TestWrongBackupSettingsAreExplainedAndNotQuoted(t *testing.T) {
	t.Parallel()
	s := newSQLiteService(t)
	u := newUser(t, map[string]string{envDatabase: s.url})
	u.calls("migrate").want(t, exitDone)
	for _, verb := range []string{"cleanup", "serve", "migrate"} {
		u.calls(verb, "--backup", "file:///tmp").want(t, exitUsage, "--backup needs the archive", "SESSION_ARCHIVE=true")
	}
	u.calls("backup", "now", "--backup", "file:///tmp").want(t, exitUsage, "--backup needs the archive")
	u.calls("cleanup", "--archive", "--backup", "none").want(t, exitDone)
	for _, address := range []string{"secret", "file:secret", "file://secret/x", "file:///secret?x=1", "http://user:secret@host/", "s3://key:secret@bucket", "s3://", "%secret"} {
		for _, args := range [][]string{{"cleanup", "--archive"}, {"backup", "list"}, {"backup", "verify"}} {
			out := u.calls(append(args, "--backup", address)...).want(t, exitUsage, "want", "s3://BUCKET/PREFIX")
			if strings.Contains(out.out+out.err, "secret") {
				t.Errorf("%v with %q prints %q", args, address, out.out+out.err)
			}
		}
	}
	for _, verb := range []string{"list", "verify", "now"} {
		u.calls("backup", verb).want(t, exitUsage, "no place for backups: set --backup or SESSION_BACKUP")
	}
	u.calls("backup", "lst").want(t, exitUsage)
}

func TestAWrongBackupFileChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSQLiteService(t)
	u, path := backupUser(t, s)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	u.calls("delete", "42", "--yes").want(t, exitDone)
	u.calls("backup", "now").want(t, exitDone, "Backed up 1 deleted session")
	file := onlyFile(t, path)
	whole, err := os.ReadFile(filepath.Join(path, file))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)/2] ^= 1
	for name, content := range map[string][]byte{"truncated": whole[:len(whole)-10], "changed": changed, "empty": nil} {
		if err := os.WriteFile(filepath.Join(path, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"42"}, nil} {
			u.calls(append([]string{"restore", "--from", name}, args...)...).want(t, exitFailed, "backup file is damaged", name)
		}
		u.calls("backup", "verify", file, name).want(t, exitFailed, "ok", "is damaged", "1 backup file of 2 cannot be used")
	}
	u.calls("restore", "--from", "missing").want(t, exitUsage, "missing", "no such file")
	u.calls("backup", "verify", "missing").want(t, exitFailed, "missing", "no such file")
	if n := s.count(t, "SELECT count(*) FROM sessions WHERE id = 42"); n != 0 {
		t.Errorf("a session was restored from a file that cannot be used")
	}
	pg := newPostgresService(t)
	u.vars[envDatabase] = pg.url
	u.calls("migrate", "--backup", "none").want(t, exitDone)
	u.calls("restore", "--from", file).want(t, exitUsage, "has rows of a sqlite store: want one of postgres")
}
