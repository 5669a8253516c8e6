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

func inactive(s *sessioncleanup.Session)  { s.Active = false }
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
	if first.Deleted != 10 || first.Deactivated != 30 || first.Failed != 0 || first.Due != 40 {
		t.Errorf("first run: %+v, want 10 deleted, 30 deactivated of 40 due", first)
	}
	want := map[sessioncleanup.Action]int{sessioncleanup.ActionDeleted: 10, sessioncleanup.ActionDeactivated: 30, sessioncleanup.ActionRun: 1}
	if diff := cmp.Diff(want, eventCounts(t, m, first.RunID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// What the first run deactivated was idle for 40 days: the second one deletes it.
	if second := cleanup(t, m, sessioncleanup.Run{Force: true}); second.Deleted != 30 || second.Deactivated != 0 {
		t.Errorf("second run: %+v, want 30 deleted", second)
	}
	stats, err := m.Stats(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if stats.Total != 25 || stats.Protected != 5 || stats.CleanupCandidates != 0 || stats.LastRun == nil {
		t.Errorf("stats after: %+v, want 25 sessions, 5 of them protected, none due, and the last run", stats)
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
			if err := db.Put(s); err != nil {
				t.Fatal(err)
			}
		}
		run := sessioncleanup.Run{Force: true, InactiveAfter: time.Duration(1+r.IntN(100)) * time.Hour, DeleteAfter: time.Duration(1+r.IntN(50)) * day}
		dry := run
		dry.DryRun = true
		would, did := cleanup(t, m, dry), cleanup(t, m, run)
		if would.Deleted != did.Deleted || would.Deactivated != did.Deactivated || would.Due != did.Due {
			t.Errorf("seed %d: a dry run says %d deleted and %d deactivated, the run did %d and %d",
				seed, would.Deleted, would.Deactivated, did.Deleted, did.Deactivated)
		}
		if want := min(50, would.Due); len(would.Sessions) != want {
			t.Errorf("seed %d: the dry run shows %d sessions, want %d", seed, len(would.Sessions), want)
		}
	}
}

func TestBrakeStopsARunBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 99, time.Hour, nil)
	put(t, db, 1000, 101, 40*day, inactive)
	put(t, db, 2000, 1, 40*day, nil)

	dry := cleanup(t, m, sessioncleanup.Run{DryRun: true})
	if dry.Brake == nil || dry.Brake.Due != 101 || dry.Deleted != 101 {
		t.Errorf("dry run: %+v, want the brake to be told", dry)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if !errors.Is(err, sessioncleanup.ErrTooMany) || result.Deleted+result.Deactivated != 0 {
		t.Fatalf("Cleanup = %+v, %v; want ErrTooMany and nothing changed", result, err)
	}
	if tooMany, ok := errors.AsType[*sessioncleanup.TooManyError](err); !ok || tooMany.Due != 101 {
		t.Errorf("error %v, want a TooManyError for 101 sessions", err)
	}
	stats, err := m.Stats(t.Context(), "")
	if err != nil || stats.Total != 201 || len(stats.Alerts) == 0 || stats.Alerts[len(stats.Alerts)-1].Code != sessioncleanup.AlertCleanupFailed {
		t.Errorf("stats after the brake: %+v, %v; want all 201 sessions and an alert of the failed run", stats, err)
	}
	put(t, db, 3000, 1, time.Hour, nil) // 101 of 202 is no more than half
	if result := cleanup(t, m, sessioncleanup.Run{}); result.Deleted != 101 || result.Deactivated != 1 {
		t.Errorf("run below the brake: %+v, want 101 deleted, 1 deactivated", result)
	}
}

func TestForceReleasesTheBrake(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 150, 40*day, inactive)
	if dry := cleanup(t, m, sessioncleanup.Run{DryRun: true, Force: true}); dry.Brake != nil {
		t.Errorf("forced dry run tells of the brake: %+v", dry.Brake)
	}
	if result := cleanup(t, m, sessioncleanup.Run{Force: true}); result.Deleted != 150 {
		t.Errorf("forced run: %+v, want 150 deleted", result)
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
			if result := cleanup(t, m, run); result.Deleted != tc.deleted || result.Deactivated != tc.deactivated {
				t.Errorf("%s off, dry %v: %d deleted, %d deactivated; want %d, %d", name, run.DryRun, result.Deleted, result.Deactivated, tc.deleted, tc.deactivated)
			}
		}
	}
}

func TestCleanupIsolatesSessionsThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	pinned := map[string]bool{"3": true, "250": true, "251": true, "799": true}
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{
		BeforeDelete: func(_ context.Context, s sessioncleanup.Session) error {
			if pinned[s.ID] {
				return fmt.Errorf("session %s is still referred to", s.ID)
			}
			return nil
		},
	})
	put(t, db, 0, 800, 40*day, inactive)
	put(t, db, 1000, 10, 2*day, nil)

	result := cleanup(t, m, sessioncleanup.Run{Force: true})
	if result.Deleted != 796 || result.Deactivated != 10 || result.Failed != 4 || len(result.Failures) != 4 {
		t.Fatalf("run: %+v, want 796 deleted, 10 deactivated, 4 failed", result)
	}
	for _, f := range result.Failures {
		if !pinned[f.SessionID] || f.Action != sessioncleanup.ActionDeleted || f.Error == "" {
			t.Errorf("failure %+v, want one of the pinned sessions with a reason", f)
		}
	}
	if got := eventCounts(t, m, result.RunID)[sessioncleanup.ActionDeleted]; got != 796 {
		t.Errorf("events tell of %d deletions, want 796", got)
	}
}

func TestCleanupKeepsOnlySomeFailures(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{
		BeforeDelete: func(context.Context, sessioncleanup.Session) error { return errors.New("still referred to") },
	})
	put(t, db, 0, 300, 40*day, inactive)
	if result := cleanup(t, m, sessioncleanup.Run{Force: true}); result.Failed != 300 || len(result.Failures) != 100 || result.Deleted != 0 {
		t.Errorf("run: %d deleted, %d failed, %d told; want 0, 300, 100", result.Deleted, result.Failed, len(result.Failures))
	}
}

// flaky is a store whose batches fail as told, before or after they were committed.
type flaky struct {
	sessioncleanup.Store
	fail  func(call int) error
	after bool
	calls int
}

func (f *flaky) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	f.calls++
	err := f.fail(f.calls)
	if err != nil && !f.after {
		return sessioncleanup.Outcome{}, err
	}
	out, storeErr := f.Store.DeactivateDue(ctx, b)
	if err != nil {
		return sessioncleanup.Outcome{}, err
	}
	return out, storeErr
}

func TestCleanupRetriesWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before the commit": false, "after the commit": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := memory.New(memory.Config{})
				put(t, db, 0, 250, 2*day, nil)
				m := managerOver(t, &flaky{Store: db, after: after, fail: func(call int) error {
					if call == 2 || call == 3 {
						return fmt.Errorf("%w: connection reset", sessioncleanup.ErrUnavailable)
					}
					return nil
				}}, sessioncleanup.Policy{})
				result := cleanup(t, m, sessioncleanup.Run{})
				if result.Deactivated != 250 {
					t.Errorf("run with retries counts %d deactivated, want 250", result.Deactivated)
				}
				if got := eventCounts(t, m, result.RunID)[sessioncleanup.ActionDeactivated]; got != 250 {
					t.Errorf("events tell of %d, want 250", got)
				}
			})
		})
	}
}

func TestCleanupGivesUpOnADatabaseThatStaysAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 250, 2*day, nil)
		m := managerOver(t, &flaky{Store: db, fail: func(call int) error {
			if call > 1 {
				return sessioncleanup.ErrUnavailable
			}
			return nil
		}}, sessioncleanup.Policy{})
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		if !errors.Is(err, sessioncleanup.ErrUnavailable) || result.Deactivated != 100 {
			t.Errorf("Cleanup = %+v, %v; want the first batch of 100 and ErrUnavailable", result, err)
		}
	})
}

func TestOnlyOneRunWorksAtATime(t *testing.T) {
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
	cleanup(t, m, sessioncleanup.Run{}) // the lease was let go
}

func TestARunThatLostItsLeaseChangesNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 300, 2*day, nil)
		stolen := false
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Progress: func(sessioncleanup.Progress) {
			if stolen {
				return
			}
			stolen = true
			time.Sleep(31 * time.Second) // past the lease, as a stopped process would be
			if _, err := db.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "thief", TTL: time.Hour}); err != nil {
				t.Errorf("taking over an expired lease: %v", err)
			}
		}})
		if !errors.Is(err, sessioncleanup.ErrLeaseLost) || result.Deactivated != 100 {
			t.Errorf("Cleanup = %+v, %v; want the first batch of 100 and ErrLeaseLost", result, err)
		}
	})
}

func TestAStoppedRunFinishesTheBatchAtHand(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 500, 2*day, nil)
	ctx, cancel := context.WithCancel(t.Context())
	result, err := m.Cleanup(ctx, sessioncleanup.Run{Progress: func(sessioncleanup.Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) || result.Deactivated != 100 || result.Batches != 1 {
		t.Fatalf("Cleanup = %+v, %v; want one batch and context.Canceled", result, err)
	}
	last, ok, err := m.LastRun(t.Context())
	if err != nil || !ok || last.Run.Deactivated != 100 || last.Run.Error == "" {
		t.Errorf("last run: %+v, %v, %v; want the stopped one", last, ok, err)
	}
	if rest := cleanup(t, m, sessioncleanup.Run{}); rest.Deactivated != 400 {
		t.Errorf("the next run deactivates %d, want 400", rest.Deactivated)
	}
}

func TestRateSpreadsARunOverTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{Rate: 10}, memory.Config{})
		put(t, db, 0, 1000, 2*day, nil)
		result := cleanup(t, m, sessioncleanup.Run{})
		// 100 batches of 10, a second apart: longer than the lease lasts unless it is renewed on the way.
		if result.Deactivated != 1000 || result.Duration < 99*time.Second || result.Duration > 101*time.Second {
			t.Errorf("1,000 sessions at 10 per second: %d in %v, want 1,000 in about 99 s", result.Deactivated, result.Duration)
		}
	})
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
	for _, r := range []sessioncleanup.Run{{InactiveAfter: -5}, {DeleteAfter: -time.Hour}, {PageSize: -1}, {PageSize: 1001}} {
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

func TestBrakeBearsAnyFraction(t *testing.T) {
	t.Parallel()
	for _, fraction := range []float64{5e-324, 1e-17, 1e-9, 0.4, 0.999} {
		m, db := newManager(t, sessioncleanup.Policy{MaxDeleteFraction: fraction}, memory.Config{})
		put(t, db, 0, 500, 40*day, inactive)
		if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrTooMany) || result.Deleted > 0 {
			t.Errorf("fraction %g: %d deleted, %v; want ErrTooMany", fraction, result.Deleted, err)
		}
	}
	m, db := newManager(t, sessioncleanup.Policy{MaxDeleteFraction: 1}, memory.Config{})
	put(t, db, 0, 500, 40*day, inactive)
	if result := cleanup(t, m, sessioncleanup.Run{}); result.Deleted != 500 {
		t.Errorf("with the brake lifted %d are deleted, want 500", result.Deleted)
	}
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
	if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err == nil || result.Deactivated != 5 {
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
			t.Error("a run that the brake stopped made the log forget")
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
	cleanup(t, m, sessioncleanup.Run{}) // the lease was let go
}

func TestATinyRateIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{Rate: 1e-11}, memory.Config{})
		put(t, db, 0, 3, 2*day, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*day)
		defer cancel()
		if result, err := m.Cleanup(ctx, sessioncleanup.Run{}); !errors.Is(err, context.DeadlineExceeded) || result.Deactivated != 1 {
			t.Errorf("Cleanup = %d deactivated, %v; want one in ten days", result.Deactivated, err)
		}
	})
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
		if result := cleanup(t, m, sessioncleanup.Run{}); result.Deactivated != 5 {
			t.Errorf("%d deactivated, want 5", result.Deactivated)
		}
	})
}

// slow is a store whose batches take some time per session.
type slow struct {
	sessioncleanup.Store
	perSession time.Duration
	limits     []int
	onBatch    func(context.Context)
}

func (s *slow) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	s.limits = append(s.limits, b.Limit)
	out, err := s.Store.DeactivateDue(ctx, b)
	time.Sleep(time.Duration(len(out.IDs)) * s.perSession)
	if s.onBatch != nil {
		s.onBatch(ctx)
	}
	return out, err
}

// busy is a store on which others are at work until some time.
type busy struct {
	sessioncleanup.Store
	until time.Time
	took  time.Duration // of each batch
	bad   bool          // each of them fails
}

func (s *busy) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	out, err := s.Store.DeactivateDue(ctx, b)
	out.Took, out.Busy = s.took, time.Now().Before(s.until)
	time.Sleep(out.Took)
	if s.bad {
		return sessioncleanup.Outcome{Took: out.Took, Busy: out.Busy}, &sessioncleanup.BatchError{IDs: []string{"x"}, Next: out.Next, Err: errors.New("no")}
	}
	return out, err
}

func TestARunMakesWayWhileOthersAreBusy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy  sessioncleanup.Policy
		took    time.Duration // of each of 20 batches
		bad     bool
		busyFor time.Duration
		stop    time.Duration
		want    time.Duration
	}{
		"by default":                          {took: 10 * time.Millisecond, want: 3810 * time.Millisecond}, // no rest after the last
		"for half of the time":                {policy: sessioncleanup.Policy{BusyShare: 0.5}, took: 10 * time.Millisecond, want: 390 * time.Millisecond},
		"not at all":                          {policy: sessioncleanup.Policy{BusyShare: 1}, took: 10 * time.Millisecond, want: 200 * time.Millisecond},
		"no longer than they are":             {took: 10 * time.Millisecond, busyFor: time.Second, want: 1150 * time.Millisecond},
		"unless it is stopped in its rest":    {policy: sessioncleanup.Policy{BusyShare: 0.0001}, took: 10 * time.Millisecond, stop: time.Second, want: time.Second},
		"for ten seconds at most":             {policy: sessioncleanup.Policy{BusyShare: 0.0001}, took: 10 * time.Millisecond, want: 19*10*time.Second + 200*time.Millisecond},
		"after batches that fail, too":        {took: 10 * time.Millisecond, bad: true, want: 3810 * time.Millisecond},
		"and keeps its rate":                  {policy: sessioncleanup.Policy{Rate: 100}, took: 10 * time.Millisecond, want: 19*time.Second + 10*time.Millisecond},
		"and its rate counts the work itself": {policy: sessioncleanup.Policy{Rate: 100, BusyShare: 1}, took: 500 * time.Millisecond, want: 19500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := memory.New(memory.Config{})
				put(t, db, 0, 2000, 2*day, nil)
				s := &busy{Store: db, until: time.Now().Add(time.Hour), took: c.took, bad: c.bad}
				if c.busyFor > 0 {
					s.until = time.Now().Add(c.busyFor)
				}
				c.policy.BatchSize, c.policy.BatchBudget = 100, time.Second
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.stop > 0 {
					time.AfterFunc(c.stop, cancel)
				}
				started := time.Now()
				result, err := managerOver(t, s, c.policy).Cleanup(ctx, sessioncleanup.Run{})
				if took := time.Since(started); took != c.want {
					t.Errorf("the run took %v, want %v", took, c.want)
				}
				if done := result.Deactivated + 100*result.Failed; c.stop == 0 && (err != nil || done != 2000) {
					t.Errorf("%d sessions were done (%v), want 2000", done, err)
				}
			})
		})
	}
}

func TestBatchesFollowTheTimeBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 3000, 2*day, nil)
		s := &slow{Store: db, perSession: time.Millisecond} // 50 sessions fill the budget of 50 ms
		cleanup(t, managerOver(t, s, sessioncleanup.Policy{}), sessioncleanup.Run{})
		for i, limit := range s.limits {
			if i > 2 && (limit < 20 || limit > 60) {
				t.Errorf("batch %d has up to %d sessions, want about 50: %v", i, limit, s.limits)
				break
			}
		}
		fast := &slow{Store: db}
		put(t, db, 0, 3000, 2*day, nil)
		cleanup(t, managerOver(t, fast, sessioncleanup.Policy{BatchSize: 700}), sessioncleanup.Run{})
		if want := []int{100, 200, 400, 700, 700}; len(fast.limits) < 5 || !cmp.Equal(fast.limits[:5], want) {
			t.Errorf("fast batches have up to %v sessions, want %v", fast.limits, want)
		}
	})
}

func TestTheBatchAtHandOutlivesTheRunsContext(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	put(t, db, 0, 500, 2*day, nil)
	ctx, cancel := context.WithCancel(t.Context())
	s := &slow{Store: db, onBatch: func(batch context.Context) {
		cancel()
		if batch.Err() != nil {
			t.Error("the batch at hand was cut off")
		}
	}}
	if _, err := managerOver(t, s, sessioncleanup.Policy{}).Cleanup(ctx, sessioncleanup.Run{}); !errors.Is(err, context.Canceled) || len(s.limits) != 1 {
		t.Errorf("Cleanup = %v after %d batches, want context.Canceled after one", err, len(s.limits))
	}
}
