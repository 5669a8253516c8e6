package sessioncleanup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestSelectReturnsThePartThatIsAskedFor(t *testing.T) {
	t.Parallel()
	one, two, three := sessioncleanup.SessionRef{ID: "1", OwnerID: "ann"}, sessioncleanup.SessionRef{ID: "2", OwnerID: "bob"}, sessioncleanup.SessionRef{ID: "3", OwnerID: "ann"}
	batch := sessioncleanup.Event{ID: 5, Action: sessioncleanup.ActionDeleted, RunID: "r1", Sessions: []sessioncleanup.SessionRef{one, two, three}}
	run := sessioncleanup.Event{ID: 6, Action: sessioncleanup.ActionRun, RunID: "r1", Run: &sessioncleanup.RunSummary{Phases: sessioncleanup.Phases{{Done: 3}}}}
	type refs = []sessioncleanup.SessionRef
	deletions := []sessioncleanup.Action{sessioncleanup.ActionReactivated, sessioncleanup.ActionDeleted}
	for name, c := range map[string]struct {
		q          sessioncleanup.EventQuery
		of         refs // of the batch that is returned; nil when it is not
		includeRun bool
	}{
		"everything":                 {sessioncleanup.EventQuery{}, refs{one, two, three}, true},
		"an owner":                   {sessioncleanup.EventQuery{OwnerID: "ann"}, refs{one, three}, false},
		"an owner without any":       {sessioncleanup.EventQuery{OwnerID: "cat"}, nil, false},
		"a session":                  {sessioncleanup.EventQuery{SessionID: "2"}, refs{two}, false},
		"a session of its owner":     {sessioncleanup.EventQuery{SessionID: "3", OwnerID: "ann"}, refs{three}, false},
		"a session of another owner": {sessioncleanup.EventQuery{SessionID: "2", OwnerID: "ann"}, nil, false},
		"the run":                    {sessioncleanup.EventQuery{RunID: "r1"}, refs{one, two, three}, true},
		"another run":                {sessioncleanup.EventQuery{RunID: "r2"}, nil, false},
		"its action":                 {sessioncleanup.EventQuery{Actions: deletions}, refs{one, two, three}, false},
		"other actions":              {sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}}, nil, true},
		"whatever the limit":         {sessioncleanup.EventQuery{Limit: 1}, refs{one, two, three}, true},
		"those before the run":       {sessioncleanup.EventQuery{Before: 6}, refs{one, two, three}, false},
		"those after the batch":      {sessioncleanup.EventQuery{After: 5}, nil, true},
		"a part for an owner":        {sessioncleanup.EventQuery{OwnerID: "bob", Part: true}, refs{two}, true},
		"a part for nobody":          {sessioncleanup.EventQuery{OwnerID: "cat", Part: true}, refs{}, true},
	} {
		got, ok := c.q.Select(batch)
		want := sessioncleanup.Event{}
		if c.of != nil {
			want = batch
			want.Sessions = c.of
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); ok != (c.of != nil) || ok && diff != "" {
			t.Errorf("%s: batch is selected: %v (-want +got):\n%s", name, ok, diff)
		}
		if got, ok := c.q.Select(run); ok != c.includeRun || ok && !cmp.Equal(got, run) {
			t.Errorf("%s: run is selected: %v, %+v; want %v", name, ok, got, c.includeRun)
		}
	}
}

func TestSelectedEventsShareNothing(t *testing.T) {
	t.Parallel()
	event := func() sessioncleanup.Event {
		return sessioncleanup.Event{
			Sessions: []sessioncleanup.SessionRef{{ID: "1", OwnerID: "ann"}},
			Run:      &sessioncleanup.RunSummary{Phases: sessioncleanup.Phases{{Done: 1}}},
		}
	}
	for _, q := range []sessioncleanup.EventQuery{{}, {OwnerID: "ann"}} {
		original := event()
		got, _ := q.Select(original)
		got.Sessions[0].ID, got.Run.Error, got.Run.Phases[0].Done = "spoiled", "spoiled", 99
		if diff := cmp.Diff(event(), original); diff != "" {
			t.Errorf("%+v: changing the part changed the event (-want +got):\n%s", q, diff)
		}
	}
}

func TestPhasesOfAndTotal(t *testing.T) {
	t.Parallel()
	deleted := sessioncleanup.PhaseResult{Action: sessioncleanup.ActionDeleted, Due: 10, Done: 5, Skipped: 3, Failed: 2}
	p := sessioncleanup.Phases{deleted, {Action: sessioncleanup.ActionDeactivated, Due: 1, Done: 2, Skipped: 3, Failed: 4}}
	if got := p.Of(sessioncleanup.ActionDeleted); got != deleted {
		t.Errorf("deletions are %+v, want %+v", got, deleted)
	}
	if got, want := p[1:].Of(sessioncleanup.ActionDeleted), (sessioncleanup.PhaseResult{Action: sessioncleanup.ActionDeleted}); got != want {
		t.Errorf("deletions that were not part of the run are %+v, want %+v", got, want)
	}
	if got, want := p.Total(), (sessioncleanup.PhaseResult{Due: 11, Done: 7, Skipped: 6, Failed: 6}); got != want {
		t.Errorf("total is %+v, want %+v", got, want)
	}
}
