package sessioncleanup_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// slowLog takes a while for each part of the log.
type slowLog struct {
	sessioncleanup.Store
	takes time.Duration
}

func (s slowLog) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	time.Sleep(s.takes)
	return s.Store.Events(ctx, q)
}

// logOf is a store whose log has n events of so many sessions each; owner "rare" has one session in each hundredth event.
func logOf(t *testing.T, n, sessions int, name string) sessioncleanup.Store {
	t.Helper()
	db := memory.New(memory.Config{})
	refs := make([]sessioncleanup.SessionRef, sessions)
	for i := range refs {
		refs[i] = sessioncleanup.SessionRef{ID: fmt.Sprint(i), OwnerID: "ann", Name: name}
	}
	for i := 1; i <= n; i++ {
		refs[sessions-1].OwnerID = "ann"
		if i%100 == 0 {
			refs[sessions-1].OwnerID = "rare"
		}
		e := sessioncleanup.Event{Action: sessioncleanup.ActionDeleted, Actor: "system", Sessions: refs}
		if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func pageManager(t *testing.T, db sessioncleanup.Store) *sessioncleanup.Manager {
	t.Helper()
	m, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// readAll reads all pages and returns the IDs of their events, and how many pages there were.
func readAll(t *testing.T, m *sessioncleanup.Manager, q sessioncleanup.EventQuery, look func(sessioncleanup.EventPage)) (ids []int64, pages int) {
	t.Helper()
	for pages = 1; ; pages++ {
		page, err := m.EventPage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		look(page)
		for _, e := range page.Events {
			ids = append(ids, e.ID)
		}
		if page.Next == 0 {
			return ids, pages
		}
		if q.Before != 0 && page.Next >= q.Before {
			t.Fatalf("the page before %d goes on at %d", q.Before, page.Next)
		}
		q.Before = page.Next
	}
}

func TestAPageOfEventsIsBoundedInSessionsAndInBytes(t *testing.T) {
	t.Parallel()
	m := pageManager(t, logOf(t, 300, 300, strings.Repeat("x", 500)))
	ids, pages := readAll(t, m, sessioncleanup.EventQuery{Limit: 1000}, func(page sessioncleanup.EventPage) {
		size := 0
		for _, e := range page.Events {
			if len(e.Sessions) != 100 || e.Unnamed != 200 {
				t.Fatalf("event %d names %d sessions and leaves out %d, want 100 and 200", e.ID, len(e.Sessions), e.Unnamed)
			}
			for _, r := range e.Sessions {
				size += len(r.Name)
			}
		}
		if size > 2<<20 {
			t.Errorf("a page has %d bytes of names", size)
		}
	})
	if len(ids) != 300 || ids[0] != 300 || ids[299] != 1 || pages < 3 {
		t.Errorf("%d events on %d pages, want all 300, newest first, on several", len(ids), pages)
	}
}

func TestAPageOfAnOwnersEventsEndsWhenTheyAreHardToFind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := pageManager(t, slowLog{logOf(t, 2000, 3, "x"), 90 * time.Millisecond})
		started := time.Now()
		ids, pages := readAll(t, m, sessioncleanup.EventQuery{OwnerID: "rare", Limit: 50}, func(page sessioncleanup.EventPage) {
			if took := time.Since(started); took > 300*time.Millisecond {
				t.Errorf("a page took %v", took)
			}
			started = time.Now()
		})
		if len(ids) != 20 || ids[0] != 2000 || pages < 2 {
			t.Errorf("events %v on %d pages, want each hundredth of 2000, on several", ids, pages)
		}
	})
}

func TestAPageOfEventsIsForThoseWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	m := pageManager(t, logOf(t, 100, 3, "x"))
	rare := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "rare"})
	page, err := rare.EventPage(t.Context(), sessioncleanup.EventQuery{Part: true})
	if err != nil || len(page.Events) != 1 || len(page.Events[0].Sessions) != 1 || page.Newest != 100 {
		t.Errorf("the owner's page is %+v, %v; want its one event and session", page, err)
	}
	if _, err := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleViewer}).EventPage(t.Context(), sessioncleanup.EventQuery{}); err == nil {
		t.Error("a viewer reads events")
	}
}
