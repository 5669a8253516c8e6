package metrics

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessioncleanup/sessioncleanup"
)

// taggedStats are the figures of the sessions with a tag.
type taggedStats struct {
	tag   string
	stats sessioncleanup.Stats
}

// readTags counts the sessions of each tag that has a rule, for half of the timeout: in a large table, this can take
// long. A tag for which there was no time keeps its previous figures, and is counted first the next time.
func (c *Collector) readTags(ctx context.Context) (all []taggedStats) {
	tags := c.manager.Policy().RuleTags()
	if len(tags) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout/2)
	defer cancel()
	i := max(slices.Index(tags, c.nextTag), 0)
	order := slices.Concat(tags[i:], tags[:i])
	c.nextTag = ""
	for _, tag := range order {
		if c.nextTag == "" {
			stats, err := c.manager.TaggedStats(ctx, "", tag)
			if err == nil {
				all = append(all, taggedStats{tag, stats})
				continue
			}
			c.nextTag = tag
		}
		if j := slices.IndexFunc(c.last.tags, func(t taggedStats) bool { return t.tag == tag }); j >= 0 {
			all = append(all, c.last.tags[j])
		}
	}
	return all
}

func sendTags(gauge func(*prometheus.Desc, float64, ...string), all []taggedStats) {
	for _, t := range all {
		gauge(taggedSessions, float64(t.stats.Active), t.tag, "active")
		gauge(taggedSessions, float64(t.stats.Inactive), t.tag, "inactive")
		gauge(taggedDue, float64(t.stats.DueForDeactivation), t.tag, "deactivate")
		gauge(taggedDue, float64(t.stats.DueForDeletion), t.tag, "delete")
	}
}
