package memory_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		var pinned sync.Map
		store := memory.New(memory.Config{Refuse: func(s sessioncleanup.Session) error {
			if _, ok := pinned.Load(s.ID); ok {
				return errors.New("session is pinned")
			}
			return nil
		}})
		t.Cleanup(func() { _ = store.Close() })
		return storetest.Harness{
			Store: store,
			Insert: func(_ context.Context, sessions ...sessioncleanup.Session) error {
				return store.Put(sessions...)
			},
			Activity: func(_ context.Context, id string) error {
				return store.AddActivity(id, 1)
			},
			SetActive: func(ctx context.Context, id string, active bool) error {
				page, err := store.List(ctx, sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
				for i := range page.Sessions {
					page.Sessions[i].Active = active
				}
				return errors.Join(err, store.Put(page.Sessions...))
			},
			Tag: func(ctx context.Context, id string, tags ...string) error {
				page, err := store.List(ctx, sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
				for i := range page.Sessions {
					page.Sessions[i].Tags = append(page.Sessions[i].Tags, tags...)
				}
				return errors.Join(err, store.Put(page.Sessions...))
			},
			Pin: func(_ context.Context, id string) error {
				pinned.Store(id, true)
				return nil
			},
			PutOwner: func(_ context.Context, id string, o sessioncleanup.Owner) error {
				store.PutOwner(id, o)
				return nil
			},
			Resolution: time.Nanosecond,
		}
	})
}
