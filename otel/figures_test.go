package otel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/otel"
)

// observed are the values of all gauges, by name and attributes: "name{state=active}".
func observed(t *testing.T, reader sdkmetric.Reader) (map[string]float64, error) {
	t.Helper()
	var all metricdata.ResourceMetrics
	err := reader.Collect(t.Context(), &all)
	values := map[string]float64{}
	add := func(name string, of attribute.Set, value float64) {
		var words []string
		for _, a := range of.ToSlice() {
			words = append(words, fmt.Sprintf("%s=%s", a.Key, a.Value.AsString()))
		}
		if len(words) > 0 {
			name += "{" + strings.Join(words, ",") + "}"
		}
		values[name] = value
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			}
		}
	}
	return values, err
}

// failing is a store whose figures cannot be counted while it is broken.
type failing struct {
	*memory.Store
	broken bool
}

func (f *failing) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	if f.broken {
		return sessioncleanup.Counts{}, errors.New("disk full")
	}
	return f.Store.Counts(ctx, q)
}

func TestTheFiguresOfTheSessionsAreObserved(t *testing.T) {
	t.Parallel()
	store := &failing{Store: memory.New(memory.Config{})}
	now := time.Now()
	for id, s := range map[string]sessioncleanup.Session{
		"a": {Active: true, LastActivity: now}, "b": {Active: true, LastActivity: now.Add(-2 * day), Tags: []string{"vip"}},
		"c": {LastActivity: now.Add(-50 * day), DeactivatedAt: now.Add(-50 * day)}, "d": {LastActivity: now.Add(-50 * day), DeactivatedAt: now.Add(-50 * day), Tags: []string{"vip"}},
		"e": {LastActivity: now.Add(-50 * day), DeactivatedAt: now.Add(-50 * day)},
	} {
		s.ID, s.OwnerID, s.AutoCleanup = id, "secret", true
		if err := store.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Rules: "vip: delete=never", WarnBefore: day, Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(t.Context(), "e"); err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewManualReader()
	registration, err := otel.Figures(m, otel.FiguresConfig{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Interval: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	got, err := observed(t, reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"sessioncleanup.session.count{state=active}":                  2,
		"sessioncleanup.session.count{state=inactive}":                2,
		"sessioncleanup.session.due{phase=deactivate}":                1,
		"sessioncleanup.session.due{phase=delete}":                    0,
		"sessioncleanup.session.due{phase=purge}":                     0,
		"sessioncleanup.session.tagged{state=active,tag=vip}":         1,
		"sessioncleanup.session.tagged_due{phase=deactivate,tag=vip}": 1,
		"sessioncleanup.session.waiting":                              1,
		"sessioncleanup.session.in_use":                               1,
		"sessioncleanup.session.protected":                            0,
		"sessioncleanup.archive.entry.count":                          1,
		"sessioncleanup.outbox.pending":                               0,
		"sessioncleanup.outbox.oldest":                                0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, %t; want %v", name, value, ok, want)
		}
	}
	if age := got["sessioncleanup.session.oldest_due"]; age < 86_000 || age > 90_000 {
		t.Errorf("the oldest session has been due for %v s, want a day", age)
	}
	for name := range got {
		if strings.Contains(name, "secret") {
			t.Errorf("%s names an owner", name)
		}
	}
	expectDocumented(t, got)
	store.broken = true
	for ended := false; !ended; { // the Manager may remember its figures for a moment
		got, err = observed(t, reader)
		ended = err != nil
	}
	if !strings.Contains(err.Error(), "disk full") || len(got) > 0 {
		t.Errorf("while the database does not answer: %v, %v; want its error and no figures", got, err)
	}
	store.broken = false
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	if got, err := observed(t, reader); err != nil || len(got) > 0 {
		t.Errorf("after Unregister: %v, %v; want none", got, err)
	}
}

// expectDocumented requires that the documentation lists exactly the gauges.
func expectDocumented(t *testing.T, got map[string]float64) {
	t.Helper()
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, gauges []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(sessioncleanup\\.[a-z_.]+)`").FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1])
	}
	for name := range got {
		gauges = append(gauges, strings.SplitN(name, "{", 2)[0])
	}
	slices.Sort(listed)
	slices.Sort(gauges)
	if gauges = slices.Compact(gauges); !slices.Equal(listed, gauges) {
		t.Errorf("docs/monitoring.md lists %q, and there are %q", listed, gauges)
	}
}

func TestAWrongConfigurationOfFiguresIsRefused(t *testing.T) {
	t.Parallel()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		m *sessioncleanup.Manager
		otel.FiguresConfig
	}{
		"manager is nil":            {},
		"FiguresConfig.Interval is": {m, otel.FiguresConfig{Interval: -1}},
		"FiguresConfig.Timeout is":  {m, otel.FiguresConfig{Timeout: -1}},
	} {
		if _, err := otel.Figures(c.m, c.FiguresConfig); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Figures: %v, want an ErrInvalid with %q", err, want)
		}
	}
}
