package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// slowCounts is a store that takes its time to count, as one of millions of sessions.
type slowCounts struct {
	sessioncleanup.Store
	takes  time.Duration
	times  *atomic.Int64
	broken *atomic.Bool
}

func (s slowCounts) Unwrap() sessioncleanup.Store { return s.Store }

func (s slowCounts) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	s.times.Add(1)
	time.Sleep(s.takes)
	if s.broken.Load() {
		return sessioncleanup.Counts{}, errors.New("broken")
	}
	return s.Store.Counts(ctx, q)
}

func slowStore(t *testing.T, takes time.Duration) slowCounts {
	t.Helper()
	db := memory.New(memory.Config{})
	if err := db.Put(sessioncleanup.Session{ID: "a", Active: true, AutoCleanup: true, LastActivity: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return slowCounts{db, takes, &atomic.Int64{}, &atomic.Bool{}}
}

func recentManager(t *testing.T, store sessioncleanup.Store) *sessioncleanup.Manager {
	t.Helper()
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestManyProcessesCountForATwentiethOfTheTimeTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := slowStore(t, 100*time.Millisecond)
		oldest, until := time.Duration(0), time.Now().Add(time.Minute)
		var all sync.WaitGroup
		var mu sync.Mutex // guards oldest
		for range 5 {
			m := recentManager(t, store)
			all.Go(func() {
				for time.Now().Before(until) {
					s, err := m.RecentStats(t.Context(), "")
					if err != nil || s.Total != 1 {
						t.Errorf("%d sessions, %v; want 1", s.Total, err)
						return
					}
					mu.Lock()
					oldest = max(oldest, time.Since(s.At))
					mu.Unlock()
					time.Sleep(200 * time.Millisecond)
				}
			})
		}
		all.Wait()
		if n := store.times.Load(); n < 25 || n > 30 {
			t.Errorf("five processes counted %d times in a minute, 100 ms each; want about 28", n)
		}
		if oldest > 2500*time.Millisecond {
			t.Errorf("figures were %v old, want at most about 20 times what counting takes", oldest)
		}
	})
}

func TestCheapFiguresAreThoseOfNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := slowStore(t, 5*time.Millisecond)
		m := recentManager(t, store)
		for n := range 20 {
			if s, err := m.RecentStats(t.Context(), ""); err != nil || s.Inactive != n%2 {
				t.Fatalf("%d inactive, %v; want %d", s.Inactive, err, n%2)
			}
			change := m.Deactivate
			if n%2 == 1 {
				change = m.Reactivate
			}
			if _, err := change(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestCountingGoesOnForOthersWhenItsCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := slowStore(t, 3*time.Second)
		m := recentManager(t, store)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.RecentStats(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first caller's error is %v, want that of its deadline", err)
		}
		if s, err := m.RecentStats(t.Context(), ""); err != nil || s.Total != 1 || store.times.Load() != 1 {
			t.Errorf("the second caller gets %d sessions, %v, after %d counts; want 1, counted once", s.Total, err, store.times.Load())
		}
		store.broken.Store(true)
		time.Sleep(time.Minute)
		if _, err := m.RecentStats(t.Context(), ""); err == nil {
			t.Error("no error of a store that cannot count")
		}
		store.broken.Store(false)
		if s, err := m.RecentStats(t.Context(), ""); err != nil || time.Since(s.At) > time.Second*4 {
			t.Errorf("after a failure the figures are from %v, %v; want new ones", s.At, err)
		}
	})
}

// hurried asks for figures, and waits for a second.
func hurried(t *testing.T, m *sessioncleanup.Manager) (sessioncleanup.Stats, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return m.RecentStats(ctx, "")
}

func TestSessionsAreCountedOnceHoweverLongThatTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := slowStore(t, 5*time.Minute)
		for range 6 {
			if s, err := hurried(t, recentManager(t, store)); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%d sessions, %v; want the error of the caller's deadline", s.Total, err)
			}
			time.Sleep(45 * time.Second)
		}
		time.Sleep(time.Minute)
		if s, err := hurried(t, recentManager(t, store)); err != nil || s.Total != 1 || store.times.Load() != 1 {
			t.Errorf("%d sessions, %v, after %d counts; want 1, counted once", s.Total, err, store.times.Load())
		}
	})
}

func TestACountThatNeverEndsIsNotTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := slowStore(t, 15*time.Minute)
		m := recentManager(t, store)
		_, _ = m.RecentStats(t.Context(), "")
		for range 10 {
			time.Sleep(15 * time.Minute)
			if _, err := hurried(t, m); !errors.Is(err, sessioncleanup.ErrUnavailable) || store.times.Load() != 1 {
				t.Fatalf("%v, after %d counts; want an ErrUnavailable after one", err, store.times.Load())
			}
		}
		time.Sleep(time.Hour)
		if _, err := hurried(t, m); store.times.Load() != 2 {
			t.Errorf("after 3.5 hours: %v, %d counts; want a second one", err, store.times.Load())
		}
		time.Sleep(time.Hour)
	})
}

// readOnly is a store whose values cannot be written.
type readOnly struct{ slowCounts }

func (readOnly) SetValue(context.Context, string, []byte, int64) (bool, error) {
	return false, sessioncleanup.ErrUnavailable
}

func (readOnly) Value(context.Context, string) ([]byte, int64, error) { return nil, 0, nil }

func TestFiguresThatAnotherVersionStoredAreCountedAgain(t *testing.T) {
	t.Parallel()
	store := slowStore(t, 0)
	m := recentManager(t, store)
	if _, err := m.RecentStats(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	values, _ := sessioncleanup.StoreAs[sessioncleanup.Values](store)
	name := fmt.Sprintf("figures %+v", m.Policy().Thresholds())
	_, version, err := values.Value(t.Context(), name)
	if err != nil || version == 0 {
		t.Fatalf("the figures have version %d, %v", version, err)
	}
	if stored, err := values.SetValue(t.Context(), name, []byte(`{"at": 7}`), version); !stored || err != nil {
		t.Fatalf("stored: %t, %v", stored, err)
	}
	if s, err := m.RecentStats(t.Context(), ""); err != nil || s.Total != 1 {
		t.Errorf("RecentStats beside a value that cannot be read: %d sessions, %v; want 1", s.Total, err)
	}
}

func TestFiguresNeedNoRightToWrite(t *testing.T) {
	t.Parallel()
	m := recentManager(t, readOnly{slowStore(t, 0)})
	if s, err := m.RecentStats(t.Context(), ""); err != nil || s.Total != 1 {
		t.Errorf("RecentStats of a store that cannot be written: %d sessions, %v; want 1", s.Total, err)
	}
}
