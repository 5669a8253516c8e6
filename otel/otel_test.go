package otel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/otel"
)

const day = 24 * time.Hour

// world is a service whose traces, measurements and log are in memory.
type world struct {
	*testing.T
	sessions *sessioncleanup.Manager
	spans    *tracetest.InMemoryExporter
	reader   *sdkmetric.ManualReader
	log      bytes.Buffer
}

func newWorld(t *testing.T, o memory.Config) *world {
	t.Helper()
	w := &world{T: t, spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	observe, err := otel.Observe(otel.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans)), MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	db := memory.New(o)
	logger := slog.New(otel.LogHandler(slog.NewJSONHandler(&w.log, nil)).WithAttrs([]slog.Attr{slog.String("service", "rooms")}))
	if w.sessions, err = sessioncleanup.New(db, sessioncleanup.Config{Observe: observe, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	for id, idle := range map[string]time.Duration{"a": time.Hour, "b": 2 * day, "c": 3 * day} {
		if err := db.Put(sessioncleanup.Session{ID: id, OwnerID: "secret", Active: true, AutoCleanup: true, LastActivity: time.Now().Add(-idle)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Put(sessioncleanup.Session{ID: "d", AutoCleanup: true, LastActivity: time.Now().Add(-50 * day), DeactivatedAt: time.Now().Add(-50 * day)}); err != nil {
		t.Fatal(err)
	}
	return w
}

// span is the only one with a name and the attributes given.
func (w *world) span(name string) tracetest.SpanStub {
	w.Helper()
	for _, s := range w.spans.GetSpans() {
		if s.Name == name {
			return s
		}
	}
	w.Fatalf("there is no span %q", name)
	return tracetest.SpanStub{}
}

func attributesOf(s tracetest.SpanStub) map[string]any {
	all := map[string]any{}
	for _, a := range s.Attributes {
		all[string(a.Key)] = a.Value.AsInterface()
	}
	return all
}

func TestARunIsATraceOfItsBatchesAndCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Config{})
	result, err := w.sessions.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil {
		t.Fatal(err)
	}
	run, batch := w.span("sessioncleanup run cleanup"), w.span("sessioncleanup batch deactivated")
	if got := attributesOf(run); got["sessioncleanup.run_id"] != result.RunID || got["sessioncleanup.sessions"] != int64(3) || got["sessioncleanup.actor"] != "system" {
		t.Errorf("the run has %v", got)
	}
	if got := attributesOf(batch); got["sessioncleanup.sessions"] != int64(2) || batch.Parent.SpanID() != run.SpanContext.SpanID() {
		t.Errorf("the batch has %v, its parent is %v", got, batch.Parent)
	}
	calls := 0
	for _, s := range w.spans.GetSpans() {
		if s.SpanContext.TraceID() != run.SpanContext.TraceID() {
			t.Errorf("%s is in another trace", s.Name)
		}
		if s.Name == "sessioncleanup call Sweep" && s.Parent.SpanID() == batch.SpanContext.SpanID() {
			calls++
		}
		for name, value := range attributesOf(s) {
			if strings.Contains(s.Name+name, "secret") || value == "secret" {
				t.Errorf("%s names an owner", s.Name)
			}
		}
	}
	if calls != 1 {
		t.Errorf("%d calls of Sweep in the batch, want 1", calls)
	}
	w.expectLog(run)
	w.expectMeasured()
}

// expectLog requires that all lines of a run have its trace.
func (w *world) expectLog(run tracetest.SpanStub) {
	w.Helper()
	lines := 0
	for line := range strings.Lines(w.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			w.Fatal(err)
		}
		if lines++; entry["trace_id"] != run.SpanContext.TraceID().String() || entry["service"] != "rooms" {
			w.Errorf("not the run's trace: %s", line)
		}
	}
	if lines < 3 {
		w.Errorf("%d lines, want one for each batch and the end", lines)
	}
}

func (w *world) expectMeasured() {
	w.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &all); err != nil {
		w.Fatal(err)
	}
	changed, timed := map[string]int64{}, map[string]uint64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				action, _ := p.Attributes.Value("action")
				changed[action.AsString()] += p.Value
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				kind, _ := p.Attributes.Value("kind")
				timed[kind.AsString()] += p.Count
			}
		}
	}
	if changed["deleted"] != 1 || changed["deactivated"] != 2 || timed["run"] != 1 || timed["batch"] < 2 || timed["call"] < 5 {
		w.Errorf("measured: changed %v, timed %v", changed, timed)
	}
}

func TestSpansOfFailuresHaveTheError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Config{Refuse: func(sessioncleanup.Session) error { return errors.New("disk full") }})
	if _, err := w.sessions.Delete(t.Context(), "a"); err == nil {
		t.Fatal("deleted")
	}
	if s := w.span("sessioncleanup call Delete"); s.Status.Code != codes.Error || !strings.Contains(s.Status.Description, "disk full") || len(s.Events) != 1 {
		t.Errorf("the span has %+v", s.Status)
	}
	if _, err := w.sessions.Deactivate(t.Context(), "nobody"); err == nil {
		t.Fatal("deactivated")
	}
	if s := w.span("sessioncleanup call Update"); s.Status.Code == codes.Error || attributesOf(s)["sessioncleanup.outcome"] != "not done" {
		t.Errorf("a session that is not there is a failure: %+v", s)
	}
}
