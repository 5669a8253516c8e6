package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

// backlog is a user of a service with 200 more sessions that were due for deletion before it was adopted.
func backlog(t *testing.T) (*user, *service) {
	t.Helper()
	s := newSQLiteService(t)
	for i := range 200 {
		s.addSession(t, fmt.Sprint(1000+i), false, 60*24*time.Hour)
	}
	u := newUser(t, map[string]string{envDatabase: s.url, "USER": "alice"})
	u.calls("migrate").want(t, exitDone)
	return u, s
}

func TestDeletionLimitSaysHowToSeeAndToAllowTheDeletion(t *testing.T) {
	t.Parallel()
	u, s := backlog(t)
	u.calls("cleanup", "--dry-run").want(t, exitDone, "would delete 201 sessions and deactivate 1", "The deletion limit would stop the deletion",
		"more than 50% of all sessions", "list --status to_delete", "--force=201")
	u.calls("cleanup").want(t, exitFailed, "Deleted 0 sessions, deactivated 1", "too many sessions would be deleted", "list --status to_delete", "--force=201")
	if n := s.count(t, "SELECT count(*) FROM sessions WHERE active"); n != 3 {
		t.Errorf("%d sessions are active after a run that met the limit, want 3: it deactivates all the same", n)
	}
	u.calls("cleanup", "--cron").want(t, exitFailed, "--force=201")
	if got := u.calls("cleanup", "--json").want(t, exitFailed); !strings.Contains(got.out, `"error"`) {
		t.Errorf("cleanup --json printed %s, want the error", got.out)
	}
	u.calls("stats", "--check").want(t, exitAlert, "too_many_due", "cleanup_failed", "--force=201")
	u.calls("cleanup", "--force=200").want(t, exitFailed, "more than the 200 allowed", "--force=201")
	u.calls("cleanup", "--dry-run", "--force=200").want(t, exitDone, "more than the 200 that --force allows")
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 206 {
		t.Fatalf("%d sessions are left, want all 206", n)
	}
	u.calls("cleanup", "--force=201").want(t, exitDone, "Deleted 201 sessions")
}

func TestForceAloneIgnoresTheLimit(t *testing.T) {
	t.Parallel()
	u, _ := backlog(t)
	u.calls("cleanup", "--force=false").want(t, exitFailed, "too many")
	u.calls("cleanup", "--force").want(t, exitDone, "Deleted 201 sessions")
}

func TestVerboseRunShowsTheFiguresBeforeAndAfter(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("cleanup", "--verbose").want(t, exitDone,
		"Before: 6 sessions, 4 active, 2 inactive, 0 protected; due: 1 for deactivation, 1 for deletion.\n",
		"After: 5 sessions, 3 active, 2 inactive, 0 protected; due: 0 for deactivation, 0 for deletion.\n")
	if got := u.calls("cleanup", "--dry-run", "--verbose").want(t, exitDone); strings.Contains(got.out, "After:") {
		t.Errorf("a dry run changes nothing, but shows figures after it:\n%s", got.out)
	}
}

func TestDryRunWorksWhileCleanupIsDisabled(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	u.vars[sessioncleanup.EnvEnabled] = "false"
	u.calls("cleanup", "--dry-run").want(t, exitDone, "A run would delete 1 session and deactivate 1.")
	u.calls("cleanup").want(t, exitDone, "Nothing was done")
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 6 {
		t.Errorf("%d sessions are left, want all 6", n)
	}
}

func TestDryRunSaysWhatGoesAlong(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := make(t)
			s.exec(t, "INSERT INTO propositions (id, session_id, viewer_id, url, created_at) SELECT id, id, '8', 'https://example.org', updated_at FROM sessions")
			s.exec(t, "INSERT INTO playlist_tracks (proposition_id, title) VALUES (4, 'a'), (4, 'b'), (4, 'c'), (1, 'd')")
			u := newUser(t, map[string]string{envDatabase: s.url})
			u.calls("migrate").want(t, exitDone, "The deletion of a session reaches rows of", "playlist_tracks")
			u.calls("inspect").want(t, exitDone, "the deletion of a session reaches rows of", "playlist_tracks: they are deleted")
			want := map[string]sessioncleanup.Dependent{
				"propositions":    {Table: "propositions", Effect: "deleted", Rows: 1},
				"playlist_tracks": {Table: "playlist_tracks", Effect: "deleted", Rows: 3},
			}
			check := func(what string, dependents []sessioncleanup.Dependent) {
				t.Helper()
				got := map[string]sessioncleanup.Dependent{}
				for _, d := range dependents {
					d.Table = strings.TrimPrefix(d.Table, "public.")
					got[d.Table] = d
				}
				if !maps.Equal(got, want) {
					t.Errorf("%s has the dependents %+v, want %+v", what, dependents, want)
				}
			}
			u.calls("cleanup", "--dry-run").want(t, exitDone, "Deleted along with the sessions:", "3 rows")
			check("the dry run", decode[jsonReport](t, u.calls("cleanup", "--dry-run", "--json")).Dependents)
			type shown struct{ Dependents []sessioncleanup.Dependent }
			check("show", decode[shown](t, u.calls("show", gone, "--json")).Dependents)
			u.calls("show", gone).want(t, exitDone, "A deletion reaches:", "playlist_tracks", "3 rows")
			if got := u.calls("delete", gone).want(t, exitUsage, "reaches", "--yes"); strings.Contains(got.out, "Deleted along") {
				t.Errorf("a deletion that was refused says %q", got.out)
			}
			u.calls("delete", gone, "--yes").want(t, exitDone, "The deletion of session 4 (Room 4) reaches:", "3 rows", "is deleted")
		})
	}
}

func TestReportNamesWhatWasNotDone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{environment: environment{out: &out}}
	result := sessioncleanup.Result{
		RunID:   "R",
		Cutoffs: sessioncleanup.Cutoffs{Untracked: true},
		Phases: sessioncleanup.Phases{
			{Action: sessioncleanup.ActionDeleted, Due: 103, Skipped: 102, Failed: 1}, {Action: sessioncleanup.ActionDeactivated},
		},
		Skipped:  []sessioncleanup.Skipped{{SessionID: "4", Action: sessioncleanup.ActionDeleted, Reason: "session 5 would be deleted along with it"}},
		Failures: []sessioncleanup.Failure{{SessionID: "6", Action: sessioncleanup.ActionDeleted, Error: "a constraint"}},
	}
	r := runReport{app: a, result: result}
	if err := r.words(); err == nil || err.Error() != "1 session could not be changed" {
		t.Errorf("the command ends with %v, want a failure", err)
	}
	for _, words := range []string{
		"Warning: the table is untracked", "migrate --untracked", "102 sessions left for the next run:\n  4  not deleted  session 5 would be deleted along with it\n",
		"… and 101 more", "1 session could not be changed:\n  6  not deleted  a constraint\n",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("%q is missing in\n%s", words, out.String())
		}
	}
	r.result.Failures, r.result.Phases[0].Failed = nil, 0
	if err := r.words(); err != nil {
		t.Errorf("skipped sessions end the command with %v, want no failure", err)
	}
	rows := rowsText(sessioncleanup.Dependent{Rows: sessioncleanup.MaxDependentRows, More: true})
	if rows != "more than 100,000 rows" {
		t.Errorf("the number of many rows is %q", rows)
	}
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
	ctx, cancel := context.WithCancel(limited(t))
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
	u.calls("cleanup").want(t, exitDone, "Deleted 0 sessions, deactivated 1, skipped 1, in", "1 session left for the next run:\n  4  not deleted  ", "locked")
	u.calls("events", "--action", "run").want(t, exitDone, "deleted 0 sessions, deactivated 1, skipped 1")
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	u.calls("cleanup", "--cron").want(t, exitDone, "deleted 1 session, deactivated 0, in")
}
