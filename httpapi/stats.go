package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// figures are the statistics of one scope, as they are sent in each language.
type figures struct {
	bodies [languages][]byte // of GET /stats
	counts string            // what they say apart from their time, to see whether they changed
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

// metrics are all figures; those of the Manager, except that the last run is shown as /events shows it.
type metrics struct {
	sessioncleanup.Stats
	LastRun *event    `json:"last_run"`
	Alerts  *struct{} `json:"alerts,omitempty"` // they stand beside the metrics
}

type alert struct {
	Code    sessioncleanup.AlertCode `json:"code"`
	Message string                   `json:"message"`
}

// stats serves GET /stats.
func (c *call) stats() error {
	values, err := c.query("owner")
	if err != nil {
		return err
	}
	scope, err := c.m.Scope(values.Get("owner"))
	if err != nil {
		return err
	}
	f, _, err := c.currentFigures(c.r.Context(), scope)
	if err != nil {
		return err
	}
	c.send200(f.bodies[c.lang])
	return nil
}

// currentFigures gives the statistics of a scope, at most Options.Interval old, and until when they stay as they are.
func (c *call) currentFigures(ctx context.Context, scope string) (figures, time.Time, error) {
	return c.figures.get(ctx, scope, func(ctx context.Context) (figures, error) {
		s, err := c.m.Stats(ctx, scope)
		if err != nil {
			return figures{}, err
		}
		return render(s, c.m.Policy())
	})
}

func render(s sessioncleanup.Stats, p sessioncleanup.Policy) (figures, error) {
	var f figures
	answer := statsAnswer{
		Success: true,
		Stats: totals{
			Total: s.Total, Active: s.Active, Inactive: s.Inactive, Old: s.Old, CleanupCandidates: s.CleanupCandidates,
		},
		Metrics: metrics{Stats: s},
	}
	if s.LastRun != nil {
		last := eventOf(s.LastRun)
		answer.Metrics.LastRun = &last
	}
	for l := range languages {
		answer.Alerts = make([]alert, len(s.Alerts))
		for i, a := range s.Alerts {
			answer.Alerts[i] = alert{Code: a.Code, Message: alertMessage(l, a.Code, &s, p)}
		}
		body, err := json.Marshal(answer)
		if err != nil {
			return f, err
		}
		f.bodies[l] = body
	}
	codes := make([]sessioncleanup.AlertCode, len(s.Alerts))
	for i, a := range s.Alerts {
		codes[i] = a.Code
	}
	counts := s.Counts
	counts.OldestOverdue = 0 // it grows with the clock
	f.counts = fmt.Sprint(counts, codes)
	if s.LastRun != nil {
		f.counts += s.LastRun.RunID
	}
	return f, nil
}

// alertMessage says in words what an alert means. The Manager's own message may hold what a database driver said.
func alertMessage(l lang, code sessioncleanup.AlertCode, s *sessioncleanup.Stats, p sessioncleanup.Policy) string {
	switch code {
	case sessioncleanup.AlertTooManyDue:
		return fmt.Sprintf(msgTooManyDue[l], s.CleanupCandidates, p.AlertDue)
	case sessioncleanup.AlertLowActivity:
		return fmt.Sprintf(msgLowActivity[l], 100*s.ActivityRate, 100*p.AlertActivityRate)
	case sessioncleanup.AlertCleanupFailed:
		if s.LastRun != nil && s.LastRun.Run != nil && s.LastRun.Run.Error == "" {
			return fmt.Sprintf(msgRunLeft[l], s.LastRun.RunID, s.LastRun.Run.Failures)
		}
		return fmt.Sprintf(msgRunFailed[l], runIDOf(s.LastRun))
	default:
		return string(code)
	}
}

func runIDOf(e *sessioncleanup.Event) string {
	if e == nil {
		return ""
	}
	return e.RunID
}
