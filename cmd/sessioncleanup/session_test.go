package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func decode[T any](t testing.TB, o outcome) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(o.want(t, exitDone).out), &v); err != nil {
		t.Fatalf("%v in\n%s", err, o.out)
	}
	return v
}

func TestSessionVerbsChangeASessionAndPrintItsNewState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
		is   func(sessioncleanup.Session) bool
	}{
		"deactivate":       {[]string{"deactivate", inUse}, "Session 1 (Room 1) is inactive.", func(s sessioncleanup.Session) bool { return !s.Active }},
		"reactivate":       {[]string{"reactivate", closed}, "is active.", func(s sessioncleanup.Session) bool { return s.Active && s.Status == "active" }},
		"auto-cleanup off": {[]string{"auto-cleanup", gone, "off"}, "is protected", func(s sessioncleanup.Session) bool { return s.Status == "protected" }},
		"auto-cleanup ON":  {[]string{"auto-cleanup", gone, "ON"}, "is cleaned up automatically", func(s sessioncleanup.Session) bool { return s.AutoCleanup }},
		"touch":            {[]string{"touch", forgotten}, "was last used", func(s sessioncleanup.Session) bool { return s.Status == "active" }},
		"expire relative": {[]string{"expire", inUse, "+1w2d12h"}, "1 week from now", func(s sessioncleanup.Session) bool {
			return time.Until(s.ExpiresAt).Round(time.Hour) == (9*24+12)*time.Hour
		}},
		"expire RFC 3339": {[]string{"expire", inUse, "2999-12-31T18:00:00+01:00"}, "expires 2999-12-31", func(s sessioncleanup.Session) bool {
			return s.ExpiresAt.Equal(time.Date(2999, 12, 31, 17, 0, 0, 0, time.UTC))
		}},
		"expire local date": {[]string{"expire", inUse, "2999-12-31"}, "expires 2999-12-31 00:00:00", func(s sessioncleanup.Session) bool {
			return s.ExpiresAt.Equal(time.Date(2999, 12, 31, 0, 0, 0, 0, time.Local))
		}},
		"expire local time": {[]string{"expire", inUse, "2999-12-31", "18:30"}, "expires 2999-12-31 18:30:00", func(s sessioncleanup.Session) bool {
			return s.ExpiresAt.Equal(time.Date(2999, 12, 31, 18, 30, 0, 0, time.Local))
		}},
		"expire never": {[]string{"expire", inUse, "never"}, "does not expire", func(s sessioncleanup.Session) bool { return s.ExpiresAt.IsZero() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, _ := migrated(t)
			u.calls(c.args...).want(t, exitDone, c.says)
			if got := decode[sessioncleanup.Session](t, u.calls(append(c.args, "--json")...)); got.ID != c.args[1] || !c.is(got) {
				t.Errorf("%s --json prints %+v", name, got)
			}
			if got := decode[sessioncleanup.Session](t, u.calls("show", c.args[1], "--json")); !c.is(got) {
				t.Errorf("after %s show prints %+v", name, got)
			}
		})
	}
}

func TestShowPrintsTheSessionAndItsHistory(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("show", gone).want(t, exitDone, "to_delete", "Room 4", "C4", "7  luna", "1 month ago", "Due for deletion")
	u.calls("show", inUse).want(t, exitDone, "Due for deactivation", "23 hours from now", "Due for deletion", "4 weeks from now")
	if got := u.calls("show", closed).want(t, exitDone, "Due for deletion"); strings.Contains(got.out, "Due for deactivation") {
		t.Errorf("an inactive session is due for deactivation:\n%s", got.out)
	}
	u.calls("expire", gone, "+2h").want(t, exitDone, "2 hours from now")
	u.calls("show", gone).want(t, exitDone, "Expires", "expiry_set", "admin:alice")
}

func TestDeleteAsksOnATerminalAndNeedsYesElsewhere(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	left := func() int { return s.count(t, "SELECT count(*) FROM sessions WHERE id = 1") }

	u.calls("delete", inUse).want(t, exitUsage, "needs --yes")
	u.tty = true
	for _, answer := range []string{"", "\n", "n\n", "maybe\n"} {
		u.in = strings.NewReader(answer)
		u.calls("delete", inUse).want(t, exitFailed, "Delete session 1 (Room 1), last used", "nothing was done")
	}
	if left() != 1 {
		t.Fatal("the session was deleted without a yes")
	}
	u.in = strings.NewReader("y\n")
	u.calls("delete", inUse).want(t, exitDone, "Session 1 (Room 1) is deleted")
	if left() != 0 {
		t.Error("the session is still there after a yes")
	}
	u.tty = false
	if got := decode[sessioncleanup.Session](t, u.calls("delete", closed, "--yes", "--json")); got.ID != closed {
		t.Errorf("delete --json prints %+v, want the session as it was", got)
	}
	u.calls("events", "--action", "deleted").want(t, exitDone, "3 Room 3", "admin:alice")
}

func TestInterruptEndsAQuestion(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	typing, _ := io.Pipe() // nobody answers
	u.in, u.tty = typing, true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan outcome, 1)
	asked := &watch{text: "[y/N]", then: cancel}
	go func() {
		code := run(ctx, u.environment(io.Discard, asked, []string{"delete", inUse}))
		done <- outcome{code: code}
	}()
	(<-done).want(t, exitInterrupted)
	if s.count(t, "SELECT count(*) FROM sessions WHERE id = 1") != 1 {
		t.Error("the session was deleted by an interrupt")
	}
}

// watch is a stream that calls then when a text appears in it.
type watch struct {
	text string
	then func()
	seen strings.Builder
}

func (w *watch) Write(data []byte) (int, error) {
	w.seen.Write(data)
	if strings.Contains(w.seen.String(), w.text) {
		w.then()
	}
	return len(data), nil
}

func TestListFiltersSortsAndPages(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("list", "--status", "to_delete").want(t, exitDone, "Room 4", "luna", "1 session\n")
	u.calls("list", "--text", "room 3").want(t, exitDone, "inactive", "1 session\n")
	u.calls("list", "--owner", "8").want(t, exitDone, "No sessions.")
	type page struct {
		Sessions []sessioncleanup.Session `json:"sessions"`
		Next     string                   `json:"next_cursor"`
		Total    int                      `json:"total"`
	}
	var ids []string
	args := []string{"list", "--json", "--sort", "name", "--desc", "--limit", "4"}
	first := decode[page](t, u.calls(args...))
	second := decode[page](t, u.calls(append(args, "--cursor", first.Next)...))
	for _, s := range append(first.Sessions, second.Sessions...) {
		ids = append(ids, s.ID)
	}
	if got := strings.Join(ids, " "); got != "43 42 4 3 2 1" || first.Total != 6 || second.Next != "" {
		t.Errorf("pages have %s of %d, want 43 42 4 3 2 1 of 6", got, first.Total)
	}
	u.calls("list", "--limit", "4").want(t, exitDone, "4 of 6 sessions. The next page: --cursor ")
}

func TestEventsFilterAndPage(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("events").want(t, exitDone, "No events.")
	u.calls("cleanup").want(t, exitDone)
	u.calls("deactivate", inUse).want(t, exitDone)
	u.calls("events").want(t, exitDone, "deleted 1 session, deactivated 1", "manual", "4 Room 4", "admin:alice")
	u.calls("events", "--session", inUse).want(t, exitDone, "1 Room 1")
	u.calls("events", "--owner", "8").want(t, exitDone, "No events.")
	type page struct {
		Events []sessioncleanup.Event `json:"events"`
		Next   int64                  `json:"next_before"`
	}
	runs := decode[page](t, u.calls("events", "--json", "--action", "run,deactivated", "--limit", "2"))
	if len(runs.Events) != 2 || runs.Next != runs.Events[1].ID {
		t.Fatalf("events --limit 2 prints %+v, want 2 and the next page", runs)
	}
	u.calls("events", "--run", runs.Events[1].RunID, "--before", "99999").want(t, exitDone, "deleted", "deactivated")
	u.calls("events", "--limit", "1").want(t, exitDone, "The next page: --before ")
}
