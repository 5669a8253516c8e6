package sessioncleanup

import (
	"context"
	"time"
)

// Store is what a backend implements. It keeps to mechanism: when something is due, who may do what, and how a
// run is cut into batches is decided by the Manager, once for all backends. Package store/storetest proves an
// implementation.
//
// All methods are safe for concurrent use and honour their context: a call that fails has changed nothing. Errors
// that callers must tell apart wrap the sentinels of this package: ErrNotFound, ErrLeaseHeld, ErrLeaseLost,
// ErrUnavailable for a database that cannot be reached or is too busy just now, ErrNotInstalled, ErrInvalid.
// Times handed out are UTC; at least milliseconds are kept.
type Store interface {
	// Now is the store's own clock, that of the database and not of the caller's machine.
	Now(ctx context.Context) (time.Time, error)

	// List gives the sessions that match the query, in its order. An ID that is not there gives an empty
	// page. A page never repeats nor leaves out a session that was there, unchanged, while all pages were read.
	List(ctx context.Context, q Query) (Page, error)

	// Counts gives the figures of all sessions, or of one owner's.
	Counts(ctx context.Context, q CountsQuery) (Counts, error)

	// DeactivateDue deactivates at most b.Limit sessions for which b.Cutoffs.DueForDeactivation holds when they
	// are written, in one transaction with their event. Sessions that somebody else has locked may be left out.
	// Never called with deactivation off.
	DeactivateDue(ctx context.Context, b Batch) (Outcome, error)

	// DeleteDue deletes at most b.Limit sessions for which b.Cutoffs.DueForDeletion holds when they are
	// written, in one transaction with their event; otherwise like DeactivateDue. A BatchError reports rows
	// that cannot be deleted. Never called with deletion off.
	DeleteDue(ctx context.Context, b Batch) (Outcome, error)

	// Update applies a change to one session, with its event, and gives the session as it is afterwards. A
	// change that changes nothing writes nothing, no event either. ErrNotFound when the target matches none.
	Update(ctx context.Context, t Target, c Change) (Session, error)

	// Delete removes one session, with its event, and gives it as it was. ErrNotFound when the target matches none.
	Delete(ctx context.Context, t Target, cause Cause) (Session, error)

	// Touch sets the last activity of many sessions to now, in one statement, and gives the number of those
	// written. Sessions touched less than t.Interval ago are left alone, as are ids that are not there.
	Touch(ctx context.Context, t Touch) (int, error)

	// Events gives the audit log, newest first.
	Events(ctx context.Context, q EventQuery) ([]Event, error)

	// Record adds one event that is no session's, a run's for example, and forgets those older than
	// r.ForgetBefore, when that is set. It fills the event's ID and, when zero, its time. An error means that the
	// event was not added; what could not be forgotten this time is left to the next call.
	Record(ctx context.Context, r Record) (Event, error)

	// Lease takes, renews or releases a lease. A LeaseHeldError says that another holder has it.
	Lease(ctx context.Context, r LeaseRequest) (Lease, error)

	// Close releases what the store holds. It does not close what was handed to it open.
	Close() error
}

// Installer is implemented by stores that live in a database: what it takes to move in, and out again.
type Installer interface {
	// Inspect reads the database and proposes a Schema. Without a sessions table it proposes OwnSchema.
	Inspect(ctx context.Context) (Schema, error)
	// Migrate brings the database to what this version needs and stores the policy in it, for triggers, views
	// and functions. It is idempotent, may be called by several processes at once, and finishes what an
	// interrupted call began. Without a Schema in the store's configuration it takes what was adopted
	// before, or else what Inspect proposes.
	Migrate(ctx context.Context, p Policy) error
	// Validate reports in words what is missing or wrong; nil means that the store is ready.
	Validate(ctx context.Context) error
	// Policy is the policy stored by Migrate. ErrNotInstalled when there is none.
	Policy(ctx context.Context) (Policy, error)
	// Schema is the schema in use. ErrNotInstalled when Migrate did not run yet.
	Schema(ctx context.Context) (Schema, error)
	// Uninstall takes back everything that Migrate added and nothing else. A sessions table that Migrate
	// created is dropped only when it is empty.
	Uninstall(ctx context.Context) error
}

// Sort is the order of a list.
type Sort string

// The orders of a list; ties are broken by ID. Sessions without the value come as if it were the smallest.
const (
	SortLastActivity Sort = "last_activity" // longest unused first
	SortCreated      Sort = "created"       // oldest first
	SortName         Sort = "name"          // by name, compared byte by byte
)

// Sorts lists every order.
func Sorts() []Sort { return []Sort{SortLastActivity, SortCreated, SortName} }

// Query selects sessions for Store.List. The zero value of a filter does not filter.
type Query struct {
	ID      string  // only this session
	OwnerID string  // only this owner's
	Status  Status  // only those with this status at Cutoffs
	Text    string  // only those whose name, code or ID contains it; ASCII letters match in either case
	Cutoffs Cutoffs // what Status is measured against

	Sort       Sort      // default: SortLastActivity
	Descending bool      // reverses Sort, ties included
	After      *Position // only what comes after it, in the same order; nil starts at the beginning
	Limit      int       // sessions in the page; 0 gives none
	CountUpTo  int       // when above 0, Page.Total is counted, up to this number
}

// Position is a place in a list: the sort key and the ID of the last session seen. Stores make it and read it;
// for others it is opaque. The key of a time is in RFC 3339 with nanoseconds.
type Position struct {
	Key string `json:"k"`
	ID  string `json:"i"`
}

// Page is a part of a list.
type Page struct {
	Sessions []Session
	Next     *Position // where the next page starts; nil when there is no more
	Total    int       // sessions that match the query on all pages, up to Query.CountUpTo
}

// CountsQuery asks for figures.
type CountsQuery struct {
	Cutoffs Cutoffs
	OwnerID string // only this owner's sessions; empty: all
}

// Counts are the figures that a store counts; Stats holds what follows from them. The meaning of each is that of
// the methods of Cutoffs.
type Counts struct {
	Total              int `json:"total_sessions"`
	Active             int `json:"active_sessions"`
	Inactive           int `json:"inactive_sessions"`
	Old                int `json:"old_sessions"` // last used before Cutoffs.Delete, whatever the state
	Protected          int `json:"protected_sessions"`
	DueForDeactivation int `json:"due_for_deactivation"`
	DueForDeletion     int `json:"due_for_deletion"`
	// OldestOverdue is for how long the session that is due the longest has been due. 0 when none is.
	OldestOverdue time.Duration `json:"-"`
}

// Cause says who changes something, why, and in which run.
type Cause struct {
	Actor  string // "system", "admin:alice", "owner:42"; never empty
	Reason string // in words; may be empty
	RunID  string // empty outside of runs
}

// Batch is one step of a run.
type Batch struct {
	Cause   Cause
	Cutoffs Cutoffs
	Limit   int    // sessions at most; above 0
	After   string // Outcome.Next of the batch before; empty for the first
	// Lease, unless its Name is empty, must still be its holder's when the batch commits, or else the batch
	// fails with ErrLeaseLost.
	Lease Lease
}

// Outcome is what a batch did.
type Outcome struct {
	IDs  []string // the sessions changed
	Next string   // where the next batch starts, for the store to read; empty when there is no more

	// Took is how long the batch held its locks, where the store can tell that from the time it waited: what the size
	// of the next batch follows. Zero: as long as the call.
	Took time.Duration
	// Busy says that others write to the database, as far as the store can tell. The run then makes way for them: it works
	// for Policy.BusyShare of the time. Both may stand beside a BatchError, too.
	Busy bool
}

// Target names one session. With OwnerID set, a session of anybody else is not found.
type Target struct {
	ID      string
	OwnerID string
}

// Change is what Store.Update does to a session. Nil fields stay as they are.
type Change struct {
	Cause  Cause
	Action Action // of the event

	// Active deactivates or reactivates. Reactivating an inactive session also sets its last activity to now
	// and removes an expiry that has passed, lest the next run deactivate it again.
	Active *bool
	// AutoCleanup protects a session from everything automatic, or lifts that.
	AutoCleanup *bool
	// ExpiresAt sets the expiry; a zero time removes it.
	ExpiresAt *time.Time
}

// Touch is a set of sessions that were just used.
type Touch struct {
	IDs      []string      // duplicates count once
	OwnerID  string        // only this owner's, when set
	Interval time.Duration // sessions touched less than this ago are not written again
	// Reactivate makes inactive sessions active again, as Change.Active does, with an ActionReactivated event
	// that has this cause. It does so for sessions touched less than Interval ago too, but not for protected
	// ones, which are only touched: it is something automatic. Nil leaves all of them inactive.
	Reactivate *Cause
}

// Record is an event for Store.Record.
type Record struct {
	Event        Event
	ForgetBefore time.Time // zero forgets none
}

// LeaseRequest asks for a lease.
type LeaseRequest struct {
	Name   string
	Holder string        // who asks: unique to one process, or one run
	TTL    time.Duration // how long it holds unless renewed; 0 releases it, which never fails for not holding it
}

// Lease is the right to do something alone. Its epoch rises by one each time it passes to a holder anew, so that
// one who lost it without noticing is told apart.
type Lease struct {
	Name      string
	Holder    string
	Epoch     int64
	ExpiresAt time.Time
}
