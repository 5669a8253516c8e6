package memory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func Example() {
	ctx := context.Background()
	store := memory.New(memory.Config{})
	defer store.Close()
	now := time.Now()
	err := store.Put(
		sessioncleanup.Session{ID: "1", Name: "in use", Active: true, AutoCleanup: true},
		sessioncleanup.Session{ID: "2", Name: "left", Active: true, AutoCleanup: true, LastActivity: now.Add(-2 * 24 * time.Hour)},
		sessioncleanup.Session{ID: "3", Name: "forgotten", AutoCleanup: true, DeactivatedAt: now.Add(-60 * 24 * time.Hour), LastActivity: now.Add(-60 * 24 * time.Hour)},
		sessioncleanup.Session{ID: "4", Name: "kept", LastActivity: now.Add(-60 * 24 * time.Hour)},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := sessions.Cleanup(ctx, sessioncleanup.Run{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("deactivated:", result.Deactivated(), "deleted:", result.Deleted())
	page, err := sessions.List(ctx, sessioncleanup.ListOptions{Sort: sessioncleanup.SortName})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range page.Sessions {
		fmt.Println(s.Name+":", s.Status)
	}
	// Output:
	// deactivated: 1 deleted: 1
	// in use: active
	// kept: protected
	// left: inactive
}

// Refuse keeps sessions, as a foreign key of a database would.
func ExampleConfig() {
	ctx := context.Background()
	store := memory.New(memory.Config{
		Refuse: func(s sessioncleanup.Session) error {
			if s.Code == "UNPAID" {
				return errors.New("there is an unpaid bill")
			}
			return nil
		},
	})
	defer store.Close()
	longAgo := time.Now().Add(-60 * 24 * time.Hour)
	err := store.Put(
		sessioncleanup.Session{ID: "1", Code: "PAID", AutoCleanup: true, LastActivity: longAgo, DeactivatedAt: longAgo},
		sessioncleanup.Session{ID: "2", Code: "UNPAID", AutoCleanup: true, LastActivity: longAgo, DeactivatedAt: longAgo},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := sessions.Cleanup(ctx, sessioncleanup.Run{})
	fmt.Println(result.Deleted(), "deleted", err)
	for _, f := range result.Failures {
		fmt.Println(f.Error)
	}
	// Output:
	// 1 deleted <nil>
	// session "2": there is an unpaid bill
}

// In a testing/synctest bubble a month takes no time: the store's clock is that of the bubble.
func TestStoreFollowsTheClockOfSynctest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Config{})
		if err := store.Put(sessioncleanup.Session{ID: "1", Active: true, AutoCleanup: true}); err != nil {
			t.Fatal(err)
		}
		sessions, err := sessioncleanup.New(store, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		statuses := []sessioncleanup.Status{}
		for range 6 {
			if s, err := sessions.Get(t.Context(), "1"); err == nil {
				statuses = append(statuses, s.Status)
			} else if !errors.Is(err, sessioncleanup.ErrNotFound) {
				t.Fatal(err)
			}
			time.Sleep(16 * 24 * time.Hour)
			if _, err := sessions.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
		}
		// Deactivated after 16 days, it is kept for 30 more: the run of day 48 deletes it.
		want := []sessioncleanup.Status{sessioncleanup.StatusActive, sessioncleanup.StatusInactive, sessioncleanup.StatusInactive}
		if !slices.Equal(statuses, want) {
			t.Errorf("every 16 days the session was %v, want %v and gone", statuses, want)
		}
	})
}
