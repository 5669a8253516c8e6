package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// envFollower makes the test binary a process that follows the log of the database with this URL, and prints the number
// of each event.
const envFollower = "SESSIONCLEANUP_TEST_FOLLOWER"

func TestMain(m *testing.M) {
	if url := os.Getenv(envFollower); url != "" {
		fmt.Fprintln(os.Stderr, followed(url))
		os.Exit(1)
	}
	os.Exit(pgtest.Main(m))
}

func followed(url string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{Policy: sessioncleanup.Policy{BatchBudget: 50 * time.Millisecond}, LeaseTTL: time.Second})
	if err != nil {
		return err
	}
	return sessions.Follow(ctx, "test", func(events []sessioncleanup.Event) error {
		for _, e := range events {
			fmt.Println(e.Reason)
		}
		return nil
	})
}

// TestAFollowerThatIsKilledSkipsNoEvent kills one process after another, each at another event, and requires that the next one
// continues where its events were last stored, or begins with them again.
func TestAFollowerThatIsKilledSkipsNoEvent(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "app.db") },
		"PostgreSQL": func(t *testing.T) string { return pgtest.Prepared(t, "guide", pgapps.All()["guide"].Adopt) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := url(t)
			const events = 5
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			sessions, err := sessioncleanup.New(db, sessioncleanup.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := sessions.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			many := slices.Repeat([]sessioncleanup.SessionRef{{ID: "1"}}, 1000) // so that each call is for one event
			for n := range events {
				event := sessioncleanup.Event{Action: sessioncleanup.ActionScheduled, Actor: "test", Reason: fmt.Sprint(n), Sessions: many}
				if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: event}); err != nil {
					t.Fatal(err)
				}
			}
			for next := 0; next < events; {
				lines := printed(t, url, min(next+1+rand.IntN(2), events-1))
				if len(lines) == 0 || lines[0] != next && lines[0] != next-1 {
					t.Fatalf("a process begins with the events %d; want event %d or, again, the one before it", lines, next)
				}
				for i, n := range lines {
					if n != lines[0]+i {
						t.Fatalf("a process was given the events %d: want each once", lines)
					}
				}
				next = lines[len(lines)-1] + 1
			}
		})
	}
}

// printed starts a follower, kills it with SIGKILL when it has given the event last, and returns what it gave.
func printed(t *testing.T, url string, last int) (lines []int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // so that one that hangs is no test that does
	t.Cleanup(cancel)
	cmd := exec.CommandContext(limited, self)
	cmd.Env = append(os.Environ(), envFollower+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		var n int
		if _, err := fmt.Sscan(scanner.Text(), &n); err != nil {
			t.Fatal(err)
		}
		if lines = append(lines, n); n == last {
			_ = cmd.Process.Kill() // what it printed until then is still read
		}
	}
	_ = cmd.Wait()
	return lines
}
