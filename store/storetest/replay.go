package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// replayed tells the story of the log, from the sessions as they were inserted to those in the store now, and says
// where it does not hold together: an event of something that cannot have happened, a change that no event tells.
func (f *fixture) replayed(inserted []sessioncleanup.Session) error {
	f.Helper()
	states := map[string]sessioncleanup.Session{}
	for _, s := range inserted {
		states[s.ID] = s
	}
	var wrong []string
	events := f.events(sessioncleanup.EventQuery{})
	for _, e := range slices.Backward(events) {
		for _, r := range e.Sessions {
			s, there := states[r.ID]
			if !there {
				wrong = append(wrong, fmt.Sprintf("%s session %s, which was not there", e.Action, r.ID))
				continue
			}
			if why := impossible(e, s); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s session %s, %s", e.Action, r.ID, why))
			}
			if s, there = told(e, s); there {
				states[r.ID] = s
			} else {
				delete(states, r.ID)
			}
		}
	}
	for _, got := range f.all() {
		want, there := states[got.ID]
		if !there {
			wrong = append(wrong, fmt.Sprintf("session %s is there, though deleted", got.ID))
			continue
		}
		delete(states, got.ID)
		if got.Active != want.Active || got.AutoCleanup != want.AutoCleanup {
			wrong = append(wrong, fmt.Sprintf("session %s is active %v, auto-cleanup %v; the log says %v, %v",
				got.ID, got.Active, got.AutoCleanup, want.Active, want.AutoCleanup))
		}
	}
	for id := range states {
		wrong = append(wrong, fmt.Sprintf("session %s is gone, the log does not say why", id))
	}
	if len(wrong) > 0 {
		return errors.New(some(wrong, "\n"))
	}
	return nil
}

// impossible says why an event cannot have happened to a session.
func impossible(e sessioncleanup.Event, s sessioncleanup.Session) string {
	switch automatic := e.RunID == sweepRun; {
	case automatic && !s.AutoCleanup:
		return "which was protected"
	case e.Action == sessioncleanup.ActionDeactivated && !s.Active:
		return "which was inactive"
	case e.Action == sessioncleanup.ActionDeleted && automatic && s.Active:
		return "which was active"
	case e.Action == sessioncleanup.ActionDeleted && automatic && !s.ExpiresAt.IsZero():
		return "which had been given more time"
	default:
		return ""
	}
}

// sweepRun is the run of the cleaners in checks whose log is replayed.
const sweepRun = "run-sweep"

// told is the session after what the event tells, or false when it is gone.
func told(e sessioncleanup.Event, s sessioncleanup.Session) (sessioncleanup.Session, bool) {
	switch e.Action {
	case sessioncleanup.ActionDeleted:
		return s, false
	case sessioncleanup.ActionDeactivated:
		s.Active = false
	case sessioncleanup.ActionReactivated:
		s.Active = true
	case sessioncleanup.ActionAutoCleanupOff:
		s.AutoCleanup = false
	case sessioncleanup.ActionExpirySet:
		s.ExpiresAt = e.At // some time: the log does not keep which
	}
	return s, true
}
