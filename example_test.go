package sessioncleanup_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// exampleStore is a store with a session in use, one forgotten two days ago and one closed two months ago.
func exampleStore() *memory.Store {
	now := time.Now()
	db := memory.New(memory.Config{})
	err := db.Put(
		sessioncleanup.Session{ID: "1", Name: "quiz", OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: now},
		sessioncleanup.Session{ID: "2", Name: "poll", OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: now.AddDate(0, 0, -2)},
		sessioncleanup.Session{ID: "3", Name: "chat", OwnerID: "bob", AutoCleanup: true, LastActivity: now.AddDate(0, 0, -60), DeactivatedAt: now.AddDate(0, 0, -60)},
	)
	if err != nil {
		log.Fatal(err)
	}
	return db
}

func ExampleManager_Cleanup() {
	ctx := context.Background()
	sessions, err := sessioncleanup.New(exampleStore(), sessioncleanup.Config{})
	if err != nil {
		log.Fatal(err)
	}
	would, err := sessions.Cleanup(ctx, sessioncleanup.Run{DryRun: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range would.Sessions {
		fmt.Println(s.Name, s.Status)
	}
	did, err := sessions.Cleanup(ctx, sessioncleanup.Run{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("deleted", did.Deleted(), "deactivated", did.Deactivated())
	// Output:
	// chat to_delete
	// poll to_deactivate
	// deleted 1 deactivated 1
}

func ExampleManager_Stats() {
	sessions, err := sessioncleanup.New(exampleStore(), sessioncleanup.Config{})
	if err != nil {
		log.Fatal(err)
	}
	stats, err := sessions.Stats(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d active, %d due\n", stats.Active, stats.Total, stats.CleanupCandidates)
	// Output: 2 of 3 active, 2 due
}

func ExampleManager_As() {
	ctx := context.Background()
	sessions, err := sessioncleanup.New(exampleStore(), sessioncleanup.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ann := sessions.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"})
	page, err := ann.List(ctx, sessioncleanup.ListOptions{Sort: sessioncleanup.SortName})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range page.Sessions {
		fmt.Println(s.Name)
	}
	_, err = ann.Delete(ctx, "3") // bob's
	fmt.Println(err)
	_, err = ann.Cleanup(ctx, sessioncleanup.Run{})
	fmt.Println(err)
	// Output:
	// poll
	// quiz
	// delete session "3": session not found
	// clean up: not allowed for role owner
}

func ExampleManager_SetAutoCleanup() {
	ctx := context.Background()
	sessions, err := sessioncleanup.New(exampleStore(), sessioncleanup.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := sessions.SetAutoCleanup(ctx, "3", false); err != nil {
		log.Fatal(err)
	}
	result, err := sessions.Cleanup(ctx, sessioncleanup.Run{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("deleted", result.Deleted())
	// Output: deleted 0
}

func ExampleTracker() {
	ctx := context.Background()
	sessions, err := sessioncleanup.New(exampleStore(), sessioncleanup.Config{})
	if err != nil {
		log.Fatal(err)
	}
	tracker, err := sessions.NewTracker(sessioncleanup.TrackerConfig{})
	if err != nil {
		log.Fatal(err)
	}
	touch, err := tracker.Middleware(func(r *http.Request) string { return r.PathValue("room") })
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}", touch(http.NotFoundHandler()))
	// A service also starts tracker.Run(ctx) in a goroutine of its own, and closes the tracker when it ends.

	tracker.Touch("2")
	if err := tracker.Close(ctx); err != nil {
		log.Fatal(err)
	}
	s, err := sessions.Get(ctx, "2")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Status)
	// Output: active
}
