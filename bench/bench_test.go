package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestReportShowsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	results, err := readResults("testdata")
	if err != nil {
		t.Fatal(err)
	}
	docs := t.TempDir()
	if err := report(results, docs); err != nil {
		t.Fatal(err)
	}
	got := read(t, filepath.Join(docs, "benchmarks.md"))
	golden := filepath.Join("testdata", "benchmarks.md")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, golden), got); diff != "" {
		t.Errorf("the page differs from %s (-want +got); -update writes it anew:\n%s", golden, diff)
	}
}

func TestPlotsSayWhatTheyShowAndInWhichUnit(t *testing.T) {
	t.Parallel()
	results, err := readResults("testdata")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := drawPlots(page{results}, dir); err != nil {
		t.Fatal(err)
	}
	for file, texts := range map[string][]string{
		"picture.svg":  {"milliseconds", ours, "cron job", "longest transaction"},
		"growth.svg":   {"seconds", "rows in the table", ours, byHandOnce, byHandLoop, scsStore, riverQueue},
		"tracking.svg": {"percent", rowTrigger, "8 clients, one session"},
		"reading.svg":  {"milliseconds", "sessions in the table", byOffset},
		"queries.svg":  {"percent", "by code", mixName},
	} {
		svg := read(t, filepath.Join(dir, file))
		for _, text := range texts {
			if !strings.Contains(svg, text) {
				t.Errorf("%s does not show %q", file, text)
			}
		}
	}
}

func TestReportOfNothingHasNoFigures(t *testing.T) {
	t.Parallel()
	docs := t.TempDir()
	if err := report(&Results{}, docs); err != nil {
		t.Fatal(err)
	}
	if text := read(t, filepath.Join(docs, "benchmarks.md")); strings.Contains(text, "NaN") || !strings.Contains(text, "not measured") {
		t.Errorf("the page without results is:\n%s", text)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestEveryMeasurementRuns keeps the measurements working: all of them, as small as they get.
func TestEveryMeasurementRuns(t *testing.T) {
	t.Parallel()
	docs := t.TempDir()
	var progress bytes.Buffer
	if err := run(t.Context(), []string{"-sizes", "1000", "-rounds", "1", "-period", "40ms", "-bars=false", "-docs", docs}, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	results, err := readResults(filepath.Join(docs, "benchmarks"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"cron": 2, "cleanup": len(contenders()) * len(dueParts), "tracking": 16, "reading": 8, "queries": 18, "memory": 8, "http": 3}
	got := map[string]int{"cron": len(results.Cron), "cleanup": len(results.Cleanup), "tracking": len(results.Tracking), "reading": len(results.Reading),
		"queries": len(results.Queries), "memory": len(results.Memory), "http": len(results.HTTP)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("numbers of samples (-want +got):\n%s", diff)
	}
	for _, c := range results.Cleanup {
		if c.Seconds <= 0 || c.Longest <= 0 || c.Busy.Seconds <= 0 || c.Database == onPostgres && c.WAL <= 0 || c.Database != inMemory && c.Bytes <= 0 {
			t.Errorf("a cleanup without figures: %+v", c)
		}
	}
	for _, s := range results.Cron {
		if s.Runs < 1 || s.Seconds <= 0 || s.Longest <= 0 || s.Others.Count == 0 || s.Others.Failed+s.Returning.Failed > 0 {
			t.Errorf("a figure of the first picture is missing: %+v", s)
		}
	}
	for _, s := range results.Tracking {
		if s.Tracking == rowTrigger && s.Updates == 0 || s.Tracking == untracked && s.Updates != 0 {
			t.Errorf("tracking %s, %s, %s made %d updates of sessions", s.Tracking, s.Shape, s.Sessions, s.Updates)
		}
	}
	first, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-report", "-docs", docs}, &progress); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), read(t, filepath.Join(docs, "benchmarks.md"))); diff != "" {
		t.Errorf("-report writes another page (-want +got):\n%s", diff)
	}
}

const benchmarkOutput = `goos: linux
BenchmarkTouch/sessions=1000/written-2         	 5000000	       240.5 ns/op	       100.0 index-ns/touch
BenchmarkRun	      10	         0 ns/op	         2.200 ratio
BenchmarkStats/network/bare-16 	   10000	    100000 ns/op	 10000 req/s
BenchmarkStats/network/stats-16	   10000	    125000 ns/op	  8000 req/s
some words of a log
PASS
`

func TestBarsAreJudgedByTheFiguresOfTheirBenchmarks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bar  bar
		want BarResult
	}{
		"at most, holds":       {bar{what: "w", bar: 3, benchmark: "BenchmarkRun", metric: "ratio"}, BarResult{What: "w", Measured: 2.2, Holds: true}},
		"at most, does not":    {bar{what: "w", bar: 2, benchmark: "BenchmarkRun", metric: "ratio"}, BarResult{What: "w", Measured: 2.2}},
		"at most, just so":     {bar{what: "w", bar: 2.2, benchmark: "BenchmarkRun", metric: "ratio"}, BarResult{What: "w", Measured: 2.2, Holds: true}},
		"at least, does not":   {bar{what: "w", bar: 3, atLeast: true, benchmark: "BenchmarkRun", metric: "ratio"}, BarResult{What: "w", Measured: 2.2}},
		"in another unit":      {bar{what: "w", bar: 1, benchmark: "BenchmarkTouch/sessions=1000/written", metric: "ns/op", scale: 0.5}, BarResult{What: "w", Measured: 120.25}},
		"one by another":       {bar{what: "w", bar: 0.5, atLeast: true, benchmark: "BenchmarkStats/network/stats", per: "BenchmarkStats/network/bare", metric: "req/s"}, BarResult{What: "w", Measured: 0.8, Holds: true}},
		"no such benchmark":    {bar{what: "w", bar: 3, benchmark: "BenchmarkGone", metric: "ratio"}, BarResult{What: "w", Error: "the output has no ratio of BenchmarkGone"}},
		"nothing to divide by": {bar{what: "w", bar: 3, benchmark: "BenchmarkRun", per: "BenchmarkGone", metric: "ratio"}, BarResult{What: "w", Error: "the output has no ratio of BenchmarkRun"}},
	} {
		if diff := cmp.Diff(test.want, test.bar.judge(benchmarkOutput)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFailingCommandGivesItsOutputAndNoFigure(t *testing.T) {
	t.Parallel()
	output := goTest(t.Context(), t.TempDir(), []string{"./nowhere"})
	if result := bars()[0].judge(output); result.Error == "" || result.Holds || output == "" {
		t.Errorf("a command that failed with %q was judged %+v", output, result)
	}
}

func TestEveryBarHasAReasonAndACommand(t *testing.T) {
	t.Parallel()
	var names []string
	for _, b := range bars() {
		if b.limit == "" || b.bar <= 0 || b.benchmark == "" || b.metric == "" || !strings.HasPrefix(b.command(), "go test ./") {
			t.Errorf("a bar lacks something: %+v", b)
		}
		if slices.Contains(names, b.what) {
			t.Errorf("two bars are called %q", b.what)
		}
		names = append(names, b.what)
	}
}

func TestScopeUndoesWhatItMadeInReverse(t *testing.T) {
	t.Parallel()
	var undone []int
	wrong := errors.New("wrong")
	err := within(t.Context(), func(s *scope) error {
		s.Cleanup(func() { undone = append(undone, 1) })
		s.Cleanup(func() { undone = append(undone, 2) })
		s.Fatalf("it is %w", wrong)
		return nil
	})
	if !errors.Is(err, wrong) || !slices.Equal(undone, []int{2, 1}) {
		t.Errorf("the scope ended with %v and undid %v", err, undone)
	}
}

func TestLayoutPutsTheDueSessionsFirst(t *testing.T) {
	t.Parallel()
	l := layout{size: 1000, due: 20}
	for n := range 3000 {
		if id := l.alive(n); id <= 200 || id > 1000 {
			t.Fatalf("session %d is not due, but counted as used", id)
		}
		if id := l.stale(n); id <= 100 || id > 200 {
			t.Fatalf("session %d is to be deactivated", id)
		}
		if id := l.anyDue(n); id < 1 || id > 200 {
			t.Fatalf("session %d is due", id)
		}
	}
}

// slowBed is a bed on which every use takes the same long time.
type slowBed struct {
	used chan bool // has room for all
	slow time.Duration
}

// clean ends when each client has had its turn several times.
func (b *slowBed) clean(context.Context) (cleaned, error) {
	for len(b.used) > 0 {
		<-b.used
	}
	done := cleaned{from: time.Now()}
	for range 6 * clients {
		<-b.used
	}
	done.to = time.Now()
	return done, nil
}

func (b *slowBed) use(ctx context.Context, _ int) error {
	pause(ctx, b.slow)
	b.used <- true
	return nil
}

func (b *slowBed) comeBack() func(ctx context.Context, n int) error {
	return func(context.Context, int) error { return errors.New("gone") }
}

func (b *slowBed) wal() int64   { return 0 }
func (b *slowBed) bytes() int64 { return 0 }

func TestStatementsCountFromWhenTheyWereMeantToBegin(t *testing.T) {
	t.Parallel()
	b := &slowBed{used: make(chan bool, 10_000), slow: 3 * clientInterval}
	_, seen, err := underLoad(t.Context(), b, loadTimes{})
	if err != nil {
		t.Fatal(err)
	}
	during, returning := latencyOf(seen.during), latencyOf(seen.returning)
	if p50 := during.P50; p50 < 1.5*ms(b.slow) { // each statement waits for the one before, too
		t.Errorf("half of the statements waited %v ms or less, though each takes %v and they queue", p50, b.slow)
	}
	if returning.Count == 0 || returning.Failed != returning.Count || during.Failed != 0 {
		t.Errorf("failures are miscounted: %+v, %+v", during, returning)
	}
}

// lockedBed lets clients in again when its cleanup is over.
type lockedBed struct {
	l      layout
	takes  time.Duration
	missed int // rows that its cleanup leaves
	done   chan struct{}
	began  chan struct{}
}

func newLockedBed(l layout, takes time.Duration, missed int) *lockedBed {
	return &lockedBed{l: l, takes: takes, missed: missed, done: make(chan struct{}), began: make(chan struct{})}
}

func (b *lockedBed) clean(ctx context.Context) (cleaned, error) {
	close(b.began)
	done := cleaned{rows: b.l.dueCount() - b.missed, from: time.Now()}
	pause(ctx, b.takes)
	done.to = time.Now()
	done.longest = done.took()
	close(b.done)
	return done, nil
}

func (b *lockedBed) use(context.Context, int) error {
	select {
	case <-b.began:
		<-b.done
	default:
	}
	return nil
}

func (b *lockedBed) comeBack() func(ctx context.Context, n int) error { return nil }
func (b *lockedBed) wal() int64                                       { return 0 }
func (b *lockedBed) bytes() int64                                     { return 0 }

func TestStatementsThatQueueUpBehindACleanupCount(t *testing.T) {
	t.Parallel()
	const meant = 20 // statements of each client during the cleanup
	_, seen, err := underLoad(t.Context(), newLockedBed(layout{1000, 80}, meant*clientInterval, 0), loadTimes{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(seen.during); got < clients*(meant-2) {
		t.Errorf("%d statements were counted; %d were meant to be sent while the cleanup kept them waiting", got, clients*meant)
	}
}

func TestWhoIsDoneSoonCleansUpAgain(t *testing.T) {
	t.Parallel()
	l := layout{1000, 80}
	run := func(missed int, period time.Duration) (CronSample, error) {
		c := contender{open: func(*scope, *templates, int, int) bed { return newLockedBed(l, 5*time.Millisecond, missed) }}
		var sample CronSample
		err := within(t.Context(), func(s *scope) (err error) {
			sample, _, err = facedOnce(s, &templates{}, c, l, period)
			return err
		})
		return sample, err
	}
	if got, err := run(0, time.Millisecond); err != nil || got.Runs != 1 {
		t.Errorf("a cleanup that took long enough was done %d times, %v", got.Runs, err)
	}
	got, err := run(0, time.Hour)
	if err != nil || got.Runs != facedRuns {
		t.Errorf("a short cleanup was done %d times, %v; want %d", got.Runs, err, facedRuns)
	}
	if one := got.Seconds * 1000; one < 5 || one > 5*facedRuns || got.Others.Count == 0 {
		t.Errorf("one cleanup of 5 ms gives %+v", got)
	}
	if _, err := run(1, time.Millisecond); err == nil || !strings.Contains(err.Error(), "799 rows, and 800 were due") {
		t.Errorf("a cleanup that leaves something gives %v", err)
	}
}

func TestRatiosThatAreNotThereAreNotKnown(t *testing.T) {
	t.Parallel()
	if !unknown(nil) || !unknown([]float64{1}) || unknown([]float64{1, 1, 1, 1, 1, 1, 1}) {
		t.Error("what nobody measured counts as known, or what is always the same does not")
	}
	if got := ratiosOf([]float64{1, math.NaN(), 3}, []float64{2, 2, math.NaN()}); !slices.Equal(got, []float64{0.5}) {
		t.Errorf("ratios without a figure give %v", got)
	}
}

func TestFiguresAreWrittenToBeRead(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"0": 0, "0.0071": 0.00712, "0.24": 0.2449, "1.10": 1.1, "24.0": 24, "999": 999.4, "1,234,567": 1234567, "-1.50": -1.5,
	} {
		if got := num(v); got != want {
			t.Errorf("%v is written %q, not %q", v, got, want)
		}
	}
	if got := num(median(nil)); got != "–" {
		t.Errorf("what was not measured is written %q", got)
	}
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-sizes", "ten"}, {"-sizes", "10"}, {"-rounds", "0"}, {"-only", "everything"}, {"-patience", "-1s"}, {"-dir", "/nowhere"}, {"-bar", "no such bar"}, {"-bar", "("}, {"-bar", "HTTP", "-bars=false"}, {"now"}, {"-wrong"}} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	var help bytes.Buffer
	if _, err := parse([]string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-sizes") {
		t.Errorf("-h gives %v and\n%s", err, &help)
	}
}

func TestRatiosAreComparedWithThoseOfTheRunBefore(t *testing.T) {
	t.Parallel()
	before := Setting{Rounds: 1, Period: "1s", Sizes: []int{1000}, CPU: "this"}
	answers := func(stats, view float64) []HTTPSample {
		return []HTTPSample{{Request: "GET /stats", PerSecond: stats}, {Request: "GET /view", PerSecond: view}, {Request: bareHandler, PerSecond: 100}}
	}
	r := &Results{Settings: map[string][]Setting{"http": {before}}, HTTP: answers(50, 20)}
	r.keepRatios("http", before)
	r.HTTP = answers(55, 10)
	want := "Of the 2 ratios on this page that were measured twice in the same way, 1 differ by less than 15 %."
	if got := (page{r}).Twice(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if rows := (page{r}).TwiceTable(); !strings.Contains(rows, "| http | GET /view: requests per second / bare handler | 0.20 | 0.10 | -50 % |") || strings.Contains(rows, "/stats") {
		t.Errorf("the table of those that differ is\n%s", rows)
	}
	r.settle(measurement{name: "http"}, before)
	r.keepRatios("http", Setting{Rounds: 1, Period: "1s", Sizes: []int{1000}, CPU: "this", Files: "tmpfs"})
	if got := (page{r}).Twice(); got != "" {
		t.Errorf("a run on other files is compared: %s", got)
	}
	r.keepRatios("http", Setting{Rounds: 2, Period: "1s", Sizes: []int{1000}, CPU: "this"})
	if got := (page{r}).Twice(); got != "" {
		t.Errorf("a run made in another way is compared: %s", got)
	}
	r.keepRatios("http", Setting{Rounds: 1, Period: "1s", Sizes: []int{1000}, CPU: "another"})
	if got := (page{r}).Twice(); got != "" {
		t.Errorf("a run on another machine is compared: %s", got)
	}
}

func TestRunLeavesSizesThatItDoesNotMeasure(t *testing.T) {
	t.Parallel()
	small, large := Setting{Rounds: 3, Sizes: []int{1000, 2000}}, Setting{Rounds: 1, Sizes: []int{2000, 5000}}
	cleaned := func(contender string, size int, seconds float64) CleanupSample {
		return CleanupSample{Database: onPostgres, Contender: contender, Size: size, Due: 20, Seconds: seconds}
	}
	r := &Results{Settings: map[string][]Setting{"cleanup": {small}}, Cleanup: []CleanupSample{
		cleaned(ours, 1000, 2), cleaned(byHandOnce, 1000, 1), cleaned(ours, 2000, 4), cleaned(byHandOnce, 2000, 2),
	}}
	r.keepRatios("cleanup", small)
	r.keepRatios("cleanup", large)
	if len(r.Before) != 1 || r.Before[0].Size != 1000 {
		t.Errorf("the ratios of before are %v, want the one of the size that is not measured again", r.Before)
	}
	r.settle(measurement{name: "cleanup", bySize: true}, large)
	want := []Setting{{Rounds: 3, Sizes: []int{1000}}, large}
	if diff := cmp.Diff(want, r.Settings["cleanup"]); diff != "" {
		t.Errorf("the settings (-want +got):\n%s", diff)
	}
	r.settle(measurement{name: "cleanup"}, small)
	if diff := cmp.Diff([]Setting{small}, r.Settings["cleanup"]); diff != "" {
		t.Errorf("the settings of one that does not keep sizes apart (-want +got):\n%s", diff)
	}
}

func TestDirIsUsedAndLeftAgain(t *testing.T) { // not in parallel: it changes the environment
	before, dir := os.TempDir(), t.TempDir()
	if err := inDir(dir, func() error {
		if os.TempDir() != dir {
			t.Errorf("temporary files are in %s, want %s", os.TempDir(), dir)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if os.TempDir() != before {
		t.Errorf("temporary files stay in %s, want %s", os.TempDir(), before)
	}
}

func TestLeastDisturbedRunCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stolen []float64
		want   string
		runs   int
	}{
		"quiet at once":     {[]float64{0.5}, "run 1", 1},
		"quiet at last":     {[]float64{9, 0.5}, "run 2", 2},
		"never quiet":       {[]float64{9, 5}, "run 2", 2},
		"as bad every time": {[]float64{9, 9}, "run 1", 2},
	} {
		runs := 0
		output, stolen, err := quietest(t.Context(), 2, func() (string, float64, error) {
			runs++
			return fmt.Sprint("run ", runs), test.stolen[runs-1], nil
		})
		if err != nil || output != test.want || runs != test.runs || stolen != slices.Min(test.stolen) {
			t.Errorf("%s: %d runs gave %q with %g %% stolen, want %q of %d", name, runs, output, stolen, test.want, test.runs)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := quietest(stopped, 2, func() (string, float64, error) { t.Error("it ran all the same"); return "", 0, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was stopped says %v", err)
	}
}

func TestRoundsGoOnUntilTheMedianIsKnown(t *testing.T) {
	t.Parallel()
	steady := func(n int) float64 { return 1 + float64(n%3)/100 }
	wild := func(n int) float64 { return 1 + float64(n%3) }
	for name, test := range map[string]struct {
		rounds   int
		patience time.Duration
		figure   func(n int) float64
		least    int
		most     int
	}{
		"one is a look":              {1, time.Minute, wild, 1, 1},
		"steady":                     {3, time.Minute, steady, 6, 7}, // fewer say nothing of where the median lies
		"more than needed":           {9, time.Minute, steady, 9, 9},
		"no patience":                {3, 0, wild, 3, 3},
		"patience with the unsteady": {3, 20 * time.Millisecond, wild, 8, 1000},
	} {
		var ratios []float64
		b := &bench{options: options{rounds: test.rounds, patience: test.patience}, progress: t.Output()}
		err := b.untilKnown(name, func(n int) error {
			ratios = append(ratios, test.figure(n))
			time.Sleep(time.Millisecond)
			return nil
		}, func() [][]float64 { return [][]float64{ratios, {1, 1, 1, 1, 1, 1}} })
		if err != nil || len(ratios) < test.least || len(ratios) > test.most {
			t.Errorf("%s: %d rounds, error %v; want %d to %d", name, len(ratios), err, test.least, test.most)
		}
	}
	if low, high := interval([]float64{1, 2, 3, 4, 5, 6}); low != 1 || high != 6 {
		t.Errorf("the median of 1 to 6 lies between %g and %g, want 1 and 6", low, high)
	}
}
