package memory

import (
	"cmp"
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	day = 24 * time.Hour
	all = math.MaxInt32 // as a limit: everything
)

var system = sessioncleanup.Cause{Actor: "system", Reason: "test", RunID: "run"}

// cutoffs are those of the guide's policy now.
func cutoffs() sessioncleanup.Cutoffs { return sessioncleanup.Policy{}.CutoffsAt(time.Now()) }

// batch is a batch of a run that begins now.
func batch(a sessioncleanup.Action, limit int) sessioncleanup.Batch {
	return sessioncleanup.Batch{Action: a, Cutoffs: cutoffs(), Cause: system, Limit: limit}
}

// unused is a session that was last used some time ago; an inactive one was deactivated then.
func unused(id string, active bool, since time.Duration) sessioncleanup.Session {
	s := sessioncleanup.Session{ID: id, Active: active, AutoCleanup: true, LastActivity: time.Now().UTC().Add(-since)}
	if !active {
		s.DeactivatedAt = s.LastActivity
	}
	return s
}

func put(t testing.TB, s *Store, sessions ...sessioncleanup.Session) {
	t.Helper()
	if err := s.Put(sessions...); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

// get returns one session as it is stored, or a zero one when it is not there.
func get(t testing.TB, s *Store, id string) sessioncleanup.Session {
	t.Helper()
	page := list(t, s, sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
	if len(page.Sessions) == 0 {
		return sessioncleanup.Session{}
	}
	session := page.Sessions[0]
	session.AsOf = time.Time{}
	return session
}

func list(t testing.TB, s *Store, q sessioncleanup.Query) sessioncleanup.Page {
	t.Helper()
	page, err := s.List(context.WithoutCancel(t.Context()), q)
	if err != nil {
		t.Fatalf("List(%+v): %v", q, err)
	}
	return page
}

func events(t testing.TB, s *Store, q sessioncleanup.EventQuery) []sessioncleanup.Event {
	t.Helper()
	q.Limit = cmp.Or(q.Limit, all)
	found, err := s.Events(t.Context(), q)
	if err != nil {
		t.Fatalf("Events(%+v): %v", q, err)
	}
	return found
}

func sweepOnce(t testing.TB, s *Store, b sessioncleanup.Batch) sessioncleanup.BatchResult {
	t.Helper()
	out, err := s.Sweep(t.Context(), b)
	if err != nil {
		t.Fatalf("Sweep(%+v): %v", b, err)
	}
	return out
}

func touch(t testing.TB, s *Store, touch sessioncleanup.Touch) int {
	t.Helper()
	n, err := s.Touch(t.Context(), touch)
	if err != nil {
		t.Fatalf("Touch(%+v): %v", touch, err)
	}
	return n
}

func idsOf(sessions []sessioncleanup.Session) []string {
	ids := make([]string, len(sessions))
	for i, s := range sessions {
		ids[i] = s.ID
	}
	return ids
}

// expect compares two values.
func expect[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestPutKeepsExactValues(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	zone := time.FixedZone("elsewhere", 5*3600)
	full := sessioncleanup.Session{
		ID: "1", OwnerID: "o", OwnerName: "Olga", Name: "Room", Code: "R1", AutoCleanup: true,
		CreatedAt: time.Date(2024, 1, 2, 3, 4, 5, 6, zone), UpdatedAt: time.Date(2024, 2, 2, 3, 4, 5, 7, zone),
		DeactivatedAt: time.Date(2024, 4, 2, 3, 4, 5, 10, zone),
		LastActivity:  time.Date(2024, 3, 2, 3, 4, 5, 8, zone), ExpiresAt: time.Date(9999, 12, 31, 0, 0, 0, 9, zone),
		ActivityCount: 12, AsOf: time.Now(), Status: sessioncleanup.StatusActive, DeactivateAt: time.Now(), DeleteAt: time.Now(),
	}
	put(t, s, full)
	want := full
	want.AsOf, want.Status, want.DeactivateAt, want.DeleteAt = time.Time{}, "", time.Time{}, time.Time{} // not stored
	want.CreatedAt, want.UpdatedAt = full.CreatedAt.UTC(), full.UpdatedAt.UTC()
	want.LastActivity, want.ExpiresAt, want.DeactivatedAt = full.LastActivity.UTC(), full.ExpiresAt.UTC(), full.DeactivatedAt.UTC()
	if got := get(t, s, "1"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	replaced := sessioncleanup.Session{ID: "1", LastActivity: want.LastActivity}
	put(t, s, replaced)
	if got := get(t, s, "1"); !reflect.DeepEqual(got, replaced) {
		t.Errorf("after replacing: got %+v, want %+v", got, replaced)
	}
	expect(t, "events of the application's own writes", events(t, s, sessioncleanup.EventQuery{}), nil)
}

func TestPutFollowsAChangeOfActive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		session := unused("1", true, 2*day)
		put(t, s, session)
		session.Active = false
		put(t, s, session)
		if got := get(t, s, "1").DeactivatedAt; !got.Equal(time.Now()) {
			t.Errorf("DeactivatedAt of a session that became inactive is %v, want now, %v", got, time.Now())
		}
		time.Sleep(time.Hour)
		session = get(t, s, "1")
		session.Name = "renamed"
		put(t, s, session)
		expect(t, "a session that stayed inactive", get(t, s, "1"), session)
		session.Active = true
		put(t, s, session)
		if got := get(t, s, "1"); !got.DeactivatedAt.IsZero() || !got.LastActivity.Equal(time.Now()) {
			t.Errorf("a session that became active is %+v, want it used now and without DeactivatedAt", got)
		}
		put(t, s, sessioncleanup.Session{ID: "2", AutoCleanup: true})
		if got := get(t, s, "2").DeactivatedAt; !got.IsZero() {
			t.Errorf("DeactivatedAt of a session that was put inactive is %v, want none", got)
		}
		expect(t, "events of the application's own writes", events(t, s, sessioncleanup.EventQuery{}), nil)
	})
}

func TestPutSetsZeroLastActivityToNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		put(t, s, sessioncleanup.Session{ID: "1"})
		if got := get(t, s, "1").LastActivity; !got.Equal(time.Now()) {
			t.Errorf("last activity is %v, want now, %v", got, time.Now())
		}
	})
}

func TestPutWithOneSessionWithoutIDPutsNone(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	err := s.Put(unused("1", true, 0), sessioncleanup.Session{Name: "nameless"})
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "session 2 of 2") {
		t.Errorf("error is %v, want an ErrInvalid that says which", err)
	}
	if page := list(t, s, sessioncleanup.Query{Limit: all}); len(page.Sessions) != 0 {
		t.Errorf("sessions %v are there, want none", idsOf(page.Sessions))
	}
}

func TestRemoveWritesNoEventsAndCallsNoHook(t *testing.T) {
	t.Parallel()
	s := New(Config{Refuse: func(sessioncleanup.Session) error { return errors.New("must not be called") }})
	put(t, s, unused("1", true, 0), unused("2", true, 0), unused("3", true, 0))
	n, err := s.Remove("1", "3", "4", "1")
	if n != 2 || err != nil {
		t.Errorf("Remove returned %d, %v; want 2", n, err)
	}
	expect(t, "left", idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions), []string{"2"})
	expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
}

func TestAddActivityCountsAndTouches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		put(t, s, unused("1", false, day), unused("later", true, -day))
		for _, id := range []string{"1", "later"} {
			if err := s.AddActivity(id, 3); err != nil {
				t.Fatalf("AddActivity: %v", err)
			}
		}
		got := get(t, s, "1")
		if got.ActivityCount != 3 || !got.LastActivity.Equal(time.Now()) || got.Active {
			t.Errorf("got %+v, want 3 activities, used now, still inactive", got)
		}
		if got := get(t, s, "later"); got.ActivityCount != 3 || !got.LastActivity.Equal(time.Now().Add(day)) {
			t.Errorf("got %+v, want 3 activities and the last activity that lies in the future", got)
		}
		if err := s.AddActivity("2", 1); !errors.Is(err, sessioncleanup.ErrNotFound) {
			t.Errorf("unknown session: error is %v, want ErrNotFound", err)
		}
		if err := s.AddActivity("1", -1); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("negative count: error is %v, want ErrInvalid", err)
		}
	})
}

func TestClosedStoreRefusesEverything(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	put(t, s, unused("1", false, 60*day))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	for name, call := range calls(s) {
		if err := call(t.Context()); !errors.Is(err, errClosed) {
			t.Errorf("%s: error is %v, want %v", name, err, errClosed)
		}
	}
	if err := s.Put(unused("2", true, 0)); !errors.Is(err, errClosed) {
		t.Errorf("Put: error is %v, want %v", err, errClosed)
	}
}

func TestCancelledContextChangesNothing(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	put(t, s, unused("1", false, 60*day), unused("2", true, 2*day))
	before := []sessioncleanup.Session{get(t, s, "1"), get(t, s, "2")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(s) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v, want context.Canceled", name, err)
		}
	}
	expect(t, "sessions", []sessioncleanup.Session{get(t, s, "1"), get(t, s, "2")}, before)
	expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
}

// calls are the methods that read or change something, each in a way that would succeed.
func calls(s *Store) map[string]func(context.Context) error {
	target := sessioncleanup.Target{ID: "1"}
	only := func(_ any, err error) error { return err }
	return map[string]func(context.Context) error{
		"List": func(ctx context.Context) error { return only(s.List(ctx, sessioncleanup.Query{Limit: 1})) },
		"List ID": func(ctx context.Context) error {
			return only(s.List(ctx, sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "1"}, Limit: 1}))
		},
		"List text": func(ctx context.Context) error {
			return only(s.List(ctx, sessioncleanup.Query{Filter: sessioncleanup.Filter{Text: "a"}, CountUpTo: 1}))
		},
		"Counts": func(ctx context.Context) error { return only(s.Counts(ctx, sessioncleanup.CountsQuery{})) },
		"deactivate": func(ctx context.Context) error {
			return only(s.Sweep(ctx, batch(sessioncleanup.ActionDeactivated, 10)))
		},
		"date":   func(ctx context.Context) error { return only(s.Sweep(ctx, batch(sessioncleanup.ActionDated, 10))) },
		"delete": func(ctx context.Context) error { return only(s.Sweep(ctx, batch(sessioncleanup.ActionDeleted, 10))) },
		"Update": func(ctx context.Context) error {
			return only(s.Update(ctx, target, sessioncleanup.Change{Active: sessioncleanup.On}))
		},
		"Delete": func(ctx context.Context) error { return only(s.Delete(ctx, target, system)) },
		"Touch":  func(ctx context.Context) error { return only(s.Touch(ctx, sessioncleanup.Touch{IDs: []string{"1"}})) },
		"Events": func(ctx context.Context) error { return only(s.Events(ctx, sessioncleanup.EventQuery{Limit: 1})) },
		"Record": func(ctx context.Context) error { return only(s.Record(ctx, sessioncleanup.Record{})) },
		"Lease": func(ctx context.Context) error {
			return only(s.Lease(ctx, sessioncleanup.LeaseRequest{Name: "n", Holder: "h", TTL: time.Hour}))
		},
	}
}
