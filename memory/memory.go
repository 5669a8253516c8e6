// Package memory is a sessioncleanup.Store that keeps sessions in the process, for tests and small services. It is
// no mock: it passes the same conformance suite as the databases, and ordered indexes make a run cost what is due
// instead of what is stored.
//
// Its clock is [time.Now], so that package testing/synctest drives it: a test of what happens after 30 days takes
// no time.
//
// The application adds sessions with [Store.Put], removes them with [Store.Remove] and reports their activity with
// [Store.AddActivity], where it would write to its own tables in a database. Nothing is kept when the process ends;
// until then the audit log stays in memory too, for as long as Policy.EventsKeep says.
package memory

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Config configures a Store. The zero value is useful.
type Config struct {
	// Refuse returns an error when a session cannot be deleted, as a foreign key or a trigger of a database would. It is
	// called with the store's lock, so it must be quick and must not use the store. For what belongs to a session
	// elsewhere, such as files, there is the Manager's Config.BeforeDelete, for any store. Default: none.
	Refuse func(s sessioncleanup.Session) error

	// TagColumns names columns as Schema.TagColumns does for a database. The application sets their values with
	// Store.SetColumn. New panics on names that Schema.Validate refuses. Default: none.
	TagColumns []string
}

var (
	_ sessioncleanup.Store    = (*Store)(nil)
	_ sessioncleanup.Sealer   = (*Store)(nil)
	_ sessioncleanup.Archiver = (*Store)(nil)
	_ sessioncleanup.Follower = (*Store)(nil)
	_ sessioncleanup.Outbox   = (*Store)(nil)
	_ sessioncleanup.Reminder = (*Store)(nil)
	_ sessioncleanup.Tagger   = (*Store)(nil)

	_ sessioncleanup.RuleFollower = (*Store)(nil)

	_ sessioncleanup.OwnerFinder = (*Store)(nil)
)

// Store keeps sessions in memory. It is safe for concurrent use, starts no goroutine and is empty at first.
type Store struct {
	refuse func(sessioncleanup.Session) error // nil: never
	schema sessioncleanup.Schema

	mu       sync.Mutex // guards everything below
	closed   bool
	sessions map[string]sessioncleanup.Session // by ID
	indexes  [orders]index                     // of sessions
	events   []sessioncleanup.Event            // by ID
	lastID   int64                             // of events
	proofs   map[int64][]byte                  // of events, by ID
	seals    []sessioncleanup.Seal             // by number
	leases   map[string]sessioncleanup.Lease   // by name
	places   map[string]int64                  // of consumers in events, by name
	values   map[string]value                  // by name
	archive  []archived                        // by ID
	archives int64                             // entries ever made
	// tombstones are when owners were erased, by the hashes of their IDs.
	tombstones map[[sha256.Size]byte]time.Time
	owners     map[string]sessioncleanup.Owner  // by ID
	notices    map[string]sessioncleanup.Notice // by session, which has a copy of the Warning
}

// New returns an empty store.
func New(c Config) *Store {
	schema := sessioncleanup.Schema{TagColumns: slices.Clone(c.TagColumns)}.WithDefaults()
	if err := schema.Validate(); err != nil {
		panic(err)
	}
	return &Store{
		refuse:     c.Refuse,
		schema:     schema,
		sessions:   map[string]sessioncleanup.Session{},
		leases:     map[string]sessioncleanup.Lease{},
		places:     map[string]int64{},
		values:     map[string]value{},
		proofs:     map[int64][]byte{},
		tombstones: map[[sha256.Size]byte]time.Time{},
		notices:    map[string]sessioncleanup.Notice{},
		owners:     map[string]sessioncleanup.Owner{},
	}
}

// Now returns the time of the process's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	return clock(), nil
}

// clock reads the time, without the monotonic reading that would make equal times differ.
func clock() time.Time { return utc(time.Now()) }

// Close makes every later call that reads or changes something fail. The data is freed with the last reference to the
// store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

var errClosed = errors.New("memory store is closed")

// lock takes the lock, unless the context has ended or the store is closed.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.lockOpen()
}

// lockOpen takes the lock, unless the store is closed.
func (s *Store) lockOpen() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	return nil
}

// Lease takes, renews or releases a lease.
func (s *Store) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Lease{}, err
	}
	defer s.mu.Unlock()
	lease, err := s.leases[r.Name].Apply(r, clock())
	if err != nil {
		return sessioncleanup.Lease{}, err
	}
	s.leases[r.Name] = lease
	return lease, nil
}
