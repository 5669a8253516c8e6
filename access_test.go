package sessioncleanup_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// operations are all that a Manager does to one session.
func operations(t *testing.T) map[string]func(m *sessioncleanup.Manager, id string) error {
	ctx := t.Context()
	return map[string]func(m *sessioncleanup.Manager, id string) error{
		"Get":        func(m *sessioncleanup.Manager, id string) error { _, err := m.Get(ctx, id); return err },
		"Deactivate": func(m *sessioncleanup.Manager, id string) error { _, err := m.Deactivate(ctx, id); return err },
		"Reactivate": func(m *sessioncleanup.Manager, id string) error { _, err := m.Reactivate(ctx, id); return err },
		"SetAutoCleanup": func(m *sessioncleanup.Manager, id string) error {
			_, err := m.SetAutoCleanup(ctx, id, false)
			return err
		},
		"SetExpiry": func(m *sessioncleanup.Manager, id string) error {
			_, err := m.SetExpiry(ctx, id, time.Now())
			return err
		},
		"Touch":  func(m *sessioncleanup.Manager, id string) error { return m.Touch(ctx, id) },
		"Delete": func(m *sessioncleanup.Manager, id string) error { _, err := m.Delete(ctx, id); return err },
		"DeleteCascade": func(m *sessioncleanup.Manager, id string) error {
			_, err := m.DeleteCascade(ctx, id)
			return err
		},
	}
}

func TestAccessToOneSession(t *testing.T) {
	t.Parallel()
	admin := sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "alice"}
	owner := sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"}
	for name, op := range operations(t) {
		for _, tc := range []struct {
			who  sessioncleanup.Principal
			id   string
			want error
		}{
			{admin, "1", nil},
			{admin, "gone", sessioncleanup.ErrNotFound},
			{admin, "", sessioncleanup.ErrInvalid},
			{owner, "1", nil},
			{owner, "2", sessioncleanup.ErrNotFound}, // somebody else's
			{owner, "gone", sessioncleanup.ErrNotFound},
			{sessioncleanup.Principal{Role: sessioncleanup.RoleOwner}, "1", sessioncleanup.ErrForbidden},
			{sessioncleanup.Principal{Role: sessioncleanup.RoleViewer, ID: "1"}, "1", sessioncleanup.ErrForbidden},
			{sessioncleanup.Principal{}, "1", sessioncleanup.ErrForbidden},
			{sessioncleanup.Principal{Role: "root", ID: "1"}, "1", sessioncleanup.ErrForbidden},
			{sessioncleanup.Principal{Role: "system", ID: "1"}, "1", sessioncleanup.ErrForbidden},
		} {
			if name == "DeleteCascade" && tc.who == owner { // the other sessions may be somebody else's
				tc.want = sessioncleanup.ErrForbidden
			}
			m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
			put(t, db, 0, 4, time.Hour, nil) // session n belongs to owner n mod 3
			before, err := m.Get(t.Context(), "2")
			if err != nil {
				t.Fatal(err)
			}
			if err := op(m.As(tc.who), tc.id); !errors.Is(err, tc.want) {
				t.Errorf("%s of session %q as %+v = %v, want %v", name, tc.id, tc.who, err, tc.want)
			}
			if after, err := m.Get(t.Context(), "2"); err != nil || !after.Equal(before) {
				t.Errorf("%s of session %q as %+v changed session 2: %+v, %v", name, tc.id, tc.who, after, err)
			}
		}
	}
}

func TestOwnersSeeTheirOwnSessionsOnly(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 30, 2*day, nil)
	cleanup(t, m, sessioncleanup.Run{})
	owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"})

	page, err := owner.List(t.Context(), sessioncleanup.ListOptions{Count: true})
	if err != nil || page.Total != 10 || slices.ContainsFunc(page.Sessions, func(s sessioncleanup.Session) bool { return s.OwnerID != "1" }) {
		t.Errorf("List = %+v, %v; want the 10 own sessions", page, err)
	}
	stats, err := owner.Stats(t.Context(), "")
	if err != nil || stats.Total != 10 || stats.LastRun != nil {
		t.Errorf("Stats = %+v, %v; want 10 sessions and no run", stats, err)
	}
	events, err := owner.Events(t.Context(), sessioncleanup.EventQuery{})
	if err != nil || len(events) != 1 || len(events[0].Sessions) != 10 {
		t.Errorf("Events = %+v, %v; want one with the 10 own sessions", events, err)
	}
	for what, err := range map[string]error{
		"another's list":   errOf(owner.List(t.Context(), sessioncleanup.ListOptions{OwnerID: "2"})),
		"another's stats":  errOf(owner.Stats(t.Context(), "2")),
		"another's events": errOf(owner.Events(t.Context(), sessioncleanup.EventQuery{OwnerID: "2"})),
		"a run":            errOf(owner.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true})),
		"migrate":          owner.Migrate(t.Context()),
	} {
		if !errors.Is(err, sessioncleanup.ErrForbidden) {
			t.Errorf("%s as owner: %v, want ErrForbidden", what, err)
		}
	}
}

func TestViewersSeeNothing(t *testing.T) {
	t.Parallel()
	m, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	viewer := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleViewer, ID: "1"})
	tracker, err := viewer.NewTracker(sessioncleanup.TrackerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tracker.Touch("1")
	_, _, lastErr := viewer.LastRun(t.Context())
	for what, err := range map[string]error{
		"list":     errOf(viewer.List(t.Context(), sessioncleanup.ListOptions{})),
		"stats":    errOf(viewer.Stats(t.Context(), "")),
		"events":   errOf(viewer.Events(t.Context(), sessioncleanup.EventQuery{})),
		"run":      errOf(viewer.Cleanup(t.Context(), sessioncleanup.Run{})),
		"last run": lastErr,
		"tracker":  tracker.Flush(t.Context()),
	} {
		if !errors.Is(err, sessioncleanup.ErrForbidden) {
			t.Errorf("%s as viewer: %v, want ErrForbidden", what, err)
		}
	}
}

func TestLimitsOnlyBecomeTighter(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 3, time.Hour, nil)
	admin := sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}
	owner := sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"}
	for _, tc := range []struct {
		first, then sessioncleanup.Principal
		want        error
	}{
		{admin, owner, sessioncleanup.ErrNotFound},
		{owner, admin, sessioncleanup.ErrNotFound},
		{owner, sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "2"}, sessioncleanup.ErrNotFound},
		{sessioncleanup.Principal{Role: sessioncleanup.RoleViewer}, admin, sessioncleanup.ErrForbidden},
	} {
		if _, err := m.As(tc.first).As(tc.then).Get(t.Context(), "2"); !errors.Is(err, tc.want) {
			t.Errorf("session 2 as %+v, then %+v: %v, want %v", tc.first, tc.then, err, tc.want)
		}
	}
}

func TestEventsNameWhoDidIt(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 3, time.Hour, nil)
	for i, who := range []sessioncleanup.Principal{{Role: sessioncleanup.RoleAdmin, ID: "alice"}, {Role: sessioncleanup.RoleOwner, ID: "1"}, {Role: sessioncleanup.RoleAdmin}} {
		if _, err := m.As(who).Deactivate(t.Context(), strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	events, err := m.Events(t.Context(), sessioncleanup.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var actors []string
	for _, e := range events {
		actors = append(actors, e.Actor)
	}
	if want := []string{"admin", "owner:1", "admin:alice"}; !slices.Equal(actors, want) {
		t.Errorf("actors %v, want %v", actors, want)
	}
}

func TestScopeSaysWhoseSessionsAPrincipalWorksWith(t *testing.T) {
	t.Parallel()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	admin := sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}
	owner := sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"}
	viewer := sessioncleanup.Principal{Role: sessioncleanup.RoleViewer}
	tests := []struct {
		who         sessioncleanup.Principal
		asked, want string
		ok, all     bool
	}{
		{admin, "", "", true, true},
		{admin, "bob", "bob", true, true},
		{owner, "", "ann", true, false},
		{owner, "ann", "ann", true, false},
		{owner, "bob", "", false, false},
		{sessioncleanup.Principal{Role: sessioncleanup.RoleOwner}, "", "", false, false},
		{viewer, "", "", false, false},
		{sessioncleanup.Principal{}, "", "", false, false},
	}
	for _, test := range tests {
		got, err := m.As(test.who).Scope(test.asked)
		if got != test.want || (err == nil) != test.ok || err != nil && !errors.Is(err, sessioncleanup.ErrForbidden) {
			t.Errorf("%+v asks for %q: %q, %v", test.who, test.asked, got, err)
		}
		if err := m.As(test.who).PermitAll(); (err == nil) != test.all || err != nil && !errors.Is(err, sessioncleanup.ErrForbidden) {
			t.Errorf("%+v, everything: %v", test.who, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// expectError requires an error of a kind.
func expectError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", what, err, want)
	}
}
