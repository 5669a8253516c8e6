package command

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
)

// full is a disk on which nothing more can be written.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestARunWhoseReportCannotBeWrittenDoesNotFail(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--json"}, {"--cron"}, {"--verbose"}, {"--json", "--cron"}} {
		u, s := migrated(t)
		var complaints writer
		if code := run(t.Context(), u.environment(full{}, &complaints, append([]string{"cleanup"}, flags...))); code != exitDone {
			t.Errorf("cleanup %v with a full disk: exit code %d: %s", flags, code, complaints.text)
		}
		if n := s.count(t, "SELECT count(*) FROM sessions WHERE id = 4 OR id = 2 AND active"); n != 0 {
			t.Errorf("cleanup %v with a full disk did nothing", flags)
		}
		outcome{err: complaints.text}.want(t, 0, "no space left on device")
		if code := run(t.Context(), u.environment(full{}, &complaints, []string{"cleanup", "--dry-run"})); code != exitFailed {
			t.Errorf("a dry run that cannot be written: exit code %d, want %d: nothing else comes of it", code, exitFailed)
		}
	}
}

type writer struct{ text string }

func (w *writer) Write(data []byte) (int, error) {
	w.text += string(data)
	return len(data), nil
}

// TestADatabaseWithAnotherClockIsNotCleanedUp uses Debian's faketime for a server that is a year ahead.
func TestADatabaseWithAnotherClockIsNotCleanedUp(t *testing.T) {
	t.Parallel()
	for _, shift := range []string{"+365d", "-365d"} {
		server := pgtest.StartAt(t, shift)
		url := server.Database(t, "template0")
		s := openService(t, "pgx", url, postgresService)
		u := newUser(t, map[string]string{envDatabase: url})
		u.calls("migrate").want(t, exitDone)
		before := s.count(t, everything)
		for _, verb := range [][]string{{"cleanup"}, {"cleanup", "--force"}, {"cleanup", "--dry-run"}, {"cleanup", "--cron"}} {
			u.calls(verb...).want(t, exitFailed, "clocks differ", "--ignore-clock")
		}
		if after := s.count(t, everything); after != before {
			t.Errorf("%s: refused runs changed something", shift)
		}
		u.calls("validate").want(t, exitFailed, "clocks differ by 8760h")
		u.calls("stats", "--check", "--max-due", "1000").want(t, exitAlert, "clock_wrong")
		u.calls("cleanup", "--ignore-clock", "--force").want(t, exitDone)
		u.vars[envIgnoreClock] = "maybe"
		u.calls("cleanup").want(t, exitUsage, envIgnoreClock)
		u.vars[envIgnoreClock] = "true"
		u.calls("cleanup").want(t, exitDone)
		if after := s.count(t, everything); after == before {
			t.Errorf("%s: runs that ignore the clock changed nothing", shift)
		}
	}
}

// everything changes with the sessions and with what the library wrote.
const everything = `SELECT count(*) + 100 * (SELECT count(*) FROM sessions WHERE active) + 10000 * (SELECT count(*) FROM sessioncleanup_events) FROM sessions`

func TestServeWithAnotherClockChangesNothing(t *testing.T) {
	t.Parallel()
	server := pgtest.StartAt(t, "+365d")
	url := server.Database(t, "template0")
	s := openService(t, "pgx", url, postgresService)
	u := newUser(t, map[string]string{envDatabase: url})
	u.calls("migrate").want(t, exitDone)
	before := s.count(t, everything)
	ctx, cancel := context.WithCancel(limited(t))
	defer cancel()
	log := &cut{cancel: cancel, at: "clocks differ"}
	if code := run(ctx, u.environment(log, log, []string{"serve", "--json", "--every", "1s"})); code != exitInterrupted {
		t.Errorf("serve: exit code %d: %s", code, log.text)
	}
	if after := s.count(t, everything); after != before {
		t.Errorf("serve changed something: %s", log.text)
	}
}

// cut is a stream that ends a process's context when it shows some words.
type cut struct {
	writer
	cancel context.CancelFunc
	at     string
}

func (c *cut) Write(data []byte) (int, error) {
	if strings.Contains(string(data), c.at) {
		c.cancel()
	}
	return c.writer.Write(data)
}
