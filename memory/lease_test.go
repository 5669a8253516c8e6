package memory

import (
	"errors"
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

func TestLeaseIsTakenRenewedAndReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		expect(t, "first", lend(t, s, "a", time.Minute), sessioncleanup.Lease{Name: "cleanup", Holder: "a", Epoch: 1, ExpiresAt: time.Now().UTC().Add(time.Minute), TTL: time.Minute})
		time.Sleep(time.Second)
		_, err := s.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "b", TTL: time.Minute})
		if held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err); !ok || held.Remaining != 59*time.Second {
			t.Errorf("error is %v, want a LeaseHeldError with 59 s left", err)
		}
		expect(t, "epoch when renewed", lend(t, s, "a", time.Minute).Epoch, 1)
		lend(t, s, "a", 0)
		expect(t, "epoch when it passes on", lend(t, s, "b", time.Minute).Epoch, 2)
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
			for _, action := range phases {
				b := batch(action, 1)
				b.Lease = l
				_, err := s.Sweep(t.Context(), b)
				if !errors.Is(err, sessioncleanup.ErrLeaseLost) {
					t.Errorf("%s, %s: error is %v, want ErrLeaseLost", action, why, err)
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
		for _, action := range phases {
			b := batch(action, 1)
			b.Lease = again
			if _, err := s.Sweep(t.Context(), b); err != nil {
				t.Errorf("%s by the holder: %v", action, err)
			}
		}
	})
}
