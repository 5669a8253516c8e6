package sessioncleanup

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Errors that callers tell apart with errors.Is. Backends map what their driver reports to them.
var (
	// ErrNotFound: there is no such session, or it is not the caller's to see.
	ErrNotFound = errors.New("session not found")
	// ErrForbidden: the caller's role does not allow the operation.
	ErrForbidden = errors.New("not allowed")
	// ErrInvalid: an argument, an option or a setting is wrong; the message names it, its value and what would be right.
	ErrInvalid = invalid.Err
	// ErrChanged: the session, or the policy, is no longer as the caller last saw it; nothing was changed. See Manager.If
	// and Manager.IfPolicy.
	ErrChanged = errors.New("changed in the meantime")
	// ErrTooMany: the deletion limit stopped a run that would have deleted too large a part of all sessions.
	ErrTooMany = errors.New("too many sessions would be deleted")
	// ErrCascade: deleting the session would delete other sessions along with it; nothing was deleted.
	ErrCascade = errors.New("other sessions would be deleted along with it")
	// ErrKept: Config.BeforeDelete kept the session; nothing was deleted.
	ErrKept = errors.New("kept by the application")
	// ErrLeaseHeld: another instance holds the lease; another run is already running.
	ErrLeaseHeld = errors.New("lease is held by another instance")
	// ErrLeaseLost: the lease that guarded a batch passed to another instance; the batch was not committed.
	ErrLeaseLost = errors.New("lease was lost")
	// ErrDisabled: the policy says that no cleanup may run.
	ErrDisabled = errors.New("cleanup is disabled by the policy")
	// ErrUnavailable: the database cannot be reached, is too busy just now, or has no space left. Nothing was changed, and
	// the same call may succeed later. Runs retry on it.
	ErrUnavailable = errors.New("database unavailable")
	// ErrNotCounted: figures that take long to count are being counted for the first time, and the caller's deadline came
	// first. The count goes on; the same call returns it later.
	ErrNotCounted = errors.New("not counted yet")
	// ErrClock: the clocks of the store and of this process differ by more than 10 minutes; a run changed nothing.
	ErrClock = errors.New("clocks differ")
	// ErrNotInstalled: the database lacks what Migrate adds.
	ErrNotInstalled = errors.New("not installed in this database")
	// ErrNewerSchema: the database was migrated by a newer version of this library.
	ErrNewerSchema = errors.New("database was migrated by a newer version of sessioncleanup")
)

// wrapped is a value or, instead, an error that names the operation.
func wrapped[T any](operation string, value T, err error) (T, error) {
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", operation, err)
	}
	return value, nil
}

// TooManyError is the ErrTooMany that a run returns.
type TooManyError struct {
	Due      int     `json:"due"`                // sessions that the run would have deleted
	Fraction float64 `json:"fraction,omitempty"` // Policy.MaxDeleteFraction in force; 0 when AtMost was exceeded
	AtMost   int     `json:"at_most,omitempty"`  // Run.DeleteAtMost, when that was exceeded
}

// Error says what was stopped, how to see the sessions and how to allow the deletion once.
func (e *TooManyError) Error() string {
	limit := fmt.Sprintf("more than %g%% of all", 100*e.Fraction)
	if e.AtMost > 0 {
		limit = fmt.Sprintf("more than the %d allowed", e.AtMost)
	}
	return fmt.Sprintf("%v: %d sessions are due for deletion, %s; none was deleted. A dry run shows them (list --status to_delete); "+
		"check the clock and the thresholds, then allow the deletion once with cleanup --force, or --force=%d for at most this many",
		ErrTooMany, e.Due, limit, e.Due)
}

// Is makes errors.Is(err, ErrTooMany) hold.
func (e *TooManyError) Is(target error) bool { return target == ErrTooMany }

// CascadeError is the ErrCascade that a deletion returns.
type CascadeError struct {
	SessionIDs []string // the other sessions, the first 100 of them
}

// maxNamed is how many sessions a CascadeError names.
const maxNamed = 100

// Error names the other sessions.
func (e *CascadeError) Error() string {
	return fmt.Sprintf("%v: %s; delete them first, or allow it (--cascade)", ErrCascade, quoted(e.SessionIDs))
}

// Is makes errors.Is(err, ErrCascade) hold.
func (e *CascadeError) Is(target error) bool { return target == ErrCascade }

// KeepError is returned by Config.BeforeDelete to keep some of the sessions. The others are deleted.
type KeepError struct {
	Reasons map[string]error // by the id of the session
}

// Error names the sessions.
func (e *KeepError) Error() string {
	return fmt.Sprintf("%v: sessions %s", ErrKept, quoted(slices.Sorted(maps.Keys(e.Reasons))))
}

// Unwrap returns the reasons.
func (e *KeepError) Unwrap() []error { return slices.Collect(maps.Values(e.Reasons)) }

// quoted lists the first few of some ids.
func quoted(ids []string) string {
	const most = 5
	text := fmt.Sprintf("%q", ids[:min(len(ids), most)])
	if len(ids) > most {
		text += fmt.Sprintf(" and %d more", len(ids)-most)
	}
	return text
}

// LeaseHeldError is the ErrLeaseHeld of an attempt to take a lease. It names the holder and the time at which the lease ends.
type LeaseHeldError struct {
	Name   string
	Holder string
	Until  time.Time
	// Remaining is the time from the store's clock to Until.
	Remaining time.Duration
}

// Error names the lease, its holder and the time at which it ends unless renewed.
func (e *LeaseHeldError) Error() string {
	return fmt.Sprintf("%v: %q is held by %s until %s", ErrLeaseHeld, e.Name, e.Holder, e.Until.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrLeaseHeld) hold.
func (e *LeaseHeldError) Is(target error) bool { return target == ErrLeaseHeld }

// BatchError is how a Store reports a batch that failed because of its rows, a foreign key without cascade
// for example, and not because of the connection. The batch was rolled back. A run narrows such a batch down
// to the rows at fault and goes on without them.
type BatchError struct {
	IDs  []string // the sessions that the batch had selected, in order
	Next string   // the cursor past them, as in BatchResult.Next
	Err  error
	// Locked says that the batch met a row that another transaction has locked. A run leaves such a session for the next
	// run; it has not failed.
	Locked bool
	// Code is the same for failures of the same kind, such as a SQLSTATE and the name of the constraint. Empty: the
	// text of Err is compared instead.
	Code string
}

// Error returns the number of sessions and the cause.
func (e *BatchError) Error() string {
	return fmt.Sprintf("batch of %d sessions: %v", len(e.IDs), e.Err)
}

// Unwrap returns the driver's error.
func (e *BatchError) Unwrap() error { return e.Err }
