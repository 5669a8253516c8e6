package command

import (
	"fmt"
	"syscall"
	"testing"
)

// BenchmarkRunOnEmptySQLiteFile is the time from the start of the process to the end of a run with nothing to do. The
// bar is 50 ms.
func BenchmarkRunOnEmptySQLiteFile(b *testing.B) {
	u := newUser(b, nil)
	url := "sqlite:" + u.dir + "/new.db"
	u.calls("migrate", "-d", url).want(b, exitDone)
	binary(b)
	for b.Loop() {
		finish(b, process(b, u.dir, nil, "cleanup", "-d", url)).want(b, exitDone, "Nothing was due.")
	}
}

// BenchmarkMemoryOfAMillionDue is the most memory that the process of a run over 1,000,000 due sessions takes. The bar is
// 64 MiB. Half of them are to be deleted, half to be deactivated.
func BenchmarkMemoryOfAMillionDue(b *testing.B) {
	const due = 1_000_000
	for name, make := range map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService} {
		b.Run(name, func(b *testing.B) {
			s := make(b)
			u := newUser(b, map[string]string{envDatabase: s.url})
			u.calls("migrate").want(b, exitDone)
			for b.Loop() {
				b.StopTimer()
				s.exec(b, "DELETE FROM sessions")
				used := map[string]string{"sqlite": "datetime('2025-01-01', i || ' seconds')", "pgx": "timestamptz '2025-01-01' + i * interval '1 second'"}
				s.exec(b, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
					INSERT INTO sessions (id, streamer_id, name, code, active, last_activity)
					SELECT i, 7, 'Room ' || i, 'X' || i, i %% 2 = 0, %s FROM n`, due, used[s.driver]))
				b.StartTimer()
				cmd := process(b, u.dir, []string{envDatabase + "=" + s.url}, "cleanup", "--force")
				finish(b, cmd).want(b, exitDone, "Deleted 500,000 sessions, deactivated 500,000")
				usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
				if !ok {
					b.Fatal("no resource usage")
				}
				b.ReportMetric(float64(usage.Maxrss)/1024, "peak-MiB")
			}
		})
	}
}
