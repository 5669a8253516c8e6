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
		{"events", "recorded keep what they say, and get an ID and a time", recordValues},
		{"events", "are forgotten when older than told, and not before", recordForgets},
	}
}

func recordValues(f *fixture) {
	summary := sessioncleanup.RunSummary{
		Deactivated: 3, Deleted: 2, Due: 7, Failures: 1, Duration: 1234567891 * time.Nanosecond, Error: `stopped: "quoted" é 🎵`,
	}
	e := sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "admin:é", Reason: `because 'of' \ %`, RunID: "run 1", Run: &summary}
	before, given := f.clock(), f.now.Add(-time.Hour).In(time.FixedZone("elsewhere", -5*3600))
	timed := e
	timed.At = given
	for i, want := range []sessioncleanup.Event{timed, e} {
		what := []string{"with a time", "without a time"}[i]
		returned := f.record(sessioncleanup.Record{Event: want})
		listed := f.events(sessioncleanup.EventQuery{Limit: 1})[0]
		for source, got := range map[string]sessioncleanup.Event{"Record": returned, "Events": listed} {
			if got.ID != listed.ID || got.ID <= 0 {
				f.Errorf("event %s: %s gave the ID %d, Events %d; want the same, above 0", what, source, got.ID, listed.ID)
			}
			if want.At.IsZero() {
				f.expectJustNow("time of an event recorded without one", got.At, before)
			} else if !got.At.Equal(given) {
				f.Errorf("event %s: %s gave the time %s, want %s", what, source, stamp(got.At), stamp(given))
			}
			if got.At.Location() != time.UTC {
				f.Errorf("event %s: %s gave a time in %s, want UTC", what, source, got.At.Location())
			}
			if got.Action != e.Action || got.Actor != e.Actor || got.Reason != e.Reason || got.RunID != e.RunID || len(got.Sessions) > 0 {
				f.Errorf("event %s: %s gave %+v, want %+v", what, source, got, e)
			}
			if got.Run == nil || *got.Run != summary {
				f.Errorf("event %s: %s gave the summary %+v, want %+v", what, source, got.Run, summary)
			}
		}
	}
}

func recordForgets(f *fixture) {
	keepFrom := f.now.Add(-90 * day)
	ages := []time.Time{keepFrom.Add(-day), keepFrom.Add(-tick), keepFrom, keepFrom.Add(tick), f.now.Add(-day)}
	for i, at := range ages {
		f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: fmt.Sprint(i), At: at}})
	}
	expect := func(what string, want ...string) {
		f.Helper()
		var got []string
		for _, e := range f.events(sessioncleanup.EventQuery{}) {
			got = append(got, e.RunID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			f.Errorf("events %s: %v, want %v", what, got, want)
		}
	}
	expect("when none is to be forgotten", "0", "1", "2", "3", "4")
	f.record(sessioncleanup.Record{
		Event:        sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: "5"},
		ForgetBefore: keepFrom.In(time.FixedZone("elsewhere", 6*3600)),
	})
	expect("after forgetting", "2", "3", "4", "5")
}
