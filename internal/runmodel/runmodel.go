// Package runmodel predicts what runs may do and must do to the sessions of an application, from the application's own
// rows and statements, and compares runs with the prediction. Tests of the backends that adopt random tables use it.
//
// The model knows some sessions only in part. Where a value can be understood in several ways, a run may change the
// session but does not have to.
package runmodel

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// Day is in seconds. All times here are seconds since 1970; an unknown time is -Inf.
const Day = 24 * 3600.0

// Session is what the model knows about one session.
type Session struct {
	N           int // of the sessions that were there before the adoption; 0 for later ones
	Active      bool
	Protected   bool
	Forever     bool    // its last activity stands for never ending
	Odd         bool    // some time of it is unusual: it may be changed, and need not be
	Free        bool    // the model does not know when it was used
	Pinned      bool    // a row of another table keeps it from being deleted
	Used        float64 // the latest sign of use
	Stated      float64 // what the application's own last_activity says, unless activity tables say later; +Inf without one
	Expires     float64 // +Inf: never
	Deactivated float64
	Along       []string // what its deletion deletes
	Tags        []string // in their order

	had   [][]string // its tags at earlier moments of a run
	acted [][]string // those of them by which the run may have changed it
}

// New returns the n-th session, active and with nothing else known about it.
func New(n int) *Session {
	return &Session{N: n, Active: true, Used: math.Inf(-1), Stated: math.Inf(1), Expires: math.Inf(1), Deactivated: math.Inf(-1)}
}

// Added returns a session that the application inserted no later than now.
func Added(now float64) *Session {
	return &Session{Active: true, Odd: true, Free: true, Used: now, Stated: now, Expires: math.Inf(1), Deactivated: now}
}

// Settle ends the collection of signs of use: a session without any counts as used now, and may be changed or not.
func (s *Session) Settle(now float64) {
	if math.IsInf(s.Used, -1) {
		s.Odd, s.Used = true, now
	}
	if math.IsInf(s.Stated, -1) { // nothing but a time that stands for none
		s.Stated = math.Inf(1)
	}
}

// Shift moves the session's times days into the past.
func (s *Session) Shift(days int) {
	for _, at := range []*float64{&s.Used, &s.Stated, &s.Expires, &s.Deactivated} {
		*at -= float64(days) * Day
	}
}

// Rows holds the rows of the sessions, by ID and column.
type Rows map[string]map[string]any

// Model is an application with its sessions.
type Model struct {
	Sessions map[string]*Session
	Tracked  bool           // something shows when they are used
	InUse    func(int) bool // whether the application uses the n-th session all the time
	Active   string         // the column
	Changed  []string       // columns that change whenever a row does, and those that foreign keys set
	Rows     func(*testing.T) Rows
	Now      func(*testing.T) float64 // the database's clock
	Rules    []Rule                   // by which runs measure
	Filter   string                   // by tags, of the sessions that runs change; empty for all
	Tag      func(t *testing.T, id, tag string, add bool)
}

// SameRows fails the test unless every session that the application does not use has the same values as before, in the
// columns that exist before and after, but for those that may change: Migrate may correct the last activity.
func (m *Model) SameRows(t *testing.T, what string, before Rows, mayChange ...string) {
	t.Helper()
	after := m.Rows(t)
	for id, s := range m.Sessions {
		if s.N == 0 || m.InUse(s.N) {
			continue
		}
		for column, was := range before[id] {
			is, kept := after[id][column]
			if kept && !cmp.Equal(was, is) && !slices.Contains(mayChange, column) {
				t.Errorf("%s changed %s of session %s from %#v to %#v", what, column, id, was, is)
			}
		}
	}
}

// mayDeactivate and mayDelete believe the application's own last_activity. surelyDeactivated and surelyDeleted require
// that nothing at all shows a later use.
func (m *Model) mayDeactivate(s *Session, now float64) bool {
	return m.ever(s, s.acted, func(selected bool, r Rule) bool {
		return selected && !math.IsInf(r.Inactive, 1) && (s.Free || m.toDeactivate(s, now+60, min(s.Used, s.Stated), r))
	})
}

func (m *Model) mayDelete(s *Session, now float64) bool {
	return m.ever(s, s.acted, func(selected bool, r Rule) bool {
		return selected && !math.IsInf(r.Delete, 1) && !r.Warn && (s.Free || m.toDelete(s, now+60, min(s.Used, s.Stated), r))
	})
}

func (m *Model) surelyDeactivated(s *Session, now float64) bool {
	return !s.Free && !s.Odd && !m.ever(s, s.had, func(selected bool, r Rule) bool { return !selected || !m.toDeactivate(s, now-120, s.Used, r) })
}

func (m *Model) surelyDeleted(s *Session, now float64) bool {
	return !s.Free && !s.Odd && !m.ever(s, s.had, func(selected bool, r Rule) bool { return !selected || !m.toDelete(s, now-120, s.Used, r) })
}

func (m *Model) toDeactivate(s *Session, now, used float64, r Rule) bool {
	return s.Active && !s.Protected && !math.IsInf(r.Inactive, 1) && (s.Expires <= now || m.Tracked && !s.Forever && used < now-r.Inactive)
}

func (m *Model) toDelete(s *Session, now, used float64, r Rule) bool {
	kept, expires := max(used, s.Deactivated), !math.IsInf(s.Expires, 1)
	if expires {
		kept = max(kept, s.Expires)
	}
	return !s.Active && !s.Protected && !s.Forever && (m.Tracked || expires) && !r.Warn && kept < now-r.Delete
}

// all reports whether a condition holds for a session and for every session that its deletion deletes.
func (m *Model) all(id string, holds func(*Session) bool) bool {
	s := m.Sessions[id]
	return s == nil || holds(s) && !slices.ContainsFunc(s.Along, func(id string) bool { return !m.all(id, holds) })
}

// Closed is the value of an inactive session when the state is text.
const Closed = "closed"

// off reports whether a value of the active column means inactive.
func off(value any) bool { return value == false || value == int64(0) || value == Closed }

// Run does one run without a deletion limit, and compares what it did with what it may and must do. It calls meanwhile
// after each batch.
func (m *Model) Run(t *testing.T, manager *sessioncleanup.Manager, meanwhile func()) {
	t.Helper()
	before, now := m.Rows(t), m.Now(t)
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true, Filter: sessioncleanup.Filter{Tags: m.Filter}, Progress: func(sessioncleanup.Progress) { meanwhile() }})
	if err != nil {
		t.Fatalf("the run fails: %v", err)
	}
	after := m.Rows(t)
	logged, named := outcome(t, manager, result)
	for id := range after {
		if before[id] == nil && logged[id] != "" {
			t.Errorf("session %s, made a moment ago, was %s", id, logged[id])
		}
	}
	var then []func() // what becomes of the model, once all sessions were looked at
	for id, was := range before {
		s := m.Sessions[id]
		if s == nil {
			s = Added(now)
			s.Free, s.Active = false, !off(was[m.Active])
		}
		is, left := after[id]
		may := func(s *Session) bool { return m.mayDelete(s, now) }
		sure := func(s *Session) bool { return m.surelyDeleted(s, now) }
		switch {
		case !left && logged[id] != sessioncleanup.ActionDeleted:
			t.Errorf("session %s is gone, and the log says %q", id, logged[id])
		case !left && (!may(s) || m.Sessions[id] != nil && !m.all(id, may)):
			t.Errorf("session %s was deleted: %s\n%v", id, s.words(now), was)
		case !left:
			then = append(then, func() { delete(m.Sessions, id) })
		case logged[id] == sessioncleanup.ActionDeleted:
			t.Errorf("session %s is there, and the log says that it was deleted", id)
		case !off(was[m.Active]) && off(is[m.Active]):
			if logged[id] != sessioncleanup.ActionDeactivated {
				t.Errorf("session %s was deactivated, and the log says %q", id, logged[id])
			}
			if !m.mayDeactivate(s, now) {
				t.Errorf("session %s was deactivated: %s\n%v", id, s.words(now), was)
			}
			then = append(then, func() { s.Active, s.Deactivated = false, now })
		case m.Sessions[id] != nil && m.all(id, sure) && named[id] == "":
			t.Errorf("session %s was not deleted, and nothing says so: %s\n%v", id, s.words(now), was)
		case m.surelyDeactivated(s, now) && named[id] == "":
			t.Errorf("session %s was not deactivated, and nothing says so: %s\n%v", id, s.words(now), was)
		}
		for column := range was {
			own := column == m.Active || column == "deactivated_at" || column == "sessioncleanup_class" || slices.Contains(m.Changed, column)
			if left && !own && s.N > 0 && !m.InUse(s.N) && (column != "last_activity" || !s.Odd) && !cmp.Equal(was[column], is[column]) {
				t.Errorf("the run changed %s of session %s from %#v to %#v", column, id, was[column], is[column])
			}
		}
	}
	for _, change := range then {
		change()
	}
	m.settled()
}

// outcome returns, by session, what the log says that the run did, and the reasons for which the run left sessions
// alone.
func outcome(t *testing.T, manager *sessioncleanup.Manager, result sessioncleanup.Result) (logged map[string]sessioncleanup.Action, named map[string]string) {
	t.Helper()
	logged, named = map[string]sessioncleanup.Action{}, map[string]string{}
	q := sessioncleanup.EventQuery{RunID: result.RunID, Actions: []sessioncleanup.Action{sessioncleanup.ActionDeleted, sessioncleanup.ActionDeactivated}, Limit: 100}
	for more := true; more; {
		events, err := manager.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			q.Before = e.ID
			for _, ref := range e.Sessions {
				logged[ref.ID] = e.Action
			}
		}
		more = len(events) > 0
	}
	for _, f := range result.Failures {
		named[f.SessionID] = f.Error
	}
	for _, s := range result.Skipped {
		named[s.SessionID] = s.Reason
	}
	return logged, named
}

func (s *Session) words(now float64) string {
	ago := func(at float64) string {
		if math.IsInf(at, 0) {
			return "never"
		}
		return time.Duration((now-at)*1e9).Round(time.Minute).String() + " ago"
	}
	return fmt.Sprintf("active %t, protected %t, forever %t, odd %t, used %s, stated %s, expires %s, deactivated %s, pinned %t, along %v, tags %q, before %q",
		s.Active, s.Protected, s.Forever, s.Odd, ago(s.Used), ago(s.Stated), ago(s.Expires), ago(s.Deactivated), s.Pinned, s.Along, s.Tags, s.had)
}
