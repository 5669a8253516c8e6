package sessioncleanup

import "time"

// Action says what happened, in an Event.
type Action string

// The actions of the audit log.
const (
	ActionDeactivated    Action = "deactivated"
	ActionReactivated    Action = "reactivated"
	ActionDeleted        Action = "deleted"
	ActionAutoCleanupOn  Action = "auto_cleanup_on"
	ActionAutoCleanupOff Action = "auto_cleanup_off"
	ActionExpirySet      Action = "expiry_set"
	ActionRun            Action = "run" // a run ended; Event.Run has its result
)

// Actions lists every action.
func Actions() []Action {
	return []Action{
		ActionDeactivated, ActionReactivated, ActionDeleted,
		ActionAutoCleanupOn, ActionAutoCleanupOff, ActionExpirySet, ActionRun,
	}
}

// Event is one line of the audit log: what happened to which sessions, by whom, why, in which run. It is written
// in the transaction of the change itself. A batch of a run is one event that holds its sessions. Touches are not
// logged: they are the host's own traffic, and a session's last activity says as much.
type Event struct {
	ID       int64        `json:"id"` // rises with time
	At       time.Time    `json:"at"`
	Action   Action       `json:"action"`
	Sessions []SessionRef `json:"sessions,omitempty"`
	Actor    string       `json:"actor"`
	Reason   string       `json:"reason,omitempty"`
	RunID    string       `json:"run_id,omitempty"`
	Run      *RunSummary  `json:"run,omitempty"` // for ActionRun only
}

// SessionRef is what an event keeps of a session, which may be gone by then.
type SessionRef struct {
	ID      string `json:"id"`
	OwnerID string `json:"owner_id,omitempty"`
	Name    string `json:"name,omitempty"`
}

// RunSummary is what an ActionRun event keeps of a run's result.
type RunSummary struct {
	StartedAt   time.Time     `json:"started_at"` // the store's clock
	Deactivated int           `json:"deactivated"`
	Deleted     int           `json:"deleted"`
	Due         int           `json:"due"` // due when the run began
	Failures    int           `json:"failures"`
	Duration    time.Duration `json:"duration_ns"`
	Error       string        `json:"error,omitempty"`  // why the run stopped early; empty when it finished
	Cutoffs     Cutoffs       `json:"cutoffs,omitzero"` // what sessions were measured against
	Forced      bool          `json:"forced,omitempty"` // the brake was released
	// Partial says that the run left out a phase which the policy has on; a Schedule does not count it.
	Partial bool `json:"partial,omitempty"`
}

// EventQuery selects events. The zero value of a filter does not filter. With both SessionID and OwnerID, the one
// session must be that owner's.
type EventQuery struct {
	SessionID string   // only events of this session
	OwnerID   string   // only events of this owner's sessions; other sessions are left out of Event.Sessions
	RunID     string   // only events of this run
	Actions   []Action // only these
	Before    int64    // only events with a smaller ID: the last one of the page before
	Limit     int      // at most this many; above 0
}
