package memory

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// someHistory is a log of seven events: a batch of two owners' sessions, a run, and manual changes.
func someHistory(t *testing.T) *Store {
	s := New(Config{})
	for _, id := range []string{"1", "2", "3"} {
		session := unused(id, true, 2*day)
		session.OwnerID, session.Name = map[string]string{"1": "ann", "2": "bob", "3": "ann"}[id], "room "+id
		put(t, s, session)
	}
	b := batch(sessioncleanup.ActionDeactivated, 10)
	b.Cause.RunID = "r1"
	if _, err := s.Sweep(t.Context(), b); err != nil { // 1
		t.Fatal(err)
	}
	note(t, s, sessioncleanup.Event{Action: sessioncleanup.ActionRun, RunID: "r1", Run: &sessioncleanup.RunSummary{}}) // 2
	for _, id := range []string{"1", "2"} {                                                                            // 3 and 5, 4 and 6
		change := sessioncleanup.Change{Cause: system, Action: sessioncleanup.ActionReactivated, Active: sessioncleanup.On}
		if _, err := s.Update(t.Context(), sessioncleanup.Target{ID: id}, change); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"1", "2"} {
		if _, err := s.Delete(t.Context(), sessioncleanup.Target{ID: id}, system); err != nil {
			t.Fatal(err)
		}
	}
	note(t, s, sessioncleanup.Event{Action: sessioncleanup.ActionRun, RunID: "r2", Run: &sessioncleanup.RunSummary{}}) // 7
	return s
}

func note(t testing.TB, s *Store, e sessioncleanup.Event) sessioncleanup.Event {
	t.Helper()
	written, err := s.Record(t.Context(), sessioncleanup.Record{Event: e})
	if err != nil {
		t.Fatalf("Record: %v", err)
	}
	return written
}

func TestEventsAreFilteredNewestFirst(t *testing.T) {
	t.Parallel()
	s := someHistory(t)
	for what, c := range map[string]struct {
		q    sessioncleanup.EventQuery
		want []int64
	}{
		"all":                  {sessioncleanup.EventQuery{}, []int64{7, 6, 5, 4, 3, 2, 1}},
		"limit":                {sessioncleanup.EventQuery{Limit: 2}, []int64{7, 6}},
		"next page":            {sessioncleanup.EventQuery{Limit: 2, Before: 6}, []int64{5, 4}},
		"before the first":     {sessioncleanup.EventQuery{Before: 1}, nil},
		"before one to come":   {sessioncleanup.EventQuery{Before: 99, Limit: 1}, []int64{7}},
		"of a session":         {sessioncleanup.EventQuery{SessionID: "1"}, []int64{5, 3, 1}},
		"of an owner":          {sessioncleanup.EventQuery{OwnerID: "bob"}, []int64{6, 4, 1}},
		"of another's session": {sessioncleanup.EventQuery{OwnerID: "bob", SessionID: "1"}, nil},
		"of a run":             {sessioncleanup.EventQuery{RunID: "r1"}, []int64{2, 1}},
		"of an owner in a run": {sessioncleanup.EventQuery{RunID: "r1", OwnerID: "ann"}, []int64{1}},
		"of two actions": {sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun, sessioncleanup.ActionDeleted}},
			[]int64{7, 6, 5, 2}},
		"of nobody": {sessioncleanup.EventQuery{OwnerID: "cat"}, nil},
	} {
		var got []int64
		for _, e := range events(t, s, c.q) {
			got = append(got, e.ID)
		}
		expect(t, what, got, c.want)
	}
	for _, limit := range []int{0, -1} {
		if _, err := s.Events(t.Context(), sessioncleanup.EventQuery{Limit: limit}); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("limit %d: error is %v, want ErrInvalid", limit, err)
		}
	}
}

func TestEventsAreCopies(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	sessions, run := []sessioncleanup.SessionRef{{ID: "1", OwnerID: "ann"}}, &sessioncleanup.RunSummary{Phases: sessioncleanup.Phases{{Done: 1}}}
	written := note(t, s, sessioncleanup.Event{Action: sessioncleanup.ActionRun, Sessions: sessions, Run: run})
	spoil := func(e sessioncleanup.Event) { e.Sessions[0].ID, e.Run.Phases[0].Done = "spoiled", 99 }
	spoil(sessioncleanup.Event{Sessions: sessions, Run: run})
	spoil(written)
	for _, q := range []sessioncleanup.EventQuery{{}, {OwnerID: "ann"}} {
		spoil(events(t, s, q)[0])
	}
	got := events(t, s, sessioncleanup.EventQuery{})[0]
	if got.Sessions[0].ID != "1" || got.Run.Phases[0].Done != 1 {
		t.Errorf("the log now has %+v, %+v", got.Sessions[0], *got.Run)
	}
}

func TestRecordFillsInAndForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		now := time.Now().UTC()
		for i, at := range []time.Time{{}, now.Add(-day), now.Add(-2 * day), now.Add(-day - 1), now.Add(time.Hour)} {
			e := note(t, s, sessioncleanup.Event{Action: sessioncleanup.ActionRun, At: at})
			if at.IsZero() {
				at = now
			}
			if e.ID != int64(i+1) || e.At != at {
				t.Errorf("event %d has ID %d and time %v, want %v", i+1, e.ID, e.At, at)
			}
		}
		last, err := s.Record(t.Context(), sessioncleanup.Record{ForgetBefore: now.Add(-day)})
		if err != nil {
			t.Fatal(err)
		}
		var left []int64
		for _, e := range events(t, s, sessioncleanup.EventQuery{}) {
			left = append(left, e.ID)
		}
		expect(t, "left", left, []int64{last.ID, 5, 2, 1})
	})
}
