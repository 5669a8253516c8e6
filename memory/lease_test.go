package memory

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func lend(t *testing.T, s *Store, holder string, ttl time.Duration) sessioncleanup.Lease {
	t.Helper()
	l, err := s.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: holder, TTL: ttl})
	if err != nil {
		t.Fatalf("lease for %s: %v", holder, err)
	}
	return l
}

func TestLeaseHasOneHolderAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		first := lend(t, s, "a", time.Minute)
		expect(t, "first", first, sessioncleanup.Lease{Name: "cleanup", Holder: "a", Epoch: 1, ExpiresAt: time.Now().UTC().Add(time.Minute)})
		time.Sleep(time.Minute - 1)
		_, err := s.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "b", TTL: time.Minute})
		held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err)
		if !ok || !errors.Is(err, sessioncleanup.ErrLeaseHeld) || *held != (sessioncleanup.LeaseHeldError{Name: "cleanup", Holder: "a", Until: first.ExpiresAt}) {
			t.Fatalf("error is %v, want a LeaseHeldError with all of it", err)
		}
		renewed := lend(t, s, "a", time.Minute)
		expect(t, "renewed", renewed, sessioncleanup.Lease{Name: "cleanup", Holder: "a", Epoch: 1, ExpiresAt: time.Now().UTC().Add(time.Minute)})
		time.Sleep(time.Minute)
		expect(t, "epoch when nobody took it since it ended", lend(t, s, "a", time.Minute).Epoch, 1)
		time.Sleep(time.Minute)
		expect(t, "epoch when it passes on", lend(t, s, "b", time.Minute).Epoch, 2)
		time.Sleep(time.Minute)
		expect(t, "epoch when it comes back", lend(t, s, "a", time.Minute).Epoch, 3)
		lend(t, s, "b", 0) // not its holder: no error, and no release
		if _, err := s.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "b", TTL: 1}); !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			t.Errorf("after a release by somebody else: error is %v, want ErrLeaseHeld", err)
		}
		lend(t, s, "a", 0)
		expect(t, "epoch after a release", lend(t, s, "a", time.Minute).Epoch, 4)
	})
}

func TestBatchWithoutItsLeaseIsNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		put(t, s, unused("1", true, 2*day), unused("2", false, 60*day))
		never := sessioncleanup.Lease{Name: "cleanup", Holder: "a", Epoch: 1}
		refused := func(why string, l sessioncleanup.Lease) {
			t.Helper()
			for name, step := range phases(s) {
				_, err := step(t.Context(), sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 1, Lease: l})
				if !errors.Is(err, sessioncleanup.ErrLeaseLost) {
					t.Errorf("%s, %s: error is %v, want ErrLeaseLost", name, why, err)
				}
			}
		}
		refused("never taken", never)
		mine := lend(t, s, "a", time.Minute)
		refused("an older epoch", sessioncleanup.Lease{Name: "cleanup", Holder: "a", Epoch: 0})
		refused("another holder", sessioncleanup.Lease{Name: "cleanup", Holder: "b", Epoch: 1})
		time.Sleep(time.Minute)
		refused("ended", mine)
		lend(t, s, "b", time.Minute)
		refused("passed on", mine)
		lend(t, s, "b", 0)
		refused("released", sessioncleanup.Lease{Name: "cleanup", Holder: "b", Epoch: 2})
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
		again := lend(t, s, "a", time.Minute)
		for name, step := range phases(s) {
			if _, err := step(t.Context(), sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 1, Lease: again}); err != nil {
				t.Errorf("%s by the holder: %v", name, err)
			}
		}
	})
}

func TestLeaseRefusesRequestsThatSayTooLittle(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	for _, r := range []sessioncleanup.LeaseRequest{{Holder: "a", TTL: 1}, {Name: "n", TTL: 1}, {Name: "n", Holder: "a", TTL: -1}} {
		if _, err := s.Lease(t.Context(), r); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%s: error is %v, want ErrInvalid", fmt.Sprintf("%+v", r), err)
		}
	}
}
