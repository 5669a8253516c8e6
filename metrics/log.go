package metrics

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/told"
)

// overlap is how many events are read again: transactions that commit at the same time may add theirs out of order.
const overlap = 16

// earlierRuns is how many runs the log is searched for the last success, at the first reading.
const earlierRuns = 5 * sessioncleanup.MaxPage

// clockTolerance is how far in the future an event may lie; runs tolerate the same.
const clockTolerance = 10 * time.Minute

// phases are the phases of a run, by what they do to a session, as labels name them.
var phases = map[sessioncleanup.Action]string{
	sessioncleanup.ActionPurged: "purge", sessioncleanup.ActionDeleted: "delete", sessioncleanup.ActionNoticed: "warn",
	sessioncleanup.ActionDeactivated: "deactivate",
}

// log counts what is in the audit log, from the first reading on: Prometheus asks how much a counter rises. Collector.Resume
// is for a process that is there for one run only.
type log struct {
	changes, runs, failures, skips, notices *prometheus.CounterVec
	durations, locks                        *histogram

	position int64              // the newest event that is counted
	resumed  bool               // position is that of a file
	known    map[int64]struct{} // the last events that are counted; nil before the first reading
	success  time.Time          // when the last whole run ended without an error; zero when that is not known
	began    time.Time          // the first start of a scheduler; zero when that is not known
	last     *sessioncleanup.Event
}

func newLog() *log {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	l := &log{
		changes:   counter("session_changes_total", "Sessions changed, by what happened to them.", "action"),
		runs:      counter("runs_total", "Runs that ended, by outcome.", "outcome"),
		failures:  counter("session_failures_total", "Sessions that runs could not change, by phase.", "phase"),
		skips:     counter("session_skips_total", "Sessions that runs left for the next one although they were due, by phase.", "phase"),
		notices:   counter("notices_total", "Notices to operators, by channel, and by whether alerts hold or all are over.", "channel", "outcome"),
		durations: newHistogram("run_duration_seconds", "How long runs took.", .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 150, 300, 600, 1800, 3600),
		locks: newHistogram("run_longest_lock_seconds", "The longest time for which one transaction of a run held its locks, for each run.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10),
	}
	for _, action := range sessioncleanup.Actions() { // a counter that appears with its first increase hides it
		if changesSessions(action) {
			l.changes.WithLabelValues(string(action))
		}
	}
	for _, outcome := range sessioncleanup.Outcomes() {
		l.runs.WithLabelValues(string(outcome))
	}
	for _, phase := range phases {
		l.failures.WithLabelValues(phase)
		l.skips.WithLabelValues(phase)
	}
	return l
}

func changesSessions(a sessioncleanup.Action) bool {
	switch a {
	case sessioncleanup.ActionRun, sessioncleanup.ActionScheduled, sessioncleanup.ActionNotified, sessioncleanup.ActionPaused, sessioncleanup.ActionResumed, sessioncleanup.ActionPolicyChanged:
		return false
	default:
		return true
	}
}

// read counts the events that were added since the last time: all of them, or none with an error.
func (l *log) read(ctx context.Context, m *sessioncleanup.Manager, now time.Time) error {
	if l.known == nil {
		if err := l.start(ctx, m, now); err != nil {
			return err
		}
	}
	after := l.position
	if len(l.known) > 0 {
		after = max(0, l.position-overlap)
	}
	var fresh []sessioncleanup.Event
	seen, newest := map[int64]struct{}{}, l.position
	for q := (sessioncleanup.EventQuery{After: after, Limit: sessioncleanup.MaxPage}); ; {
		page, err := m.EventPage(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			seen[e.ID], newest = struct{}{}, max(newest, e.ID)
			if _, counted := l.known[e.ID]; !counted {
				fresh = append(fresh, e)
			}
		}
		if q.Before = page.Next; page.Next == 0 {
			break
		}
	}
	if len(l.known) > 0 && len(seen) == 0 { // the log is another one: a backup was restored
		l.known, l.position, l.resumed = nil, 0, false
		return l.read(ctx, m, now)
	}
	maps.DeleteFunc(seen, func(id int64, _ struct{}) bool { return id <= newest-overlap })
	l.known, l.position = seen, newest
	for _, e := range fresh {
		l.count(e, now)
	}
	return nil
}

// start finds where to count from, and what happened before.
func (l *log) start(ctx context.Context, m *sessioncleanup.Manager, now time.Time) error {
	page, err := m.EventPage(ctx, sessioncleanup.EventQuery{Limit: overlap})
	if err != nil {
		return err
	}
	known := map[int64]struct{}{}
	if !l.resumed || l.position > page.Newest { // a file of another log would be no beginning
		for _, e := range page.Events {
			known[e.ID] = struct{}{}
		}
		l.position = page.Newest
	}
	q := sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}, Limit: 100}
	for read := 0; l.success.IsZero() && read < earlierRuns; read += q.Limit {
		runs, err := m.Events(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range runs {
			l.note(e, now)
		}
		if len(runs) < q.Limit {
			break
		}
		q.Before, q.Limit = runs[len(runs)-1].ID, sessioncleanup.MaxPage
	}
	starts, err := m.Events(ctx, sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionScheduled}, Limit: sessioncleanup.MaxPage})
	if err != nil {
		return err
	}
	for _, e := range starts {
		l.note(e, now)
	}
	l.known = known
	return nil
}

// note keeps the time of a success or of a first start.
func (l *log) note(e sessioncleanup.Event, now time.Time) {
	switch {
	case e.At.After(now.Add(clockTolerance)): // a clock was wrong then
	case e.Action == sessioncleanup.ActionScheduled && (l.began.IsZero() || e.At.Before(l.began)):
		l.began = e.At
	case e.Run != nil && e.Run.Error == "" && !e.Run.Partial && e.At.After(l.success):
		l.success = e.At
	}
}

func (l *log) count(e sessioncleanup.Event, now time.Time) {
	l.note(e, now)
	if changesSessions(e.Action) {
		l.changes.WithLabelValues(string(e.Action)).Add(float64(len(e.Sessions) + e.Unnamed))
	}
	if e.Action == sessioncleanup.ActionNotified {
		if channel, alerts := told.Parse(e.Reason); channel != "" {
			l.notices.WithLabelValues(channel, map[bool]string{true: "alert", false: "over"}[len(alerts) > 0]).Inc()
		}
	}
	if e.Run == nil {
		return
	}
	l.runs.WithLabelValues(string(e.Run.Outcome())).Inc()
	l.durations.observe(e.Run.Duration.Seconds())
	if e.Run.LongestBatch > 0 {
		l.locks.observe(e.Run.LongestBatch.Seconds())
	}
	for _, p := range e.Run.Phases {
		if phase, ok := phases[p.Action]; ok {
			l.failures.WithLabelValues(phase).Add(float64(max(0, p.Failed)))
			l.skips.WithLabelValues(phase).Add(float64(max(0, p.Skipped)))
		}
	}
}

func (l *log) vectors() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{l.changes, l.runs, l.failures, l.skips, l.notices}
}

func (l *log) describe(to chan<- *prometheus.Desc) {
	for _, vector := range l.vectors() {
		vector.Describe(to)
	}
	to <- l.durations.desc
	to <- l.locks.desc
}

func (l *log) send(to chan<- prometheus.Metric) {
	for _, vector := range l.vectors() {
		vector.Collect(to)
	}
	l.durations.send(to)
	l.locks.send(to)
	gauge := gauges(to)
	if l.known != nil || l.resumed {
		gauge(logPosition, float64(l.position))
	}
	if !l.success.IsZero() {
		gauge(lastSuccess, seconds(l.success))
	}
	if !l.began.IsZero() {
		gauge(scheduleStart, seconds(l.began))
	}
	if l.last == nil || l.last.Run == nil {
		return
	}
	gauge(lastRunTime, seconds(l.last.At))
	gauge(lastRunFailures, float64(l.last.Run.Phases.Total().Failed))
	gauge(lastRunBackup, truth(l.last.Run.Backup != nil && l.last.Run.Backup.Error != ""))
	for _, outcome := range sessioncleanup.Outcomes() {
		gauge(lastRun, truth(outcome == l.last.Run.Outcome()), string(outcome))
	}
}
