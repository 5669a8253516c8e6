// Package metrics exports what a Manager knows to Prometheus.
//
//	collector, err := metrics.NewCollector(sessions, metrics.Config{Schedule: schedule})
//	…
//	prometheus.MustRegister(collector)
//
// The counters come from the audit log, so they count every run and every change of a session, whichever process made it. No
// metric has a label whose values grow with the application: nothing names an owner or a session, and a tag only if the policy
// has a rule for it, of which there are at most 50.
//
// docs/monitoring.md lists the metrics, and has alerts and a dashboard.
package metrics

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/figures"
)

// Config configures a Collector. The zero value is useful.
type Config struct {
	// Interval is the largest age of the figures in a scrape: the database is queried once per interval, however many
	// scrapes there are. After a query that took long, the next one follows only after 20 times as long. Default: 15 s.
	Interval time.Duration
	// Timeout is how long a scrape waits for the database. Default: 8 s, which is less than Prometheus waits.
	Timeout time.Duration
	// Schedule is when runs are due, for the metric of the longest time between two runs. Default: none, and no such
	// metric.
	Schedule sessioncleanup.Schedule
	// Context cancels the queries of scrapes. Default: context.Background().
	Context context.Context
	// Version is the program's version, for build_info. Default: that of its main module.
	Version string
}

// Collector is a prometheus.Collector over a Manager. It starts no goroutine. The first scrape in an Interval queries
// the database, and the others reuse the result.
type Collector struct {
	manager *sessioncleanup.Manager
	ctx     context.Context
	longest time.Duration // between two runs; 0 when not known
	version string

	mu      sync.Mutex
	figures figures.Reader
	last    reading
	log     *log
}

// reading is what the database answered.
type reading struct {
	ok   bool // it did answer
	at   time.Time
	took time.Duration
	figures.Figures
}

// NewCollector returns a Collector. It does not use the database yet. The Manager must be one that may do everything. A
// wrong Config is an ErrInvalid.
func NewCollector(m *sessioncleanup.Manager, c Config) (*Collector, error) {
	reader, err := figures.New(m, "Config", c.Interval, c.Timeout)
	if err != nil {
		return nil, err
	}
	if c.Context == nil {
		c.Context = context.Background()
	}
	if c.Version == "" {
		c.Version = "(devel)"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
			c.Version = info.Main.Version
		}
	}
	collector := &Collector{manager: m, ctx: c.Context, version: c.Version, log: newLog(), figures: reader}
	if c.Schedule != nil {
		collector.longest = longestPause(c.Schedule, time.Now())
	}
	return collector, nil
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		to <- d
	}
	c.log.describe(to)
}

// Collect sends all metrics. While the database does not answer, it sends the last figures of the log, which are still
// true, and leaves out the figures of the sessions.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.figures.Due(time.Now()) {
		ctx, cancel := context.WithTimeout(c.ctx, c.figures.Timeout)
		defer cancel()
		c.read(ctx)
	}
	c.send(to)
}

// read queries the database, and decides when it is queried again.
func (c *Collector) read(ctx context.Context) {
	began := time.Now()
	f, err := c.figures.Read(ctx)
	if err == nil {
		err = c.log.read(ctx, c.manager, f.Stats.At)
	}
	if err == nil {
		c.log.last = f.Stats.LastRun
	}
	c.last = reading{ok: err == nil, at: began, took: time.Since(began), Figures: f}
	c.figures.Took(c.last.took)
}

// gauges sends gauges to a channel.
func gauges(to chan<- prometheus.Metric) func(d *prometheus.Desc, value float64, labels ...string) {
	return func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
}

// send sends the last reading.
func (c *Collector) send(to chan<- prometheus.Metric) {
	gauge := gauges(to)
	gauge(buildInfo, 1, c.version, runtime.Version())
	gauge(databaseUp, truth(c.last.ok))
	gauge(enabled, truth(c.manager.Policy().Enabled.Or(true)))
	gauge(readingDuration, c.last.took.Seconds())
	gauge(overdue, c.manager.Overdue().Seconds())
	if c.longest > 0 {
		gauge(scheduleInterval, c.longest.Seconds())
	}
	c.log.send(to)
	if !c.last.ok {
		return
	}
	s := c.last.Stats
	if s.Pause == nil {
		gauge(pausedUntil, 0)
	} else {
		gauge(pausedUntil, seconds(s.Pause.Until))
	}
	gauge(readingTime, seconds(c.last.at))
	gauge(sessions, float64(s.Active), "active")
	gauge(sessions, float64(s.Inactive), "inactive")
	gauge(oldSessions, float64(s.Old))
	gauge(protectedSessions, float64(s.Protected))
	gauge(neverDueSessions, float64(s.NeverDue))
	gauge(inUseSessions, float64(s.InUse))
	gauge(recentSessions, float64(s.Recent))
	gauge(due, float64(s.DueForDeactivation), "deactivate")
	gauge(due, float64(s.DueForDeletion), "delete")
	for _, t := range c.last.Tags {
		gauge(taggedSessions, float64(t.Stats.Active), t.Tag, "active")
		gauge(taggedSessions, float64(t.Stats.Inactive), t.Tag, "inactive")
		gauge(taggedDue, float64(t.Stats.DueForDeactivation), t.Tag, "deactivate")
		gauge(taggedDue, float64(t.Stats.DueForDeletion), t.Tag, "delete")
	}
	gauge(oldestOverdue, s.OldestOverdueSeconds)
	gauge(clockDifference, s.ClockDifference.Seconds())
	if o := s.Outbox; o != nil {
		gauge(waitingSessions, float64(s.Waiting))
		gauge(outboxPending, float64(o.Pending))
		gauge(outboxUndeliverable, float64(o.Undeliverable))
		gauge(outboxOldest, c.last.OutboxAge().Seconds())
	}
	if c.last.Archive != nil {
		gauge(due, float64(c.last.Archive.Due), "purge")
		gauge(archiveEntries, float64(c.last.Archive.Entries))
		gauge(archiveBytes, float64(c.last.Archive.Bytes))
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// longestPause is the longest time between two successive runs of a schedule, of the next 100; 0 when there are no two.
func longestPause(s sessioncleanup.Schedule, now time.Time) time.Duration {
	var longest time.Duration
	at := s.Next(now)
	for range 100 {
		next := s.Next(at)
		if at.IsZero() || !next.After(at) {
			break
		}
		longest, at = max(longest, next.Sub(at)), next
	}
	return longest
}
