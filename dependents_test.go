package sessioncleanup_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// parental is a store whose sessions have rows in other tables, and of which session "parent" has session "child".
type parental struct {
	sessioncleanup.Store
	asked []*sessioncleanup.Query
	err   error
}

var someDependents = []sessioncleanup.Dependent{
	{Table: "public.messages", Effect: "deleted", Rows: 1200},
	{Table: "public.reactions", Effect: "deleted", Rows: sessioncleanup.MaxDependentRows, More: true},
	{Table: "public.invoices", Effect: "unlinked", Rows: 3},
}

func (p *parental) Dependents(_ context.Context, q *sessioncleanup.Query) ([]sessioncleanup.Dependent, error) {
	p.asked = append(p.asked, q)
	return someDependents, p.err
}

func (p *parental) Delete(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if t.ID == "parent" {
		child := sessioncleanup.Target{ID: "child"}
		if !t.Cascade {
			return sessioncleanup.Session{}, &sessioncleanup.CascadeError{SessionIDs: []string{child.ID}}
		}
		if _, err := p.Store.Delete(ctx, child, c); err != nil {
			return sessioncleanup.Session{}, err
		}
	}
	return p.Store.Delete(ctx, t, c)
}

func TestADryRunListsWhatIsDeletedAlong(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	put(t, db, 0, 5, 40*day, inactive)
	put(t, db, 10, 5, 2*day, nil)
	store := &parental{Store: db}
	m := managerOver(t, decorated{store}, sessioncleanup.Policy{})
	filter := sessioncleanup.Filter{OwnerID: "1"}
	result := cleanup(t, m, sessioncleanup.Run{DryRun: true, Filter: filter, DeleteAfter: 20 * day})
	if diff := cmp.Diff(someDependents, result.Dependents); diff != "" {
		t.Errorf("dependents of a dry run (-want +got):\n%s", diff)
	}
	want := sessioncleanup.Query{
		Filter: filter, Status: sessioncleanup.StatusToDelete, Sort: sessioncleanup.SortLastActivity,
		Thresholds: sessioncleanup.Thresholds{Now: result.Cutoffs.Now, Inactive: day + time.Minute, Delete: 20*day + time.Minute},
	}
	if diff := cmp.Diff([]*sessioncleanup.Query{&want}, store.asked); diff != "" {
		t.Errorf("the store is asked (-want +got):\n%s", diff)
	}
	store.asked = nil
	if result := cleanup(t, m, sessioncleanup.Run{DryRun: true, DeleteAfter: 90 * day}); len(result.Dependents) > 0 || len(store.asked) > 0 {
		t.Errorf("with nothing due for deletion a dry run lists %+v", result.Dependents)
	}
	if result := cleanup(t, m, sessioncleanup.Run{}); len(result.Dependents) > 0 || len(store.asked) > 0 {
		t.Errorf("a run counts the dependents %+v: want only dry runs to", result.Dependents)
	}
	store.err = errors.New("out of memory")
	put(t, db, 0, 5, 40*day, inactive)
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); !errors.Is(err, store.err) {
		t.Errorf("error is %v, want %v", err, store.err)
	}
}

func TestDependentsOfOneSession(t *testing.T) {
	t.Parallel()
	store := &parental{Store: memory.New(memory.Config{})}
	m := managerOver(t, decorated{store}, sessioncleanup.Policy{})
	owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"})
	for _, c := range []struct {
		m    *sessioncleanup.Manager
		id   string
		want *sessioncleanup.Query
	}{
		{m, "", nil},
		{owner, "", nil},
		{m, "7", &sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "7"}, Thresholds: m.Policy().Thresholds()}},
		{owner, "7", &sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "7", OwnerID: "1"}, Thresholds: m.Policy().Thresholds()}},
	} {
		store.asked = nil
		got, err := c.m.Dependents(t.Context(), c.id)
		if diff := cmp.Diff([]*sessioncleanup.Query{c.want}, store.asked); err != nil || diff != "" || !cmp.Equal(got, someDependents) {
			t.Errorf("Dependents(%q) = %+v, %v; the store is asked (-want +got):\n%s", c.id, got, err, diff)
		}
	}
	viewer := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleViewer})
	expectError(t, "a viewer", errOf(viewer.Dependents(t.Context(), "7")), sessioncleanup.ErrForbidden)
	store.err = errors.New("out of memory")
	if _, err := m.Dependents(t.Context(), "7"); !errors.Is(err, store.err) || !strings.Contains(err.Error(), `"7"`) {
		t.Errorf("error is %v, want the store's, with the session", err)
	}
	plain := managerOver(t, memory.New(memory.Config{}), sessioncleanup.Policy{})
	if got, err := plain.Dependents(t.Context(), "7"); err != nil || len(got) > 0 {
		t.Errorf("of a store without tables: %+v, %v; want none", got, err)
	}
}

func TestDeleteRefusesToDeleteOtherSessionsAlong(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	for _, id := range []string{"parent", "child", "other"} {
		if err := db.Put(sessioncleanup.Session{ID: id, Active: true}); err != nil {
			t.Fatal(err)
		}
	}
	m := managerOver(t, &parental{Store: db}, sessioncleanup.Policy{})
	_, err := m.Delete(t.Context(), "parent")
	cascade, ok := errors.AsType[*sessioncleanup.CascadeError](err)
	if !ok || !errors.Is(err, sessioncleanup.ErrCascade) || !cmp.Equal(cascade.SessionIDs, []string{"child"}) || !strings.Contains(err.Error(), `"child"`) {
		t.Errorf("Delete = %v, want a CascadeError that names the child", err)
	}
	if left := stored(t, db); len(left) != 3 {
		t.Errorf("%d sessions are left after a deletion that was refused, want all", len(left))
	}
	if s, err := m.Delete(t.Context(), "other"); err != nil || s.ID != "other" {
		t.Errorf("Delete of a session alone = %+v, %v", s, err)
	}
	if s, err := m.DeleteCascade(t.Context(), "parent"); err != nil || s.ID != "parent" || len(stored(t, db)) != 0 {
		t.Errorf("DeleteCascade = %+v, %v; want both gone", s, err)
	}
}

func TestCascadeErrorNamesAFewSessions(t *testing.T) {
	t.Parallel()
	for want, ids := range map[string][]string{
		`["1"]; delete`:                            {"1"},
		`["1" "2" "3" "4" "5"]; delete`:            {"1", "2", "3", "4", "5"},
		`["1" "2" "3" "4" "5"] and 2 more; delete`: {"1", "2", "3", "4", "5", "6", "7"},
	} {
		if err := (&sessioncleanup.CascadeError{SessionIDs: ids}); !strings.Contains(err.Error(), want) {
			t.Errorf("error of %d sessions is %q, want it to say %q", len(ids), err, want)
		}
	}
}
