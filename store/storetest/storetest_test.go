package storetest

import (
	"context"
	"errors"
	"sync"
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
	store := memory.New(memory.Config{BeforeDelete: func(_ context.Context, s sessioncleanup.Session) error {
		mu.Lock()
		defer mu.Unlock()
		if pinned[s.ID] {
			return errors.New("something refers to it")
		}
		return nil
	}})
	return Harness{
		Store: store,
		Insert: func(_ context.Context, sessions ...sessioncleanup.Session) error {
			return store.Put(sessions...)
		},
		Activity: func(_ context.Context, id string) error { return store.AddActivity(id, 1) },
		Pin: func(_ context.Context, id string) error {
			mu.Lock()
			defer mu.Unlock()
			pinned[id] = true
			return nil
		},
	}, store
}
