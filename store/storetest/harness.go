package storetest

import (
	"context"
	"strconv"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// Harness is a fresh, empty store together with what its application can do to it.
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
	// Activity adds a row to an activity table, as the application would; nil where the backend has none: the checks of it
	// are skipped. The rows of a session are removed when it is deleted. When Store is an Installer, the suite turns
	// Policy.ReactivateOnActivity on with Migrate and requires that the rows follow it, at once when sessions are read, and
	// with the next batch in the log.
	Activity func(ctx context.Context, sessionID string) error
	// SetActive is the application's own UPDATE of the column Active and of nothing else. Nil: the checks of it are skipped.
	SetActive func(ctx context.Context, sessionID string, active bool) error
	// Pin makes it impossible to delete the session, by a foreign key without cascade for example. Sessions that are not
	// pinned can always be deleted.
	Pin func(ctx context.Context, sessionID string) error
	// ID is the n-th session ID, for backends whose ids are not numbers. As texts, the ids of numbers with the same count
	// of digits must sort as the numbers do. Default: strconv.Itoa.
	ID func(n int) string
	// Owner is the n-th owner's ID. Default: ID.
	Owner func(n int) string
}

// Opener makes a Harness for one check and closes what it opened with t.Cleanup.
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
	return h
}

// missing names the first part of the harness that every check needs and that is not there.
func (h Harness) missing() string {
	switch {
	case h.Store == nil:
		return "Store"
	case h.Insert == nil:
		return "Insert"
	case h.Pin == nil:
		return "Pin"
	default:
		return ""
	}
}
