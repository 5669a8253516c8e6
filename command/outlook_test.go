package command

import (
	"context"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/store"
)

func TestDatabasesLookAheadAndKeepSessionsAsTheRulesSay(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := create(t)
			newUser(t, map[string]string{envDatabase: s.url}).calls("migrate").want(t, exitDone)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			db, err := store.Open(ctx, s.url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			m, err := sessioncleanup.New(db, sessioncleanup.Config{})
			if err != nil {
				t.Fatal(err)
			}
			ahead := func() (closing, deleting sessioncleanup.Upcoming) {
				t.Helper()
				out, err := m.Outlook(ctx, ownerID)
				if err != nil {
					t.Fatal(err)
				}
				return out.Closing, out.Deleting
			}
			closing, deleting := ahead()
			if closing.Count != 1 || closing.Sessions[0].ID != forgotten || deleting.Count != 1 || deleting.Sessions[0].ID != gone {
				t.Errorf("closing %+v, deleting %+v", closing, deleting)
			}
			if s := deleting.Sessions[0]; s.DeleteAt.IsZero() || s.DeleteAt.After(s.AsOf) {
				t.Errorf("what is due at %v is deleted at %v", s.AsOf, s.DeleteAt)
			}
			kept, err := m.Keep(ctx, gone, 30*24*time.Hour)
			if left := time.Until(kept.DeleteAt).Round(time.Hour); err != nil || left != 30*24*time.Hour {
				t.Fatalf("deleted in %v, %v: want 30 days", left, err)
			}
			if _, deleting = ahead(); deleting.Count != 0 {
				t.Errorf("deleting %+v, want none", deleting)
			}
			res, err := m.Cleanup(ctx, sessioncleanup.Run{})
			if err != nil || res.Deleted() != 0 || res.Deactivated() != 1 {
				t.Errorf("the run did %+v, %v", res.Phases, err)
			}
			done, err := m.Bulk(ctx, sessioncleanup.Bulk{Action: sessioncleanup.BulkDelete, Status: sessioncleanup.StatusInactive, Expected: 10})
			if err != nil || done.Matching != 3 || done.Done != 3 {
				t.Errorf("deleted %+v, %v: want the 3 inactive sessions", done, err)
			}
			if n := s.count(t, "SELECT count(*) FROM sessions"); n != 3 {
				t.Errorf("%d sessions are left, want 3", n)
			}
		})
	}
}
