package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The flags of the measurement of the archive; see docs/archive.md.
var (
	archiveSessions = flag.Int("archive-sessions", 2000, "sessions of TestArchive, of which 40% are deleted")
	archiveRounds   = flag.Int("archive-rounds", 1, "rounds of TestArchive, of which it takes the medians")
)

// TestArchive deletes the same sessions, with 8 rows of another table each, with the archive and without it, and logs how much
// longer that takes, by the clock and by CPU time of the database, and how long the longest batch held its locks.
func TestArchive(t *testing.T) {
	policy := sessioncleanup.Policy{BusyShare: 1, InactiveAfter: sessioncleanup.Never}
	for _, engine := range []func(*testing.T, Options) *engine{newPostgres, newSQLite} {
		e := engine(t, Options{Sizes: Sizes{Sessions: *archiveSessions}, Policy: policy})
		t.Run(e.name, func(t *testing.T) {
			template := e.copy(t, "")
			step(t, "fill", func(t *testing.T) { e.fillArchive(t, template) })
			var clock, work [2][]float64
			for round := range *archiveRounds {
				for i, archive := range []sessioncleanup.Switch{sessioncleanup.Off, sessioncleanup.On} {
					name := fmt.Sprintf("round %d, archive %t", round+1, archive == sessioncleanup.On)
					step(t, name, func(t *testing.T) {
						took, used, longest := e.deleteInto(t, template, archive)
						clock[i], work[i] = append(clock[i], took.Seconds()), append(work[i], used.Seconds())
						t.Logf("%.2f s, %.2f s of CPU, longest batch %v", took.Seconds(), used.Seconds(), longest.Round(time.Millisecond))
					})
				}
			}
			t.Logf("with the archive: %.1f times as long, %.1f times the CPU time", middle(clock[1])/middle(clock[0]), middle(work[1])/middle(work[0]))
		})
	}
}

func middle(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// fillArchive makes a database of the library's kind, with four times the rows.
func (e *engine) fillArchive(t *testing.T, address string) {
	t.Helper()
	b := e.connect(t, address)
	b.script(t, "tables")
	b.exec(t, fmt.Sprintf("CREATE TABLE layout AS SELECT %d AS sessions, %d AS deletable, %d AS due", e.sizes.Sessions, e.sizes.deletable(), e.sizes.due()))
	b.script(t, "fill")
	b.exec(t, "DROP TABLE layout", `
		INSERT INTO propositions (session_id, title, created_at)
		SELECT p.session_id, p.title, p.created_at FROM propositions p, (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS more`)
	check(t, b.manager.Migrate(t.Context()))
	b.exec(t, e.compact...)
}

// deleteInto deletes what is due in a copy of a database, and says how long that took, the database's CPU time, and how long the
// longest batch held its locks.
func (e *engine) deleteInto(t *testing.T, template string, archive sessioncleanup.Switch) (took, used, longest time.Duration) {
	t.Helper()
	e.policy.Archive = archive
	b := e.connect(t, e.copy(t, template))
	b.exec(t, e.tidy...)
	usedBefore, began := b.cpu(t), time.Now()
	r, err := b.manager.Cleanup(t.Context(), sessioncleanup.Run{})
	took, used = time.Since(began), b.cpu(t)-usedBefore
	check(t, err)
	entries, err := b.manager.ArchiveSize(t.Context())
	check(t, err)
	want := 0
	if archive == sessioncleanup.On {
		want = e.sizes.deletable()
	}
	if r.Deleted() != e.sizes.deletable() || entries.Entries != want {
		t.Errorf("archive %v: %d sessions were deleted, and %d are archived; want %d and %d", archive, r.Deleted(), entries.Entries, e.sizes.deletable(), want)
	}
	return took, used, r.LongestBatch
}

// cpu is the CPU time that the database has used so far: that of a server's processes, where Linux tells it, or of this process.
func (b *bed) cpu(t *testing.T) time.Duration {
	t.Helper()
	var backend int
	if b.db.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&backend) != nil {
		return cpu(t)
	}
	server, _ := processTimes(backend)
	_, ticks := processTimes(server) // with those of processes that have ended
	all, err := filepath.Glob("/proc/[0-9]*")
	check(t, err)
	for _, folder := range all {
		pid, err := strconv.Atoi(filepath.Base(folder))
		check(t, err)
		if parent, own := processTimes(pid); parent == server {
			ticks += own
		}
	}
	return time.Duration(ticks) * time.Second / 100
}

// processTimes are the parent of a process and its CPU time, with that of its children that have ended, in hundredths of a second; 0 when
// there is none.
func processTimes(pid int) (parent, ticks int) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0, 0
	}
	number := func(i int) int { n, _ := strconv.Atoi(fields[i]); return n } // the kernel writes numbers
	return number(1), number(11) + number(12) + number(13) + number(14)
}
