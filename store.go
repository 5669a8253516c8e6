package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Store is the interface of a backend. A store moves data. The Manager decides when a session is due, what a caller may do, and
// how a run is divided into batches, by the rules of this package. Package store/storetest proves an implementation.
//
// All methods are safe for concurrent use and honor their context: a call that fails has changed nothing. Errors that
// callers must tell apart wrap the sentinels of this package: ErrNotFound, ErrChanged, ErrLeaseHeld, ErrLeaseLost,
// ErrUnavailable for a database that cannot be reached or is too busy just now, ErrNotInstalled, ErrInvalid.
// Times returned are UTC; at least milliseconds are kept. A store never sleeps on its own account.
//
// Optional capabilities are interfaces of their own, such as Installer; StoreAs finds them.
type Store interface {
	// Now returns the time of the store's own clock: the database's, not that of the caller's machine.
	Now(ctx context.Context) (time.Time, error)

	// List returns the sessions that match the query, in its order. No match is an empty page. A session that does not
	// change while all pages are read is on exactly one of them. A page with a Next may have fewer sessions than the
	// limit, even none: a store need not read millions of sessions at once. An Outbox fills in Session.Warning.
	List(ctx context.Context, q Query) (Page, error)

	// Counts returns the figures of the sessions that match the filter.
	Counts(ctx context.Context, q CountsQuery) (Counts, error)

	// Sweep does one batch of a run. It applies b.Action to at most b.Limit sessions that match b.Filter and for which
	// b.Cutoffs.Due holds when they are written, in one transaction with their event. It is never called for a phase
	// that the cutoffs turn off.
	//
	// ActionDeactivated sets DeactivatedAt to exactly the time of the event. ActionDeleted leaves out sessions whose
	// deletion would delete others that are not due, and reports them in BatchResult.Skipped; sessions that are due and
	// are deleted along with another one are in BatchResult.IDs and have their event. Batch.Only limits what may be
	// deleted. ActionDated writes no event.
	//
	// A batch never waits longer than 100 ms for a lock. It leaves out sessions that another transaction has locked.
	// When rows that depend on a session are locked, it ends with a BatchError with Locked set. A BatchError without
	// Locked reports rows that a constraint or a trigger refuses, or that a trigger silently keeps.
	Sweep(ctx context.Context, b Batch) (BatchResult, error)

	// Update applies a change to one session, with its event, and returns the session as it is afterwards. A change
	// without effect writes nothing, not even an event. It fails with ErrNotFound when the target matches no session,
	// and with ErrChanged when Target.If does not hold.
	Update(ctx context.Context, t Target, c Change) (Session, error)

	// Delete removes one session, with its event, and returns it as it was. It fails like Update, and with a
	// CascadeError when other sessions would be deleted along with it, unless the target allows that (see
	// Target.CheckAlong); then each of them has its own event.
	Delete(ctx context.Context, t Target, cause Cause) (Session, error)

	// Touch applies a touch to each of its sessions and returns the number of those written. It ignores IDs of sessions
	// that do not exist.
	Touch(ctx context.Context, t Touch) (int, error)

	// Events returns the audit log, newest first: of each event the part that q.Select returns, until q.Enough.
	Events(ctx context.Context, q EventQuery) ([]Event, error)

	// Record adds one event that belongs to no session, such as that of a run, and removes events older than
	// r.ForgetBefore when that is set; a Sealer keeps some of them longer. It fills in the event's ID and, when that is
	// zero, its time. An error means that the event was not added. Old events that could not be removed are left to the
	// next call.
	Record(ctx context.Context, r Record) (Event, error)

	// Lease takes, renews or releases a lease, as Lease.Apply does. A LeaseHeldError says that another holder has it.
	Lease(ctx context.Context, r LeaseRequest) (Lease, error)

	// Close releases what the store holds. It does not close a database that was opened by the caller.
	Close() error
}

// Installer is implemented by stores in a database. It prepares the database, and restores it on Uninstall.
type Installer interface {
	// Inspect reads the database and completes the Schema of the store's configuration. When no table looks like a
	// table of sessions, it proposes OwnSchema. When tables look like it but none is named like it, it fails with an
	// ErrInvalid that lists them, the most likely first.
	Inspect(ctx context.Context) (Schema, error)
	// Migrate brings the database to what this version needs and stores the policy in it, for triggers, views and
	// functions. It is idempotent, may be called by several processes at once, and finishes what an interrupted call
	// began. Fields that the configured Schema leaves open stay as adopted before; in a first call they are those that
	// Inspect finds.
	Migrate(ctx context.Context, p Policy) error
	// Validate returns an error that describes what is missing or wrong; nil means that the store is ready.
	Validate(ctx context.Context) error
	// Policy returns the policy that Migrate stored. It fails with ErrNotInstalled when there is none.
	Policy(ctx context.Context) (Policy, error)
	// Schema returns the schema in use. It fails with ErrNotInstalled before the first Migrate.
	Schema(ctx context.Context) (Schema, error)
	// Uninstall removes everything that Migrate added and nothing else. A sessions table that Migrate
	// created is dropped only when it is empty.
	Uninstall(ctx context.Context) error
}

// DependentLister is implemented by stores whose sessions have rows in other tables that a deletion reaches through
// foreign keys, at any depth.
type DependentLister interface {
	// Dependents returns those tables, with the number of rows that would be deleted or unlinked along with the
	// sessions that match the query and are due for deletion (Query.Status is StatusToDelete). A nil query counts
	// nothing.
	Dependents(ctx context.Context, q *Query) ([]Dependent, error)
}

// Dependent is a table with rows that a deletion of sessions deletes or unlinks.
type Dependent struct {
	Table  string `json:"table"`
	Effect string `json:"effect"`         // "deleted", or "unlinked": its reference becomes NULL or its default
	Rows   int    `json:"rows"`           // exact up to MaxDependentRows
	More   bool   `json:"more,omitempty"` // there are more than Rows; with 0, they are not counted
}

// MaxDependentRows is the number of rows of one table at which a DependentLister stops counting.
const MaxDependentRows = 100_000

// StoreAs finds an optional interface of a store, such as Installer. It looks at the store itself and then at each
// store that it wraps: a store that decorates another one has a method Unwrap() Store.
func StoreAs[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		wrapper, ok := s.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		s = wrapper.Unwrap()
	}
	var none T
	return none, false
}

// storeAs finds an optional interface of the Manager's store for an operation. An errors.ErrUnsupported says what the store lacks.
func storeAs[T any](m *Manager, operation, lacks string) (T, error) {
	t, ok := StoreAs[T](m.store)
	if !ok {
		return t, fmt.Errorf("%s: the store %s: %w", operation, lacks, errors.ErrUnsupported)
	}
	return t, nil
}

// Filter selects sessions for lists, figures and runs. The zero value selects all of them.
type Filter struct {
	ID      string // only this session
	OwnerID string // only this owner's
	Text    string // only those whose name, code or ID contains it; ASCII letters match in either case
	// Tags selects by tags, in a store that is a Tagger: words separated by spaces, for each of which the session has the tag. Of
	// "vip|gold" it has at least one, of "-test" and "-test|demo" none. See ParseTagFilter.
	Tags string `json:",omitempty"`
}

// Matches reports whether the filter selects the session.
func (f Filter) Matches(s Session) bool {
	return (f.ID == "" || f.ID == s.ID) && (f.OwnerID == "" || f.OwnerID == s.OwnerID) &&
		(f.Text == "" || contains(s.Name, f.Text) || contains(s.Code, f.Text) || contains(s.ID, f.Text)) && matchesTags(s.Tags, f.Tags)
}

func contains(text, part string) bool { return strings.Contains(asciiLower(text), asciiLower(part)) }

// Query selects sessions for Store.List.
type Query struct {
	Filter
	Status     Status     // only those with this status, or in this selection if the store is an Outbox; empty: all
	Thresholds Thresholds // what Status is measured by

	Sort       Sort      // default: SortLastActivity
	Descending bool      // reverses Sort, ties included
	After      *Position // only what comes after it, in the same order; nil starts at the beginning
	Limit      int       // sessions in the page; 0 returns none
	CountUpTo  int       // when above 0, Page.Total is counted, up to this number
}

// Page is a page of a list, as a Store returns it.
type Page struct {
	Sessions []Session // with AsOf, and without the fields that a Manager fills in
	Next     *Position // where the next page starts; nil when there is no more
	Total    int       // sessions that match the query on all pages, up to Query.CountUpTo
	Cutoffs  Cutoffs   // Query.Thresholds at the store's clock
}

// CountsQuery selects the sessions to count, and the thresholds to measure them by.
type CountsQuery struct {
	Filter
	Thresholds Thresholds
}

// Counts holds the figures that a store counts, as the methods of Cutoffs define them. Stats adds what follows from
// them.
type Counts struct {
	Total              int `json:"total_sessions"`
	Active             int `json:"active_sessions"`
	Inactive           int `json:"inactive_sessions"`
	Old                int `json:"old_sessions"` // last used before Cutoffs.Delete, whatever the state
	Protected          int `json:"protected_sessions"`
	DueForDeactivation int `json:"due_for_deactivation"`
	DueForDeletion     int `json:"due_for_deletion"`
	NeverDue           int `json:"never_due_sessions"` // active, and nothing ever makes them due
	InUse              int `json:"in_use_sessions"`    // used after Cutoffs.Inactive, whatever the state
	Recent             int `json:"recent_sessions"`    // used after Cutoffs.Recent
	// OldestOverdue is for how long the session that is due the longest has been due. 0 when none is.
	OldestOverdue time.Duration `json:"-"`
	// Cutoffs are CountsQuery.Thresholds at the store's clock.
	Cutoffs Cutoffs `json:"-"`
}

// Cause says who made a change, why, and in which run.
type Cause struct {
	Actor  string // "system", "admin:alice", "owner:42"; never empty
	Reason string // free text; may be empty
	RunID  string // empty outside of runs
}

// Batch is one step of a run.
type Batch struct {
	Action  Action // ActionDated, ActionCorrected, ActionDeleted or ActionDeactivated; ActionNoticed, for Outbox.Warn
	Filter  Filter
	Cutoffs Cutoffs
	Cause   Cause
	Limit   int    // sessions at most; above 0
	After   string // BatchResult.Next of the batch before; empty for the first
	// Lease, unless its Name is empty, must still be its holder's when the batch commits; see Lease.Guards. Otherwise the
	// batch fails with ErrLeaseLost.
	Lease Lease
	// BusyShare is Policy.BusyShare; see PauseAfter.
	BusyShare float64
	// Archive, for ActionDeleted and a store that is an Archiver, archives what is deleted. Nil deletes it permanently.
	Archive *Archiving
	// BackedUp, for Archiver.Purge, leaves entries that are not backed up.
	BackedUp bool
	// PurgeRules, for Archiver.Purge, say which entries are due whose sessions had tags. Only a RuleFollower gets any.
	PurgeRules []PurgeRule
	// Only, unless nil, limits ActionDeleted to these sessions, at most Limit: those of them that are due are deleted, and none
	// goes along that is not one of them. There is no BatchResult.Next then.
	Only []string
}

// May reports whether the batch may delete a session, as Only says.
func (b Batch) May(id string) bool { return b.Only == nil || slices.Contains(b.Only, id) }

// PauseAfter returns how long a run pauses after a batch that held its locks for the given time while others write to
// the same database. With these pauses the run works for BusyShare of the time.
func (b Batch) PauseAfter(held time.Duration) time.Duration {
	if b.BusyShare <= 0 || b.BusyShare >= 1 {
		return 0
	}
	return min(time.Duration(float64(held)*(1/b.BusyShare-1)), longestPause)
}

// longestPause bounds Batch.PauseAfter: a batch that held its locks for longer was itself waiting for a lock.
const longestPause = 10 * time.Second

// BatchResult is the result of a batch.
type BatchResult struct {
	IDs     []string  // the sessions changed
	Skipped []Skipped // sessions that are due and were left alone, with the reason; one without a SessionID is about all that are left
	Next    string    // where the next batch starts, for the store to read; empty when there is no more

	// Rows is how many rows ActionDeleted removed from the application's tables: the sessions, and what went along with
	// them. Bytes is about how much of the database that freed, archived rows left aside. Zero where the store cannot tell.
	Rows  int
	Bytes int64

	// Held is how long the batch held its locks, where the store can tell that from the time it waited: the size of the
	// next batch follows it. Zero: as long as the call.
	Held time.Duration
	// Pause is how long the run waits before its next batch for the sake of other writers. It may be set together with a
	// BatchError, too.
	Pause time.Duration
}

// Skipped is a session that is due and that a run left for the next one.
type Skipped struct {
	SessionID string `json:"session_id"`
	Action    Action `json:"action"` // what was due
	Reason    string `json:"reason"`
}

// Target names one session. With OwnerID set, it matches only a session of that owner.
type Target struct {
	ID      string
	OwnerID string
	// If must hold for the session, evaluated under its lock and with AsOf set; otherwise the call fails with
	// ErrChanged. It must not call the store. Default: none.
	If func(Session) bool
	// Cascade allows Delete to delete other sessions along with this one. Default: false.
	Cascade bool
	// Along is called by Delete with the sessions that would be deleted along with this one, possibly none, before
	// anything is committed. When it returns an error, Delete returns that error and changes nothing. It must not call
	// the store. Default: see CheckAlong.
	Along func(others []string) error
	// Archive, for Delete and a store that is an Archiver, archives what is deleted. Default: nil, which deletes it permanently.
	Archive *Archiving
}

// Check returns what a store answers for the session that it found for a target and locked: nil, ErrNotFound when the
// session belongs to somebody else, or ErrChanged.
func (t Target) Check(s Session) error {
	switch {
	case t.OwnerID != "" && s.OwnerID != t.OwnerID:
		return ErrNotFound
	case t.If != nil && !t.If(s):
		return ErrChanged
	default:
		return nil
	}
}

// CheckAlong returns what Delete answers for the other sessions that would be deleted along with one. That is the
// result of Along or, without it, a CascadeError when there are any and Cascade is not set.
func (t Target) CheckAlong(others []string) error {
	switch {
	case t.Along != nil:
		return t.Along(others)
	case len(others) > 0 && !t.Cascade:
		return &CascadeError{SessionIDs: others[:min(len(others), maxNamed)]}
	default:
		return nil
	}
}

// Change is what Store.Update does to a session; see Apply. Fields at their zero values leave the session as it is.
type Change struct {
	Cause  Cause
	Action Action // of the event

	Active      Switch     // Off deactivates, On reactivates
	AutoCleanup Switch     // Off protects from everything automatic, On ends that
	ExpiresAt   *time.Time // sets the expiry; a zero time removes it
	// Keep sets the expiry of an inactive session to this long from now, or before now when it is negative, unless it is
	// later already. See Manager.Keep.
	Keep time.Duration
	// Tags are added and removed, by a store that is a Tagger.
	Tags TagChange
}

// Touch is a set of sessions that were just used; see Apply.
type Touch struct {
	IDs []string // of the sessions; duplicates count once, at the latest time
	// Ago is how long before the store's clock each of IDs was used; nil: all of them just now.
	Ago      []time.Duration
	OwnerID  string        // only this owner's, when set
	Interval time.Duration // sessions touched less than this ago are not written again
	// Reactivate makes sessions that a run deactivated active again, with an ActionReactivated event that has this cause.
	// It does so for sessions touched less than Interval ago too, but not for protected ones, which are only touched: it
	// is something automatic. Nil leaves all of them inactive.
	Reactivate *Cause
}

// At returns when the session with the i-th ID was used, at now, the store's clock.
func (t Touch) At(i int, now time.Time) time.Time {
	if t.Ago == nil {
		return now
	}
	return now.Add(-max(t.Ago[i], 0))
}

// Record is an event for Store.Record.
type Record struct {
	Event        Event
	ForgetBefore time.Time // zero keeps all
}

// LeaseRequest asks for a lease; see Lease.Apply.
type LeaseRequest struct {
	Name   string
	Holder string        // the caller: unique to one process, or one run
	TTL    time.Duration // how long it holds unless renewed; 0 releases it, which never fails for not holding it
}

// Lease is the exclusive right to do something. Its epoch rises by one whenever another holder takes it, and when the
// same holder takes it again after a release. So a holder that lost the lease without noticing is recognized.
type Lease struct {
	Name      string
	Holder    string // empty once released
	Epoch     int64
	ExpiresAt time.Time
	TTL       time.Duration // for how long it was taken or renewed last; in whole milliseconds
	Replaced  string        // the holder that did not release it, when this request took it over; not stored
}
