package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bar is a promise about speed that a benchmark of the repository measures.
type bar struct {
	what      string
	bar       float64
	unit      string   // of the figures; empty for a ratio
	atLeast   bool     // the measured figure must reach the bar; else it must not exceed it
	args      []string // of "go test", run in the repository
	benchmark string   // matches the benchmark's name, without its number of processors
	metric    string   // the unit of the figure in the benchmark's output
	per       string   // matches the benchmark to divide by; empty for none
	scale     float64  // turns the metric into the unit; 0 stands for 1
	limit     string   // what limits it, in words, for when it does not hold
}

const trackingLimit = "Each statement pays for a trigger and for one look at its session. Of the time of a server process that one client keeps " +
	"busy with such inserts, 14 % is in the tracking function: 10 % in its look, of which 4 to 5 % go into setting up the plan's nodes and " +
	"3 to 4 % into the index. The check of the foreign key takes 13 %, talking to the client a third (`perf record -e cpu-clock " +
	"--call-graph dwarf -p PID` during `pgbench -n -M prepared -c 1 -T 14 -f insert.sql` with the INSERT of this benchmark)."

// bars are all of them.
func bars() []bar {
	cmd := strings.Fields
	memory := cmd("./memory -run xxx -bench BenchmarkRun|BenchmarkTouch")
	sqlite := cmd("./sqlite -run xxx -bench BenchmarkCleanup -benchtime 5x")
	postgres := cmd("./postgres -run xxx -bench Cleanup|NothingDue -benchtime 1x -args -scale 1")
	adoption := cmd("./postgres -run xxx -bench Adoption -benchtime 3x -args -scale 1")
	tracking := cmd("./postgres -run xxx -bench Tracking|BulkInsert -benchtime 1x -args -period 2s -rounds 5")
	start := cmd("./cmd/sessioncleanup -run xxx -bench EmptySQLite -benchtime 20x")
	million := cmd("./cmd/sessioncleanup -run xxx -bench MemoryOfAMillionDue -benchtime 1x")
	web := cmd("./httpapi -run xxx -bench .")
	return []bar{
		{what: "memory: a run with 1,000 due of 1,000,000 sessions, against one of 10,000", bar: 3, args: memory, benchmark: "BenchmarkRun", metric: "ratio",
			limit: "The sessions of the large store are not in the processor's cache, those of the small one are. Of 2.7 s of processor time that runs of both sizes took, 1.8 s moved " +
				"sessions in the ordered trees (0.7 in that of names, 0.3 in those of their owners), 0.24 s were choosing what is due, and 0.24 s the table of IDs; half of all was searching in nodes of " +
				"those trees, which is waiting for memory: a session is in eight of them (`go test ./memory -run xxx -bench BenchmarkRun -benchtime 400x -cpuprofile cpu.prof`, then `go tool pprof -top -cum -focus Cleanup`)."},
		{what: "memory: a touch, 1,000 sessions, written", bar: 1, unit: "µs", args: memory, benchmark: "BenchmarkTouch/sessions=1000/written", metric: "ns/op", scale: 1e-3,
			limit: "Nothing but the processor."},
		{what: "memory: a touch, any of 1,000,000 sessions, throttled", bar: 1, unit: "µs", args: memory, benchmark: "BenchmarkTouch/sessions=1000000/throttled", metric: "ns/op", scale: 1e-3,
			limit: "A random session of a million is not in the processor's cache: the touch waits for memory, for the table and for the session."},
		{what: "memory: a touch, any of 1,000,000 sessions, written", bar: 1, unit: "µs", args: memory, benchmark: "BenchmarkTouch/sessions=1000000/written", metric: "ns/op", scale: 1e-3,
			limit: "As above; the touched session also joins a heap of those whose place in the indexes is to be renewed."},
		{what: "SQLite: 100,000 due of 500,000 in batches, made in order, against one bare UPDATE and DELETE", bar: 1.5, args: sqlite, benchmark: "BenchmarkCleanup/in_order", metric: "ratio",
			limit: "Each batch is a transaction that writes its pages to the log; pages that two batches change are written twice, and three partial indexes change with the table."},
		{what: "SQLite: the same, scattered over the table", bar: 1.5, args: sqlite, benchmark: "BenchmarkCleanup/scattered", metric: "ratio",
			limit: "Of processor time, two runs take 7.9 s and the bare statements, twice, 4.8: 5.0 are the statements of the batches, which also give back what " +
				"they changed (of that 0.9 formatting times, bare 0.6, and 0.6 the journal by which each can be undone); checkpoints take 1.0 (bare 0.4), writing the " +
				"log 1.2 (bare 1.0) (`go test ./sqlite -run xxx -bench BenchmarkCleanup/scattered -benchtime 2x -cpuprofile cpu.prof`, then " +
				"`go tool pprof -top -cum -focus sqlite.cleanInBatches`, and `sqlite.cleanAtOnce`)."},
		{what: "SQLite: longest time that a batch holds the write lock, in order", bar: 100, unit: "ms", args: sqlite, benchmark: "BenchmarkCleanup/in_order", metric: "lock-ms",
			limit: "The size of a batch follows the time of the one before, so a batch that is suddenly slower than that overruns."},
		{what: "SQLite: the same, scattered", bar: 100, unit: "ms", args: sqlite, benchmark: "BenchmarkCleanup/scattered", metric: "lock-ms",
			limit: "As in order; each session here brings a page of its own."},
		{what: "PostgreSQL: a run with 188,000 due of 500,000, against a bare UPDATE and DELETE", bar: 1.3, args: postgres, benchmark: "BenchmarkCleanup", metric: "run/bare",
			limit: "Beyond the same rows the run writes events, keeps three partial indexes, and finds and locks its rows batch by batch; the deletion itself, with the cascade to the activity rows, is most of both."},
		{what: "PostgreSQL: its longest batch", bar: 100, unit: "ms", args: postgres, benchmark: "BenchmarkCleanup", metric: "longest-ms",
			limit: "The size of a batch follows the time of the one before, so a batch that is suddenly slower than that overruns its 50 ms; here it shares two cores with the server, the clients and whatever else runs."},
		{what: "PostgreSQL: others' p99 during it, against idle", bar: 1.5, args: postgres, benchmark: "BenchmarkCleanup", metric: "p99-busy/idle",
			limit: "Two cores for the clients, the server and the run, which rests while others write (Policy.BusyShare) but takes one of them when it works. The benchmark's p99-counting/idle says what somebody costs who only counts numbers."},
		{what: "PostgreSQL: nothing due, 1,000,000 sessions against 1,000", bar: 2, args: postgres, benchmark: "BenchmarkNothingDue", metric: "large/small",
			limit: "The run asks small partial indexes only; what is left is noise of a few milliseconds."},
		{what: "PostgreSQL: adoption of 1,000,000 under 500 statements a second, longest stall", bar: 100, unit: "ms", args: adoption, benchmark: "BenchmarkAdoption", metric: "longest-stall-ms",
			limit: "No client was seen to wait for a lock (`log_lock_waits` with a `deadlock_timeout` of 10 ms); the long stalls came to all clients at once. On two cores they share the processors with the migration, and with whatever the host does beside."},
		{what: "PostgreSQL: tracking, 8 clients, one session: throughput with / without", bar: 0.85, atLeast: true, args: tracking, benchmark: "BenchmarkTracking/hot", metric: "with/without",
			limit: trackingLimit},
		{what: "PostgreSQL: tracking, 8 clients, 10,000 sessions", bar: 0.85, atLeast: true, args: tracking, benchmark: "BenchmarkTracking/spread", metric: "with/without",
			limit: trackingLimit + " Here come the sessions' own writes as well, one touch per session and minute: a note, and its write at the commit."},
		{what: "PostgreSQL: one INSERT of 10,000 rows into one session, time with / without", bar: 1.15, args: tracking, benchmark: "BenchmarkBulkInsert/hot", metric: "with/without",
			limit: "The trigger reads all rows of the statement once more, from memory, to find their sessions."},
		{what: "PostgreSQL: one INSERT of 10,000 rows, one in each of 10,000 sessions that need a touch", bar: 1.15, args: tracking, benchmark: "BenchmarkBulkInsert/spread", metric: "with/without",
			limit: "Each of the 10,000 sessions gets a note and a write, which is several times the cost of the inserted row. In memory (tmpfs) the statement takes 87 ms instead of 48: 39 for finding 10,000 " +
				"sessions and noting each; the commit takes 76 ms instead of 1: it takes up the notes and updates 10,000 rows with their indexes, which an UPDATE by hand costs as well (`EXPLAIN (ANALYZE, TIMING off)` of the INSERT, and the time of its COMMIT)."},
		{what: "command: a run on an empty SQLite file", bar: 50, unit: "ms", args: start, benchmark: "BenchmarkRunOnEmptySQLiteFile", metric: "ns/op", scale: 1e-6,
			limit: "The start of the process, and opening the file."},
		{what: "command: peak memory of a run over 1,000,000 due, SQLite", bar: 64, unit: "MiB", args: million, benchmark: "BenchmarkMemoryOfAMillionDue/SQLite", metric: "peak-MiB",
			limit: "SQLite's page cache and its log's index."},
		{what: "command: the same, PostgreSQL", bar: 64, unit: "MiB", args: million, benchmark: "BenchmarkMemoryOfAMillionDue/PostgreSQL", metric: "peak-MiB",
			limit: "The ids of one batch."},
		{what: "HTTP: GET /stats, against a bare handler that writes the same bytes, requests per second", bar: 0.5, atLeast: true, args: web,
			benchmark: "BenchmarkStats/network/stats", per: "BenchmarkStats/network/bare", metric: "req/s",
			limit: "Reading the query, asking who it is, and making the answer."},
		{what: "HTTP: the deepest page of /view, against the first", bar: 1.5, args: web,
			benchmark: "BenchmarkView/last_activity/deepest", per: "BenchmarkView/last_activity/first", metric: "ns/op",
			limit: "The descent of the index, and sessions that are not in the processor's cache."},
	}
}

// command is what to type to measure the bar.
func (b bar) command() string { return "go test " + quoted(b.args) }

// judge finds the bar's figure in the output of its command.
func (b bar) judge(output string) BarResult {
	r := BarResult{What: b.what}
	found := parseBenchmarks(output)
	measured, ok := found[b.benchmark][b.metric]
	if ok && b.per != "" {
		var by float64
		by, ok = found[b.per][b.metric]
		measured /= by
	}
	if !ok || math.IsNaN(measured) || math.IsInf(measured, 0) {
		r.Error = "the output has no " + b.metric + " of " + b.benchmark
		return r
	}
	if b.scale != 0 {
		measured *= b.scale
	}
	r.Measured = measured
	r.Holds = b.atLeast && measured >= b.bar || !b.atLeast && measured <= b.bar
	return r
}

var procsSuffix = regexp.MustCompile(`-\d+$`)

// parseBenchmarks reads the output of "go test -bench": figures by name of the benchmark and unit. Of a benchmark that
// stands there several times, the last figures count.
func parseBenchmarks(output string) map[string]map[string]float64 {
	found := map[string]map[string]float64{}
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		metrics := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				metrics[fields[i+1]] = value
			}
		}
		found[procsSuffix.ReplaceAllString(fields[0], "")] = metrics
	}
	return found
}

// measureBars runs the command of each bar that is wanted, once for all its bars, and judges them. A command that fails does not stop the others.
func measureBars(b *bench, s *scope) error {
	outputs, stolen := map[string]string{}, map[string]float64{}
	for _, bar := range bars() {
		if !b.wants(bar) {
			continue
		}
		command := bar.command()
		if _, done := outputs[command]; !done {
			b.say("bars: %s", command)
			var err error
			outputs[command], stolen[command], err = quietest(s.ctx, barTries, func() (string, float64, error) {
				stolen := watchProcessors()
				output := goTest(s.ctx, b.root, bar.args)
				return output, stolen(), nil
			})
			if err != nil {
				return err
			}
		}
		result := bar.judge(outputs[command])
		result.At, result.Stolen = time.Now().UTC().Truncate(time.Second), stolen[command]
		if result.Error != "" {
			b.say("bars: %s: %s\n%s", bar.what, result.Error, outputs[command])
		}
		same := func(old BarResult) bool { return old.What == bar.what }
		b.results.Bars = append(slices.DeleteFunc(b.results.Bars, same), result)
		if b.bar != nil {
			b.results.Before = slices.DeleteFunc(b.results.Before, func(old Ratio) bool { return old.Measurement == barsName && old.What == bar.what })
		}
	}
	return nil
}

// barTries is how often a command is run that was disturbed.
const barTries = 2

// goTest runs "go test" in a folder and gives all that it says; when it fails, that too.
func goTest(ctx context.Context, dir string, args []string) string {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-timeout", "20m"}, args...)...) //nolint:gosec // the arguments are constants
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s\n%v", out, err)
	}
	return string(out)
}
