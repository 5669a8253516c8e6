package command

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// These tests call the built command: signals and pipes need a process.

// populated is a migrated service on SQLite with many sessions to deactivate.
func populated(t *testing.T, sessions int) (*user, *service) {
	t.Helper()
	u, s := migrated(t)
	s.exec(t, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO sessions (id, streamer_id, name, code, last_activity) SELECT 1000 + i, 7, 'Room', 'X' || i, datetime('2026-01-01', i || ' seconds') FROM n`, sessions))
	return u, s
}

func TestSignalFinishesTheCurrentBatch(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		u, s := populated(t, 10000)
		cmd := process(t, u.dir, []string{envDatabase + "=" + s.url}, "cleanup", "--verbose")
		log, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(log)
		for sent := false; lines.Scan(); {
			if !sent && strings.Contains(lines.Text(), `msg="sessions deactivated"`) {
				sent = true
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
			t.Errorf("%v: exit code %d, want %d", signal, code, exitInterrupted)
		}
		var done, due string
		_, report, _ := strings.Cut(out.String(), "for deletion.\n") // the figures before
		if _, err := fmt.Sscanf(report, "Interrupted with %s of %s sessions done", &done, &due); err != nil {
			t.Errorf("%v: printed %q: %v", signal, out.String(), err)
		}
		inactive := s.count(t, "SELECT count(*) FROM sessions WHERE NOT active AND id > 1000")
		// Session 2 was deactivated, and session 4 deleted, besides these.
		if number(inactive+2) != done && number(inactive+1) != done || inactive == 10000 {
			t.Errorf("%v: the command reports %s done, the database has %d deactivated", signal, done, inactive)
		}
	}
}

func TestClosedPipeIsNoError(t *testing.T) {
	t.Parallel()
	u, s := populated(t, 2000)
	for _, line := range []string{
		"sessioncleanup list --limit 1000 | head -n 1",
		"sessioncleanup cleanup --verbose 2>&1 | head -n 1",
		"sessioncleanup events --json | true",
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", line)
		cmd.Dir = u.dir
		cmd.Env = process(t, u.dir, []string{envDatabase + "=" + s.url}).Env
		var complaint strings.Builder
		cmd.Stderr = &complaint
		if err := cmd.Run(); err != nil || complaint.Len() > 0 {
			t.Errorf("%s: %v, %q; want 0 and silence", line, err, complaint.String())
		}
	}
	if n := s.count(t, "SELECT count(*) FROM sessions WHERE active AND id > 1000"); n != 0 {
		t.Errorf("the run whose reader went away left %d sessions undone", n)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	cmd := process(t, u.dir, []string{envDatabase + "=" + s.url}, "stats")
	cmd.Stdout = full
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("stats onto a full disk ends with %v, want exit code %d", err, exitFailed)
	}
}

func TestProgressBarOnATerminal(t *testing.T) {
	t.Parallel()
	u, s := populated(t, 20000)
	s.exec(t, "UPDATE sessioncleanup_settings SET rate = 20000") // so that there is time to show progress
	// script runs the command on a terminal; it is part of every Debian.
	cmd := exec.CommandContext(t.Context(), "script", "-qefc", "sessioncleanup cleanup", "/dev/null")
	cmd.Dir = u.dir
	cmd.Env = process(t, u.dir, []string{envDatabase + "=" + s.url, "TERM=xterm"}).Env
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, word := range []string{"deactivated", "100%", "sessions/s", "Deleted 1 session, deactivated 20,001"} {
		if !strings.Contains(string(output), word) {
			t.Errorf("%q is missing on the terminal: %q", word, output)
		}
	}
}
