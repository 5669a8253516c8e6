package storetest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Harness is a fresh, empty store, together with what its application can do to it.
type Harness struct {
	// Store is the store under test.
	Store sessioncleanup.Store
	// Second is another store on the same data, as another process would open it. Default: Store itself.
	Second sessioncleanup.Store
	// Insert adds sessions with exactly these values, as the application's own INSERT would; empty texts and zero times
	// stand for NULL; DeactivatedAt is a column like the others. OwnerName, ActivityCount, AsOf and what follows from a
	// policy are not columns and are left out.
	// Where the database fills in CreatedAt itself, a zero one may come back as something else.
	Insert func(ctx context.Context, sessions ...sessioncleanup.Session) error
	// Activity adds a row to an activity table, as the application would. The rows of a session are removed when it is
	// deleted. When Store is an Installer, the suite turns Policy.ReactivateOnActivity on with Migrate and requires
	// that the rows follow it: at once when sessions are read, and with the next batch in the log. Nil: the backend has
	// no activity tables, and the checks that need them are skipped.
	Activity func(ctx context.Context, sessionID string) error
	// Tag adds tags to a session as the application's own INSERT would. Nil: the checks of it are skipped.
	Tag func(ctx context.Context, sessionID string, tags ...string) error
	// SetPlan is the application's own UPDATE of the column plan, a text, which Schema.TagColumns names; an empty value stands
	// for NULL. Nil: the checks of it are skipped.
	SetPlan func(ctx context.Context, sessionID, value string) error
	// SetActive is the application's own UPDATE of the column Active and of nothing else. Nil: the checks of it are skipped.
	SetActive func(ctx context.Context, sessionID string, active bool) error
	// Pin prevents the deletion of the session, for example by a foreign key without cascade. Sessions that are not
	// pinned can always be deleted.
	Pin func(ctx context.Context, sessionID string) error
	// PutOwner writes the contact data of an owner into the table of owners; empty texts stand for NULL. Nil: the
	// schema does not say where to find it.
	PutOwner func(ctx context.Context, id string, o sessioncleanup.Owner) error
	// ID returns the n-th session ID, for backends whose IDs are not numbers. As text, IDs of numbers with the same
	// count of digits must sort like the numbers. Default: strconv.Itoa.
	ID func(n int) string
	// Owner returns the n-th owner's ID. Default: ID.
	Owner func(n int) string

	// The rest declares what the engine can do. A check that needs more is skipped, and says why.

	// Earliest and Latest are the first and the last time that the columns can hold. Default: the first moments of the
	// years 1971 and 9000. A last activity in year 9000 or later means that the session is kept; an engine whose Latest
	// is earlier cannot express that.
	Earliest, Latest time.Time
	// Resolution is the finest difference in time that the columns keep, at most a millisecond. Default: a millisecond.
	Resolution time.Duration
	// ActivityNotNull says that the column of the last activity refuses NULL.
	ActivityNotNull bool
	// KeepsRows says that a deletion keeps the row and only marks it. Then there is nothing to archive, and Insert
	// replaces such a row.
	KeepsRows bool
	// MaxName is the size of the longest name that the column holds, in bytes. Zero: no limit that matters.
	MaxName int
	// Begin begins a transaction of the application, on a connection of its own. Nil: the engine has no locks that one
	// process could hold against another.
	Begin func(ctx context.Context) (Transaction, error)
	// Disconnect ends all connections of Store, as a restart of the database does, and none of the application's. Nil:
	// the engine has no connections to lose.
	Disconnect func(ctx context.Context) error
}

// Transaction holds locks on behalf of the application. A method returns errors.ErrUnsupported when the engine has no
// such lock; the checks that need it are skipped.
type Transaction interface {
	// LockSession locks the row of a session, as SELECT FOR UPDATE does. It waits for others who have locked it until
	// the context ends.
	LockSession(ctx context.Context, id string) error
	// LockChild adds a row that is deleted along with the session, commits it, and then locks it in this transaction.
	LockChild(ctx context.Context, id string) error
	// LockWrites keeps all other connections from changing any session.
	LockWrites(ctx context.Context) error
	// Rollback ends the transaction. All locks are free when it returns.
	Rollback() error
}

// Opener returns a Harness for one check, and closes what it opened with t.Cleanup.
type Opener func(t testing.TB) Harness

func (h Harness) withDefaults() Harness {
	if h.Second == nil {
		h.Second = h.Store
	}
	if h.ID == nil {
		h.ID = strconv.Itoa
	}
	if h.Owner == nil {
		h.Owner = h.ID
	}
	if h.Earliest.IsZero() {
		h.Earliest = time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if h.Latest.IsZero() {
		h.Latest = kept
	}
	if h.Resolution == 0 {
		h.Resolution = tick
	}
	return h
}

// wrong says what no check can work with; empty when there is nothing.
func (h Harness) wrong() string {
	switch {
	case h.Store == nil:
		return "Harness.Store is nil: every check needs it"
	case h.Insert == nil:
		return "Harness.Insert is nil: every check needs it"
	case h.Pin == nil:
		return "Harness.Pin is nil: every check needs it"
	case h.Resolution < 0 || h.Resolution > tick:
		return fmt.Sprintf("Harness.Resolution is %v: every backend keeps at least milliseconds", h.Resolution)
	default:
		return ""
	}
}
