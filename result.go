package sessioncleanup

import (
	"errors"
	"math"
	"time"
)

// Run says how one cleanup differs from the policy. The zero value is a plain run.
type Run struct {
	// DryRun reports what a run would do and changes nothing. Default: false.
	DryRun bool
	// Filter limits the run to some sessions. Default: all.
	Filter Filter
	// InactiveAfter and DeleteAfter replace the policy's thresholds for this run. Default: the policy's.
	InactiveAfter time.Duration
	DeleteAfter   time.Duration
	// Force ignores the deletion limit, Policy.MaxDeleteFraction. Default: false.
	Force bool
	// DeleteAtMost replaces the deletion limit by a number: with more sessions due for deletion the run deletes none and
	// fails with ErrTooMany. Default: the policy's limit.
	DeleteAtMost int
	// AsOf measures sessions at this moment instead of when the run begins: Cutoffs.Now of a dry run, so that the run does
	// exactly what that showed, less what was used or changed since. At most an hour ago. Default: when the run begins.
	AsOf time.Time
	// Reason is recorded in the run's events. Default: none.
	Reason string
	// PageSize is how many of the sessions concerned a dry run shows, at most MaxPage. Default: 50.
	PageSize int
	// countsOnly has a dry run neither show sessions nor count what goes with them, for Manager.Propose.
	countsOnly bool
	// Progress is called after every batch, from the goroutine that called Cleanup. Default: none.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Action  Action // the phase
	Done    int    // sessions changed so far, in all phases
	Total   int    // sessions due when the run began; Done may end up below or above it
	Elapsed time.Duration
}

// Result is the result of a run. When Cleanup returns an error, it says what was done before the error.
type Result struct {
	RunID   string  `json:"run_id,omitempty"` // of the run's events; empty for a dry run
	DryRun  bool    `json:"dry_run"`
	Cutoffs Cutoffs `json:"cutoffs,omitzero"`
	// Phases are those that the policy has on, in their order: the archive's purge, deletion, warnings, deactivation. A dry
	// run reports as done what would be done.
	Phases Phases `json:"phases"`
	// Failures are the first 100 sessions that could not be changed.
	Failures []Failure `json:"failures,omitempty"`
	// Skipped are the first 100 sessions that were left for the next run although they are due.
	Skipped []Skipped `json:"skipped,omitempty"`
	// Waiting is the number of sessions that, when the run began, were due for deletion except for their warning: it is
	// not delivered, or not long enough ago. See Policy.WarnBefore.
	Waiting int `json:"waiting,omitempty"`
	// Refused, in a dry run, says that the run would fail with this ErrTooMany.
	Refused *TooManyError `json:"refused,omitempty"`
	// Sessions, in a dry run, are the first of the sessions concerned: those to delete, those whose owners to warn, then those to
	// deactivate.
	Sessions []Session `json:"sessions,omitempty"`
	// Dependents, in a dry run, are the rows of other tables that would be deleted or unlinked along with the sessions.
	Dependents []Dependent `json:"dependents,omitempty"`
	// Rules, in a dry run, are what each of the policy's rules by tag does.
	Rules []RuleEffect `json:"rules,omitempty"`
	// Backup is what was backed up at the end of the run; nil where the policy does not say so, and for a dry run.
	Backup *BackupResult `json:"backup,omitempty"`

	// Rows is how many rows the run removed from the application's tables, sessions and what went along with them, and Bytes
	// about how much of the database that freed; zero where the store cannot tell. See BatchResult.
	Rows  int   `json:"rows,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`

	Batches int `json:"batches"`
	// LongestBatch is the longest time for which a batch held its locks or, where the store cannot tell, that its call
	// took.
	LongestBatch time.Duration `json:"longest_batch_ns"`
	Duration     time.Duration `json:"duration_ns"`
}

// Deleted returns the number of sessions that the run deleted.
func (r Result) Deleted() int { return r.Phases.Of(ActionDeleted).Done }

// Noticed returns the number of sessions for which the run put a warning into the outbox.
func (r Result) Noticed() int { return r.Phases.Of(ActionNoticed).Done }

// Purged returns the number of sessions that the run removed from the archive.
func (r Result) Purged() int { return r.Phases.Of(ActionPurged).Done }

// Deactivated returns the number of sessions that the run deactivated.
func (r Result) Deactivated() int { return r.Phases.Of(ActionDeactivated).Done }

// Failure is a session that could not be changed.
type Failure struct {
	SessionID string `json:"session_id"`
	Action    Action `json:"action"` // what was tried
	Error     string `json:"error"`
}

const (
	maxFailures   = 100                     // kept in Result.Failures and in Result.Skipped
	countAll      = math.MaxInt32           // as Query.CountUpTo: no limit that matters
	cleanupName   = "cleanup"               // of the lease that allows one run at a time
	finishTimeout = 10 * time.Second        // for recording a run and releasing its lease
	longestAgo    = time.Hour               // how far Run.AsOf lies back
	finishGrace   = 3500 * time.Millisecond // for all that, and the current batch before it, when the run is stopped
)

// errPanic is recorded for a run that a panic ended.
var errPanic = errors.New("a panic ended the run")
