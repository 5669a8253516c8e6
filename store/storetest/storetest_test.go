package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestRunPassesSoundStore(t *testing.T) {
	t.Parallel()
	Run(t, func(testing.TB) Harness {
		h, _ := openMemory()
		return h
	})
}

// installed is a memory store with a policy for the activity of its sessions, as a database has it.
type installed struct {
	*memory.Store
	reactivates atomic.Bool
}

func (s *installed) Migrate(_ context.Context, p sessioncleanup.Policy) error {
	s.reactivates.Store(p.ReactivateOnActivity.Or(false))
	return nil
}

func (s *installed) addActivity(ctx context.Context, id string) error {
	if err := s.AddActivity(id, 1); err != nil || !s.reactivates.Load() {
		return err
	}
	_, err := s.Touch(ctx, sessioncleanup.Touch{IDs: []string{id}, Reactivate: activity()})
	return err
}

// The rest of an Installer is not needed here.

func (s *installed) Inspect(context.Context) (sessioncleanup.Schema, error) {
	return sessioncleanup.Schema{}, errors.ErrUnsupported
}

func (s *installed) Policy(context.Context) (sessioncleanup.Policy, error) {
	return sessioncleanup.Policy{}, errors.ErrUnsupported
}

func (s *installed) Schema(context.Context) (sessioncleanup.Schema, error) {
	return sessioncleanup.Schema{}, errors.ErrUnsupported
}

func (s *installed) Validate(context.Context) error  { return errors.ErrUnsupported }
func (s *installed) Uninstall(context.Context) error { return errors.ErrUnsupported }

// application is what the application of a memory store does to its sessions, past the contract.
type application interface {
	Put(sessions ...sessioncleanup.Session) error
	Remove(ids ...string) (int, error)
	AddActivity(id string, n int64) error
}

// openMemory opens the store that the broken ones are made of.
func openMemory() (Harness, application) {
	var mu sync.Mutex
	pinned := map[string]bool{}
	store := &installed{Store: memory.New(memory.Config{TagColumns: []string{"plan"}, Refuse: func(s sessioncleanup.Session) error {
		mu.Lock()
		defer mu.Unlock()
		if pinned[s.ID] {
			return errors.New("something refers to it")
		}
		return nil
	}})}
	return Harness{
		Store: store,
		Insert: func(_ context.Context, sessions ...sessioncleanup.Session) error {
			return store.Put(sessions...)
		},
		Activity: store.addActivity,
		PutOwner: func(_ context.Context, id string, o sessioncleanup.Owner) error {
			store.PutOwner(id, o)
			return nil
		},
		SetActive: func(ctx context.Context, id string, active bool) error {
			page, err := store.List(ctx, sessioncleanup.Query{Filter: byID(id), Limit: 1})
			for i := range page.Sessions {
				page.Sessions[i].Active = active
			}
			return errors.Join(err, store.Put(page.Sessions...))
		},
		Tag: func(ctx context.Context, id string, tags ...string) error {
			page, err := store.List(ctx, sessioncleanup.Query{Filter: byID(id), Limit: 1})
			for i := range page.Sessions {
				page.Sessions[i].Tags = append(page.Sessions[i].Tags, tags...)
			}
			return errors.Join(err, store.Put(page.Sessions...))
		},
		SetPlan: func(_ context.Context, id, value string) error { return store.SetColumn(id, "plan", value) },
		Pin: func(_ context.Context, id string) error {
			mu.Lock()
			defer mu.Unlock()
			pinned[id] = true
			return nil
		},
	}, store
}
