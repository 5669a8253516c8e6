package mysql_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// The benchmarks compare two things in one run and report ratios, of the time and, on Linux with a server of their own,
// of the server's CPU time, which other work on the machine changes little. At full size (-scale 1) they take some
// minutes; the default only shows that they work. docs/mysql.md has the commands and what was measured.
var (
	scale  = flag.Float64("scale", 0.005, "size of the benchmarks' tables, as a part of the full size")
	rounds = flag.Int("rounds", 1, "rounds of which benchmarks take the median")
)

func scaled(n int) int { return max(int(float64(n)**scale), 1000) }

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// benchTables are the guide's, with what somebody adds who cleans up manually.
const benchTables = `
	CREATE TABLE sessions (id BIGINT AUTO_INCREMENT PRIMARY KEY, streamer_id BIGINT, name TEXT, code VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE,
		auto_cleanup BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME(6), last_activity DATETIME(6), deactivated_at DATETIME(6), KEY (streamer_id));
	CREATE TABLE propositions (id BIGINT AUTO_INCREMENT PRIMARY KEY, session_id BIGINT NOT NULL, title TEXT,
		FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);
	CREATE TABLE log (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6), action VARCHAR(20), session_id BIGINT, owner_id BIGINT, name TEXT)`

// benchFill: of the sessions 18.8 % are to be deactivated and as many to be deleted; each has four rows of activity.
const benchFill = `
	INSERT INTO sessions (id, streamer_id, name, code, active, auto_cleanup, created_at, last_activity, deactivated_at)
		SELECT seq, seq %% 1000, CONCAT('session ', seq), CONCAT('c', seq), seq %% 1000 < 594, TRUE, UTC_TIMESTAMP() - INTERVAL 100 DAY + INTERVAL seq SECOND,
			UTC_TIMESTAMP() - INTERVAL (CASE WHEN seq %% 1000 < 188 THEN 48 WHEN seq %% 1000 >= 812 THEN 960 ELSE 1 END) HOUR - INTERVAL seq * 7919 %% 40000000 * 1000 MICROSECOND,
			CASE WHEN seq %% 1000 >= 812 THEN UTC_TIMESTAMP() - INTERVAL 40 DAY - INTERVAL seq SECOND WHEN seq %% 1000 >= 594 THEN UTC_TIMESTAMP() END FROM seq_1_to_%[1]d;
	INSERT INTO propositions (session_id, title) SELECT s.id, 'a song' FROM sessions AS s JOIN seq_1_to_4;
	ANALYZE TABLE sessions, propositions`

// bare are the statements of somebody who cleans up manually, with an audit log, in one transaction.
const bare = `START TRANSACTION;
	SET @now = UTC_TIMESTAMP(6);
	INSERT INTO log (at, action, session_id, owner_id, name) SELECT @now, 'deleted', id, streamer_id, name FROM sessions
		WHERE NOT active AND auto_cleanup AND deactivated_at < @now - INTERVAL 30 DAY;
	DELETE FROM sessions WHERE NOT active AND auto_cleanup AND deactivated_at < @now - INTERVAL 30 DAY;
	INSERT INTO log (at, action, session_id, owner_id, name) SELECT @now, 'deactivated', id, streamer_id, name FROM sessions
		WHERE active AND auto_cleanup AND last_activity < @now - INTERVAL 1 DAY;
	UPDATE sessions SET active = FALSE, deactivated_at = @now WHERE active AND auto_cleanup AND last_activity < @now - INTERVAL 1 DAY;
	COMMIT`

// contender is a way to clean up, with a database of its own.
type contender struct {
	mysqltest.Database
	store *mysql.Store // nil: the bare statements
	clean func(ctx context.Context) error
}

// contenders are the library and the bare statements, each in a database with the same sessions.
func contenders(b *testing.B, count int) [2]contender {
	b.Helper()
	ours, theirs := contender{Database: mysqltest.New(b)}, contender{Database: mysqltest.New(b)}
	execute(b, ours.DB, benchTables)
	ours.store = open(b, ours.Database, mysql.Config{})
	manager, err := sessioncleanup.New(ours.store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BusyShare: 1}})
	if err == nil {
		err = manager.Migrate(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	ours.clean = func(ctx context.Context) error {
		r, err := manager.Cleanup(ctx, sessioncleanup.Run{})
		if err == nil && (r.Phases.Total().Failed > 0 || r.Phases.Total().Done < count/4) {
			err = fmt.Errorf("the run did %+v", r.Phases.Total())
		}
		return err
	}
	execute(b, theirs.DB, benchTables+"; CREATE INDEX by_use ON sessions (active, last_activity); CREATE INDEX by_end ON sessions (active, deactivated_at)")
	theirs.clean = func(ctx context.Context) error {
		_, err := theirs.DB.ExecContext(ctx, bare)
		return err
	}
	for _, c := range []contender{ours, theirs} {
		execute(b, c.DB, "SET GLOBAL innodb_buffer_pool_size = 512 * 1024 * 1024; SET @sessioncleanup_own = 1; "+fmt.Sprintf(benchFill, count)+"; SET @sessioncleanup_own = NULL")
	}
	return [2]contender{ours, theirs}
}

// cpu is the CPU time that the server has used, in seconds; 0 where that is not known.
func cpu(b *testing.B, db *sql.DB) float64 {
	b.Helper()
	var file string
	if err := db.QueryRowContext(b.Context(), "SELECT @@pid_file").Scan(&file); err != nil {
		b.Fatal(err)
	}
	text, _ := os.ReadFile(file)
	text, _ = os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return float64(user+system) / 100
}

// BenchmarkCleanup compares a run with a bare UPDATE and DELETE and the rows of their audit log in one transaction.
func BenchmarkCleanup(b *testing.B) {
	var times, cpus []float64
	for b.Loop() {
		for range *rounds {
			var took, used [2]float64
			for i, c := range contenders(b, scaled(500_000)) {
				before, started := cpu(b, c.DB), time.Now()
				if err := c.clean(b.Context()); err != nil {
					b.Fatal(err)
				}
				took[i], used[i] = time.Since(started).Seconds(), cpu(b, c.DB)-before
			}
			times, cpus = append(times, took[0]/took[1]), append(cpus, used[0]/used[1])
			b.Logf("run %.2f s, CPU %.2f s; bare statements %.2f s, CPU %.2f s", took[0], used[0], took[1], used[1])
		}
	}
	b.ReportMetric(median(times), "run/bare")
	b.ReportMetric(median(cpus), "CPU-run/bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkWaits compares the longest statement of eight clients that write to sessions, due ones too, beside a run and
// beside the bare statements.
func BenchmarkWaits(b *testing.B) {
	count := scaled(500_000)
	var ratios []float64
	for b.Loop() {
		for range *rounds {
			var longest [2]time.Duration
			for i, c := range contenders(b, count) {
				longest[i] = worst(b, c, 8, func() int { return 1 + rand.IntN(count) }, func() {
					if err := c.clean(b.Context()); err != nil {
						b.Fatal(err)
					}
				})
			}
			b.Logf("longest statement: %v beside the run, %v beside the bare statements", longest[0], longest[1])
			ratios = append(ratios, float64(longest[0])/float64(longest[1]))
		}
	}
	b.ReportMetric(median(ratios), "longest-run/bare")
	b.ReportMetric(0, "ns/op")
}

// worst is the longest statement of clients that write names while some work goes on.
func worst(b *testing.B, c contender, clients int, pick func() int, work func()) time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	longest := make([]time.Duration, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			for ctx.Err() == nil {
				started := time.Now()
				_, err := c.DB.ExecContext(context.WithoutCancel(ctx), "UPDATE sessions SET name = 'renamed' WHERE id = "+strconv.Itoa(pick()))
				if err != nil && c.store != nil { // the bare statements make victims of deadlocks
					b.Error(err)
					return
				}
				longest[i] = max(longest[i], time.Since(started))
			}
		})
	}
	work()
	stop()
	group.Wait()
	return slices.Max(longest)
}

// BenchmarkTracking compares rows of activity that eight clients insert into one session, with and without the
// library's triggers.
func BenchmarkTracking(b *testing.B) {
	const clients, each = 8, 2000
	n := max(int(each*min(*scale*10, 1)), 100)
	var ratios, rate []float64
	for b.Loop() {
		both := contenders(b, 1000)
		for range *rounds {
			var took [2]time.Duration
			for i, c := range both {
				started := time.Now()
				var group sync.WaitGroup
				for range clients {
					group.Go(func() {
						for range n {
							if _, err := c.DB.ExecContext(b.Context(), "INSERT INTO propositions (session_id, title) VALUES (300, 'a song')"); err != nil {
								b.Error(err) // a deadlock, for example
								return
							}
						}
					})
				}
				group.Wait()
				took[i] = time.Since(started)
			}
			ratios = append(ratios, float64(took[1])/float64(took[0]))
			rate = append(rate, float64(clients*n)/took[0].Seconds())
		}
	}
	b.ReportMetric(median(ratios), "with/without")
	b.ReportMetric(median(rate), "rows/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAdoption migrates a table while eight clients write to it.
func BenchmarkAdoption(b *testing.B) {
	count := scaled(1_000_000)
	var stalls, idle, times []float64
	for b.Loop() {
		for range *rounds {
			c := contender{Database: mysqltest.New(b)}
			execute(b, c.DB, strings.NewReplacer("auto_cleanup BOOLEAN NOT NULL DEFAULT TRUE, ", "", "last_activity DATETIME(6), deactivated_at DATETIME(6), ", "").Replace(benchTables))
			execute(b, c.DB, fmt.Sprintf(`SET GLOBAL innodb_buffer_pool_size = 512 * 1024 * 1024;
				INSERT INTO sessions (id, streamer_id, name, active, created_at) SELECT seq, seq %% 1000, CONCAT('session ', seq), seq %% 3 > 0, UTC_TIMESTAMP() - INTERVAL seq %% 100 DAY FROM seq_1_to_%d`, count))
			c.store = open(b, c.Database, mysql.Config{})
			pick := func() int { return 1 + rand.IntN(count) }
			wait := func() { time.Sleep(time.Second) } // the same clients, without a migration
			idle = append(idle, ms(worst(b, c, 8, pick, wait)))
			started := time.Now()
			stall := worst(b, c, 8, pick, func() {
				if err := c.store.Migrate(b.Context(), sessioncleanup.Policy{}); err != nil {
					b.Fatal(err)
				}
			})
			times = append(times, time.Since(started).Seconds())
			stalls = append(stalls, ms(stall))
		}
	}
	b.ReportMetric(median(stalls), "longest-ms")
	b.ReportMetric(median(idle), "longest-before-ms")
	b.ReportMetric(median(times), "s")
	b.ReportMetric(0, "ns/op")
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// BenchmarkLists reads pages of 20 sessions in each order, and of what is selected in several ways; some sessions have notes.
func BenchmarkLists(b *testing.B) {
	count := scaled(500_000)
	c := contenders(b, count)[0]
	execute(b, c.DB, fmt.Sprintf(`INSERT INTO propositions (session_id, title) SELECT 200 + seq %% 1000, 'a song' FROM seq_1_to_2000;
		INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions WHERE id %% 1000 = 300;
		ANALYZE TABLE sessions, sessioncleanup_tags, sessioncleanup_touches`))
	thresholds := sessioncleanup.Policy{}.WithDefaults().Thresholds()
	for _, q := range []struct {
		name string
		sessioncleanup.Query
	}{
		{"last_activity", sessioncleanup.Query{}},
		{"last_activity_desc", sessioncleanup.Query{Descending: true}},
		{"created", sessioncleanup.Query{Sort: sessioncleanup.SortCreated}},
		{"name", sessioncleanup.Query{Sort: sessioncleanup.SortName}},
		{"to_delete", sessioncleanup.Query{Status: sessioncleanup.StatusToDelete}},
		{"to_deactivate", sessioncleanup.Query{Status: sessioncleanup.StatusToDeactivate}},
		{"active", sessioncleanup.Query{Status: sessioncleanup.StatusActive, Descending: true}},
		{"owner", sessioncleanup.Query{Filter: sessioncleanup.Filter{OwnerID: "77"}}},
		{"tag", sessioncleanup.Query{Filter: sessioncleanup.Filter{Tags: "vip"}}},
		{"text", sessioncleanup.Query{Filter: sessioncleanup.Filter{Text: "session 4242"}}},
	} {
		b.Run(q.name, func(b *testing.B) {
			q.Limit, q.Thresholds = 20, thresholds
			for b.Loop() {
				var pages []float64
				query := q.Query
				before := cpu(b, c.DB)
				for range 5 { // pages one after the other
					started := time.Now()
					page, err := c.store.List(b.Context(), query)
					if err != nil || len(page.Sessions) == 0 && page.Next == nil {
						b.Fatal(len(page.Sessions), err)
					}
					pages = append(pages, ms(time.Since(started)))
					if query.After = page.Next; page.Next == nil {
						break
					}
				}
				b.ReportMetric((cpu(b, c.DB)-before)*1000/float64(len(pages)), "CPU-ms/page")
				b.ReportMetric(median(pages), "ms/page")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
