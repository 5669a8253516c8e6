package command

import (
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestPauseKeepsRunsFromChangingAnything(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("pause", "--for", "2h").want(t, exitUsage, "--reason")
	u.calls("pause", "--reason", "x").want(t, exitUsage, "--for or --until")
	u.calls("pause", "--for", "2h", "--until", "+2h", "--reason", "x").want(t, exitUsage, "one of the two")
	u.calls("pause", "--until", "soon", "--reason", "x").want(t, exitUsage, "--until is")
	u.calls("pause", "--until", "2001-01-01", "--reason", "x").want(t, exitUsage, "in the next year")
	u.calls("pause", "--for", "2h", "--reason", "we move\x1b[2J house").want(t, exitDone, "Cleanup is paused until", "2 hours from now")
	o := u.calls("cleanup").want(t, exitDone, "Cleanup is paused until", "house", "Nothing was done")
	if strings.Contains(o.out, "\x1b") {
		t.Errorf("the reason reaches the terminal: %q", o.out)
	}
	u.calls("cleanup", "--cron").want(t, exitDone).silent(t)
	if got := decode[jsonReport](t, u.calls("cleanup", "--json")); !strings.Contains(got.NoRun, "paused until") || got.CountDeleted != 0 {
		t.Errorf("cleanup --json during the pause: %+v", got)
	}
	u.calls("cleanup", "--dry-run").want(t, exitDone, "A run would")
	u.calls("stats").want(t, exitDone, "Cleanup is paused until")
	if got := decode[sessioncleanup.Stats](t, u.calls("stats", "--json")); got.Pause == nil || !strings.Contains(got.Pause.Reason, "we move") {
		t.Errorf("stats --json during the pause: %+v", got.Pause)
	}
	if o := u.calls("stats", "--check", "--max-age", "1s"); strings.Contains(o.out, string(alertOverdue)) {
		t.Errorf("a run is expected while cleanup is paused: %s", o.out)
	}
	u.calls("events", "--action", "paused").want(t, exitDone, "paused", "we move")
	u.calls("resume", "--reason", "done").want(t, exitDone, "no longer paused")
	u.calls("resume").want(t, exitDone, "was not paused")
	u.calls("cleanup", "--force").want(t, exitDone, "Run ")
}
