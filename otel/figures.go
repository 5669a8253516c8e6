package otel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/figures"
)

// FiguresConfig says where the figures of the sessions go, and how often the database is queried for them.
type FiguresConfig struct {
	MeterProvider metric.MeterProvider // Default: the global one.
	// Interval is the largest age of the figures in a collection: the database is queried once per interval, however many
	// readers there are. After a query that took long, the next one follows only after 20 times as long. Default: 15 s.
	Interval time.Duration
	// Timeout is how long a collection waits for the database. Default: 8 s.
	Timeout time.Duration
}

// observer observes the figures of all sessions.
type observer struct {
	count, tagged, due, taggedDue, protected, old, neverDue, inUse, recent, waiting, entries, bytes, pending, undeliverable metric.Int64ObservableGauge
	oldest, outboxOldest                                                                                                    metric.Float64ObservableGauge

	mu      sync.Mutex
	figures figures.Reader
	last    figures.Figures
	err     error // of the last reading
}

// Figures has a meter observe the figures of all sessions: those that package metrics has for Prometheus, from the same
// source. docs/monitoring.md lists them. Nothing names an owner or a session, and a tag only if the policy has a rule for it.
// While the database does not answer, there are none, and the meter's error handler gets the error. Unregister of what it
// returns ends that. The Manager must be one that may do everything. An ErrInvalid says that it is nil or a duration negative;
// other errors, that the MeterProvider refuses an instrument.
func Figures(m *sessioncleanup.Manager, c FiguresConfig) (metric.Registration, error) {
	reader, err := figures.New(m, "FiguresConfig", c.Interval, c.Timeout)
	if err != nil {
		return nil, err
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	o := &observer{figures: reader}
	meter := c.MeterProvider.Meter(scope)
	var all []metric.Observable
	var problems []error
	gauge := func(to *metric.Int64ObservableGauge, name, unit, description string) {
		var err error
		*to, err = meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		all, problems = append(all, *to), append(problems, err)
	}
	age := func(to *metric.Float64ObservableGauge, name, description string) {
		var err error
		*to, err = meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(description))
		all, problems = append(all, *to), append(problems, err)
	}
	gauge(&o.count, "sessioncleanup.session.count", "{session}", "Sessions.")
	gauge(&o.tagged, "sessioncleanup.session.tagged", "{session}", "Sessions with a tag that has a rule in the policy.")
	gauge(&o.due, "sessioncleanup.session.due", "{session}", "Sessions that a run would change now; of the archive for the phase purge.")
	gauge(&o.taggedDue, "sessioncleanup.session.tagged_due", "{session}", "Sessions that a run would change now, with a tag that has a rule in the policy.")
	gauge(&o.protected, "sessioncleanup.session.protected", "{session}", "Sessions that nothing automatic happens to.")
	gauge(&o.old, "sessioncleanup.session.old", "{session}", "Sessions last used longer ago than the policy's deletion threshold, whatever their state.")
	gauge(&o.neverDue, "sessioncleanup.session.never_due", "{session}", "Active sessions that nothing ever makes due.")
	gauge(&o.inUse, "sessioncleanup.session.in_use", "{session}", "Sessions used within the policy's threshold of inactivity, whatever their state.")
	gauge(&o.recent, "sessioncleanup.session.recent", "{session}", "Sessions used within twice the policy's threshold of inactivity.")
	gauge(&o.waiting, "sessioncleanup.session.waiting", "{session}", "Sessions that are due for deletion, but for their warning.")
	age(&o.oldest, "sessioncleanup.session.oldest_due", "For how long the session that is due the longest has been due.")
	gauge(&o.entries, "sessioncleanup.archive.entry.count", "{entry}", "Deleted sessions in the archive.")
	gauge(&o.bytes, "sessioncleanup.archive.size", "By", "The size of the rows in the archive, as the database keeps them.")
	gauge(&o.pending, "sessioncleanup.outbox.pending", "{warning}", "Warnings of owners that are neither delivered nor given up.")
	gauge(&o.undeliverable, "sessioncleanup.outbox.undeliverable", "{warning}", "Warnings of owners that were given up.")
	age(&o.outboxOldest, "sessioncleanup.outbox.oldest", "For how long the oldest pending warning has been in the outbox; 0 when there is none.")
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	return meter.RegisterCallback(o.observe, all...)
}

// read returns the figures, from the database when it is time to ask it.
func (o *observer) read(ctx context.Context) (figures.Figures, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if began := time.Now(); o.figures.Due(began) {
		ctx, cancel := context.WithTimeout(ctx, o.figures.Timeout)
		defer cancel()
		o.last, o.err = o.figures.Read(ctx)
		o.figures.Took(time.Since(began))
	}
	return o.last, o.err
}

// observe is the meter's callback.
func (o *observer) observe(ctx context.Context, to metric.Observer) error {
	f, err := o.read(ctx)
	if err != nil {
		return fmt.Errorf("read the figures of the sessions: %w", err)
	}
	set := func(g metric.Int64Observable, value int, attributes ...string) {
		var all []attribute.KeyValue
		for i := 0; i < len(attributes); i += 2 {
			all = append(all, attribute.String(attributes[i], attributes[i+1]))
		}
		to.ObserveInt64(g, int64(value), metric.WithAttributes(all...))
	}
	s := f.Stats
	set(o.count, s.Active, "state", "active")
	set(o.count, s.Inactive, "state", "inactive")
	set(o.due, s.DueForDeactivation, "phase", "deactivate")
	set(o.due, s.DueForDeletion, "phase", "delete")
	for _, t := range f.Tags {
		set(o.tagged, t.Stats.Active, "tag", t.Tag, "state", "active")
		set(o.tagged, t.Stats.Inactive, "tag", t.Tag, "state", "inactive")
		set(o.taggedDue, t.Stats.DueForDeactivation, "tag", t.Tag, "phase", "deactivate")
		set(o.taggedDue, t.Stats.DueForDeletion, "tag", t.Tag, "phase", "delete")
	}
	set(o.protected, s.Protected)
	set(o.old, s.Old)
	set(o.neverDue, s.NeverDue)
	set(o.inUse, s.InUse)
	set(o.recent, s.Recent)
	to.ObserveFloat64(o.oldest, s.OldestOverdueSeconds)
	if s.Outbox != nil {
		set(o.waiting, s.Waiting)
		set(o.pending, s.Outbox.Pending)
		set(o.undeliverable, s.Outbox.Undeliverable)
		to.ObserveFloat64(o.outboxOldest, f.OutboxAge().Seconds())
	}
	if f.Archive != nil {
		set(o.due, f.Archive.Due, "phase", "purge")
		set(o.entries, f.Archive.Entries)
		set(o.bytes, int(f.Archive.Bytes))
	}
	return nil
}
