package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/store"
)

func TestDryRunShowsWhatTheRunDoes(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	u.calls("cleanup", "--dry-run").want(t, exitDone, "A run would delete 1 session and deactivate 1.", "Room 2", "Room 4")
	u.calls("cleanup", "--dry-run", "--page", "1").want(t, exitDone, "… and 1 more")
	u.calls("cleanup", "--dry-run", "--verbose").want(t, exitDone, "Deactivate after: 24 h without activity. Delete after: 30 days.", "cleanup simulated")
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 6 {
		t.Fatalf("a dry run left %d of 6 sessions", n)
	}
	simulated := decode[jsonReport](t, u.calls("cleanup", "--dry-run", "--json"))
	done := decode[jsonReport](t, u.calls("cleanup", "--json"))
	want := sessioncleanup.Phases{
		{Action: sessioncleanup.ActionDeleted, Due: 1, Done: 1},
		{Action: sessioncleanup.ActionDeactivated, Due: 1, Done: 1},
	}
	if !slices.Equal(simulated.Phases, want) || !slices.Equal(done.Phases, want) {
		t.Errorf("the dry run has the phases %+v, the run %+v, want %+v", simulated.Phases, done.Phases, want)
	}
	u.calls("cleanup").want(t, exitDone, "Nothing was due.")
	u.calls("cleanup", "--dry-run").want(t, exitDone, "Nothing is due.")
}

func TestThresholdsComeFromFlagsThenEnvironmentThenDotEnvThenDatabase(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	deactivates := func(args ...string) int {
		return decode[jsonReport](t, u.calls(append([]string{"cleanup", "--dry-run", "--json"}, args...)...)).Deactivated()
	}
	if n := deactivates("--inactive-hours", "72"); n != 0 {
		t.Errorf("after 72 h %d sessions are due, want none", n)
	}
	if n := deactivates("--quick"); n != 1 {
		t.Errorf("after 12 h %d sessions are due, want 1", n)
	}
	u.writes(".env", "SESSION_INACTIVE_HOURS=0.5\n")
	if n := deactivates(); n != 4 {
		t.Errorf("with 0.5 h from .env %d sessions are due, want 4", n)
	}
	u.vars[sessioncleanup.EnvInactiveHours] = "never"
	if n := deactivates(); n != 0 {
		t.Errorf("with never from the environment, which wins, %d sessions are due, want none", n)
	}
	if n := deactivates("--inactive-hours", "24"); n != 1 {
		t.Errorf("with 24 h from the flag, which wins, %d sessions are due, want 1", n)
	}
	u.calls("migrate").want(t, exitDone) // stores never
	delete(u.vars, sessioncleanup.EnvInactiveHours)
	u.writes(".env", "")
	if n := deactivates(); n != 0 {
		t.Errorf("with never in the database %d sessions are due, want none", n)
	}
}

func TestCronIsSilentUnlessSomethingWasDone(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	got := u.calls("cleanup", "--cron").want(t, exitDone, "deleted 1 session, deactivated 1, in ")
	if strings.Count(got.out, "\n") != 1 || got.err != "" {
		t.Errorf("cleanup --cron printed %q and %q, want one line", got.out, got.err)
	}
	u.calls("cleanup", "--cron").want(t, exitDone).silent(t)
	u.calls("cleanup", "--cron", "--json").want(t, exitDone).silent(t)
	u.calls("events", "--action", "run").want(t, exitDone, "system", "cron")
	u.vars[sessioncleanup.EnvEnabled] = "false"
	u.calls("cleanup", "--cron").want(t, exitDone).silent(t)
	u.calls("cleanup").want(t, exitDone, "Cleanup is disabled, by SESSION_CLEANUP_ENABLED")
	if got := decode[jsonReport](t, u.calls("cleanup", "--json")); got.NoRun == "" {
		t.Error("cleanup --json does not say that cleanup is disabled")
	}
}

func TestCronPrintsErrorsToStandardError(t *testing.T) {
	t.Parallel()
	u := newUser(t, map[string]string{envDatabase: "postgres://app:secret@127.0.0.1:1/app?connect_timeout=1"})
	got := u.calls("cleanup", "--cron").want(t, exitFailed)
	if got.out != "" || got.err == "" || strings.Contains(got.err, "secret") {
		t.Errorf("cleanup --cron on an unreachable database printed %q and %q", got.out, got.err)
	}
}

func TestDeletionLimitNamesForce(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	for i := range 200 {
		s.addSession(t, fmt.Sprint(1000+i), false, time.Hour)
	}
	s.exec(t, "UPDATE sessions SET last_activity = '2020-01-01 00:00:00' WHERE id >= 1000")
	u.calls("cleanup", "--dry-run").want(t, exitDone, "would delete 201 sessions", "The deletion limit would stop it", "more than 50 % of all sessions", "--force")
	u.calls("cleanup").want(t, exitFailed, "too many sessions would be deleted", "--force")
	u.calls("cleanup", "--cron").want(t, exitFailed, "--force")
	if got := u.calls("cleanup", "--json").want(t, exitFailed); !strings.Contains(got.out, `"error"`) {
		t.Errorf("cleanup --json printed %s, want the error", got.out)
	}
	u.calls("stats", "--check").want(t, exitAlert, "too_many_due", "cleanup_failed")
	u.calls("cleanup", "--force").want(t, exitDone, "Deleted 201 sessions")
}

func TestSessionThatCannotBeDeletedIsReportedAndFails(t *testing.T) {
	t.Parallel()
	s := newSQLiteService(t)
	s.exec(t, `CREATE TABLE invoices (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions (id))`)
	s.exec(t, `INSERT INTO invoices (session_id) VALUES (4)`)
	u := newUser(t, map[string]string{envDatabase: s.url})
	u.calls("migrate").want(t, exitDone)
	u.calls("cleanup").want(t, exitFailed, "Deleted 0 sessions, deactivated 1", "1 session could not be changed", "not deleted")
	u.calls("cleanup", "--cron").want(t, exitFailed, "1 session could not be changed")
	u.calls("stats", "--check").want(t, exitAlert, "cleanup_incomplete")
}

func TestSecondRunAtTheSameTimeIsNoFailure(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	other, err := store.Open(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, err := other.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "other", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	u.calls("cleanup").want(t, exitDone, "Another run is already running", "Nothing was done")
	u.calls("cleanup", "--cron").want(t, exitDone).silent(t)
	if got := decode[jsonReport](t, u.calls("cleanup", "--json")); !strings.Contains(got.NoRun, "another run") {
		t.Errorf("cleanup --json has the reason %q", got.NoRun)
	}
}

func TestInterruptedRunReportsItsProgress(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	for i := range 1500 {
		s.exec(t, fmt.Sprintf(`INSERT INTO sessions (id, streamer_id, name, code, last_activity) VALUES (%d, 7, '', 'X%d', '2026-01-01 00:00:00')`, 1000+i, i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out strings.Builder
	// The first batch deletes session 4, the second deactivates some of the 1501: the log has a line for each.
	log := &watch{text: "sessions deactivated", then: cancel}
	env := u.environment(&out, log, []string{"cleanup", "--verbose"})
	if code := run(ctx, env); code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, log.seen.String())
	}
	if !strings.Contains(out.String(), "of 1,502 sessions done; the next run continues from there") || !strings.Contains(log.seen.String(), "interrupted") {
		t.Errorf("an interrupted run printed %s", out.String())
	}
	if left := s.count(t, "SELECT count(*) FROM sessions WHERE active"); left == 3 || left > 1500 {
		t.Errorf("%d sessions are active after the interrupt, want some deactivated and not all", left)
	}
	u.calls("cleanup").want(t, exitDone, "deactivated")
	if left := s.count(t, "SELECT count(*) FROM sessions WHERE active"); left != 3 {
		t.Errorf("%d sessions are active after the next run, want 3", left)
	}
}

func TestCleanupJSONUnderCronIsOneLine(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	got := u.calls("cleanup", "--cron", "--json").want(t, exitDone)
	var report jsonReport
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || strings.Count(got.out, "\n") != 1 || report.Deleted() != 1 {
		t.Errorf("cleanup --cron --json printed %q: %v", got.out, err)
	}
}

func TestOwnerLimitsTheRun(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	s.exec(t, "UPDATE sessions SET streamer_id = 8 WHERE id = "+gone)
	u.calls("cleanup", "--owner", "9").want(t, exitDone, "Nothing was due.")
	if got := u.calls("cleanup", "--owner", "7", "--dry-run").want(t, exitDone, "would delete 0 sessions and deactivate 1."); strings.Contains(got.out, "Room 4") {
		t.Errorf("a dry run for an owner shows a session of another one:\n%s", got.out)
	}
	u.calls("cleanup", "--owner", "8").want(t, exitDone, "Deleted 1 session, deactivated 0")
	u.calls("cleanup").want(t, exitDone, "Deleted 0 sessions, deactivated 1")
}

func TestSkippedSessionsAreReportedAndNoFailure(t *testing.T) {
	t.Parallel()
	s := newPostgresService(t)
	u := newUser(t, map[string]string{envDatabase: s.url})
	u.calls("migrate").want(t, exitDone)
	other, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }() // does nothing after Commit
	if _, err := other.ExecContext(t.Context(), "SELECT FROM sessions WHERE id = "+gone+" FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	u.calls("cleanup").want(t, exitDone, "Deleted 0 sessions, deactivated 1, skipped 1, in", "1 session left for the next run")
	u.calls("events", "--action", "run").want(t, exitDone, "deleted 0 sessions, deactivated 1, skipped 1")
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	u.calls("cleanup", "--cron").want(t, exitDone, "deleted 1 session, deactivated 0, in")
}
