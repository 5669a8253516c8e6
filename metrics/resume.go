package metrics

import (
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// NameLabel is the label that distinguishes the Collectors of several installations in one registry. Resume ignores it.
//
//	prometheus.WrapRegistererWith(prometheus.Labels{metrics.NameLabel: "carts"}, registry).Register(collector)
const NameLabel = "name"

// Resume makes a Collector that was not scraped yet continue from metrics that another one wrote in Prometheus's text
// format. Its counters go on from there and add what the log has since. So a command that runs once a day has counters
// that rise, in a file for node_exporter. It returns an error, and leaves the Collector unchanged, when the text is not
// such a file.
func (c *Collector) Resume(from io.Reader) error {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(from)
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := newLog()
	if err := l.resume(families); err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	c.log = l
	return nil
}

func (l *log) resume(families map[string]*dto.MetricFamily) error {
	for name, vector := range map[string]*prometheus.CounterVec{
		"session_changes_total": l.changes, "runs_total": l.runs, "session_failures_total": l.failures, "session_skips_total": l.skips,
	} {
		for _, metric := range families[namespace+"_"+name].GetMetric() {
			labels := prometheus.Labels{}
			for _, pair := range metric.GetLabel() {
				if pair.GetName() != NameLabel {
					labels[pair.GetName()] = pair.GetValue()
				}
			}
			counter, err := vector.GetMetricWith(labels)
			if value := metric.GetCounter().GetValue(); err == nil && value < 0 {
				err = fmt.Errorf("%v is negative", value)
			} else if err == nil {
				counter.Add(value)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for name, h := range map[string]*histogram{"run_duration_seconds": l.durations, "run_longest_lock_seconds": l.locks} {
		for _, metric := range families[namespace+"_"+name].GetMetric() {
			h.resume(metric.GetHistogram())
		}
	}
	gauge := func(name string) float64 {
		for _, metric := range families[namespace+"_"+name].GetMetric() {
			return metric.GetGauge().GetValue()
		}
		return 0
	}
	l.position, l.resumed = int64(gauge("log_position")), families[namespace+"_log_position"] != nil
	l.success, l.began = moment(gauge("last_success_timestamp_seconds")), moment(gauge("schedule_start_timestamp_seconds"))
	return nil
}

// resume takes the values of buckets with the same bounds. Those of an earlier version with others are forgotten.
func (h *histogram) resume(from *dto.Histogram) {
	counts := make([]uint64, len(h.counts))
	known := 0
	for _, bucket := range from.GetBucket() {
		for i, bound := range h.bounds {
			if bound == bucket.GetUpperBound() {
				counts[i], known = bucket.GetCumulativeCount(), known+1
			}
		}
	}
	counts[len(h.bounds)] = from.GetSampleCount()
	if known == len(h.bounds) {
		h.counts, h.sum = counts, from.GetSampleSum()
	}
}

func moment(seconds float64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds*1000 + .5)).UTC()
}
