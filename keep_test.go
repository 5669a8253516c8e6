package sessioncleanup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestKeepNeverBringsADeletionForward(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Now()
	store := memory.New(memory.Config{})
	put := func(id string, s sessioncleanup.Session) {
		t.Helper()
		s.ID = id
		if err := store.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	closed := func(ago time.Duration, auto bool) sessioncleanup.Session {
		return sessioncleanup.Session{AutoCleanup: auto, LastActivity: now.Add(-ago), DeactivatedAt: now.Add(-ago)}
	}
	put("due", closed(40*day, true))
	put("soon", closed(28*day, true))
	put("recent", closed(day, true))
	put("protected", closed(40*day, false))
	put("open", sessioncleanup.Session{Active: true, AutoCleanup: true, LastActivity: now.Add(-40 * day)})
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for id, c := range map[string]struct {
		days, want int // days until the deletion; 0 for never
	}{"due": {7, 7}, "soon": {10, 10}, "recent": {7, 29}, "protected": {7, 0}, "open": {30, 30}} {
		before, err := m.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.Keep(t.Context(), id, time.Duration(c.days)*day)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if c.want == 0 {
			if !s.DeleteAt.IsZero() {
				t.Errorf("%s is deleted at %v, want never", id, s.DeleteAt)
			}
			continue
		}
		if left := s.DeleteAt.Sub(s.AsOf).Round(day); left != time.Duration(c.want)*day || s.DeleteAt.Before(before.DeleteAt) {
			t.Errorf("%s is deleted in %v, want %d days", id, left, c.want)
		}
		if s.Active != before.Active || s.Status == sessioncleanup.StatusToDelete {
			t.Errorf("%s is %s", id, s.Status)
		}
	}
	for _, how := range []time.Duration{0, -day, 31 * day} {
		if _, err := m.Keep(t.Context(), "due", how); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("Keep for %v: %v, want ErrInvalid", how, err)
		}
	}
	kept, err := m.Reactivate(t.Context(), "due")
	if err != nil || !kept.ExpiresAt.IsZero() || kept.Status != sessioncleanup.StatusActive {
		t.Errorf("a kept session that is opened again expires at %v and is %s, %v", kept.ExpiresAt, kept.Status, err)
	}
}
