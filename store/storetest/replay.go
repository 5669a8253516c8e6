package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// sweepRun is the run of the cleaners in checks whose log is replayed.
const sweepRun = "run-sweep"

// replayed goes through the log, from the sessions as they were inserted to those in the store now, and returns the first
// contradiction: an event that cannot have happened, or a change without an event.
func (f *fixture) replayed(inserted []sessioncleanup.Session) error {
	f.Helper()
	m := &model{sessions: slices.Clone(inserted)}
	for _, e := range slices.Backward(f.events(sessioncleanup.EventQuery{})) {
		if len(e.Sessions) == 0 {
			return fmt.Errorf("event %d has no session", e.ID)
		}
		for _, r := range e.Sessions {
			i := m.at(r.ID)
			if i < 0 {
				return fmt.Errorf("%s session %s, which was not there", e.Action, r.ID)
			}
			if why := impossible(e, m, m.sessions[i]); why != "" {
				return fmt.Errorf("%s session %s, %s", e.Action, r.ID, why)
			}
			m.happened(e, r.ID)
		}
	}
	for _, got := range f.all() {
		i := m.at(got.ID)
		if i < 0 {
			return fmt.Errorf("session %s is there, though deleted", got.ID)
		}
		if want := m.sessions[i]; got.Active != want.Active || got.AutoCleanup != want.AutoCleanup || !got.DeactivatedAt.Equal(want.DeactivatedAt) {
			return fmt.Errorf("session %s is active %v, auto-cleanup %v, inactive since %s; the log says %v, %v, %s",
				got.ID, got.Active, got.AutoCleanup, stamp(got.DeactivatedAt), want.Active, want.AutoCleanup, stamp(want.DeactivatedAt))
		}
		m.remove(got.ID)
	}
	if len(m.sessions) > 0 {
		return fmt.Errorf("session %s is gone, and the log does not say why", m.sessions[0].ID)
	}
	return nil
}

// impossible says why an event cannot have happened to a session of the model.
func impossible(e sessioncleanup.Event, m *model, s sessioncleanup.Session) string {
	switch automatic := e.RunID == sweepRun; {
	case automatic && !s.AutoCleanup:
		return "which was protected"
	case e.Action == sessioncleanup.ActionDeactivated && !s.Active:
		return "which was inactive"
	case e.Action == sessioncleanup.ActionDeleted && automatic && s.Active:
		return "which was active"
	case e.Action == sessioncleanup.ActionDeleted && automatic && m.byRun(s):
		return "which a run had just deactivated"
	case e.Action == sessioncleanup.ActionDeleted && automatic && !s.ExpiresAt.IsZero():
		return "which had been given more time"
	default:
		return ""
	}
}

// happened does to the model what the event says.
func (m *model) happened(e sessioncleanup.Event, id string) {
	s := m.sessions[m.at(id)]
	switch e.Action {
	case sessioncleanup.ActionDeleted:
		m.remove(id)
		return
	case sessioncleanup.ActionDeactivated:
		m.swept(deactivation, []string{id}, map[string]time.Time{id: e.At})
		return
	case sessioncleanup.ActionReactivated:
		s.Active, s.DeactivatedAt = true, time.Time{}
	case sessioncleanup.ActionAutoCleanupOff:
		s.AutoCleanup = false
	case sessioncleanup.ActionExpirySet:
		s.ExpiresAt = e.At // some time: the log does not keep which
	}
	m.set(s)
}
