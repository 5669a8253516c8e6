package mysql_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

var kills = flag.Int("kills", 5, "how often each of the kill tests kills")

// envVictim makes the test binary the process that is killed: it archives, restores or backs up the database of envURL.
const (
	envVictim = "SESSIONCLEANUP_TEST_VICTIM"
	envURL    = "SESSIONCLEANUP_TEST_VICTIM_URL"
)

// runVictim does the victim's work. It says when it begins.
func runVictim(work string) error {
	ctx := context.Background()
	store, err := mysql.Open(ctx, os.Getenv(envURL), mysql.Config{})
	if err != nil {
		return err
	}
	var runs int
	var dir string
	if _, err := fmt.Sscanf(work, "backup %d %s", &runs, &dir); err == nil {
		return archivetest.BackUpAll(ctx, store, dir, runs)
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BatchSize: 20, BusyShare: 1, Archive: sessioncleanup.On}})
	if err != nil {
		return err
	}
	fmt.Println("begun")
	if work == "restore" {
		return archivetest.RestoreAll(ctx, m)
	}
	_, err = m.Cleanup(ctx, sessioncleanup.Run{Force: true})
	return err
}

// killed starts a victim and kills it with SIGKILL some time after it began, at a random moment up to most. It returns
// when the server has ended its transaction, and reports whether the victim was still running.
func killed(t *testing.T, d mysqltest.Database, work string, most time.Duration) (hit bool) {
	t.Helper()
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	victim := d.Name + "_victim"
	execute(t, d.DB, "CREATE OR REPLACE USER "+victim+"; GRANT ALL ON "+d.Name+".* TO "+victim)
	u.User = url.User(victim)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limited, self)
	cmd.Env = append(os.Environ(), envVictim+"="+work, envURL+"="+u.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = io.ReadFull(out, make([]byte, len("begun\n")))
	}
	if err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(rand.N(most), func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var exit *exec.ExitError
	switch err := cmd.Wait(); {
	case err == nil:
	case errors.As(err, &exit) && !exit.Exited():
		hit = true
	default:
		t.Fatalf("victim: %v", err)
	}
	for left := 1; left > 0; {
		left = value[int](t, d, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '"+victim+"'")
	}
	execute(t, d.DB, "DROP USER "+victim+"; DELETE FROM sessioncleanup_leases")
	return hit
}

func TestKilledArchivingAndRestoringLeaveEachSessionInOnePlace(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	const count = 400
	_, d, m := archivingOn(t, sessioncleanup.Policy{}, guide.tables+fmt.Sprintf(`;
		INSERT INTO sessions (id) SELECT seq FROM seq_1_to_%d; INSERT INTO propositions (session_id) SELECT id FROM sessions; INSERT INTO propositions (session_id) SELECT id FROM sessions`, count))
	archivetest.Archiving{
		Manager: m, Count: count,
		MakeDue: func() { makeDue(t, d, "TRUE") },
		Kill:    func(work string) bool { return killed(t, d, work, 300*time.Millisecond) },
		Misplaced: func() int {
			return value[int](t, d, fmt.Sprintf(`
				SELECT COUNT(*)
				  FROM seq_1_to_%d AS n
				  LEFT JOIN (SELECT id, 1 AS there FROM sessions) AS s ON s.id = n.seq
				  LEFT JOIN (SELECT session_id, COUNT(*) AS n FROM propositions GROUP BY session_id) AS p ON p.session_id = n.seq
				  LEFT JOIN (SELECT CAST(session AS UNSIGNED) AS session, COUNT(*) AS n, MAX(id) AS id FROM sessioncleanup_archive GROUP BY session) AS a ON a.session = n.seq
				  LEFT JOIN (SELECT entry, COUNT(*) AS n FROM sessioncleanup_archive_rows GROUP BY entry) AS r ON r.entry = a.id
				 WHERE (COALESCE(s.there, 0), COALESCE(p.n, 0), COALESCE(a.n, 0), COALESCE(r.n, 0)) NOT IN ((1, 2, 0, 0), (0, 0, 1, 3))`, count))
		},
		Archived: func() int { return value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_archive") },
	}.Killed(t, *kills)
}

func TestKilledBackupsLoseNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	hits, purged := 0, 0
	for range *kills {
		store, d, _ := archivingOn(t, sessioncleanup.Policy{}, guide.tables+fmt.Sprintf(`;
			INSERT INTO sessions (id) SELECT seq FROM seq_1_to_%d; INSERT INTO propositions (session_id) SELECT id FROM sessions`, archivetest.BackedUpSessions))
		texts := func(query string) []string {
			all, err := mysqltest.Texts(t.Context(), d.DB, query, 0)
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		hit, n := archivetest.BackingUp{
			Store: store,
			Kill: func(dir string, runs int) bool {
				return killed(t, d, fmt.Sprint("backup ", runs, " ", dir), 100*time.Millisecond)
			},
			Stored:   func() []string { return texts("SELECT id FROM sessions") },
			Archived: func() []string { return texts("SELECT session FROM sessioncleanup_archive") },
		}.Killed(t, rand.IntN(10))
		if purged += n; hit {
			hits++
		}
	}
	t.Logf("%d of %d backups were killed while they ran, with %d sessions purged", hits, *kills, purged)
}
