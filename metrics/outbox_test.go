package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/metrics"
)

func TestTheOutboxIsMeasuredWhereThePolicyWarns(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Config{})
	used := time.Now().Add(-40 * 24 * time.Hour)
	if err := store.Put(sessioncleanup.Session{ID: "1", AutoCleanup: true, LastActivity: used, DeactivatedAt: used}); err != nil {
		t.Fatal(err)
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{WarnBefore: 7 * 24 * time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
		t.Fatal(err)
	}
	collector, err := metrics.NewCollector(m, metrics.Config{Context: t.Context()})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		got[strings.TrimPrefix(family.GetName(), "sessioncleanup_")] = family.GetMetric()[0].GetGauge().GetValue()
	}
	if got["sessions_waiting"] != 1 || got["outbox_pending"] != 1 || got["outbox_undeliverable"] != 0 || got["outbox_oldest_seconds"] < 0 {
		t.Errorf("the outbox is measured as %v", got)
	}
	for _, name := range []string{"outbox_undeliverable", "outbox_oldest_seconds"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
}
