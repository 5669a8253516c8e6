package sessioncleanup_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

const warningDay = 24 * time.Hour

// warningManager is a Manager that warns 7 days before a deletion.
func warningManager(t *testing.T, store sessioncleanup.Store, p sessioncleanup.Policy) *sessioncleanup.Manager {
	t.Helper()
	if p.WarnBefore == 0 {
		p.WarnBefore = 7 * warningDay
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sendWarnings claims and settles every message that is due.
func sendWarnings(t *testing.T, store *memory.Store, m *sessioncleanup.Manager, outcome func() sessioncleanup.NoticeOutcome) {
	t.Helper()
	for n := 0; ; n++ {
		claim := sessioncleanup.NoticeClaim{Thresholds: m.Policy().Thresholds(), NewMessage: fmt.Sprint(time.Now().UnixNano(), n), Limit: 100}
		message, err := store.ClaimNotices(t.Context(), claim)
		if err != nil {
			t.Fatal(err)
		}
		if len(message.Notices) == 0 {
			return
		}
		o := outcome()
		o.Message = message.ID
		if err := store.SettleNotices(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABacklogIsWarnedFirstAndDeletedAFullNoticeLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Config{})
		used := time.Now().Add(-400 * warningDay)
		if err := store.Put(sessioncleanup.Session{ID: "1", OwnerID: "ann", AutoCleanup: true, LastActivity: used, DeactivatedAt: used}); err != nil {
			t.Fatal(err)
		}
		m := warningManager(t, store, sessioncleanup.Policy{})
		dry, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true})
		if err != nil || dry.Deleted() != 0 || dry.Noticed() != 1 || dry.Waiting != 1 || len(dry.Sessions) != 1 || time.Until(dry.Sessions[0].DeleteAt).Round(time.Minute) != 7*warningDay {
			t.Fatalf("the dry run says %+v, %v; want one that waits for its warning, and is deleted in 7 days", dry, err)
		}
		run := func() sessioncleanup.Result {
			t.Helper()
			result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
			if err != nil {
				t.Fatal(err)
			}
			return result
		}
		if first := run(); first.Deleted() != 0 || first.Noticed() != 1 {
			t.Errorf("the first run deleted %d and warned of %d, want none and 1", first.Deleted(), first.Noticed())
		}
		time.Sleep(10 * warningDay) // the channel is down
		if late := run(); late.Deleted() != 0 || late.Noticed() != 0 || late.Waiting != 1 {
			t.Errorf("a run without a delivered warning: %+v", late)
		}
		sendWarnings(t, store, m, func() sessioncleanup.NoticeOutcome { return sessioncleanup.NoticeOutcome{Delivered: true} })
		s, err := m.Get(t.Context(), "1")
		if err != nil || !s.DeleteAt.Equal(s.Warning.DeliveredAt.Add(7*warningDay)) {
			t.Errorf("the session is deleted at %v, %v; want 7 days after the warning of %v", s.DeleteAt, err, s.Warning.DeliveredAt)
		}
		stats, err := m.Stats(t.Context(), "")
		if err != nil || stats.Waiting != 1 || stats.DueForDeletion != 0 {
			t.Errorf("the figures are %+v, %v; want one that waits", stats, err)
		}
		time.Sleep(7*warningDay - time.Second)
		if early := run(); early.Deleted() != 0 {
			t.Error("a session was deleted before the end of its notice")
		}
		time.Sleep(2 * time.Second)
		if last := run(); last.Deleted() != 1 {
			t.Errorf("the session was not deleted after its notice: %+v", last)
		}
	})
}

func TestAStoreWithoutAnOutboxCannotWarn(t *testing.T) {
	t.Parallel()
	var store struct{ sessioncleanup.Store }
	store.Store = memory.New(memory.Config{})
	if _, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{WarnBefore: warningDay}}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("New with a store that keeps no warnings: %v, want ErrInvalid", err)
	}
	m := warningManager(t, memory.New(memory.Config{}), sessioncleanup.Policy{})
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{DeleteAfter: 3 * warningDay}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("a run that deletes sooner than the policy warns: %v, want ErrInvalid", err)
	}
}

// TestNothingIsDeletedWithoutAWarningOfItsIdlePeriod goes through random schedules of use, changes, runs with changing
// policies, and a channel that is often down, beside a model that remembers when each session was used and when its owner
// was told.
func TestNothingIsDeletedWithoutAWarningOfItsIdlePeriod(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) { randomSchedule(t, seed) })
	}
}

func randomSchedule(t *testing.T, seed uint64) {
	g := rand.New(rand.NewPCG(seed, 21))
	store := memory.New(memory.Config{})
	used, told, deleted := map[string]time.Time{}, map[string][]time.Time{}, 0
	for i := range 8 {
		id, at := fmt.Sprint(i), time.Now().Add(-time.Duration(g.IntN(60*24))*time.Hour)
		if err := store.Put(sessioncleanup.Session{ID: id, OwnerID: fmt.Sprint(i % 3), AutoCleanup: true, LastActivity: at, DeactivatedAt: at}); err != nil {
			t.Fatal(err)
		}
		used[id] = at
	}
	notice := 7 * warningDay
	m := warningManager(t, store, sessioncleanup.Policy{})
	for range 120 {
		time.Sleep(time.Duration(1+g.IntN(48*60)) * time.Minute)
		id, now := fmt.Sprint(g.IntN(8)), time.Now()
		switch g.IntN(9) {
		case 0, 1, 2, 3:
			before := listed(t, m)
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil {
				t.Fatal(err)
			}
			after := listed(t, m)
			for _, id := range before {
				if slices.Contains(after, id) {
					continue
				}
				deleted++
				warned := slices.ContainsFunc(told[id], func(at time.Time) bool { return at.After(used[id]) && now.Sub(at) >= notice-time.Millisecond })
				if !warned || now.Sub(used[id]) < m.Policy().DeleteAfter {
					t.Fatalf("seed %d: session %s was deleted at %v: used at %v, told at %v", seed, id, now, used[id], told[id])
				}
			}
		case 4, 5, 6:
			down := g.IntN(3) == 0
			sendWarnings(t, store, m, func() sessioncleanup.NoticeOutcome {
				if down {
					return sessioncleanup.NoticeOutcome{Again: time.Duration(g.IntN(1000)) * time.Minute, GivenUp: g.IntN(5) == 0}
				}
				return sessioncleanup.NoticeOutcome{Delivered: true}
			})
			for _, id := range listed(t, m) {
				if s, err := m.Get(t.Context(), id); err == nil && !s.Warning.DeliveredAt.IsZero() {
					told[id] = append(told[id], s.Warning.DeliveredAt)
				}
			}
		case 7:
			s, err := m.Get(t.Context(), id)
			if errors.Is(err, sessioncleanup.ErrNotFound) {
				continue
			}
			switch change := g.IntN(3); {
			case change == 0:
				err = m.Touch(t.Context(), id)
			case change == 1 && !s.Active:
				_, err = m.Reactivate(t.Context(), id)
			case s.Active:
				_, err = m.Deactivate(t.Context(), id)
			default:
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			used[id] = now
		case 8:
			notice = time.Duration(1+g.IntN(9)) * warningDay
			m = warningManager(t, store, sessioncleanup.Policy{WarnBefore: notice, DeleteAfter: time.Duration(10+g.IntN(30)) * warningDay})
			if _, err := store.ResendNotices(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if seed == 0 && deleted == 0 {
		t.Error("the check is wrong: nothing is ever deleted")
	}
}

// listed are the ids of all sessions.
func listed(t *testing.T, m *sessioncleanup.Manager) (ids []string) {
	t.Helper()
	page, err := m.List(t.Context(), sessioncleanup.ListOptions{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range page.Sessions {
		ids = append(ids, s.ID)
	}
	return ids
}
