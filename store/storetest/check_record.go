package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "events" prove Store.Record.
func recordChecks() []check {
	return []check{
		{"events", "recorded keep their values, and get an ID and a time", recordValues},
		{"events", "are forgotten when older than told, and not before", recordForgets},
	}
}

func recordValues(f *fixture) {
	summary := sessioncleanup.RunSummary{
		StartedAt: f.now.Add(-time.Minute), Duration: 1234567891 * time.Nanosecond, Error: `stopped: "quoted" é 🎵`,
		Phases: sessioncleanup.Phases{
			{Action: sessioncleanup.ActionDeleted, Due: 7, Done: 2, Skipped: 4, Failed: 1}, {Action: sessioncleanup.ActionDeactivated, Due: 3, Done: 3},
		},
		Cutoffs: f.cut, Filter: sessioncleanup.Filter{OwnerID: "7", Text: "100 %"}, Forced: true, Refused: true, Partial: true,
	}
	summary.Cutoffs.Untracked = true
	e := sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "admin:é", Reason: `because 'of' \ %`, RunID: "run 1", Run: &summary}
	timed := e
	timed.At = f.now.Add(-time.Hour).In(time.FixedZone("elsewhere", -5*3600))
	bare := sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system"}
	pause := sessioncleanup.Event{Action: sessioncleanup.ActionPaused, Actor: "admin:é", Reason: "moving house", Until: f.now.Add(36*time.Hour + tick)}
	before := f.clock()
	for i, want := range []sessioncleanup.Event{timed, e, bare, pause} {
		returned := f.record(sessioncleanup.Record{Event: want})
		listed := f.events(sessioncleanup.EventQuery{Limit: 1})[0]
		for source, got := range map[string]sessioncleanup.Event{"Record": returned, "Events": listed} {
			what := fmt.Sprintf("event %d: %s returned", i, source)
			if got.ID != listed.ID || got.ID <= 0 {
				f.Errorf("%s the ID %d, Events %d; want the same, above 0", what, got.ID, listed.ID)
			}
			if got.At.Location() != time.UTC {
				f.Errorf("%s a time in %s, want UTC", what, got.At.Location())
			}
			filled := want
			filled.ID = got.ID
			if want.At.IsZero() {
				f.expectClock(what+" the time of an event recorded without one, which", got.At, before)
				filled.At = got.At
			}
			if diff := firstDifference(filled, got); diff != "" {
				f.Errorf("%s: %s", what, diff)
			}
		}
	}
}

func recordForgets(f *fixture) {
	keepFrom := f.now.Add(-90 * day)
	for i, at := range []time.Time{keepFrom.Add(-day), keepFrom.Add(-tick), keepFrom, keepFrom.Add(tick), f.now.Add(-day)} {
		f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: fmt.Sprint(i), At: at}})
	}
	expect := func(what string, want ...string) {
		f.Helper()
		var got []string
		for _, e := range f.events(sessioncleanup.EventQuery{}) {
			got = append(got, e.RunID)
		}
		slices.Sort(got)
		if diff := inOrder(want, got); diff != "" {
			f.Errorf("events %s: %s", what, diff)
		}
	}
	expect("when none is to be forgotten", "0", "1", "2", "3", "4")
	f.record(sessioncleanup.Record{
		Event:        sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: "5"},
		ForgetBefore: keepFrom.In(time.FixedZone("elsewhere", 6*3600)),
	})
	expect("after forgetting", "2", "3", "4", "5")
}
