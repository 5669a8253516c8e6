package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

const day = 24 * time.Hour

// newManager makes a Manager over an empty memory store.
func newManager(t *testing.T, p sessioncleanup.Policy, o memory.Config) (*sessioncleanup.Manager, *memory.Store) {
	t.Helper()
	db := memory.New(o)
	return managerOver(t, db, p), db
}

func managerOver(t *testing.T, db sessioncleanup.Store, p sessioncleanup.Policy) *sessioncleanup.Manager {
	t.Helper()
	m, err := sessioncleanup.New(db, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// put adds n sessions, last used so long ago, with ids from first on.
func put(t *testing.T, db *memory.Store, first, n int, ago time.Duration, change func(*sessioncleanup.Session)) {
	t.Helper()
	now := time.Now()
	for i := first; i < first+n; i++ {
		s := sessioncleanup.Session{
			ID: strconv.Itoa(i), OwnerID: strconv.Itoa(i % 3), Active: true, AutoCleanup: true,
			LastActivity: now.Add(-ago), CreatedAt: now.Add(-ago),
		}
		if change != nil {
			change(&s)
		}
		if err := db.Put(s); err != nil {
			t.Fatal(err)
		}
	}
}

// inactive sessions were deactivated when they were last used.
func inactive(s *sessioncleanup.Session)  { s.Active, s.DeactivatedAt = false, s.LastActivity }
func undated(s *sessioncleanup.Session)   { s.Active = false }
func protected(s *sessioncleanup.Session) { s.AutoCleanup = false }

func cleanup(t *testing.T, m *sessioncleanup.Manager, r sessioncleanup.Run) sessioncleanup.Result {
	t.Helper()
	result, err := m.Cleanup(t.Context(), r)
	if err != nil {
		t.Fatalf("Cleanup: %v", err)
	}
	return result
}

// eventCounts counts sessions by action in the events of a run.
func eventCounts(t *testing.T, m *sessioncleanup.Manager, runID string) map[sessioncleanup.Action]int {
	t.Helper()
	events, err := m.Events(t.Context(), sessioncleanup.EventQuery{RunID: runID, Limit: sessioncleanup.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[sessioncleanup.Action]int{}
	for _, e := range events {
		counts[e.Action] += max(1, len(e.Sessions))
	}
	return counts
}

func TestCleanupDeletesThenDeactivatesAndLeavesProtectedSessions(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 20, time.Hour, nil)
	put(t, db, 100, 30, 40*day, nil)
	put(t, db, 200, 10, 40*day, inactive)
	put(t, db, 300, 5, 40*day, protected)

	first := cleanup(t, m, sessioncleanup.Run{})
	if first.Deleted() != 10 || first.Deactivated() != 30 || first.Phases.Total().Failed != 0 || first.Phases.Total().Due != 40 {
		t.Errorf("first run: %+v, want 10 deleted, 30 deactivated of 40 due", first)
	}
	want := map[sessioncleanup.Action]int{sessioncleanup.ActionDeleted: 10, sessioncleanup.ActionDeactivated: 30, sessioncleanup.ActionRun: 1}
	if diff := cmp.Diff(want, eventCounts(t, m, first.RunID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// What the first run deactivated was idle for 40 days, and is kept for another 30.
	if second := cleanup(t, m, sessioncleanup.Run{Force: true}); second.Deleted() != 0 || second.Deactivated() != 0 {
		t.Errorf("second run: %+v, want nothing changed", second)
	}
	stats, err := m.Stats(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if stats.Total != 55 || stats.Inactive != 30 || stats.Protected != 5 || stats.CleanupCandidates != 0 || stats.LastRun == nil {
		t.Errorf("stats after: %+v, want 55 sessions, 5 of them protected, none due, and the last run", stats)
	}
}

func TestDryRunCountsEqualTheRealRuns(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		n := 50 + r.IntN(400)
		now := time.Now()
		for i := range n {
			s := sessioncleanup.Session{
				ID: strconv.Itoa(i), Active: r.IntN(2) == 0, AutoCleanup: r.IntN(5) > 0,
				LastActivity: now.Add(-time.Duration(r.Int64N(int64(60 * day)))),
			}
			if r.IntN(3) == 0 {
				s.ExpiresAt = now.Add(-time.Duration(r.Int64N(int64(80 * day)))).Add(20 * day)
			}
			if !s.Active && r.IntN(4) > 0 {
				s.DeactivatedAt = now.Add(-time.Duration(r.Int64N(int64(60 * day))))
			}
			if err := db.Put(s); err != nil {
				t.Fatal(err)
			}
		}
		run := sessioncleanup.Run{Force: true, InactiveAfter: time.Duration(1+r.IntN(100)) * time.Hour, DeleteAfter: time.Duration(1+r.IntN(50)) * day}
		dry := run
		dry.DryRun = true
		would, did := cleanup(t, m, dry), cleanup(t, m, run)
		if would.Deleted() != did.Deleted() || would.Deactivated() != did.Deactivated() || would.Phases.Total().Due != did.Phases.Total().Due {
			t.Errorf("seed %d: a dry run says %d deleted and %d deactivated, the run did %d and %d",
				seed, would.Deleted(), would.Deactivated(), did.Deleted(), did.Deactivated())
		}
		if want := min(50, would.Phases.Total().Due); len(would.Sessions) != want {
			t.Errorf("seed %d: the dry run shows %d sessions, want %d", seed, len(would.Sessions), want)
		}
	}
}

func TestNeverTurnsAPhaseOff(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		run                  sessioncleanup.Run
		deleted, deactivated int
	}{
		"deletion":     {sessioncleanup.Run{DeleteAfter: sessioncleanup.Never}, 0, 3},
		"deactivation": {sessioncleanup.Run{InactiveAfter: sessioncleanup.Never}, 2, 0},
		"both":         {sessioncleanup.Run{InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never}, 0, 0},
	} {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 3, 40*day, func(s *sessioncleanup.Session) { s.ExpiresAt = time.Now().Add(-35 * day) })
		put(t, db, 10, 2, 40*day, inactive)
		dry := tc.run
		dry.DryRun = true
		for _, run := range []sessioncleanup.Run{dry, tc.run} {
			if result := cleanup(t, m, run); result.Deleted() != tc.deleted || result.Deactivated() != tc.deactivated {
				t.Errorf("%s off, dry %v: %d deleted, %d deactivated; want %d, %d", name, run.DryRun, result.Deleted(), result.Deactivated(), tc.deleted, tc.deactivated)
			}
		}
	}
}

func TestOnlyOneRunAtATime(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 10, 2*day, nil)
	var inner error
	result := cleanup(t, m, sessioncleanup.Run{Progress: func(sessioncleanup.Progress) {
		_, inner = m.Cleanup(t.Context(), sessioncleanup.Run{})
	}})
	held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](inner)
	if !ok || !errors.Is(inner, sessioncleanup.ErrLeaseHeld) || held.Holder != result.RunID {
		t.Errorf("a run within a run fails with %v, want ErrLeaseHeld by %s", inner, result.RunID)
	}
	cleanup(t, m, sessioncleanup.Run{}) // the lease was released
}

func TestAStoppedRunFinishesItsBatch(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 500, 2*day, nil)
	ctx, cancel := context.WithCancel(t.Context())
	result, err := m.Cleanup(ctx, sessioncleanup.Run{Progress: func(sessioncleanup.Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) || result.Deactivated() != 100 || result.Batches != 1 {
		t.Fatalf("Cleanup = %+v, %v; want one batch and context.Canceled", result, err)
	}
	last, ok, err := m.LastRun(t.Context())
	if err != nil || !ok || last.Run.Phases.Of(sessioncleanup.ActionDeactivated).Done != 100 || last.Run.Error == "" {
		t.Errorf("last run: %+v, %v, %v; want the stopped one", last, ok, err)
	}
	if rest := cleanup(t, m, sessioncleanup.Run{}); rest.Deactivated() != 400 {
		t.Errorf("the next run deactivates %d, want 400", rest.Deactivated())
	}
}

// A store returns the end of its context with what it was doing, in words of its own.
func TestARunThatIsStoppedWhileItLooksForSessionsIsInterrupted(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	put(t, db, 0, 5, 2*day, nil)
	ctx, cancel := context.WithCancel(t.Context())
	m := managerOver(t, listing{db, func(ctx context.Context) error {
		cancel()
		return fmt.Errorf("app.db: %w", context.Cause(ctx))
	}}, sessioncleanup.Policy{})
	if _, err := m.Cleanup(ctx, sessioncleanup.Run{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Cleanup = %v, want context.Canceled", err)
	}
	last, ok, err := m.LastRun(t.Context())
	if err != nil || !ok || last.Run.Outcome() != sessioncleanup.OutcomeInterrupted {
		t.Errorf("last run: %+v, %v, %v; want one that was interrupted", last.Run, ok, err)
	}
}

// listing is a store whose lists fail.
type listing struct {
	sessioncleanup.Store
	fail func(context.Context) error
}

func (l listing) List(ctx context.Context, _ sessioncleanup.Query) (sessioncleanup.Page, error) {
	return sessioncleanup.Page{}, l.fail(ctx)
}

func TestProgressReachesTheTotal(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 150, 2*day, nil)
	put(t, db, 1000, 120, 40*day, inactive)
	var seen []sessioncleanup.Progress
	cleanup(t, m, sessioncleanup.Run{Progress: func(p sessioncleanup.Progress) { seen = append(seen, p) }})
	last := seen[len(seen)-1]
	if last.Done != 270 || last.Total != 270 || seen[0].Action != sessioncleanup.ActionDeleted || last.Action != sessioncleanup.ActionDeactivated {
		t.Errorf("progress %+v, want deletions first and 270 of 270 at the end", seen)
	}
}

func TestCleanupRefusesBadRuns(t *testing.T) {
	t.Parallel()
	m, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	for _, r := range []sessioncleanup.Run{{InactiveAfter: -5}, {DeleteAfter: -time.Hour}, {PageSize: -1}, {PageSize: 1001}, {DeleteAtMost: -1}} {
		if _, err := m.Cleanup(t.Context(), r); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("Cleanup(%+v) = %v, want ErrInvalid", r, err)
		}
	}
	off, _ := newManager(t, sessioncleanup.Policy{Enabled: sessioncleanup.Off}, memory.Config{})
	if _, err := off.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrDisabled) {
		t.Errorf("Cleanup when disabled = %v, want ErrDisabled", err)
	}
}

func TestCleanupForgetsOldEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{EventsKeep: 10 * day}, memory.Config{})
		put(t, db, 0, 5, 2*day, nil)
		first := cleanup(t, m, sessioncleanup.Run{})
		time.Sleep(11 * day)
		cleanup(t, m, sessioncleanup.Run{})
		if got := eventCounts(t, m, first.RunID); len(got) != 0 {
			t.Errorf("events of a run 11 days ago are kept: %v", got)
		}
	})
}

// forgetful is a store that cannot record runs.
type forgetful struct{ sessioncleanup.Store }

func (forgetful) Record(context.Context, sessioncleanup.Record) (sessioncleanup.Event, error) {
	return sessioncleanup.Event{}, errors.New("the log is full")
}

func TestARunThatCannotBeRecordedFails(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	put(t, db, 0, 5, 2*day, nil)
	m := managerOver(t, forgetful{db}, sessioncleanup.Policy{})
	if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err == nil || result.Deactivated() != 5 {
		t.Errorf("Cleanup = %+v, %v; want the 5 and an error", result, err)
	}
}

func TestAStoppedRunForgetsNoEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 10, time.Hour, nil)
		first := cleanup(t, m, sessioncleanup.Run{})
		time.Sleep(365 * day) // as a wrong clock would have it
		put(t, db, 100, 300, 40*day, inactive)
		if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrTooMany) {
			t.Fatalf("Cleanup = %v, want ErrTooMany", err)
		}
		if len(eventCounts(t, m, first.RunID)) == 0 {
			t.Error("a run that was refused removed old events")
		}
	})
}

func TestAPanicReleasesTheLeaseAndIsRecorded(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 5, 2*day, nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = m.Cleanup(t.Context(), sessioncleanup.Run{Progress: func(sessioncleanup.Progress) { panic("bar is broken") }})
	}()
	if last, ok, err := m.LastRun(t.Context()); err != nil || !ok || last.Run.Error == "" {
		t.Errorf("last run %+v, %v, %v; want the one that the panic ended", last, ok, err)
	}
	cleanup(t, m, sessioncleanup.Run{}) // the lease was released
}

// blinking is a store whose clock and lists fail once each.
type blinking struct {
	sessioncleanup.Store
	now, list bool
}

func (b *blinking) Now(ctx context.Context) (time.Time, error) {
	if !b.now {
		b.now = true
		return time.Time{}, sessioncleanup.ErrUnavailable
	}
	return b.Store.Now(ctx)
}

func (b *blinking) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	if !b.list {
		b.list = true
		return sessioncleanup.Page{}, sessioncleanup.ErrUnavailable
	}
	return b.Store.List(ctx, q)
}

func TestARunRetriesBeforeItsFirstBatchToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 5, 2*day, nil)
		m := managerOver(t, &blinking{Store: db}, sessioncleanup.Policy{})
		if result := cleanup(t, m, sessioncleanup.Run{}); result.Deactivated() != 5 {
			t.Errorf("%d deactivated, want 5", result.Deactivated())
		}
	})
}

func TestRunWithAFilterTouchesOnlyWhatMatches(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 30, 2*day, nil) // session n belongs to owner n mod 3
	put(t, db, 100, 30, 40*day, inactive)
	run := sessioncleanup.Run{Filter: sessioncleanup.Filter{OwnerID: "1", Text: "1"}} // 1, 10, 13, 16, 19 and 100, 103, ...
	dry := run
	dry.DryRun = true
	want := sessioncleanup.Phases{
		{Action: sessioncleanup.ActionDeleted, Due: 10, Done: 10},
		{Action: sessioncleanup.ActionDeactivated, Due: 5, Done: 5},
	}
	would, did := cleanup(t, m, dry), cleanup(t, m, run)
	for name, result := range map[string]sessioncleanup.Result{"dry run": would, "run": did} {
		if diff := cmp.Diff(want, result.Phases); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if len(would.Sessions) != 15 {
		t.Errorf("the dry run shows %d sessions, want 15", len(would.Sessions))
	}
	if stats, err := m.Stats(t.Context(), ""); err != nil || stats.Total != 50 || stats.DueForDeletion != 20 || stats.DueForDeactivation != 25 {
		t.Errorf("stats after: %+v, %v; want the others as they were", stats, err)
	}
	recorded, err := m.Events(t.Context(), sessioncleanup.EventQuery{RunID: did.RunID, Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}})
	if err != nil || len(recorded) != 1 || !recorded[0].Run.Partial || recorded[0].Run.Filter != run.Filter {
		t.Errorf("the run is recorded as %+v, %v; want it partial, with its filter", recorded, err)
	}
	if last, found, err := m.LastRun(t.Context()); err != nil || found {
		t.Errorf("the last run is %+v, %v; want none: partial runs do not count", last, err)
	}
	cleanup(t, m, sessioncleanup.Run{})
	if last, _, err := m.LastRun(t.Context()); err != nil || last.Run.Partial || !cmp.Equal(last.Run.Phases.Total().Done, 45) {
		t.Errorf("a whole run is recorded as %+v, %v", last.Run, err)
	}
}

// reluctant is a store whose batches leave out one session, as if another transaction had locked it.
type reluctant struct {
	sessioncleanup.Store
	locked string // its ID
}

func (r reluctant) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	protect := func(on bool) error {
		_, err := r.Update(ctx, sessioncleanup.Target{ID: r.locked}, sessioncleanup.Change{AutoCleanup: sessioncleanup.SwitchOf(!on)})
		return err
	}
	if err := protect(true); err != nil {
		return sessioncleanup.BatchResult{}, err
	}
	out, err := r.Store.Sweep(ctx, b)
	return out, errors.Join(err, protect(false))
}

func TestPhasesTellSkippedSessionsFromFailedOnes(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{Refuse: func(s sessioncleanup.Session) error {
		if s.ID == "3" || s.ID == "4" {
			return errors.New("still referred to")
		}
		return nil
	}})
	put(t, db, 0, 10, 40*day, inactive)
	put(t, db, 100, 10, 2*day, nil)
	locked := reluctant{db, "7"}
	result := cleanup(t, managerOver(t, locked, sessioncleanup.Policy{}), sessioncleanup.Run{})
	want := sessioncleanup.Phases{
		{Action: sessioncleanup.ActionDeleted, Due: 10, Done: 7, Skipped: 1, Failed: 2},
		{Action: sessioncleanup.ActionDeactivated, Due: 10, Done: 10},
	}
	if diff := cmp.Diff(want, result.Phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	if last, _, err := managerOver(t, db, sessioncleanup.Policy{}).LastRun(t.Context()); err != nil || !cmp.Equal(last.Run.Phases, want) {
		t.Errorf("the run is recorded as %+v, %v; want the same phases", last.Run, err)
	}
}
