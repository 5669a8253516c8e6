package faults

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/faultnet"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestFaultFrozenProcess: a process that is stopped within a transaction, as a paused virtual machine is, keeps the
// application's rows for a few seconds, and another one takes over when its lease has ended.
func TestFaultFrozenProcess(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, nil)
	w := newWorld(t, server, 100_000)
	slow := faultnet.Start(t, server.Socket(), 5*time.Millisecond) // so that it is found between two round trips
	frozen := start(t, w.through(slow.Addr()), "serve", "--json", "--now")
	eventually(t, 30*time.Second, "a batch is found in a transaction", func() bool {
		if frozen.logged("sessions deactivated") == 0 {
			return false
		}
		frozen.signal(syscall.SIGSTOP)
		time.Sleep(10 * time.Millisecond) // for what is on its way
		if w.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'") > 0 {
			return true
		}
		frozen.signal(syscall.SIGCONT)
		return false
	})
	began := time.Now()
	w.exec("UPDATE sessions SET title = 'by the application' WHERE id <= 10000")
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the application waited for %v, want 5 s at most", took)
	}
	m := w.manager(server.URLOf(w.name))
	took := eventually(t, 45*time.Second, "another instance cleans up", func() bool {
		_, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		if err != nil && !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			t.Fatal(err)
		}
		return err == nil
	})
	if took > 40*time.Second {
		t.Errorf("another instance took over after %v, want the time of a lease, 30 s, and its own run", took)
	}
	frozen.signal(syscall.SIGCONT)
	eventually(t, 10*time.Second, "the process notices that it lost its lease", func() bool { return frozen.logged("lease was lost") > 0 })
	frozen.terminate()
	if n := w.count("SELECT count(*) FROM sessions WHERE is_active"); n != 0 {
		t.Errorf("%d sessions are still active", n)
	}
	w.consistent()
}

// TestFaultPartition: connections that do not answer any more, during runs, keep serve neither from working when the network
// is back nor from ending.
func TestFaultPartition(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, nil)
	w := newWorld(t, server, 10_000)
	network := faultnet.Start(t, server.Socket(), 0)
	process := start(t, w.through(network.Addr()), "serve", "--json", "--verbose", "--every", "1s", "--addr", "127.0.0.1:0", "--tokens", tokens(t))
	runs := func() int { return process.logged(`"cleanup finished"`) }
	eventually(t, 20*time.Second, "the first runs", func() bool { return runs() >= 2 })
	network.Partition()
	time.Sleep(5 * time.Second)
	network.Heal()
	before := runs()
	took := eventually(t, 40*time.Second, "a run after the network is back", func() bool { return runs() > before })
	if took > 30*time.Second {
		t.Errorf("the next run came %v after the network was back, want 30 s at most", took)
	}
	t.Logf("the next run came %v after the network was back", took)
	network.Partition()
	time.Sleep(1500 * time.Millisecond) // a run is due meanwhile
	process.terminate()
	w.consistent()
}

// TestFaultLatency: the sizes of batches do not follow what the network takes.
func TestFaultLatency(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, nil)
	w := newWorld(t, server, 20_000)
	far := faultnet.Start(t, server.Socket(), 15*time.Millisecond)
	began := time.Now()
	result, err := w.manager(w.through(far.Addr())).Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || result.Deactivated() != 20_000 {
		t.Fatalf("Cleanup = %+v, %v", result, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("20,000 sessions took %v at a round trip of 30 ms, want 10 s at most", took)
	}
	t.Logf("20,000 sessions took %v in %d batches, the longest %v", time.Since(began), result.Batches, result.LongestBatch)
}

// TestFaultLockedTable: while a table is locked a run waits and says who has it, and it goes on when it can.
func TestFaultLockedTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Start(t, nil), 1000)
	m := w.managerOver(postgres.Config{LockTimeout: time.Second})
	locker, err := w.pool.Begin(t.Context())
	if err == nil {
		_, err = locker.Exec(t.Context(), "LOCK TABLE sessions IN SHARE MODE")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Cleanup(t.Context(), sessioncleanup.Run{})
	if !errors.Is(err, sessioncleanup.ErrUnavailable) || !contains(err, "is locked by pid", "in a transaction since", "LOCK TABLE sessions") {
		t.Errorf("a run with the table locked: %v, want who has it since when", err)
	}
	unlock := time.AfterFunc(8*time.Second, func() { _ = locker.Rollback(t.Context()) })
	defer unlock.Stop()
	if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Deactivated() != 1000 {
		t.Errorf("a run while the lock ends: %+v, %v", result, err)
	}
	w.consistent()
}
