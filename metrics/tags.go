package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessioncleanup/sessioncleanup/internal/figures"
)

func sendTags(gauge func(*prometheus.Desc, float64, ...string), all []figures.Tagged) {
	for _, t := range all {
		gauge(taggedSessions, float64(t.Stats.Active), t.Tag, "active")
		gauge(taggedSessions, float64(t.Stats.Inactive), t.Tag, "inactive")
		gauge(taggedDue, float64(t.Stats.DueForDeactivation), t.Tag, "deactivate")
		gauge(taggedDue, float64(t.Stats.DueForDeletion), t.Tag, "delete")
	}
}
