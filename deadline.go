package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How long a call of a store may take before it is abandoned as unavailable, so that nothing waits forever for a connection
// that does not answer any more.
const (
	callTimeout  = 20 * time.Second
	readTimeout  = time.Minute     // of what may read a whole table, or delete much along with a session
	countTimeout = 2 * sharedMost  // of counting all sessions, for which nobody waits
	sweepTimeout = 3 * time.Minute // of a batch, which stores bound themselves: this is for those that do not
)

// bounded is a Store whose calls end, and are observed.
type bounded struct {
	Store
	observe Observe
}

func (b bounded) Unwrap() Store { return b.Store }

// dependents lists the tables that a deletion reaches, with a deadline.
func dependents(ctx context.Context, lister DependentLister, q *Query) ([]Dependent, error) {
	limit := readTimeout
	if q != nil && q.Status == StatusToDelete { // of a dry run, which may find most of a large table due
		limit = countTimeout
	}
	return within(ctx, limit, func(ctx context.Context) ([]Dependent, error) { return lister.Dependents(ctx, q) })
}

// within calls a function whose context ends after the limit. It fails with ErrUnavailable when that was too short.
func within[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := call(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("%w: no answer within %v: %w", ErrUnavailable, limit, err)
	}
	return out, err
}

// doWithin is within for a call that returns nothing else.
func doWithin(ctx context.Context, limit time.Duration, call func(context.Context) error) error {
	_, err := within(ctx, limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

// call is within for a method of the Store.
func call[T any](ctx context.Context, b bounded, method string, limit time.Duration, do func(context.Context) (T, error)) (out T, err error) {
	ctx, end := b.observe.begin(ctx, Operation{Kind: OperationCall, Name: method})
	err = errPanic // while a panic passes through
	defer func() { end(Ended{Err: err}) }()
	return within(ctx, limit, do)
}

func (b bounded) Now(ctx context.Context) (time.Time, error) {
	return call(ctx, b, "Now", callTimeout, b.Store.Now)
}

func (b bounded) List(ctx context.Context, q Query) (Page, error) {
	return call(ctx, b, "List", longestList(q), func(ctx context.Context) (Page, error) { return b.Store.List(ctx, q) })
}

// longestList is how long a list may take: more where it counts all that matches, which may be most of a large table.
func longestList(q Query) time.Duration {
	if q.CountUpTo == countAll {
		return countTimeout
	}
	return readTimeout
}

func (b bounded) Counts(ctx context.Context, q CountsQuery) (Counts, error) {
	return call(ctx, b, "Counts", countTimeout, func(ctx context.Context) (Counts, error) { return b.Store.Counts(ctx, q) })
}

func (b bounded) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	return call(ctx, b, "Events", readTimeout, func(ctx context.Context) ([]Event, error) { return b.Store.Events(ctx, q) })
}

func (b bounded) Sweep(ctx context.Context, batch Batch) (BatchResult, error) {
	return call(ctx, b, "Sweep", sweepTimeout, func(ctx context.Context) (BatchResult, error) { return b.Store.Sweep(ctx, batch) })
}

func (b bounded) Lease(ctx context.Context, r LeaseRequest) (Lease, error) {
	return call(ctx, b, "Lease", callTimeout, func(ctx context.Context) (Lease, error) { return b.Store.Lease(ctx, r) })
}

func (b bounded) Update(ctx context.Context, t Target, c Change) (Session, error) {
	return call(ctx, b, "Update", readTimeout, func(ctx context.Context) (Session, error) { return b.Store.Update(ctx, t, c) })
}

func (b bounded) Delete(ctx context.Context, t Target, cause Cause) (Session, error) {
	return call(ctx, b, "Delete", readTimeout, func(ctx context.Context) (Session, error) { return b.Store.Delete(ctx, t, cause) })
}

func (b bounded) Touch(ctx context.Context, t Touch) (int, error) {
	return call(ctx, b, "Touch", callTimeout, func(ctx context.Context) (int, error) { return b.Store.Touch(ctx, t) })
}

func (b bounded) Record(ctx context.Context, r Record) (Event, error) {
	return call(ctx, b, "Record", callTimeout, func(ctx context.Context) (Event, error) { return b.Store.Record(ctx, r) })
}

// InstallerOf finds the Installer of a store, like StoreAs. Calls that only read fail with ErrUnavailable when the
// database does not answer within a minute. Migrate and Uninstall take longer on larger tables; only their context
// limits them.
func InstallerOf(s Store) (Installer, bool) {
	installer, ok := StoreAs[Installer](s)
	if !ok {
		return nil, false
	}
	return boundedInstaller{installer}, true
}

// boundedInstaller is an Installer whose reading calls end.
type boundedInstaller struct{ Installer }

func (b boundedInstaller) Inspect(ctx context.Context) (Schema, error) {
	return within(ctx, readTimeout, b.Installer.Inspect)
}

func (b boundedInstaller) Validate(ctx context.Context) error {
	return doWithin(ctx, readTimeout, b.Installer.Validate)
}

func (b boundedInstaller) Policy(ctx context.Context) (Policy, error) {
	return within(ctx, readTimeout, b.Installer.Policy)
}

func (b boundedInstaller) Schema(ctx context.Context) (Schema, error) {
	return within(ctx, readTimeout, b.Installer.Schema)
}
