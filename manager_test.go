package sessioncleanup_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

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

func TestSessionsAreMeasuredByTheStoresClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		used := time.Now().UTC()
		put(t, db, 1, 1, 0, nil)
		time.Sleep(time.Hour)
		got, err := m.Get(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		want := got
		want.AsOf, want.Status = used.Add(time.Hour), sessioncleanup.StatusActive
		want.DeactivateAt, want.DeleteAt = used.Add(day+time.Minute), used.Add(30*day+time.Minute)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Get (-want +got):\n%s", diff)
		}
		changed, err := m.SetAutoCleanup(t.Context(), "1", false)
		if err != nil || changed.AsOf != want.AsOf || changed.Status != sessioncleanup.StatusProtected || !changed.DeleteAt.IsZero() {
			t.Errorf("SetAutoCleanup = %+v, %v; want it measured like that", changed, err)
		}
		if now, err := m.Now(t.Context()); err != nil || !now.Equal(time.Now()) {
			t.Errorf("Now = %v, %v; want %v", now, err, time.Now())
		}
	})
}

func TestConditionalChangesDoNothingUnlessTheConditionHolds(t *testing.T) {
	t.Parallel()
	changes := operations(t)
	delete(changes, "Get")
	delete(changes, "Touch") // neither is a change with a condition
	for name, change := range changes {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 1, 1, time.Hour, func(s *sessioncleanup.Session) { s.Active = name != "Reactivate" })
		before, err := m.Get(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		var asked []sessioncleanup.Session
		answer := false
		conditional := m.If(func(s sessioncleanup.Session) bool {
			asked = append(asked, s)
			return answer
		})
		if err := change(conditional, "1"); !errors.Is(err, sessioncleanup.ErrChanged) {
			t.Errorf("%s: %v, want ErrChanged", name, err)
		}
		if after, err := m.Get(t.Context(), "1"); err != nil || !after.Equal(before) {
			t.Errorf("%s: the session is %+v, %v; want it unchanged", name, after, err)
		}
		if events, err := m.Events(t.Context(), sessioncleanup.EventQuery{}); err != nil || len(events) != 0 {
			t.Errorf("%s: events %+v, %v; want none", name, events, err)
		}
		if len(asked) != 1 || !asked[0].Equal(before) || asked[0].Status != before.Status || asked[0].AsOf.IsZero() {
			t.Errorf("%s: the condition is asked about %+v, want %+v once", name, asked, before)
		}
		if err := change(conditional, "gone"); !errors.Is(err, sessioncleanup.ErrNotFound) {
			t.Errorf("%s of a session that is gone: %v, want ErrNotFound", name, err)
		}
		other := conditional.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "2"})
		want := sessioncleanup.ErrNotFound
		if name == "DeleteCascade" { // owners may not at all
			want = sessioncleanup.ErrForbidden
		}
		if err := change(other, "1"); !errors.Is(err, want) || len(asked) != 1 {
			t.Errorf("%s of another owner's session: %v, want %v without asking", name, err, want)
		}
		answer = true
		if err := change(conditional, "1"); err != nil {
			t.Errorf("%s while the condition holds: %v", name, err)
		}
		if events, err := m.Events(t.Context(), sessioncleanup.EventQuery{}); err != nil || len(events) != 1 {
			t.Errorf("%s while the condition holds: events %+v, %v; want one", name, events, err)
		}
	}
}

func TestIfLeavesTheManagerAsItIs(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 1, 1, time.Hour, nil)
	_ = m.If(func(sessioncleanup.Session) bool { return false })
	if _, err := m.Deactivate(t.Context(), "1"); err != nil {
		t.Errorf("Deactivate = %v, want no condition", err)
	}
}

// decorated is a store that wraps another one and hides its optional interfaces.
type decorated struct{ sessioncleanup.Store }

func (d decorated) Unwrap() sessioncleanup.Store { return d.Store }

// sealed is a store that wraps another one without telling.
type sealed struct{ sessioncleanup.Store }

// installable is a store that can be migrated.
type installable struct {
	sessioncleanup.Store
	sessioncleanup.Installer
	migrated []sessioncleanup.Policy
}

func (i *installable) Migrate(_ context.Context, p sessioncleanup.Policy) error {
	i.migrated = append(i.migrated, p)
	return nil
}

func TestStoreAsLooksThroughWrappers(t *testing.T) {
	t.Parallel()
	db := &installable{Store: memory.New(memory.Config{})}
	for _, c := range []struct {
		store sessioncleanup.Store
		want  bool
	}{
		{nil, false}, {db, true}, {decorated{db}, true}, {decorated{decorated{db}}, true},
		{sealed{db}, false}, {decorated{sealed{db}}, false}, {decorated{memory.New(memory.Config{})}, false}, {decorated{}, false},
	} {
		got, ok := sessioncleanup.StoreAs[sessioncleanup.Installer](c.store)
		if ok != c.want || ok && got != sessioncleanup.Installer(db) || !ok && got != nil {
			t.Errorf("StoreAs of %T: %v, %v; want %v", c.store, got, ok, c.want)
		}
	}
	if got, ok := sessioncleanup.StoreAs[decorated](decorated{db}); !ok || got.Store != db {
		t.Errorf("StoreAs of a wrapper itself: %v, %v; want it", got, ok)
	}
}

func TestADecoratedStoreCanStillBeMigrated(t *testing.T) {
	t.Parallel()
	db := &installable{Store: memory.New(memory.Config{})}
	m := managerOver(t, decorated{db}, sessioncleanup.Policy{InactiveAfter: time.Hour})
	if err := m.Migrate(t.Context()); err != nil || len(db.migrated) != 1 || db.migrated[0] != m.Policy() {
		t.Errorf("Migrate = %v with policies %+v, want the Manager's once", err, db.migrated)
	}
	if err := managerOver(t, sealed{db}, sessioncleanup.Policy{}).Migrate(t.Context()); err != nil || len(db.migrated) != 1 {
		t.Errorf("Migrate of a store without an Installer = %v, want nothing done", err)
	}
}
