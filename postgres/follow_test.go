package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// TestNoEventIsPassedThatIsCommittedLate: IDs are given before the commit, so one may become visible after a larger one.
func TestNoEventIsPassedThatIsCommittedLate(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	record := func(reason string) {
		t.Helper()
		if _, err := store.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionScheduled, Actor: "test", Reason: reason}}); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (reasons string) {
		t.Helper()
		events, err := store.EventsAfter(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			reasons += e.Reason + " "
		}
		return reasons
	}
	record("1")
	late := begin(t, pool)
	run(t, late, "SELECT sessioncleanup_log(NULL, 'scheduled', 'test', '2', '', '{}', '{}', '{}', NULL)")
	record("3")
	if got := read(); got != "" {
		t.Errorf("events %q are read while an older one may come; want none", got)
	}
	commit(t, late)
	if got := read(); got != "1 2 3 " {
		t.Errorf("events are %q, want 1 2 3", got)
	}
	other := begin(t, pool)
	run(t, other, "SELECT count(*) FROM sessioncleanup_events") // reads only, and keeps nobody waiting
	record("4")
	if got := read(); got != "1 2 3 4 " {
		t.Errorf("events are %q beside a transaction that reads, want 1 2 3 4", got)
	}
}
