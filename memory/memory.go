// Package memory is a sessioncleanup.Store that keeps sessions in the process, for tests and small services. It is
// no mock: it passes the same conformance suite as the databases, and ordered indexes make a run cost what is due
// and not what is stored.
//
// Its clock is [time.Now], so that package testing/synctest drives it: a test of what happens after 30 days takes
// no time.
//
// The host adds sessions with [Store.Put], takes them away with [Store.Remove] and reports their activity with
// [Store.AddActivity], where it would write to its own tables in a database. Nothing is kept when the process ends;
// until then the audit log stays in memory too, for as long as Policy.EventsKeep says.
package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Config says how a Store works. The zero value is useful.
type Config struct {
	// BeforeDelete is called before a session is deleted, by hand or by a run; an error keeps the session. It takes
	// the part of what a database does with a foreign key, and is the place to clean up what belongs to a session.
	//
	// It is called without the store's lock, so it may take its time and use the store. A session that is used
	// while the hook runs for it is kept by a run after all, and a run that meets an error calls the hook again for
	// sessions of the same batch: the hook must bear being called more than once. Default: none.
	BeforeDelete func(ctx context.Context, s sessioncleanup.Session) error
}

var _ sessioncleanup.Store = (*Store)(nil)

// Store keeps sessions in memory. It is safe for concurrent use, starts no goroutine and is empty at first.
type Store struct {
	beforeDelete func(context.Context, sessioncleanup.Session) error

	mu       sync.Mutex // guards everything below, the entries included
	closed   bool
	sessions *table
	all      *indexes
	owners   map[string]*indexes // by OwnerID; none for sessions that belong to nobody
	stale    staleHeap           // entries that were touched since they were indexed
	touches  uint32              // calls of Touch so far
	log      eventLog
	leases   map[string]*lease
}

// New makes an empty store.
func New(c Config) *Store {
	return &Store{
		beforeDelete: c.BeforeDelete,
		sessions:     newTable(),
		all:          &indexes{},
		owners:       map[string]*indexes{},
		leases:       map[string]*lease{},
	}
}

// Now is the time of the process's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	return clock(), nil
}

// Close makes every later call that reads or changes something fail. The data goes with the last reference to the
// store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// clock reads the time, without the monotonic reading that would make equal times differ.
func clock() time.Time { return time.Now().UTC().Round(0) }

var errClosed = errors.New("memory store is closed")

// lock takes the lock of a store that is open and a context that goes on.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.lockOpen()
}

// lockOpen takes the lock of a store that is open, for what never waits long.
func (s *Store) lockOpen() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	return nil
}

// refreshStep is the number of touched sessions that are indexed anew before others get the lock.
const refreshStep = 1000

// lockFresh takes the lock and sees to it that the indexes are right up to a time: no session is indexed under an
// earlier activity that has since become another. After very many touches the lock is let go in between, so that
// those who touch never wait for all of it.
func (s *Store) lockFresh(ctx context.Context, before moment) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	for steps := len(s.stale.items) / refreshStep; steps > 0 && s.refresh(before, refreshStep); steps-- {
		s.mu.Unlock()
		if err := s.lock(ctx); err != nil {
			return err
		}
	}
	s.refresh(before, math.MaxInt)
	return nil
}

// refresh indexes at most limit touched entries anew, those that stand under an activity before the given one, and
// reports whether there may be more.
func (s *Store) refresh(before moment, limit int) bool {
	for ; limit > 0; limit-- {
		e := s.stale.first(before)
		if e == nil {
			return false
		}
		s.index(e)
	}
	return true
}

// of gives the indexes of one owner, or of everybody. They are empty for an owner without sessions.
func (s *Store) of(owner string) *indexes {
	if owner == "" {
		return s.all
	}
	if x, ok := s.owners[owner]; ok {
		return x
	}
	return &indexes{}
}

// find gives the session that a target names, or nil.
func (s *Store) find(t sessioncleanup.Target) *entry {
	e := s.sessions.get(t.ID)
	if e == nil || t.OwnerID != "" && e.stored.OwnerID != t.OwnerID {
		return nil
	}
	return e
}

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", sessioncleanup.ErrInvalid, fmt.Sprintf(format, args...))
}
