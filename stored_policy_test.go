package sessioncleanup_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// kept is a memory store that keeps a policy, as a database does.
type kept struct {
	*memory.Store
	sessioncleanup.Installer // nil: the tests need Policy only

	mu     sync.Mutex
	policy sessioncleanup.Policy

	meanwhile func() // before SetPolicy, when it is not nil
}

func (k *kept) Policy(context.Context) (sessioncleanup.Policy, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.policy, nil
}

func (k *kept) SetPolicy(ctx context.Context, change sessioncleanup.Policy, condition func(sessioncleanup.Policy) bool, e sessioncleanup.Event) (sessioncleanup.Policy, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.meanwhile != nil {
		k.meanwhile()
	}
	if condition != nil && !condition(k.policy) {
		return sessioncleanup.Policy{}, sessioncleanup.ErrChanged
	}
	k.policy = change.Or(k.policy)
	_, err := k.Record(ctx, sessioncleanup.Record{Event: e})
	return k.policy, err
}

// following makes a store and a Manager that follows its policy.
func following(t *testing.T, program sessioncleanup.Policy) (*kept, func() *sessioncleanup.Manager) {
	t.Helper()
	db := &kept{Store: memory.New(memory.Config{}), policy: sessioncleanup.DefaultPolicy()}
	return db, func() *sessioncleanup.Manager {
		stored, _ := db.Policy(t.Context())
		m, err := sessioncleanup.New(db, sessioncleanup.Config{Policy: program, Stored: &stored})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func TestAChangedPolicyHoldsInEveryProcessThatFollowsIt(t *testing.T) {
	t.Parallel()
	db, open := following(t, sessioncleanup.Policy{AlertDue: 3})
	here, there := open(), open()
	put(t, db.Store, 0, 5, 2*day, nil)
	put(t, db.Store, 5, 4, 20*day, func(s *sessioncleanup.Session) { s.Active, s.DeactivatedAt = false, s.LastActivity })
	admin := here.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "alice"}).Because("they asked")
	got, err := admin.SetPolicy(t.Context(), sessioncleanup.Policy{InactiveAfter: 3 * day, DeleteAfter: 40 * day}, 0)
	if err != nil || got.InactiveAfter != 3*day || got.DeleteAfter != 40*day || got.AlertDue != 3 {
		t.Fatalf("SetPolicy = %+v, %v", got, err)
	}
	if p := here.Policy(); p != got {
		t.Errorf("the policy in force is %+v, want %+v", p, got)
	}
	if done := cleanup(t, there, sessioncleanup.Run{}); done.Deactivated() != 0 {
		t.Errorf("the run of another process deactivated %d after 24 h, want none", done.Deactivated())
	}
	if p := there.Policy(); p != got {
		t.Errorf("the policy of the other process is %+v, want %+v", p, got)
	}
	events, err := here.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionPolicyChanged}})
	if err != nil || len(events) != 1 || events[0].Actor != "admin:alice" || events[0].Reason != "InactiveAfter from 1d to 3d, DeleteAfter from 30d to 40d: they asked" {
		t.Errorf("events: %+v, %v", events, err)
	}
	if _, err := admin.SetPolicy(t.Context(), sessioncleanup.Policy{DeleteAfter: 40 * day}, 0); err != nil {
		t.Errorf("SetPolicy without a change: %v", err)
	}
	if again, err := here.Events(t.Context(), sessioncleanup.EventQuery{}); err != nil || len(again) != 2 { // with the run
		t.Errorf("events after a change that changes nothing: %+v, %v", again, err)
	}
}

func TestAPolicyThatDeletesMoreIsConfirmed(t *testing.T) {
	t.Parallel()
	db, open := following(t, sessioncleanup.Policy{})
	m := open()
	put(t, db.Store, 0, 4, 20*day, func(s *sessioncleanup.Session) { s.Active, s.DeactivatedAt = false, s.LastActivity })
	put(t, db.Store, 4, 2, 50*day, func(s *sessioncleanup.Session) { s.Active, s.DeactivatedAt = false, s.LastActivity })
	change := sessioncleanup.Policy{DeleteAfter: 10 * day}
	proposed, err := m.Propose(t.Context(), change)
	if err != nil || proposed.Deleted() != 6 || !proposed.DryRun {
		t.Fatalf("Propose = %+v, %v; want 6 deletions", proposed.Phases, err)
	}
	for _, expected := range []int{0, 5} {
		var more *sessioncleanup.MoreDeletionsError
		if _, err := m.SetPolicy(t.Context(), change, expected); !errors.As(err, &more) || more.Before != 2 || more.After != 6 {
			t.Errorf("SetPolicy with %d expected = %v, want 6 in place of 2", expected, err)
		}
	}
	if p, _ := db.Policy(t.Context()); p.DeleteAfter != 30*day {
		t.Errorf("the policy changed to %v without a confirmation", p.DeleteAfter)
	}
	if _, err := m.SetPolicy(t.Context(), change, 6); err != nil {
		t.Fatal(err)
	}
	if done := cleanup(t, m, sessioncleanup.Run{}); done.Deleted() != 6 {
		t.Errorf("the run deleted %d, want the 6 that were confirmed", done.Deleted())
	}
}

func TestOnlySomeValuesOfTheStoredPolicyCanBeSet(t *testing.T) {
	t.Parallel()
	_, open := following(t, sessioncleanup.Policy{InactiveAfter: 5 * day})
	m := open()
	for name, change := range map[string]sessioncleanup.Policy{
		"what migrate builds on":   {TouchInterval: day},
		"the deletion limit":       {MaxDeleteFraction: 1},
		"what the program sets":    {InactiveAfter: day},
		"what no policy may be":    {DeleteAfter: -5},
		"one good and one bad one": {AlertDue: 5, Enabled: sessioncleanup.Off},
	} {
		if _, err := m.SetPolicy(t.Context(), change, 100); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%s: SetPolicy = %v, want ErrInvalid", name, err)
		}
	}
	owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"})
	_, err := owner.SetPolicy(t.Context(), sessioncleanup.Policy{AlertDue: 5}, 0)
	_, proposed := owner.Propose(t.Context(), sessioncleanup.Policy{AlertDue: 5})
	if !errors.Is(err, sessioncleanup.ErrForbidden) || !errors.Is(proposed, sessioncleanup.ErrForbidden) || owner.CanSetPolicy() || !m.CanSetPolicy() {
		t.Errorf("an owner: %v, %v", err, proposed)
	}
	bare, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	if _, err := bare.SetPolicy(t.Context(), sessioncleanup.Policy{AlertDue: 5}, 0); !errors.Is(err, errors.ErrUnsupported) || strings.Contains(err.Error(), "invalid") || bare.CanSetPolicy() {
		t.Errorf("without a stored policy: %v", err)
	}
}

func TestAPolicyThatSomebodyElseChangedIsNotOverwritten(t *testing.T) {
	t.Parallel()
	db, open := following(t, sessioncleanup.Policy{})
	here, there := open(), open()
	seen := here.StoredPolicy()
	unchanged := func(stored sessioncleanup.Policy) bool { return stored == seen }
	if _, err := there.IfPolicy(unchanged).SetPolicy(t.Context(), sessioncleanup.Policy{DeleteAfter: 40 * day}, 0); err != nil {
		t.Fatal(err)
	}
	for _, change := range []sessioncleanup.Policy{{DeleteAfter: 50 * day}, {DeleteAfter: 40 * day}, {AlertDue: 5}} {
		if _, err := here.IfPolicy(unchanged).SetPolicy(t.Context(), change, 0); !errors.Is(err, sessioncleanup.ErrChanged) {
			t.Errorf("SetPolicy(%+v) of a policy that changed: %v, want ErrChanged", change, err)
		}
	}
	if p := here.Policy(); p.DeleteAfter != 40*day {
		t.Errorf("the process whose change was refused deletes after %v, want what the other one stored", p.DeleteAfter)
	}
	// While the figures of a change are counted, another process stores its own.
	db.meanwhile = func() {
		db.meanwhile = nil
		db.policy.DeleteAfter = 60 * day
	}
	if _, err := here.SetPolicy(t.Context(), sessioncleanup.Policy{DeleteAfter: 50 * day}, 0); !errors.Is(err, sessioncleanup.ErrChanged) {
		t.Errorf("SetPolicy beside another change: %v, want ErrChanged", err)
	}
	if p, _ := db.Policy(t.Context()); p.DeleteAfter != 60*day || p.AlertDue == 5 {
		t.Errorf("the policy is %+v, want the one of the other process", p)
	}
	if got, err := here.SetPolicy(t.Context(), sessioncleanup.Policy{DeleteAfter: 50 * day}, 0); err != nil || got.DeleteAfter != 50*day {
		t.Errorf("SetPolicy afterward = %v, %v", got.DeleteAfter, err)
	}
}
