package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// figures are the statistics of one scope, ready to send in each language.
type figures struct {
	bodies  [languages][]byte // of GET /stats
	version string            // see versionOf
	counts  sessioncleanup.Counts
}

type statsAnswer struct {
	Success bool    `json:"success"`
	Stats   totals  `json:"stats"`
	Metrics metrics `json:"metrics"`
	Alerts  []alert `json:"alerts"`
}

// totals are the figures under the short names of the contract.
type totals struct {
	Total             int `json:"total"`
	Active            int `json:"active"`
	Inactive          int `json:"inactive"`
	Old               int `json:"old"`
	CleanupCandidates int `json:"cleanup_candidates"`
}

// metrics are all figures, as the Manager counts them, with the last run in the form of /events.
type metrics struct {
	sessioncleanup.Stats
	Untracked bool      `json:"untracked"` // nothing shows when the sessions are used: idle ones are never due
	LastRun   *event    `json:"last_run"`
	Alerts    *struct{} `json:"alerts,omitempty"` // they are beside the metrics
}

type alert struct {
	Code    sessioncleanup.AlertCode `json:"code"`
	Message string                   `json:"message"`
}

// stats serves GET /stats.
func (c *call) stats() error {
	tags, err := tagFilter("tags", c.values.Get("tags"))
	if err != nil {
		return err
	}
	f, _, err := c.currentFigures(c.r.Context(), c.scope, tags)
	if err != nil {
		return tagFault(err)
	}
	c.replyJSON(f.bodies[c.lang])
	return nil
}

// currentFigures returns the statistics of a scope, or of its sessions that tags select, at most Options.Interval old, and
// when they are computed next.
func (c *call) currentFigures(ctx context.Context, scope, tags string) (figures, time.Time, error) {
	key, count := scope, c.m.RecentStats
	if tags != "" {
		key = scope + "\x00" + tags
		count = func(ctx context.Context, scope string) (sessioncleanup.Stats, error) {
			return c.m.TaggedStats(ctx, scope, tags)
		}
	}
	return c.figures.get(ctx, key, func(ctx context.Context) (figures, error) {
		s, err := count(ctx, scope)
		if err != nil {
			return figures{}, err
		}
		return render(s)
	})
}

func render(s sessioncleanup.Stats) (figures, error) {
	f := figures{counts: s.Counts}
	answer := statsAnswer{
		Success: true,
		Stats: totals{
			Total: s.Total, Active: s.Active, Inactive: s.Inactive, Old: s.Old, CleanupCandidates: s.CleanupCandidates,
		},
		Metrics: metrics{Stats: s, Untracked: s.Cutoffs.Untracked},
	}
	if s.LastRun != nil {
		last := eventOf(*s.LastRun)
		answer.Metrics.LastRun = &last
	}
	for l := range languages {
		answer.Alerts = alertsOf(l, s)
		body, err := json.Marshal(answer)
		if err != nil {
			return f, err
		}
		f.bodies[l] = body
	}
	f.version = versionOf(s)
	return f, nil
}

// versionOf differs when the figures differ in more than the time that passes.
func versionOf(s sessioncleanup.Stats) string {
	counts := s.Counts
	counts.OldestOverdue, counts.Cutoffs = 0, sessioncleanup.Cutoffs{}
	version := fmt.Sprint(counts, s.Waiting)
	if s.Outbox != nil {
		version += fmt.Sprint(*s.Outbox)
	}
	for _, a := range s.Alerts {
		version += string(a.Code)
	}
	if s.LastRun != nil {
		version += s.LastRun.RunID
	}
	if s.Pause != nil {
		version += s.Pause.Until.String()
	}
	return version
}

func alertsOf(l lang, s sessioncleanup.Stats) []alert {
	out := make([]alert, len(s.Alerts))
	for i, a := range s.Alerts {
		out[i] = alert{Code: a.Code, Message: alertMessage(l, a, s.LastRun)}
	}
	return out
}

// alertMessage is the alert in a language, without quoting the database.
func alertMessage(l lang, a sessioncleanup.Alert, last *sessioncleanup.Event) string {
	if a.Code == sessioncleanup.AlertCleanupFailed {
		if last != nil && last.Run != nil && last.Run.Refused {
			return fmt.Sprintf(msgRunRefused[l], a.Args[0])
		}
		return fmt.Sprintf(msgRunFailed[l], a.Args[0]) // its message is the run's error
	}
	if a.Code == sessioncleanup.AlertBackupFailed {
		return fmt.Sprintf(msgBackupFailed[l], a.Args[:2]...) // its message quotes an error
	}
	if format := alertsInFrench[a.Code]; l == french && format != "" {
		return fmt.Sprintf(format, a.Args...)
	}
	return a.Message
}
