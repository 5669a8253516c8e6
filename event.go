package sessioncleanup

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
)

// Action says what happened to the sessions of an Event.
type Action string

// The actions of the audit log.
const (
	ActionDeactivated    Action = "deactivated"
	ActionReactivated    Action = "reactivated"
	ActionDeleted        Action = "deleted"
	ActionNoticed        Action = "noticed"       // a run put the warning to the owner into the outbox; see Outbox
	ActionWarned         Action = "warned"        // the warning was delivered, over the channel in Event.Reason
	ActionUndeliverable  Action = "undeliverable" // it was given up; Event.Reason says why
	ActionAutoCleanupOn  Action = "auto_cleanup_on"
	ActionAutoCleanupOff Action = "auto_cleanup_off"
	ActionExpirySet      Action = "expiry_set"
	ActionTagged         Action = "tagged"             // tags were added or removed; Event.Reason says which
	ActionCorrected      Action = "activity_corrected" // a run set a last activity in the future to now
	ActionRestored       Action = "restored"           // brought back from the archive
	ActionPurged         Action = "purged"             // removed from the archive, permanently
	ActionHeld           Action = "held"               // kept in the archive whatever the policy says
	ActionReleased       Action = "released"           // no longer held
	ActionErased         Action = "erased"             // an owner was erased; the event does not say which
	ActionPaused         Action = "paused"             // all cleanup, until Event.Until
	ActionResumed        Action = "resumed"            // cleanup, before the pause ended by itself
	ActionPolicyChanged  Action = "policy_changed"     // somebody changed the stored policy; Event.Reason has the values before and after
	ActionScheduled      Action = "scheduled"          // a scheduler started for the first time: intervals count from here
	ActionNotified       Action = "notified"           // operators were told which alerts hold, over the channel in Event.Reason
	ActionRun            Action = "run"                // a run ended; Event.Run has its result
)

// ActionDated is no event: it is what Store.Sweep does first in a run. It sets DeactivatedAt of inactive
// sessions that lack it to the store's clock, so that each is kept for DeleteAfter from the moment it was noticed.
// Sessions lack it when they were inserted inactive, or when a trigger of the library was off.
const ActionDated Action = "dated"

// Actions lists every action.
func Actions() []Action {
	return []Action{
		ActionDeactivated, ActionReactivated, ActionDeleted, ActionNoticed, ActionWarned, ActionUndeliverable,
		ActionAutoCleanupOn, ActionAutoCleanupOff, ActionExpirySet, ActionTagged, ActionCorrected, ActionRestored, ActionPurged,
		ActionHeld, ActionReleased, ActionErased, ActionPaused, ActionResumed, ActionPolicyChanged, ActionScheduled, ActionNotified, ActionRun,
	}
}

// Event is one line of the audit log: what happened to which sessions, by whom, why, in which run. It is written
// in the transaction of the change itself. A batch of a run is one event that holds its sessions. Touches are not
// logged: they are the application's own traffic, and the session already has its last activity.
type Event struct {
	ID       int64        `json:"id"` // rises with time
	At       time.Time    `json:"at"`
	Action   Action       `json:"action"`
	Sessions []SessionRef `json:"sessions,omitempty"`
	Actor    string       `json:"actor"`
	Reason   string       `json:"reason,omitempty"`
	RunID    string       `json:"run_id,omitempty"`
	Run      *RunSummary  `json:"run,omitempty"`  // for ActionRun only
	Until    time.Time    `json:"until,omitzero"` // for ActionPaused only: when the pause ends
	// Unnamed is how many further sessions the event has; only parts of the log leave out any.
	Unnamed int `json:"unnamed_sessions,omitempty"`
}

// MaxEventText is the number of characters that an event keeps of a name or a reason. Without this limit, the event of
// a batch could exceed what some databases allow.
const MaxEventText = 200

// pauseDetails are the details of an ActionPaused.
type pauseDetails struct {
	Until time.Time `json:"until"`
}

// Details encodes, as one JSON object, the fields that only some actions have. It returns nil for the others.
func (e Event) Details() []byte {
	var details any
	switch {
	case e.Run != nil:
		details = e.Run
	case !e.Until.IsZero():
		details = pauseDetails{e.Until.UTC()}
	default:
		return nil
	}
	data, err := json.Marshal(details)
	if err != nil {
		panic(err) // numbers, times and strings
	}
	return data
}

// SetDetails decodes what Details encoded. Set the event's Action first.
func (e *Event) SetDetails(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if e.Action != ActionPaused {
		return json.Unmarshal(data, &e.Run)
	}
	var details pauseDetails
	err := json.Unmarshal(data, &details)
	e.Until = details.Until
	return err
}

// Shortened returns a copy of the event as stores keep it: names and the reason are cut to MaxEventText characters.
func (e Event) Shortened() Event {
	e, _ = EventQuery{}.Select(e)
	e.Reason = shorten.Text(e.Reason, MaxEventText)
	for i := range e.Sessions {
		e.Sessions[i].Name = shorten.Text(e.Sessions[i].Name, MaxEventText)
	}
	return e
}

// SessionRef is what an event keeps of a session, which may be gone by then.
type SessionRef struct {
	ID      string `json:"id"`
	OwnerID string `json:"owner_id,omitempty"`
	Name    string `json:"name,omitempty"`
}

// RunSummary is what an ActionRun event keeps of a run's result.
type RunSummary struct {
	StartedAt time.Time     `json:"started_at"` // the store's clock
	Phases    Phases        `json:"phases"`
	Duration  time.Duration `json:"duration_ns"`
	// LongestBatch is Result.LongestBatch.
	LongestBatch time.Duration `json:"longest_batch_ns,omitempty"`
	Error        string        `json:"error,omitempty"`   // why the run stopped early; empty when it finished
	Cutoffs      Cutoffs       `json:"cutoffs,omitzero"`  // what sessions were measured against
	Filter       Filter        `json:"filter,omitzero"`   // which sessions the run was limited to
	Forced       bool          `json:"forced,omitempty"`  // without the deletion limit
	Refused      bool          `json:"refused,omitempty"` // the deletion limit stopped the deletions; Error says so
	Backup       *BackupResult `json:"backup,omitempty"`  // what was backed up
	// Partial says that the run left out sessions, or a phase that the policy has on; a Schedule does not count it.
	Partial bool `json:"partial,omitempty"`
}

// Outcome says how a run ended.
type Outcome string

// The outcomes of runs.
const (
	OutcomeSucceeded   Outcome = "succeeded"
	OutcomeIncomplete  Outcome = "incomplete"  // it ended without an error, but could not change some sessions
	OutcomeRefused     Outcome = "refused"     // the deletion limit stopped the deletions; the rest was done
	OutcomeInterrupted Outcome = "interrupted" // it was stopped or paused, after a whole batch
	OutcomeFailed      Outcome = "failed"      // with an error, or without an end: killed, frozen, cut off
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{OutcomeSucceeded, OutcomeIncomplete, OutcomeRefused, OutcomeInterrupted, OutcomeFailed}
}

// Outcome returns how the run ended.
func (s RunSummary) Outcome() Outcome {
	switch {
	case s.Refused:
		return OutcomeRefused
	case s.Error == context.Canceled.Error(), strings.HasPrefix(s.Error, ErrPaused.Error()):
		return OutcomeInterrupted
	case s.Error != "":
		return OutcomeFailed
	case s.Phases.Total().Failed > 0:
		return OutcomeIncomplete
	default:
		return OutcomeSucceeded
	}
}

// partial reports whether the event is that of a run which left out something.
func (e Event) partial() bool { return e.Run != nil && e.Run.Partial }

// PhaseResult is what one phase of a run did, or would do.
type PhaseResult struct {
	Action  Action `json:"action"`  // ActionPurged, ActionDeleted, ActionNoticed or ActionDeactivated
	Due     int    `json:"due"`     // sessions, when the run began
	Done    int    `json:"done"`    // sessions changed; may be more than were due when the run began
	Skipped int    `json:"skipped"` // sessions left for the next run: still due when the phase ended, and not failed
	Failed  int    `json:"failed"`  // sessions that could not be changed
}

// Phases are the results of a run's phases, in the order in which they are done.
type Phases []PhaseResult

// Of returns the result of one phase. All of its counts are 0 when the run did not include the phase.
func (p Phases) Of(a Action) PhaseResult {
	for _, phase := range p {
		if phase.Action == a {
			return phase
		}
	}
	return PhaseResult{Action: a}
}

// Total adds up the counts of all phases.
func (p Phases) Total() PhaseResult {
	var sum PhaseResult
	for _, phase := range p {
		sum.Due += phase.Due
		sum.Done += phase.Done
		sum.Skipped += phase.Skipped
		sum.Failed += phase.Failed
	}
	return sum
}

// EventQuery selects events. The zero value of a filter does not filter. With both SessionID and OwnerID, the one
// session must be that owner's.
type EventQuery struct {
	SessionID string   // only events of this session
	OwnerID   string   // only events of this owner's sessions; other sessions are left out of Event.Sessions
	RunID     string   // only events of this run
	Actions   []Action // only these
	Before    int64    // only events with a smaller ID: the last one of the page before
	After     int64    // only events with a larger ID
	Limit     int      // at most this many; above 0
	// Part bounds the work: the answer also has, without sessions, the events in between that have none of those asked
	// for, and it may end early; see Enough. When all sessions are asked for, an event may have only its first 100, and
	// count the others in Unnamed.
	Part bool
}

// partSessions is how many sessions, of all its events, end a part.
const partSessions = 1000

// Enough reports whether a store's answer may end after these events: there are Limit of them or, with Part, they name
// many sessions. The log may continue after them.
func (q EventQuery) Enough(events []Event) bool {
	if len(events) >= q.Limit {
		return true
	}
	sessions := 0
	for i := 0; q.Part && i < len(events); i++ {
		sessions += len(events[i].Sessions)
	}
	return sessions >= partSessions
}

// Select returns a copy of the part of the event that the query asks for, and false when there is no such part. It
// ignores Limit.
func (q EventQuery) Select(e Event) (Event, bool) {
	if q.Before > 0 && e.ID >= q.Before || e.ID <= q.After && q.After > 0 ||
		q.RunID != "" && e.RunID != q.RunID || len(q.Actions) > 0 && !slices.Contains(q.Actions, e.Action) {
		return Event{}, false
	}
	var sessions []SessionRef // a copy of those asked for, of none where there are none: others have thousands
	for _, r := range e.Sessions {
		if (q.OwnerID == "" || r.OwnerID == q.OwnerID) && (q.SessionID == "" || r.ID == q.SessionID) {
			if sessions == nil && !q.ofSessions() {
				sessions = make([]SessionRef, 0, len(e.Sessions))
			}
			sessions = append(sessions, r)
		}
	}
	e.Sessions = sessions
	if e.Run != nil {
		run := *e.Run
		run.Phases = slices.Clone(run.Phases)
		if run.Backup != nil {
			backup := *run.Backup
			backup.Files = slices.Clone(backup.Files)
			run.Backup = &backup
		}
		e.Run = &run
	}
	return e, len(e.Sessions) > 0 || q.Part || !q.ofSessions()
}

// ofSessions reports whether the query is about some sessions only.
func (q EventQuery) ofSessions() bool { return q.OwnerID != "" || q.SessionID != "" }
