// Package otel traces and measures cleanups with OpenTelemetry.
//
//	observe, err := otel.Observe(otel.Config{})
//	…
//	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{
//		Observe: observe,
//		Logger:  slog.New(otel.LogHandler(slog.Default().Handler())),
//	})
//
// A run is a span, with one for each of its batches and one for each call of the store in them; the span of a call outside of
// runs is part of the caller's. It is a module of its own, so that programs without OpenTelemetry do not depend on it.
package otel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/sessioncleanup/sessioncleanup"
)

const scope = "github.com/sessioncleanup/sessioncleanup/otel"

// Config says where spans and measurements go. The zero value uses OpenTelemetry's global providers.
type Config struct {
	TracerProvider trace.TracerProvider // Default: the global one.
	MeterProvider  metric.MeterProvider // Default: the global one.
}

// instruments are what operations are measured with.
type instruments struct {
	tracer    trace.Tracer
	durations metric.Float64Histogram
	sessions  metric.Int64Counter
}

// Observe returns a function for Config.Observe of package sessioncleanup. Spans and measurements name no owner and no
// session; those of runs have the run's ID and the actor. It returns an error when the MeterProvider refuses an
// instrument.
//
// The measurements are sessioncleanup.operation.duration, a histogram in seconds by kind, name and outcome of the
// operation, and sessioncleanup.sessions, which counts the sessions that batches changed, by action.
func Observe(c Config) (sessioncleanup.Observe, error) {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	meter := c.MeterProvider.Meter(scope)
	i := &instruments{tracer: c.TracerProvider.Tracer(scope)}
	var err, second error
	i.durations, err = meter.Float64Histogram("sessioncleanup.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("How long runs, batches and calls of the store take."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600))
	i.sessions, second = meter.Int64Counter("sessioncleanup.sessions", metric.WithUnit("{session}"),
		metric.WithDescription("Sessions changed by batches."))
	if err := errors.Join(err, second); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	return i.observe, nil
}

func (i *instruments) observe(ctx context.Context, o sessioncleanup.Operation) (context.Context, func(sessioncleanup.Ended)) {
	began := time.Now()
	ctx, span := i.tracer.Start(ctx, "sessioncleanup "+string(o.Kind)+" "+o.Name, trace.WithSpanKind(spanKind(o.Kind)))
	if o.Actor != "" {
		span.SetAttributes(attribute.String("sessioncleanup.actor", o.Actor))
	}
	return ctx, func(e sessioncleanup.Ended) {
		outcome := outcomeOf(e.Err)
		if e.RunID != "" {
			span.SetAttributes(attribute.String("sessioncleanup.run_id", e.RunID))
		}
		if o.Kind != sessioncleanup.OperationCall {
			span.SetAttributes(attribute.Int("sessioncleanup.sessions", e.Sessions))
		}
		span.SetAttributes(attribute.String("sessioncleanup.outcome", outcome))
		if outcome == "failed" {
			span.RecordError(e.Err)
			span.SetStatus(codes.Error, e.Err.Error())
		}
		span.End()
		ctx := context.WithoutCancel(ctx) // an operation that was stopped is measured, too
		by := metric.WithAttributes(attribute.String("kind", string(o.Kind)), attribute.String("name", o.Name), attribute.String("outcome", outcome))
		i.durations.Record(ctx, time.Since(began).Seconds(), by)
		if o.Kind == sessioncleanup.OperationBatch && e.Sessions > 0 {
			i.sessions.Add(ctx, int64(e.Sessions), metric.WithAttributes(attribute.String("action", o.Name)))
		}
	}
}

func spanKind(k sessioncleanup.OperationKind) trace.SpanKind {
	if k == sessioncleanup.OperationCall {
		return trace.SpanKindClient
	}
	return trace.SpanKindInternal
}

// outcomeOf is "ok", "failed", or why nothing was done although nothing failed.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, sessioncleanup.ErrLeaseHeld):
		return "held"
	case errors.Is(err, sessioncleanup.ErrTooMany):
		return "refused"
	case errors.Is(err, sessioncleanup.ErrNotFound), errors.Is(err, sessioncleanup.ErrChanged):
		return "not done"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	default:
		return "failed"
	}
}

// LogHandler returns a handler that adds trace_id and span_id to log lines within a span, such as those of a run.
func LogHandler(next slog.Handler) slog.Handler { return &logHandler{next} }

type logHandler struct{ slog.Handler }

// Handle adds the ids of the context's span.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps adding them.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps adding them, within the group.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.Handler.WithGroup(name)}
}
