package mysql_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// others is the lease of those who migrate, as another process has it.
const others = `INSERT INTO sessioncleanup_leases (name, holder, epoch, expires_at, ttl_ms)
	VALUES ('migrate', 'another process', 1, UTC_TIMESTAMP(6) + INTERVAL 15 SECOND, 15000)
	ON DUPLICATE KEY UPDATE holder = VALUES(holder), epoch = epoch + 1, expires_at = VALUES(expires_at), ttl_ms = VALUES(ttl_ms)`

func TestMigrateWaitsForAnotherProcessUntilItsLeaseEnds(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms)
	execute(t, d.DB, others)
	limited, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for name, call := range map[string]func(ctx context.Context) error{
		"Migrate":   func(ctx context.Context) error { return store.Migrate(ctx, sessioncleanup.Policy{}) },
		"Uninstall": store.Uninstall,
	} {
		if err := call(limited); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s while another process migrates: %v, want it to wait", name, err)
		}
	}
	execute(t, d.DB, "UPDATE sessioncleanup_leases SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 MICROSECOND")
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Errorf("Migrate after the other process was killed: %v", err)
	}
	if holder := value[string](t, d, "SELECT holder FROM sessioncleanup_leases WHERE name = 'migrate'"); holder != "" {
		t.Errorf("after Migrate %q has the lease, want nobody", holder)
	}
}

// A process that was frozen is taken over meanwhile. It stores nothing over the other one's settings, and starts again.
func TestAProcessThatLostItsLeaseMigratesAgain(t *testing.T) {
	t.Parallel()
	_, d := adopted(t, rooms)
	const table = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'sessions' AND column_name = 'late_expiry'"
	late := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{ExpiresAt: "late_expiry", AddColumns: true}})
	open, err := d.Conn(t.Context()) // Migrate does not get beyond the table while this transaction uses it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	if _, err := open.ExecContext(t.Context(), "START TRANSACTION; SELECT * FROM sessions"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- late.Migrate(t.Context(), sessioncleanup.Policy{}) }()
	eventually(t, "Migrate has the lease", func() bool {
		return value[string](t, d, "SELECT holder FROM sessioncleanup_leases WHERE name = 'migrate'") != ""
	})
	execute(t, d.DB, others)
	execute(t, d.DB, "UPDATE sessioncleanup_settings SET policy = REPLACE(policy, '{', '{ ')") // what the other one stored
	stored := value[string](t, d, "SELECT policy FROM sessioncleanup_settings")
	if _, err := open.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the columns are added", func() bool {
		select {
		case err := <-done:
			t.Fatalf("Migrate ended: %v", err)
		default:
		}
		return value[int](t, d, table) == 1
	})
	select {
	case err := <-done:
		t.Fatalf("Migrate ended while another process had the lease: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	if now := value[string](t, d, "SELECT policy FROM sessioncleanup_settings"); now != stored {
		t.Errorf("the settings are %s, want those of the process that has the lease", now)
	}
	execute(t, d.DB, "UPDATE sessioncleanup_leases SET holder = '', expires_at = NULL WHERE name = 'migrate'")
	if err := <-done; err != nil {
		t.Fatalf("Migrate after it lost its lease: %v", err)
	}
	if err := late.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !holds() {
		if wait.For(limited, 5*time.Millisecond) != nil {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
