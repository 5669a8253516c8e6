package storetest

import (
	"context"
	"strconv"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// Harness is a fresh, empty store together with what its host can do to it.
type Harness struct {
	// Store is the store under test.
	Store sessioncleanup.Store
	// Second is another store on the same data, as another process would open it. Default: Store itself.
	Second sessioncleanup.Store
	// Insert adds sessions with exactly these values, as the host's own INSERT would.
	Insert func(ctx context.Context, sessions ...sessioncleanup.Session) error
	// Activity adds a row to an activity source, as the host would; nil where the backend has no sources.
	Activity func(ctx context.Context, sessionID string) error
	// Pin makes it impossible to delete the session, by a foreign key without cascade for example.
	Pin func(ctx context.Context, sessionID string) error
	// ID is the n-th session ID, for backends whose ids are not numbers. Default: strconv.Itoa.
	ID func(n int) string
}

func (h Harness) withDefaults() Harness {
	if h.Second == nil {
		h.Second = h.Store
	}
	if h.ID == nil {
		h.ID = strconv.Itoa
	}
	return h
}

// Opener makes a Harness for one check; what it opens it closes with t.Cleanup.
type Opener func(t testing.TB) Harness
