package sessioncleanup_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestListPagesThroughAllSessionsOnce(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 103, time.Hour, func(s *sessioncleanup.Session) { s.Name = "room " + s.ID[:1] })
	for _, sort := range sessioncleanup.Sorts() {
		for _, descending := range []bool{false, true} {
			seen := map[string]bool{}
			o := sessioncleanup.ListOptions{Sort: sort, Descending: descending, Limit: 10, Count: true}
			for pages := 0; ; pages++ {
				page, err := m.List(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if page.Total != 103 {
					t.Errorf("%s: total %d, want 103", sort, page.Total)
				}
				for _, s := range page.Sessions {
					if seen[s.ID] || s.Status != sessioncleanup.StatusActive {
						t.Errorf("%s: session %+v again, or without its status", sort, s)
					}
					seen[s.ID] = true
				}
				if page.Next == "" || pages > 11 {
					break
				}
				o.Cursor = page.Next
			}
			if len(seen) != 103 {
				t.Errorf("%s, descending %v: %d sessions on all pages, want 103", sort, descending, len(seen))
			}
		}
	}
}

func TestCursorsOnlyContinueTheirOwnList(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 30, time.Hour, nil)
	page, err := m.List(t.Context(), sessioncleanup.ListOptions{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]sessioncleanup.ListOptions{
		"another order":  {Cursor: page.Next, Sort: sessioncleanup.SortName},
		"another owner":  {Cursor: page.Next, OwnerID: "1"},
		"another filter": {Cursor: page.Next, Text: "x"},
		"backwards":      {Cursor: page.Next, Descending: true},
		"garbage":        {Cursor: "%%%"},
		"cut off":        {Cursor: page.Next[:len(page.Next)-4]},
		"forged":         {Cursor: "eyJsIjoieCIsImsiOiJ5IiwiaSI6InoifQ"},
	} {
		if _, err := m.List(t.Context(), o); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "cursor") {
			t.Errorf("%s: %v, want ErrInvalid that names the cursor", name, err)
		}
	}
	if _, err := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"}).List(t.Context(), sessioncleanup.ListOptions{Cursor: page.Next}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("an admin's cursor in an owner's hands: %v, want ErrInvalid", err)
	}
}

func TestListRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	m, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	for want, o := range map[string]sessioncleanup.ListOptions{
		`sort is "size": want one of last_activity, created, name`: {Sort: "size"},
		`status is "dead": want one of active, to_deactivate`:      {Status: "dead"},
		`limit is -1: want 1 to 1000`:                              {Limit: -1},
		`limit is 1001`:                                            {Limit: 1001},
		`text is "a\x00b"`:                                         {Text: "a\x00b"},
		`Policy.InactiveAfter is -2ns`:                             {InactiveAfter: -2},
	} {
		if _, err := m.List(t.Context(), o); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("List(%+v) = %v, want ErrInvalid with %q", o, err, want)
		}
	}
}

func TestListFindsByStatusAndText(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 3, time.Hour, func(s *sessioncleanup.Session) { s.Name = "Quiz 100% fun" })
	put(t, db, 10, 4, 2*day, nil)
	put(t, db, 20, 5, 2*day, inactive)
	put(t, db, 30, 6, 40*day, inactive)
	put(t, db, 40, 7, 40*day, protected)
	for o, want := range map[sessioncleanup.ListOptions]int{
		{}:                                    25,
		{Status: sessioncleanup.StatusActive}: 3,
		{Status: sessioncleanup.StatusToDeactivate}:                                  4,
		{Status: sessioncleanup.StatusInactive}:                                      5,
		{Status: sessioncleanup.StatusToDelete}:                                      6,
		{Status: sessioncleanup.StatusProtected}:                                     7,
		{Status: sessioncleanup.StatusToDelete, DeleteAfter: day}:                    11,
		{Status: sessioncleanup.StatusToDeactivate, InactiveAfter: 90 * 24 * 3600e9}: 0,
		{Text: "100% F"}: 3,
		{Text: "1_0"}:    0,
	} {
		o.Count = true
		page, err := m.List(t.Context(), o)
		if err != nil || page.Total != want || len(page.Sessions) != want {
			t.Errorf("List(%+v) finds %d of %d, %v; want %d", o, len(page.Sessions), page.Total, err, want)
		}
	}
}

func TestChangesOfOneSession(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 1, 1, 2*day, func(s *sessioncleanup.Session) { s.ExpiresAt = time.Now().Add(-time.Hour) })
	ctx := t.Context()
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	steps := []struct {
		name string
		do   func() (sessioncleanup.Session, error)
		want func(sessioncleanup.Session) bool
	}{
		{"deactivate", func() (sessioncleanup.Session, error) { return m.Deactivate(ctx, "1") },
			func(s sessioncleanup.Session) bool { return !s.Active && s.Status == sessioncleanup.StatusInactive }},
		{"deactivate again", func() (sessioncleanup.Session, error) { return m.Deactivate(ctx, "1") },
			func(s sessioncleanup.Session) bool { return !s.Active }},
		{"reactivate", func() (sessioncleanup.Session, error) { return m.Reactivate(ctx, "1") },
			func(s sessioncleanup.Session) bool {
				return s.Active && s.ExpiresAt.IsZero() && time.Since(s.LastActivity) < time.Minute && s.Status == sessioncleanup.StatusActive
			}},
		{"protect", func() (sessioncleanup.Session, error) { return m.SetAutoCleanup(ctx, "1", false) },
			func(s sessioncleanup.Session) bool { return s.Status == sessioncleanup.StatusProtected }},
		{"unprotect", func() (sessioncleanup.Session, error) { return m.SetAutoCleanup(ctx, "1", true) },
			func(s sessioncleanup.Session) bool { return s.Status == sessioncleanup.StatusActive }},
		{"expire later", func() (sessioncleanup.Session, error) { return m.SetExpiry(ctx, "1", later) },
			func(s sessioncleanup.Session) bool { return s.ExpiresAt.Equal(later) }},
		{"expire never", func() (sessioncleanup.Session, error) { return m.SetExpiry(ctx, "1", time.Time{}) },
			func(s sessioncleanup.Session) bool { return s.ExpiresAt.IsZero() }},
		{"delete", func() (sessioncleanup.Session, error) { return m.Delete(ctx, "1") },
			func(s sessioncleanup.Session) bool { return s.ID == "1" }},
	}
	for _, step := range steps {
		if s, err := step.do(); err != nil || !step.want(s) {
			t.Errorf("%s: %+v, %v", step.name, s, err)
		}
	}
	events, err := m.Events(ctx, sessioncleanup.EventQuery{SessionID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	var actions []sessioncleanup.Action
	for _, e := range events {
		actions = append(actions, e.Action)
	}
	want := []sessioncleanup.Action{ // newest first; what changed nothing is not there
		sessioncleanup.ActionDeleted, sessioncleanup.ActionExpirySet, sessioncleanup.ActionExpirySet, sessioncleanup.ActionAutoCleanupOn,
		sessioncleanup.ActionAutoCleanupOff, sessioncleanup.ActionReactivated, sessioncleanup.ActionDeactivated,
	}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := m.SetExpiry(ctx, "1", time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("an expiry in the year 12026: %v, want ErrInvalid", err)
	}
}

func TestStatsFiguresAndAlerts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		active, idle int
		want         []sessioncleanup.AlertCode
		rate         float64
	}{
		{0, 0, nil, 0},
		{10, 0, nil, 1},
		{200, 100, nil, 1},
		{200, 101, []sessioncleanup.AlertCode{sessioncleanup.AlertTooManyDue}, 1},
	} {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, tc.active, time.Hour, nil)
		put(t, db, 1000, tc.idle, 2*day, nil)
		stats, err := m.Stats(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		var codes []sessioncleanup.AlertCode
		for _, a := range stats.Alerts {
			codes = append(codes, a.Code)
		}
		if diff := cmp.Diff(tc.want, codes); diff != "" || stats.ActivityRate != tc.rate || stats.CleanupCandidates != tc.idle {
			t.Errorf("%+v: %+v, alerts (-want +got):\n%s", tc, stats, diff)
		}
	}

	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 4, time.Hour, nil)
	put(t, db, 10, 6, 40*day, inactive)
	stats, err := m.Stats(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if stats.Total != 10 || stats.Active != 4 || stats.Inactive != 6 || stats.Old != 6 || stats.DueForDeletion != 6 ||
		stats.ActivityRate != 0.4 || stats.CleanupEfficiency != 0.6 || len(stats.Alerts) != 1 || stats.Alerts[0].Code != sessioncleanup.AlertLowActivity {
		t.Errorf("stats %+v, want 4 active of 10, 6 due for deletion and the alert of low activity", stats)
	}
	if over := time.Duration(stats.OldestOverdueSeconds * float64(time.Second)); over < 10*day-2*time.Minute || over > 10*day {
		t.Errorf("oldest overdue %v, want a minute less than 10 days", over)
	}
}

func TestNewRefusesABadConfig(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	for i, err := range []error{
		errOf(sessioncleanup.New(nil, sessioncleanup.Config{})),
		errOf(sessioncleanup.New(db, sessioncleanup.Config{Policy: sessioncleanup.Policy{BatchSize: -1}})),
		errOf(sessioncleanup.New(db, sessioncleanup.Config{LeaseTTL: time.Millisecond})),
		errOf(managerOver(t, db, sessioncleanup.Policy{}).NewTracker(sessioncleanup.TrackerConfig{FlushInterval: -1})),
	} {
		if !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("case %d: %v, want ErrInvalid", i, err)
		}
	}
}

func TestCursorsCarryWhateverTheDatabaseHolds(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	names := []string{"a\x00b", "a\xff", "a\xffb", "é", "\u2028"}
	put(t, db, 0, len(names), time.Hour, nil)
	for i, name := range names {
		put(t, db, i, 1, time.Hour, func(s *sessioncleanup.Session) { s.Name = name })
	}
	var seen []string
	o := sessioncleanup.ListOptions{Sort: sessioncleanup.SortName, Limit: 1}
	for range len(names) + 1 {
		page, err := m.List(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Sessions {
			seen = append(seen, s.Name)
		}
		if o.Cursor = page.Next; o.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"a\x00b", "a\xff", "a\xffb", "é", "\u2028"}, seen); diff != "" {
		t.Errorf("names page by page (-want +got):\n%s", diff)
	}
}
