package postgres_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	waiting "github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

var kills = flag.Int("kills", 5, "how often each of the kill tests kills")

// envVictim makes the test binary the process that is killed: it cleans up, archives, restores, backs up or migrates the
// database of envURL.
const (
	envVictim = "SESSIONCLEANUP_TEST_VICTIM"
	envURL    = "SESSIONCLEANUP_TEST_VICTIM_URL"
)

// runVictim does the victim's work and ends the process.
func runVictim(work string) {
	ctx := context.Background()
	store, err := postgres.Open(ctx, os.Getenv(envURL), postgres.Config{})
	var runs int
	var dir string
	if _, scanErr := fmt.Sscanf(work, "backup %d %s", &runs, &dir); err == nil && scanErr == nil {
		err = archivetest.BackUpAll(ctx, store, dir, runs)
	} else if err == nil && work == "migrate" {
		fmt.Println("begun")
		err = store.Migrate(ctx, sessioncleanup.Policy{})
	} else if err == nil {
		var manager *sessioncleanup.Manager
		policy := sessioncleanup.Policy{BatchSize: 20, BusyShare: 1, Archive: sessioncleanup.SwitchOf(work != "cleanup")}
		if manager, err = sessioncleanup.New(store, sessioncleanup.Config{Policy: policy}); err == nil {
			fmt.Println("begun")
			if work == "restore" {
				err = archivetest.RestoreAll(ctx, manager)
			} else {
				_, err = manager.Cleanup(ctx, sessioncleanup.Run{Force: true})
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// killed starts a victim and kills it with SIGKILL some time after it began, at a random moment up to most. It reports
// whether the victim was still running, once the server has ended its connections: until then their rows are locked.
func killed(t *testing.T, url, work string, most time.Duration) bool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limited, self)
	cmd.Env = append(os.Environ(), envVictim+"="+work, envURL+"="+url+"&application_name=victim")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("begun\n"))); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(rand.N(most), func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false
	case errors.As(err, &exit) && !exit.Exited():
		pool := connect(t, url)
		defer pool.Close()
		for value[int](t, pool, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'victim' AND datname = current_database()") > 0 {
			if err := waiting.For(limited, 5*time.Millisecond); err != nil {
				t.Fatalf("the server has not ended the victim's connections: %v", err)
			}
		}
		return true
	default:
		t.Fatalf("victim: %v", err)
		return false
	}
}

// expectWhole compares the log with what became of the sessions 1 to count, all of which were due: the odd ones, which
// were active, for deactivation, the others for deletion.
func expectWhole(t *testing.T, pool *pgxpool.Pool, count int, finished bool) {
	t.Helper()
	var deleted, deactivated, gone, inactive, twice int
	err := pool.QueryRow(t.Context(), `
		WITH e AS (SELECT action, unnest(session_ids)::int AS id FROM sessioncleanup_events WHERE action <> 'run')
		SELECT (SELECT count(*) FROM e WHERE action = 'deleted'), (SELECT count(*) FROM e WHERE action = 'deactivated'),
		       (SELECT count(*) FROM generate_series(2, $1::int, 2) n WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.id = n)),
		       (SELECT count(*) FROM sessions s WHERE s.id % 2 = 1 AND NOT s.active),
		       (SELECT count(*) FROM (SELECT FROM e GROUP BY id HAVING count(*) > 1) d)`, count).Scan(&deleted, &deactivated, &gone, &inactive, &twice)
	if err != nil {
		t.Fatal(err)
	}
	if deleted != gone || deactivated != inactive || twice != 0 {
		t.Errorf("the log has %d deleted, %d deactivated and %d sessions twice; %d are gone and %d inactive", deleted, deactivated, twice, gone, inactive)
	}
	if finished && gone+inactive != count {
		t.Errorf("%d of %d sessions were cleaned up", gone+inactive, count)
	}
}

// half inserts sessions that are all due.
func half(t *testing.T, pool *pgxpool.Pool, count int) {
	t.Helper()
	mustExec(t, pool, `INSERT INTO sessions (id, active, created_at, last_activity, deactivated_at)
		SELECT n, n % 2 = 1, now() - interval '90 days', now() - interval '1 day' * (40 - n % 2 * 30), CASE WHEN n % 2 = 0 THEN timestamptz 'epoch' END FROM generate_series(1, $1::int) n`, count)
}

// finish runs the cleanup to its end. A killed run's lease blocks others until it ends.
func finish(t *testing.T, store *postgres.Store, pool *pgxpool.Pool) {
	t.Helper()
	mustExec(t, pool, "UPDATE sessioncleanup_leases SET expires_at = now()")
	if _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil {
		t.Fatal(err)
	}
}

func TestKilledCleanerLeavesWholeBatches(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	const count = 3000
	hits := 0
	for range *kills {
		store, pool := adopted(t, "guide")
		half(t, pool, count)
		if killed(t, pool.Config().ConnString(), "cleanup", 500*time.Millisecond) {
			hits++
		}
		expectWhole(t, pool, count, false)
		finish(t, store, pool)
		expectWhole(t, pool, count, true)
	}
	t.Logf("%d of %d cleaners were killed while they ran", hits, *kills)
}

func TestKilledMigrationIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	filled := func() (string, *pgxpool.Pool) {
		url := fresh(t, "guide")
		pool := connect(t, url)
		mustExec(t, pool, "INSERT INTO sessions (id, created_at, updated_at) SELECT n, now() - interval '9 days', now() - interval '8 days' FROM generate_series(1, 20000) n")
		return url, pool
	}
	url, _ := filled()
	migrate(t, open(t, url, postgres.Config{}))
	want := dump(t, url)
	hits := 0
	for range *kills {
		url, pool := filled()
		if killed(t, url, "migrate", 800*time.Millisecond) {
			hits++
		}
		store := open(t, url, postgres.Config{})
		migrate(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
		if got := dump(t, url); got != want {
			t.Error("after a killed migration and another one the schema is not that of one migration")
		}
		if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE last_activity <> updated_at"); n != 0 {
			t.Errorf("%d sessions have a wrong last activity", n)
		}
	}
	t.Logf("%d of %d migrations were killed while they ran", hits, *kills)
}

// TestKilledBackendDoesNotStopARun: the server ends the cleaner's connection, and then all of its own processes, as it
// does when one crashes; the run tries again and finishes.
func TestKilledBackendDoesNotStopARun(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	const count = 1000
	// What the server has confirmed must outlive it, the lease too.
	server := pgtest.Start(t, map[string]string{"restart_after_crash": "on", "synchronous_commit": "on"})
	for i := range *kills {
		url := server.Prepared(t, "guide", pgapps.All()["guide"].Adopt)
		pool := connect(t, url)
		half(t, pool, count)
		store := open(t, url+"&application_name=victim", postgres.Config{})
		manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BatchSize: 10, BusyShare: 1}})
		if err != nil {
			t.Fatal(err)
		}
		var struck sync.WaitGroup
		at := rand.IntN(count / 10)
		batches := 0
		_, err = manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true, Progress: func(sessioncleanup.Progress) {
			if batches++; batches == at+1 {
				struck.Go(func() { strike(t, pool, i%2 == 0) }) // it hits during the next batches
			}
		}})
		struck.Wait()
		if err != nil {
			t.Fatalf("run: %v", err)
		}
		reach(t, pool)
		// Rows that the killed process still held locked while the run went on are left to the next.
		expectWhole(t, pool, count, false)
		finish(t, store, pool)
		expectWhole(t, pool, count, true)
	}
}

// strike kills the process of the server that works for the cleaner: politely, or with SIGKILL, upon which the server
// restarts all of them. It returns when that has begun.
func strike(t *testing.T, pool *pgxpool.Pool, politely bool) {
	witness, err := pool.Acquire(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	defer witness.Release()
	var pid int
	if err := witness.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity WHERE application_name = 'victim' AND datname = current_database()
		ORDER BY state = 'idle', backend_start LIMIT 1`).Scan(&pid); err != nil {
		t.Error(err)
		return
	}
	if politely {
		if _, err := witness.Exec(t.Context(), "SELECT pg_terminate_backend($1)", pid); err != nil {
			t.Error(err)
		}
		return
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := witness.Exec(t.Context(), "SELECT pg_sleep(60)"); err == nil {
		t.Error("the server went on for a minute after one of its processes had been killed")
	}
}

// reach waits until a server that restarts lets its clients in again.
func reach(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = pool.Ping(t.Context()); err == nil {
			return
		}
	}
	t.Fatalf("the server is not back: %v", err)
}
