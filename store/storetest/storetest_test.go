package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// openMemory opens the store that is known to be sound.
func openMemory() (Harness, host) {
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
	var own host = store
	return Harness{
		Store: store,
		Insert: func(_ context.Context, sessions ...sessioncleanup.Session) error {
			return own.Put(sessions...)
		},
		Activity: func(_ context.Context, id string) error { return own.AddActivity(id, 1) },
		Pin: func(_ context.Context, id string) error {
			mu.Lock()
			defer mu.Unlock()
			pinned[id] = true
			return nil
		},
	}, own
}

func TestRunPassesSoundStore(t *testing.T) {
	t.Parallel()
	Run(t, func(testing.TB) Harness {
		h, _ := openMemory()
		return h
	})
}
