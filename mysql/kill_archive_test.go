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
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
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
		return backUpAll(ctx, store, dir, runs)
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BatchSize: 20, BusyShare: 1, Archive: sessioncleanup.On}})
	if err != nil {
		return err
	}
	fmt.Println("begun")
	if work == "restore" {
		return restoreAll(ctx, m)
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

// restoreAll empties the archive, a few entries at a time.
func restoreAll(ctx context.Context, m *sessioncleanup.Manager) error {
	for {
		entries, err := m.Archived(ctx, sessioncleanup.ArchiveOptions{Limit: 5})
		if err != nil || len(entries) == 0 {
			return err
		}
		var ids []int64
		for _, e := range entries {
			ids = append(ids, e.ID)
		}
		if _, err := m.RestoreEntries(ctx, ids, sessioncleanup.RestoreOptions{}); err != nil {
			return err
		}
	}
}

// expectOnce requires that each of the sessions 1 to count is in its table with its two rows, or once in the archive with them,
// but never in both, and returns how many are archived.
func expectOnce(t *testing.T, d mysqltest.Database, count int, when string) (archived int) {
	t.Helper()
	wrong := value[int](t, d, fmt.Sprintf(`
		SELECT COUNT(*)
		  FROM seq_1_to_%d AS n
		  LEFT JOIN (SELECT id, 1 AS there FROM sessions) AS s ON s.id = n.seq
		  LEFT JOIN (SELECT session_id, COUNT(*) AS n FROM propositions GROUP BY session_id) AS p ON p.session_id = n.seq
		  LEFT JOIN (SELECT CAST(session AS UNSIGNED) AS session, COUNT(*) AS n, MAX(id) AS id FROM sessioncleanup_archive GROUP BY session) AS a ON a.session = n.seq
		  LEFT JOIN (SELECT entry, COUNT(*) AS n FROM sessioncleanup_archive_rows GROUP BY entry) AS r ON r.entry = a.id
		 WHERE (COALESCE(s.there, 0), COALESCE(p.n, 0), COALESCE(a.n, 0), COALESCE(r.n, 0)) NOT IN ((1, 2, 0, 0), (0, 0, 1, 3))`, count))
	if wrong > 0 {
		t.Errorf("%s: %d sessions are not in exactly one place, whole", when, wrong)
	}
	return value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_archive")
}

func TestKilledArchivingAndRestoringLeaveEachSessionInOnePlace(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	const count = 400
	_, d, m := archivingOn(t, sessioncleanup.Policy{}, guide.tables+fmt.Sprintf(`;
		INSERT INTO sessions (id) SELECT seq FROM seq_1_to_%d; INSERT INTO propositions (session_id) SELECT id FROM sessions; INSERT INTO propositions (session_id) SELECT id FROM sessions`, count))
	hits := 0
	for range *kills {
		makeDue(t, d, "TRUE")
		if killed(t, d, "archive", 300*time.Millisecond) {
			hits++
		}
		expectOnce(t, d, count, "after a cleaner was killed")
		if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil {
			t.Fatal(err)
		}
		if n := expectOnce(t, d, count, "after the next run"); n != count {
			t.Errorf("after the next run %d of %d sessions are archived", n, count)
		}
		if killed(t, d, "restore", 300*time.Millisecond) {
			hits++
		}
		expectOnce(t, d, count, "after a restore was killed")
		if err := restoreAll(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if n := expectOnce(t, d, count, "after restoring the others"); n != 0 {
			t.Errorf("after restoring, %d sessions are archived", n)
		}
	}
	t.Logf("%d of %d processes were killed while they ran", hits, 2**kills)
}

const killedSessions = 100

// backUpAll deletes the sessions 1 to killedSessions, 10 at a time, with a run after each that backs them up and purges those
// that were. It says when it has done so many of these runs.
func backUpAll(ctx context.Context, store sessioncleanup.Store, path string, runs int) error {
	dir, err := backup.NewDir(path)
	if err != nil {
		return err
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{
		Policy: sessioncleanup.Policy{
			Archive: sessioncleanup.On, ArchiveKeep: time.Nanosecond, InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never, BusyShare: 1,
		},
		Backups: backup.New(dir),
	})
	for id := 1; err == nil && id <= killedSessions; id++ {
		if id == 1+10*runs {
			fmt.Println("begun")
		}
		if _, err = m.Delete(ctx, strconv.Itoa(id)); errors.Is(err, sessioncleanup.ErrNotFound) {
			err = nil // by the process that was killed
		}
		if err == nil && id%10 == 0 {
			_, err = m.Cleanup(ctx, sessioncleanup.Run{})
		}
	}
	return err
}

// expectNoneLost requires that each session is in its table, or in the archive or a file that is sound.
func expectNoneLost(t *testing.T, d mysqltest.Database, path string) (purged int) {
	t.Helper()
	dir, err := backup.NewDir(path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := backup.New(dir).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	saved := map[string]bool{}
	for _, file := range files {
		if _, err := backup.New(dir).Read(t.Context(), file.Name, func(c sessioncleanup.ArchivedCopy) error {
			saved[c.SessionID] = true
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	stored, err := mysqltest.Texts(t.Context(), d.DB, "SELECT id FROM sessions", 0)
	if err != nil {
		t.Fatal(err)
	}
	archived, err := mysqltest.Texts(t.Context(), d.DB, "SELECT session FROM sessioncleanup_archive", 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= killedSessions; n++ {
		id := strconv.Itoa(n)
		inTable, inArchive := slices.Contains(stored, id), slices.Contains(archived, id)
		if inTable == (inArchive || saved[id]) {
			t.Errorf("session %s is in its table: %v, in the archive: %v, in a file: %v", id, inTable, inArchive, saved[id])
		}
		if !inTable && !inArchive {
			purged++
		}
	}
	return purged
}

func TestKilledBackupsLoseNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	hits, purged := 0, 0
	for range *kills {
		store, d, _ := archivingOn(t, sessioncleanup.Policy{}, guide.tables+fmt.Sprintf(`;
			INSERT INTO sessions (id) SELECT seq FROM seq_1_to_%d; INSERT INTO propositions (session_id) SELECT id FROM sessions`, killedSessions))
		dir := t.TempDir()
		if killed(t, d, fmt.Sprint("backup ", rand.IntN(10), " ", dir), 100*time.Millisecond) {
			hits++
		}
		purged += expectNoneLost(t, d, dir)
		if err := backUpAll(t.Context(), store, dir, -1); err != nil {
			t.Fatal(err)
		}
		if left := expectNoneLost(t, d, dir); left < killedSessions-10 {
			t.Errorf("after a backup that was not killed, %d sessions are purged; want all but those of the last run", left)
		}
	}
	t.Logf("%d of %d backups were killed while they ran, with %d sessions purged", hits, *kills, purged)
}
