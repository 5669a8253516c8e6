package command

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// broken is a stream that fails at its first byte.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestClosedPipeIsQuietAndAFullDiskIsNot(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	for _, args := range [][]string{{"list"}, {"stats"}, {"stats", "--json"}, {"--help"}, {"version"}} {
		var complaint bytes.Buffer
		if code := run(t.Context(), u.environment(broken{syscall.EPIPE}, &complaint, args)); code != exitDone || complaint.Len() > 0 {
			t.Errorf("%v into a closed pipe: code %d, %q; want 0 and silence", args, code, complaint.String())
		}
		if code := run(t.Context(), u.environment(broken{syscall.ENOSPC}, &complaint, args)); args[0] != "--help" && code != exitFailed {
			t.Errorf("%v onto a full disk: code %d, want %d", args, code, exitFailed)
		}
	}
	if code := run(t.Context(), u.environment(broken{syscall.EPIPE}, broken{syscall.EPIPE}, []string{"stats", "--check"})); code != exitAlert {
		t.Errorf("stats --check into a closed pipe: code %d, want %d", code, exitAlert)
	}
	if code := run(t.Context(), u.environment(broken{syscall.EPIPE}, broken{syscall.EPIPE}, []string{"cleanup", "-v"})); code != exitDone {
		t.Errorf("cleanup into a closed pipe: code %d, want %d", code, exitDone)
	}
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 5 {
		t.Errorf("cleanup into a closed pipe left %d sessions, want 5", n)
	}
}

func TestColorsAreForTerminalsThatHaveThem(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	colored := func() bool { return strings.Contains(u.calls("list").want(t, exitDone).out, "\x1b[") }
	if colored() {
		t.Error("colors without a terminal")
	}
	u.tty = true
	if !colored() {
		t.Error("no colors on a terminal")
	}
	u.vars["TERM"] = "dumb"
	if colored() {
		t.Error("colors on a dumb terminal")
	}
	delete(u.vars, "TERM")
	u.vars["NO_COLOR"] = "1"
	if colored() {
		t.Error("colors in spite of NO_COLOR")
	}
}

func TestTablesAlignVisibleCharactersAndReplaceControlCharacters(t *testing.T) {
	t.Parallel()
	a := &app{colors: true}
	got := a.table([][]cell{
		header("NAME", "N", ""),
		{text("🎵 été"), figure(1000), text("x").in(red)},
		{text("evil\x1b[2J\nname"), figure(7)},
	})
	want := "  \x1b[1mNAME\x1b[0m           \x1b[1mN\x1b[0m\n" +
		"  🎵 été         1,000  \x1b[31mx\x1b[0m\n" +
		"  evil·[2J·name      7\n"
	if got != want {
		t.Errorf("table is\n%q, want\n%q", got, want)
	}
}

func TestProgressBarIsForLongRunsOnATerminal(t *testing.T) {
	t.Parallel()
	show := func(tty bool, elapsed time.Duration) string {
		var out bytes.Buffer
		b := newProgress(&out, tty)
		b.show(sessioncleanup.Progress{Action: sessioncleanup.ActionDeleted, Done: 10, Total: 100, Elapsed: elapsed})
		b.show(sessioncleanup.Progress{Action: sessioncleanup.ActionDeactivated, Done: 120, Total: 100, Elapsed: 2 * elapsed})
		b.finish()
		return out.String()
	}
	if got := show(true, time.Second); !strings.Contains(got, "deactivated") || !strings.Contains(got, "100%") {
		t.Errorf("a long run on a terminal shows %q", got)
	}
	if got := show(true, time.Millisecond) + show(false, time.Hour); got != "" {
		t.Errorf("a short run, and one without a terminal, show %q", got)
	}
	var none *progress
	none.finish()
}

func TestRedactorReportsErrors(t *testing.T) {
	t.Parallel()
	r := &redactor{w: broken{syscall.ENOSPC}, secrets: func() []string { return nil }}
	if _, err := r.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write fails with %v, want the stream's error", err)
	}
}
