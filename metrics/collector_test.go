package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/metrics"
)

var update = flag.Bool("update", false, "write the golden file")

const day = 24 * time.Hour

// observed is a memory store that counts its calls, takes some time for a batch, and may be down.
type observed struct {
	*memory.Store
	calls atomic.Int64
	down  atomic.Bool
}

func (s *observed) called() error {
	s.calls.Add(1)
	if s.down.Load() {
		return sessioncleanup.ErrUnavailable
	}
	return nil
}

func (s *observed) Now(ctx context.Context) (time.Time, error) {
	if err := s.called(); err != nil {
		return time.Time{}, err
	}
	return s.Store.Now(ctx)
}

func (s *observed) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	if err := s.called(); err != nil {
		return sessioncleanup.Counts{}, err
	}
	return s.Store.Counts(ctx, q)
}

func (s *observed) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if err := s.called(); err != nil {
		return nil, err
	}
	return s.Store.Events(ctx, q)
}

func (s *observed) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	time.Sleep(30 * time.Millisecond)
	return s.Store.Sweep(ctx, b)
}

// world is a service with sessions, and the metrics of it.
type world struct {
	*testing.T
	db        *observed
	sessions  *sessioncleanup.Manager
	collector *metrics.Collector
	registry  *prometheus.Registry
}

func newWorld(t *testing.T, c metrics.Config, o memory.Config) *world {
	t.Helper()
	w := &world{T: t, db: &observed{Store: memory.New(o)}}
	var err error
	w.sessions, err = sessioncleanup.New(w.db, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	w.restarts(c)
	return w
}

// restarts makes the metrics anew, as another process would.
func (w *world) restarts(c metrics.Config) {
	w.Helper()
	c.Version = "v1.2.3"
	var err error
	if w.collector, err = metrics.NewCollector(w.sessions, c); err != nil {
		w.Fatal(err)
	}
	w.registry = prometheus.NewPedanticRegistry()
	w.registry.MustRegister(w.collector)
}

// put adds sessions that were last used so long ago; inactive ones since then.
func (w *world) put(first, n int, active bool, ago time.Duration) {
	w.Helper()
	for i := first; i < first+n; i++ {
		s := sessioncleanup.Session{ID: strconv.Itoa(i), OwnerID: "secret owner", Name: "secret name", Active: active, AutoCleanup: true, LastActivity: time.Now().Add(-ago)}
		if !active {
			s.DeactivatedAt = s.LastActivity
		}
		if err := w.db.Put(s); err != nil {
			w.Fatal(err)
		}
	}
}

// runs cleans up, and ignores how that ends: the log says it.
func (w *world) runs(r sessioncleanup.Run) { _, _ = w.sessions.Cleanup(w.Context(), r) }

// scrape is what Prometheus gets, in its text format.
func (w *world) scrape() string {
	w.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	var out bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&out, family); err != nil {
			w.Fatal(err)
		}
	}
	return out.String()
}

// value is that of a series in a scrape.
func (w *world) value(scrape, series string) string {
	w.Helper()
	found := regexp.MustCompile(`(?m)^sessioncleanup_` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(scrape)
	if found == nil {
		return ""
	}
	return found[1]
}

// expect requires values of series; an empty one is not there.
func (w *world) expect(when string, want map[string]string) {
	w.Helper()
	scrape := w.scrape()
	for series, value := range want {
		if got := w.value(scrape, series); got != value {
			w.Errorf("%s: %s is %q, want %q", when, series, got, value)
		}
	}
}

// A whole life: what Prometheus gets of it is in testdata, and is what promlint wants.
func TestMetricsAreThoseOfTheGoldenFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := map[string]bool{"203": true}
		w := newWorld(t, metrics.Config{Schedule: sessioncleanup.Interval{Every: 6 * time.Hour}}, memory.Config{
			Refuse: func(s sessioncleanup.Session) error {
				if refused[s.ID] {
					return errors.New("a row refers to it")
				}
				return nil
			},
		})
		w.scrape() // the counters begin
		w.put(1, 10, true, time.Hour)
		w.put(100, 5, true, 2*day)
		w.put(200, 4, false, 40*day)
		w.runs(sessioncleanup.Run{})
		w.put(1000, 150, false, 40*day)
		w.runs(sessioncleanup.Run{DeleteAfter: 3 * day})
		if _, err := w.sessions.SetAutoCleanup(t.Context(), "1", false); err != nil {
			t.Fatal(err)
		}
		notice := sessioncleanup.Event{Action: sessioncleanup.ActionNotified, Actor: "system", Reason: "mail: too_many_due"}
		if _, err := w.db.Record(t.Context(), sessioncleanup.Record{Event: notice}); err != nil {
			t.Fatal(err)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		_, _ = w.sessions.Cleanup(stopped, sessioncleanup.Run{})
		time.Sleep(time.Hour)

		got := strings.ReplaceAll(w.scrape(), runtime.Version(), "go1.x")
		const golden = "testdata/metrics.txt"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("metrics (-want +got); write them with -update:\n%s", diff)
		}
		problems, err := testutil.GatherAndLint(w.registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
		if strings.Contains(got, "secret") {
			t.Error("the metrics name owners or sessions")
		}
	})
}

func TestAFailedBackupAndWhatOperatorsWereToldAreSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, metrics.Config{}, memory.Config{})
		record := func(e sessioncleanup.Event) {
			t.Helper()
			e.Actor = "system"
			if _, err := w.db.Record(t.Context(), sessioncleanup.Record{Event: e}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // until the next reading
		}
		w.scrape() // the counters begin
		for _, failure := range []string{"", "connection refused", ""} {
			run := &sessioncleanup.RunSummary{StartedAt: time.Now(), Backup: &sessioncleanup.BackupResult{Waiting: 3, Error: failure}}
			record(sessioncleanup.Event{Action: sessioncleanup.ActionRun, RunID: "R", Run: run})
			want := map[bool]string{true: "1", false: "0"}[failure != ""]
			if got := w.value(w.scrape(), "last_run_backup_failed"); got != want {
				t.Errorf("last_run_backup_failed is %q after a backup with the error %q, want %s", got, failure, want)
			}
		}
		record(sessioncleanup.Event{Action: sessioncleanup.ActionNotified, Reason: "mail: backup_failed"})
		record(sessioncleanup.Event{Action: sessioncleanup.ActionNotified, Reason: "mail: none"})
		for _, outcome := range []string{"alert", "over"} {
			if got := w.value(w.scrape(), `notices_total{channel="mail",outcome="`+outcome+`"}`); got != "1" {
				t.Errorf("notices_total with the outcome %s is %q, want 1", outcome, got)
			}
		}
	})
}

func TestScrapesOfAnIntervalAskTheDatabaseOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, metrics.Config{Interval: 10 * time.Second}, memory.Config{})
		w.scrape()
		time.Sleep(10 * time.Second)
		w.db.calls.Store(0)
		w.scrape()
		once := w.db.calls.Load()
		if once == 0 || once > 7 {
			t.Errorf("a reading takes %d calls, want 1 to 7", once)
		}
		var scrapes sync.WaitGroup
		for second := range 20 { // 100 scrapes per second for 20 s: the rest of this interval, and another one
			for range 100 {
				scrapes.Go(func() { w.scrape() })
			}
			scrapes.Wait()
			if second < 19 {
				time.Sleep(time.Second)
			}
		}
		if calls := w.db.calls.Load(); calls != 2*once {
			t.Errorf("%d calls in two intervals, want %d", calls, 2*once)
		}
	})
}

// slow is a store whose figures take long.
type slow struct{ sessioncleanup.Store }

func (s slow) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	time.Sleep(4 * time.Second)
	return s.Store.Counts(ctx, q)
}

func TestASlowDatabaseIsAskedLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sessions, err := sessioncleanup.New(slow{memory.New(memory.Config{})}, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		collector, err := metrics.NewCollector(sessions, metrics.Config{Interval: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		began, readings := time.Now(), 0
		for time.Since(began) < 10*time.Minute {
			asked := time.Now()
			testutil.CollectAndCount(collector)
			if time.Since(asked) > 0 {
				readings++
			}
			time.Sleep(time.Second)
		}
		if share := float64(readings) * 4 / 600; readings < 2 || share > 0.055 {
			t.Errorf("the database spent %.0f %% of the time on %d readings, want some and 5 %% at most", 100*share, readings)
		}
	})
}

func TestWhileTheDatabaseIsDownTheFactsOfTheLogStayAndTheFiguresGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, metrics.Config{}, memory.Config{})
		w.scrape()
		w.put(1, 3, true, 2*day)
		w.runs(sessioncleanup.Run{})
		time.Sleep(time.Minute)
		success := w.value(w.scrape(), "last_success_timestamp_seconds")
		if success == "" {
			t.Fatal("no last success")
		}
		w.db.down.Store(true)
		time.Sleep(time.Minute)
		w.expect("down", map[string]string{
			"database_up": "0", `sessions{state="active"}`: "", "last_success_timestamp_seconds": success,
			`session_changes_total{action="deactivated"}`: "3", `last_run{outcome="succeeded"}`: "1",
		})
		w.db.down.Store(false)
		time.Sleep(time.Minute)
		w.expect("up again", map[string]string{"database_up": "1", `sessions{state="inactive"}`: "3", `session_changes_total{action="deactivated"}`: "3"})
	})
}

// Runs and changes of other processes count, each once; what was there before does not.
func TestCountersFollowTheLogWhoeverWritesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, metrics.Config{}, memory.Config{})
		w.put(1, 300, true, time.Hour)
		change := func(n int) {
			for range n {
				for _, on := range []bool{false, true} {
					if _, err := w.sessions.SetAutoCleanup(t.Context(), "1", on); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		change(40)
		w.runs(sessioncleanup.Run{})
		w.expect("at first", map[string]string{`session_changes_total{action="auto_cleanup_on"}`: "0", `runs_total{outcome="succeeded"}`: "0"})
		total := 0
		for _, n := range []int{1, 3, 0, 150, 2} {
			change(n)
			total += n
			time.Sleep(time.Minute)
			w.expect("after changes", map[string]string{`session_changes_total{action="auto_cleanup_on"}`: strconv.Itoa(total)})
		}
		w.put(1000, 250, true, 2*day)
		w.runs(sessioncleanup.Run{})
		time.Sleep(time.Minute)
		w.expect("after a run", map[string]string{`session_changes_total{action="deactivated"}`: "250", `runs_total{outcome="succeeded"}`: "1"})
	})
}

// late is a store whose log shows one event only later: its transaction committed after others with higher numbers. Or it shows
// only the first ones: a backup was restored.
type late struct {
	*observed
	hidden, newest atomic.Int64
}

func (s *late) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if newest := s.newest.Load(); newest > 0 && (q.Before == 0 || q.Before > newest) {
		q.Before = newest + 1
	}
	events, err := s.observed.Events(ctx, q)
	var shown []sessioncleanup.Event
	for _, e := range events {
		if e.ID != s.hidden.Load() {
			shown = append(shown, e)
		}
	}
	return shown, err
}

func newLateWorld(t *testing.T) (*world, *late) {
	t.Helper()
	w := newWorld(t, metrics.Config{}, memory.Config{})
	db := &late{observed: w.db}
	var err error
	if w.sessions, err = sessioncleanup.New(db, sessioncleanup.Config{}); err != nil {
		t.Fatal(err)
	}
	w.restarts(metrics.Config{})
	w.put(1, 1, true, time.Hour)
	w.scrape()
	return w, db
}

// changes protects a session and ends that, again and again.
func (w *world) changes(n int) {
	w.Helper()
	for i := range n {
		if _, err := w.sessions.SetAutoCleanup(w.Context(), "1", i%2 != 0); err != nil {
			w.Fatal(err)
		}
	}
}

func TestALogThatIsReplacedByAnOlderOneIsCountedFromItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newLateWorld(t)
		w.changes(60)
		time.Sleep(time.Minute)
		w.expect("before", map[string]string{`session_changes_total{action="auto_cleanup_off"}`: "30", "log_position": "60"})
		db.newest.Store(20)
		time.Sleep(time.Minute)
		w.expect("restored", map[string]string{`session_changes_total{action="auto_cleanup_off"}`: "30", "log_position": "20"})
	})
}

func TestEventsThatAppearOutOfOrderCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newLateWorld(t)
		db.hidden.Store(3)
		w.changes(5)
		time.Sleep(time.Minute)
		w.expect("while one is hidden", map[string]string{`session_changes_total{action="auto_cleanup_off"}`: "2"})
		db.hidden.Store(0)
		time.Sleep(time.Minute)
		w.expect("when it appears", map[string]string{`session_changes_total{action="auto_cleanup_off"}`: "3"})
	})
}

func TestACommandContinuesFromTheFileOfItsLastRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, metrics.Config{}, memory.Config{})
		w.put(1, 5, true, time.Hour)
		file := w.scrape()
		for day := range 3 {
			w.put(100*(day+1), 7, true, 48*time.Hour)
			w.runs(sessioncleanup.Run{})
			w.restarts(metrics.Config{})
			if err := w.collector.Resume(strings.NewReader(file)); err != nil {
				t.Fatal(err)
			}
			if day == 2 {
				w.db.down.Store(true)
			}
			file = w.scrape()
			time.Sleep(24 * time.Hour)
		}
		for series, want := range map[string]string{
			`session_changes_total{action="deactivated"}`: "19", `runs_total{outcome="succeeded"}`: "2", "run_duration_seconds_count": "2",
			`run_duration_seconds_bucket{le="0.1"}`: "2", "run_longest_lock_seconds_count": "2", "database_up": "0",
		} {
			if got := w.value(file, series); got != want {
				t.Errorf("%s is %q, want %q", series, got, want)
			}
		}
		if w.value(file, "last_success_timestamp_seconds") == "" {
			t.Error("the last success is forgotten while the database is down")
		}
	})
}

// A file that was written for another log, or is none, changes nothing.
func TestResumeRefusesWhatIsNoFileOfMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, metrics.Config{}, memory.Config{})
	for _, text := range []string{
		"not metrics at all", "# TYPE sessioncleanup_runs_total counter\nsessioncleanup_runs_total{outcome=\"succeeded\"} -3\n",
		"# TYPE sessioncleanup_runs_total counter\nsessioncleanup_runs_total{other=\"label\"} 3\n",
	} {
		if err := w.collector.Resume(strings.NewReader(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	if err := w.collector.Resume(strings.NewReader("# TYPE sessioncleanup_log_position gauge\nsessioncleanup_log_position 5000\n")); err != nil {
		t.Fatal(err)
	}
	w.put(1, 1, true, 2*day)
	w.runs(sessioncleanup.Run{})
	w.expect("after a file of a longer log", map[string]string{"log_position": "2", `runs_total{outcome="succeeded"}`: "0"})
}

func TestTheLongestPauseOfAScheduleIsKnown(t *testing.T) {
	t.Parallel()
	weekdays := scheduleFunc(func(at time.Time) time.Time {
		for at = at.Truncate(day).Add(day); at.Weekday() == time.Saturday || at.Weekday() == time.Sunday; {
			at = at.Add(day)
		}
		return at
	})
	once := scheduleFunc(func(time.Time) time.Time { return time.Time{} })
	for want, schedule := range map[string]sessioncleanup.Schedule{
		"21600": sessioncleanup.Interval{Every: 6 * time.Hour}, "259200": weekdays, "": once,
	} {
		w := newWorld(t, metrics.Config{Schedule: schedule}, memory.Config{})
		w.expect("schedule", map[string]string{"schedule_interval_seconds": want})
	}
}

type scheduleFunc func(time.Time) time.Time

func (f scheduleFunc) Next(after time.Time) time.Time { return f(after) }

func TestNewCollectorRefusesABadConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, metrics.Config{}, memory.Config{})
	for _, c := range []metrics.Config{{Interval: -1}, {Timeout: -1}} {
		if _, err := metrics.NewCollector(w.sessions, c); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", c, err)
		}
	}
	if _, err := metrics.NewCollector(nil, metrics.Config{}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("without a manager: %v, want ErrInvalid", err)
	}
}

func TestTheSessionsOfATagAreExportedWhenItHasARule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, metrics.Config{}, memory.Config{})
		tagged := func(id string, active bool, idle time.Duration, tags ...string) {
			at := time.Now().Add(-idle)
			s := sessioncleanup.Session{ID: id, Active: active, AutoCleanup: true, LastActivity: at, Tags: tags}
			if !active {
				s.DeactivatedAt = at
			}
			if err := w.db.Put(s); err != nil {
				t.Fatal(err)
			}
		}
		tagged("1", true, 0, "vip", "other")
		tagged("2", false, 40*day, "vip")
		tagged("3", false, 2*day, "test")
		tagged("4", true, 2*time.Hour, "test")
		with := func(rules string) string {
			m, err := sessioncleanup.New(w.db, sessioncleanup.Config{Policy: sessioncleanup.Policy{Rules: rules}})
			if err != nil {
				t.Fatal(err)
			}
			collector, err := metrics.NewCollector(m, metrics.Config{})
			if err != nil {
				t.Fatal(err)
			}
			text, err := testutil.CollectAndFormat(collector, expfmt.TypeTextPlain, "sessioncleanup_sessions_tagged", "sessioncleanup_sessions_tagged_due")
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		got := with("vip: delete=never; test: inactive=1h delete=1d; unused: delete=1d")
		for _, want := range []string{
			`sessioncleanup_sessions_tagged{state="active",tag="vip"} 1`, `sessioncleanup_sessions_tagged{state="inactive",tag="vip"} 1`,
			`sessioncleanup_sessions_tagged_due{phase="delete",tag="vip"} 0`, `sessioncleanup_sessions_tagged_due{phase="delete",tag="test"} 1`,
			`sessioncleanup_sessions_tagged_due{phase="deactivate",tag="test"} 1`, `sessioncleanup_sessions_tagged{state="active",tag="unused"} 0`,
		} {
			if !strings.Contains(got, want+"\n") {
				t.Errorf("%s is missing in\n%s", want, got)
			}
		}
		if strings.Contains(got, "other") {
			t.Errorf("a tag without a rule is exported:\n%s", got)
		}
		if got := with(""); strings.TrimSpace(got) != "" {
			t.Errorf("without rules there is\n%s", got)
		}
	})
}
