package postgres_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestKnownShapesAreServedWhileTheApplicationWrites adopts the tables of each kind of application, does two runs and
// uninstalls, while the application uses some sessions and makes others.
func TestKnownShapesAreServedWhileTheApplicationWrites(t *testing.T) {
	t.Parallel()
	for name, h := range pgapps.All() {
		if name == "own" { // without an application
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "guide" {
				thorough.Only(t, thorough.Tables)
			}
			url := fresh(t, name)
			before := dump(t, url)
			options := sessioncleanup.MigrateOptions{AcceptTimes: true, TimeZone: "Asia/Kolkata"} // that of the application's connections
			store := open(t, url, postgres.Config{Schema: h.Schema, Migrate: options})
			migrate(t, store)
			harness := h.Harness(t, url)
			id := harness.ID
			if id == nil {
				id = strconv.Itoa
			}
			now := value[time.Time](t, connect(t, url), "SELECT now()")
			var sessions []sessioncleanup.Session
			for n := 1; n <= 60; n++ { // 20 in use, 20 to deactivate, 20 to delete
				s := sessioncleanup.Session{ID: id(n), Name: "s", Code: "c" + strconv.Itoa(n), Active: n <= 40, AutoCleanup: true,
					CreatedAt: now.Add(-90 * 24 * time.Hour), LastActivity: now.Add(-60 * 24 * time.Hour)}
				if n > 40 {
					s.DeactivatedAt = now.Add(-50 * 24 * time.Hour)
				}
				sessions = append(sessions, s)
			}
			if err := harness.Insert(t.Context(), sessions...); err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= 20; n++ {
				if err := harness.Activity(t.Context(), id(n)); err != nil {
					t.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			var writers sync.WaitGroup
			defer writers.Wait()
			defer stop()
			writers.Go(func() {
				pace := time.NewTicker(5 * time.Millisecond)
				defer pace.Stop()
				for n := 0; ctx.Err() == nil; n++ {
					<-pace.C
					if err := harness.Activity(context.WithoutCancel(ctx), id(1+n%20)); err != nil {
						t.Errorf("the application's statement failed: %v", err)
						return
					}
				}
			})
			manager := manage(t, store)
			for run, want := range []struct{ deleted, deactivated int }{{20, 20}, {0, 0}} {
				result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{})
				if err != nil || result.Deleted() != want.deleted || result.Deactivated() != want.deactivated || len(result.Failures)+len(result.Skipped) > 0 {
					t.Errorf("run %d: %+v, %v; want %d deleted and %d deactivated", run+1, result, err, want.deleted, want.deactivated)
				}
			}
			page, err := manager.List(t.Context(), sessioncleanup.ListOptions{Status: sessioncleanup.StatusActive, Limit: 100})
			if err != nil || len(page.Sessions) != 20 {
				t.Errorf("%d sessions are active, %v; want the 20 in use", len(page.Sessions), err)
			}
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("after Uninstall (-before +after):\n%s", diff)
			}
		})
	}
}
