package sessioncleanup_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestEventsHaveTheReasonOfAChange(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 3, 2*day, nil)
	owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"})
	why := m.Because("a\x00sked for\xff")
	result := cleanup(t, why, sessioncleanup.Run{})
	for _, change := range []func() error{
		func() error { _, err := why.ReactivateRun(t.Context(), result.RunID); return err },
		func() error { _, err := why.SetAutoCleanup(t.Context(), "0", false); return err },
		func() error { _, err := owner.Because("my own").SetExpiry(t.Context(), "1", time.Now()); return err },
		func() error { _, err := why.Delete(t.Context(), "2"); return err },
		func() error { _, err := m.Deactivate(t.Context(), "0"); return err },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	events, err := m.Events(t.Context(), sessioncleanup.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, string(e.Action)+" "+strings.ReplaceAll(e.Reason, result.RunID, "RUN"))
	}
	want := []string{
		"deactivated ", "deleted asked for", "expiry_set my own", "auto_cleanup_off asked for",
		"reactivated reverses run RUN: asked for", "reactivated reverses run RUN: asked for", "reactivated reverses run RUN: asked for",
		"run asked for", "deactivated asked for",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestRunsWithNothingToDoAreQuiet: a schedule may run them every minute.
func TestRunsWithNothingToDoAreQuiet(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	db := memory.New(memory.Config{})
	m, err := sessioncleanup.New(pausing{db}, sessioncleanup.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	cleanup(t, m, sessioncleanup.Run{})
	if log.Len() > 0 {
		t.Errorf("a run with nothing due logs at level INFO:\n%s", log.String())
	}
	put(t, db, 0, 2, 2*day, nil)
	cleanup(t, m, sessioncleanup.Run{})
	if text := log.String(); strings.Count(text, `msg="cleanup finished"`) != 1 || strings.Count(text, "count=2") != 1 || strings.Contains(text, "session_id") {
		t.Errorf("a run that deactivates two logs:\n%s\nwant the end of the run, a batch with a count, and no ids", text)
	}
}

// pausing is a store that sees other writers.
type pausing struct{ *memory.Store }

func (p pausing) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	out, err := p.Store.Sweep(ctx, b)
	out.Pause = time.Millisecond
	return out, err
}
