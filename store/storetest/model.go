package storetest

import (
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// model holds what a store should hold: a slice, read from end to end by the rules of package sessioncleanup.
type model struct {
	sessions []sessioncleanup.Session
	runs     map[string]time.Time // when a run deactivated which session last
}

// hold inserts sessions and returns the model of them.
func (f *fixture) hold(sessions ...sessioncleanup.Session) *model {
	f.Helper()
	f.insert(sessions...)
	return &model{sessions: slices.Clone(sessions)}
}

// at is the place of a session in the slice, or -1.
func (m *model) at(id string) int {
	return slices.IndexFunc(m.sessions, func(s sessioncleanup.Session) bool { return s.ID == id })
}

// set replaces a session by what has become of it.
func (m *model) set(s sessioncleanup.Session) {
	if i := m.at(s.ID); i >= 0 {
		m.sessions[i] = s
	}
}

func (m *model) remove(id string) {
	m.sessions = slices.DeleteFunc(m.sessions, func(s sessioncleanup.Session) bool { return s.ID == id })
}

// list returns all sessions that the query selects, in its order. The thresholds of its status must be pinned.
func (m *model) list(q sessioncleanup.Query) []sessioncleanup.Session {
	q.Limit = everything
	return q.Answer(m.sessions, time.Time{}).Sessions
}

// due returns the sessions that batches like this one should change, all together.
func (m *model) due(p phase, b sessioncleanup.Batch) []sessioncleanup.Session {
	var due []sessioncleanup.Session
	for _, s := range m.sessions {
		if b.Filter.Matches(s) && b.Cutoffs.Due(p.action, s) {
			due = append(due, s)
		}
	}
	return due
}

// swept does to the model what batches did to these sessions, at the time that is given for each.
func (m *model) swept(p phase, ids []string, since map[string]time.Time) {
	for _, id := range ids {
		if p.action == sessioncleanup.ActionDeleted {
			m.remove(id)
		} else if i := m.at(id); i >= 0 {
			m.sessions[i] = p.action.Apply(m.sessions[i], since[id])
		}
	}
	if p.action == sessioncleanup.ActionDeactivated {
		if m.runs == nil {
			m.runs = map[string]time.Time{}
		}
		for _, id := range ids {
			m.runs[id] = since[id]
		}
	}
}

// byRun reports whether the last deactivation of the session was by a run.
func (m *model) byRun(s sessioncleanup.Session) bool {
	at, ok := m.runs[s.ID]
	return ok && !s.Active && s.DeactivatedAt.Equal(at)
}

// counts returns the figures of a query whose thresholds are pinned.
func (m *model) counts(q sessioncleanup.CountsQuery) sessioncleanup.Counts {
	return q.Answer(slices.Values(m.sessions), time.Time{})
}
