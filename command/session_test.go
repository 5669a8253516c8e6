package command

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
	u.calls("show", gone).want(t, exitDone, "to_delete", "Room 4", "C4", "7  luna", "1 month ago", "Due for deletion  now", "before the table was adopted")
	u.calls("show", inUse).want(t, exitDone, "Due for deactivation", "23 hours from now", "Due for deletion", "1 month from now")
	if got := u.calls("show", closed).want(t, exitDone, "Due for deletion"); strings.Contains(got.out, "Due for deactivation") {
		t.Errorf("an inactive session is due for deactivation:\n%s", got.out)
	}
	u.calls("expire", gone, "+2h").want(t, exitDone, "2 hours from now")
	u.calls("show", gone).want(t, exitDone, "Expires", "2 hours from now", "expiry_set", "admin:alice")
}

func TestDeleteAsksOnATerminalAndNeedsYesElsewhere(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	left := func() int { return s.count(t, "SELECT count(*) FROM sessions WHERE id = 1") }

	u.calls("delete", inUse).want(t, exitUsage, "add --yes")
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
	ctx, cancel := context.WithCancel(limited(t))
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
	args := []string{"list", "--json", "--sort", "name", "--reverse", "--limit", "4"}
	first := decode[page](t, u.calls(args...))
	second := decode[page](t, u.calls(append(args, "--cursor", first.Next)...))
	for _, s := range append(first.Sessions, second.Sessions...) {
		ids = append(ids, s.ID)
	}
	if got := strings.Join(ids, " "); got != "43 42 4 3 2 1" || first.Total != 6 || second.Next != "" {
		t.Errorf("pages have %s of %d, want 43 42 4 3 2 1 of 6", got, first.Total)
	}
	newest := func(args ...string) (ids string) {
		for _, s := range decode[page](t, u.calls(append([]string{"list", "--json"}, args...)...)).Sessions {
			ids += " " + s.ID
		}
		return ids
	}
	if got := newest("--reverse"); !strings.HasPrefix(got, " 4 3 2 ") {
		t.Errorf("list --reverse has%s, want the longest unused first", got)
	}
	if got := newest(); !strings.HasSuffix(got, " 2 3 4") {
		t.Errorf("list has%s, want the newest activity first", got)
	}
	if got := newest("--sort", "name", "--limit", "1"); got != " 1" {
		t.Errorf("list --sort name has%s, want A to Z", got)
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

func TestSessionIsKnownByItsCode(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	u.calls("show", "C2").want(t, exitDone, "Room 2", "to_deactivate")
	u.calls("show", "c2").want(t, exitFailed, "session not found")
	u.calls("deactivate", "C1").want(t, exitDone, "Session 1 (Room 1) is inactive")
	u.calls("events", "--session", "C1").want(t, exitDone, "1 Room 1")
	u.calls("reactivate", "C1").want(t, exitDone, "Session 1 (Room 1) is active")
	u.calls("touch", "C1").want(t, exitDone, "Session 1 (Room 1) was last used")
	u.calls("expire", "C1", "never").want(t, exitDone, "Session 1 (Room 1) does not expire")
	u.calls("auto-cleanup", "C1", "off").want(t, exitDone, "Session 1 (Room 1) is protected")
	s.exec(t, "UPDATE sessions SET code = '4' WHERE id = 42") // an ID comes first
	u.calls("show", "4").want(t, exitDone, "Room 4")
	u.calls("delete", "C43", "--yes").want(t, exitDone, "Session 43 (Room 43) is deleted")

	other := newSQLiteService(t)
	other.exec(t, "CREATE TABLE rooms (id INTEGER PRIMARY KEY, code TEXT, active INTEGER DEFAULT 1, last_activity TEXT DEFAULT CURRENT_TIMESTAMP)")
	other.exec(t, "INSERT INTO rooms (id, code) VALUES (1, 'same'), (2, 'same'), (3, 'SAME'), (4, 'samesame')")
	rooms := newUser(t, map[string]string{envDatabase: other.url})
	schema := rooms.writes("rooms.json", `{"table": "rooms", "id": "id", "code": "code"}`)
	rooms.calls("migrate", "--schema", schema).want(t, exitDone)
	got := rooms.calls("deactivate", "same").want(t, exitUsage, `"same" is the code of several sessions: use the ID of one of them, `, "1", "2")
	if strings.Contains(got.err, "3") || strings.Contains(got.err, "4") {
		t.Errorf("other codes are taken for this one: %s", got.err)
	}
	if n := other.count(t, "SELECT count(*) FROM rooms WHERE active"); n != 4 {
		t.Errorf("%d rooms are active, want all 4", n)
	}
	rooms.calls("deactivate", "SAME").want(t, exitDone, "Session 3 is inactive")
}

func TestShowSaysWhenAndWhyASessionWasDeleted(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("delete", inUse, "--yes").want(t, exitDone)
	u.calls("cleanup").want(t, exitDone)
	u.calls("show", inUse).want(t, exitFailed, "Session 1 (Room 1) was deleted 20", "by admin:alice", "session not found")
	u.calls("show", gone).want(t, exitFailed, "Session 4 (Room 4) was deleted 20", "by admin:alice, in run ", "(manual)")
	if got := u.calls("show", gone, "--json").want(t, exitFailed); !strings.Contains(got.out, `"deleted": {`) {
		t.Errorf("show --json of a deleted session prints %s", got.out)
	}
	if got := u.calls("show", "999").want(t, exitFailed, "session not found"); got.out != "" {
		t.Errorf("show of a session that never was prints %s", got.out)
	}
}

func TestReactivateRunReversesItsDeactivations(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	run := decode[jsonReport](t, u.calls("cleanup", "--json", "--inactive-hours", "0.5"))
	if run.Deactivated() != 4 {
		t.Fatalf("the run deactivated %d sessions, want 4", run.Deactivated())
	}
	u.calls("reactivate", inUse).want(t, exitDone)
	u.calls("delete", "42", "--yes").want(t, exitDone)
	u.calls("reactivate", "--run", run.RunID).want(t, exitDone, "Reactivated 2 of the 4 sessions that run "+run.RunID+" deactivated.", "2 sessions stayed")
	if n := s.count(t, "SELECT count(*) FROM sessions WHERE active AND id IN (1, 2, 43)"); n != 3 {
		t.Errorf("%d sessions are active, want 3", n)
	}
	if got := decode[sessioncleanup.PhaseResult](t, u.calls("reactivate", "--run", run.RunID, "--json")); got.Due != 4 || got.Done != 0 || got.Skipped != 4 {
		t.Errorf("reactivate --run --json prints %+v", got)
	}
	u.calls("reactivate", "--run", "no-such-run").want(t, exitFailed, `run "no-such-run" is not in the log, or deactivated nothing`)
}

func TestDeleteWithOtherSessionsNeedsCascade(t *testing.T) {
	t.Parallel()
	s := newPostgresService(t)
	s.exec(t, "ALTER TABLE sessions ADD COLUMN parent_id integer REFERENCES sessions (id) ON DELETE CASCADE")
	s.exec(t, "UPDATE sessions SET parent_id = 1 WHERE id IN (42, 43)")
	u := newUser(t, map[string]string{envDatabase: s.url})
	u.calls("migrate").want(t, exitDone)
	u.calls("delete", inUse, "--yes").want(t, exitFailed, "other sessions would be deleted along with it", "42", "43", "--cascade")
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 6 {
		t.Fatalf("%d sessions are left, want all 6", n)
	}
	u.calls("delete", inUse, "--yes", "--cascade").want(t, exitDone, "Session 1 (Room 1) is deleted")
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 3 {
		t.Errorf("%d sessions are left, want 3", n)
	}
	for _, id := range []string{inUse, "42", "43"} {
		u.calls("events", "--session", id).want(t, exitDone, "deleted")
	}
}

func TestVerbsThatChangeSomethingSayWhy(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	for _, args := range [][]string{
		{"deactivate", inUse}, {"reactivate", inUse}, {"auto-cleanup", inUse, "off"}, {"expire", inUse, "+1h"}, {"cleanup"}, {"delete", inUse, "--yes"},
	} {
		u.calls(append(args, "--reason", "because of "+args[0])...).want(t, exitDone, "")
		u.calls("events", "--limit", "1").want(t, exitDone, "because of "+args[0])
	}
}
