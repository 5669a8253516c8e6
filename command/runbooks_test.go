package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// Each runbook repairs what its alert is about: its commands are played, in their order, where that is so, and then all
// is well.
func TestRunbooksWorkAsWritten(t *testing.T) {
	t.Parallel()
	type world func(t *testing.T, u *user, s *service)
	nothing := func(*testing.T, *user, *service) {}
	old := sqlOf(`WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1150)
		INSERT INTO sessions (id, streamer_id, name, code, last_activity, active, deactivated_at)
		SELECT i, '7', 'x', 'D' || i, datetime('now', '-50 days'), 0, datetime('now', '-50 days') FROM n`)
	fails := func(summary sessioncleanup.RunSummary) world {
		return records(0, func(r *sessioncleanup.RunSummary) { r.Error, r.Refused = summary.Error, summary.Refused })
	}
	unsent := func(change, alert string) world { // warnings that were not delivered
		return func(t *testing.T, u *user, s *service) {
			old(t, u, s)
			u.vars[sessioncleanup.EnvWarnDays] = "7"
			u.calls("migrate").want(t, exitDone)
			u.calls("cleanup").want(t, exitDone)
			s.exec(t, "UPDATE sessioncleanup_notices SET "+change)
			u.calls("stats", "--check").want(t, exitAlert, alert)
		}
	}
	worlds := map[string]world{
		"missed": sqlOf("DELETE FROM sessioncleanup_events"), "overdue": nothing, "absent": nothing, "database-down": nothing,
		"disabled": func(t *testing.T, u *user, _ *service) {
			u.vars[sessioncleanup.EnvEnabled] = "false"
			u.calls("migrate").want(t, exitDone)
			delete(u.vars, sessioncleanup.EnvEnabled)
		},
		"failed": fails(sessioncleanup.RunSummary{Error: "disk full"}),
		"deletion-limit": func(t *testing.T, u *user, s *service) {
			s.exec(t, "DELETE FROM sessioncleanup_events")
			old(t, u, s)
			u.calls("cleanup").want(t, exitFailed, "too many sessions would be deleted")
		},
		"failing-rows": func(t *testing.T, u *user, s *service) {
			s.exec(t, "UPDATE sessions SET last_activity = datetime('now', '-50 days'), active = 0, deactivated_at = datetime('now', '-50 days') WHERE id = 3")
			s.exec(t, "CREATE TRIGGER keeps BEFORE DELETE ON sessions WHEN OLD.id = 3 BEGIN SELECT RAISE(ABORT, 'there is a bill'); END")
			u.calls("cleanup").want(t, exitFailed, "there is a bill")
		},
		"backup-failed": func(t *testing.T, u *user, s *service) {
			path := filepath.Join(u.dir, "backups")
			u.vars[sessioncleanup.EnvArchive], u.vars[sessioncleanup.EnvBackup] = "true", "file://"+path
			u.calls("delete", "42", "--yes").want(t, exitDone)
			u.calls("cleanup").want(t, exitDone, "without a backup", "no such file or directory")
			u.calls("stats", "--check").want(t, exitAlert, "backup_failed")
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"outbox-stuck":  unsent("queued_at = datetime('now', '-2 days')", "outbox_stuck"),
		"undeliverable": unsent("failed_at = queued_at, next_at = NULL, error = 'no address'", "undeliverable"),
		"low-use":       nothing,
		"never-due":     sqlOf("UPDATE sessions SET last_activity = 'yesterday' WHERE id = 42"),
		"clock-wrong":   nothing,
		"too-many-due":  old,
		"low-activity":  nothing,
	}
	pages, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil || len(pages) != len(worlds) {
		t.Fatalf("%d runbooks and %d worlds, %v", len(pages), len(worlds), err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSQLiteService(t)
			u := healthy(t, s)
			worlds[name](t, u, s)
			plays(t, u, s, blocks(t, page))
			u.calls("doctor").want(t, exitDone)
		})
	}
}

// plays executes the blocks of a runbook. A command that finds something wrong may say so with its exit code.
func plays(t *testing.T, u *user, s *service, all []block) {
	t.Helper()
	if len(all) == 0 {
		t.Error("the runbook has no commands")
	}
	for _, b := range all {
		for line := range strings.SplitSeq(b.text, "\n") {
			if b.kind == "sql" {
				s.exec(t, line)
				continue
			}
			before, rest, ok := strings.Cut(line, "sessioncleanup ")
			if !ok {
				continue // a command of the system
			}
			set, value, _ := strings.Cut(strings.TrimSpace(before), "=")
			if set != "" {
				u.vars[set] = value
			}
			out := u.calls(strings.Fields(rest)...)
			delete(u.vars, set)
			if out.code == exitUsage && strings.Contains(out.err, "--help") { // other such errors are about the data
				t.Errorf("%s: wrong usage: %s", line, out.err)
			}
		}
	}
}
