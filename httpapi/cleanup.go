package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

type cleanupAnswer struct {
	Success  bool      `json:"success"`
	DryRun   bool      `json:"dry_run"`
	RunID    *string   `json:"run_id"`
	Results  []result  `json:"results"`
	Failures []failure `json:"failures"`
	Sessions []session `json:"sessions,omitempty"`         // of a dry run: the first of those concerned
	Stopped  bool      `json:"would_be_refused,omitempty"` // of a dry run: the brake would stop the run
}

// result is what a run did, or would do, in one of its phases.
type result struct {
	Action  sessioncleanup.Action `json:"action"`
	Count   int                   `json:"session_count"`
	Details string                `json:"details"`
}

type failure struct {
	SessionID string                `json:"session_id"`
	Action    sessioncleanup.Action `json:"action"`
	Error     string                `json:"error"`
}

// cleanup serves POST /cleanup: a run.
func (c *call) cleanup() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var run sessioncleanup.Run
	err := c.body(map[string]field{
		"inactive_hours":  threshold("inactive_hours", time.Hour, &run.InactiveAfter),
		"delete_old_days": threshold("delete_old_days", 24*time.Hour, &run.DeleteAfter),
		"dry_run":         boolean("dry_run", &run.DryRun),
		"force":           boolean("force", &run.Force),
	})
	if err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	// A run tries for a while to reach a database that is away. Whoever waits for an answer is told at once.
	cutoffs, err := c.m.Cutoffs(ctx)
	if err != nil {
		return err
	}
	if run.DryRun {
		res, err := c.m.Cleanup(ctx, run)
		if err != nil {
			return err
		}
		return c.reply(c.ran(run, res))
	}
	res, err := c.detached(run)
	c.figures.forgetAll()
	if err != nil {
		return c.runFault(run, res, err, cutoffs.Now)
	}
	return c.reply(c.ran(run, res))
}

// detached does a run that goes on when the client leaves. It ends early with Options.Context only.
func (c *call) detached(run sessioncleanup.Run) (sessioncleanup.Result, error) {
	// A server's WriteTimeout is meant for answers, not for runs. Writers without deadlines need none lifted.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.r.Context()))
	defer cancel()
	defer context.AfterFunc(c.Context, cancel)()
	res, err := c.m.Cleanup(ctx, run)
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(writeTimeout))
	return res, err
}

// runFault is what becomes of a run's error. What the run did before is told with it.
func (c *call) runFault(run sessioncleanup.Run, res sessioncleanup.Result, err error, now time.Time) error {
	if held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err); ok {
		return &fault{problem: runAtWork, retryAfter: max(time.Second, held.Until.Sub(now))}
	}
	f := *c.faultOf(err)
	if res.Batches > 0 {
		f.detail, f.args = msgInterrupted, nil
		did := c.ran(run, res)
		f.extra.RunID, f.extra.Results, f.extra.Failures = res.RunID, did.Results, did.Failures
	}
	return &f
}

// ran puts the result of a run in words.
func (c *call) ran(run sessioncleanup.Run, res sessioncleanup.Result) cleanupAnswer {
	policy := sessioncleanup.Policy{InactiveAfter: run.InactiveAfter, DeleteAfter: run.DeleteAfter}.Or(c.m.Policy())
	deactivate, remove := msgDidDeactivate, msgDidDelete
	if res.DryRun {
		deactivate, remove = msgWouldDeactivate, msgWouldDelete
	}
	deactivated := fmt.Sprintf(deactivate[c.lang], res.Deactivated, sessioncleanup.Threshold(policy.InactiveAfter, time.Hour))
	if policy.InactiveAfter == sessioncleanup.Never {
		deactivated = msgNoDeactivation[c.lang]
	}
	deleted := fmt.Sprintf(remove[c.lang], res.Deleted, sessioncleanup.Threshold(policy.DeleteAfter, 24*time.Hour))
	if policy.DeleteAfter == sessioncleanup.Never {
		deleted = msgNoDeletion[c.lang]
	}
	out := cleanupAnswer{
		Success: true, DryRun: res.DryRun, Stopped: res.Brake != nil,
		Results: []result{
			{Action: sessioncleanup.ActionDeactivated, Count: res.Deactivated, Details: deactivated},
			{Action: sessioncleanup.ActionDeleted, Count: res.Deleted, Details: deleted},
		},
		Failures: make([]failure, len(res.Failures)),
	}
	if res.RunID != "" {
		out.RunID = &res.RunID
	}
	for i, f := range res.Failures { // their errors are a database driver's words
		message := msgNotDeactivated
		if f.Action == sessioncleanup.ActionDeleted {
			message = msgNotDeleted
		}
		out.Failures[i] = failure{SessionID: f.SessionID, Action: f.Action, Error: message[c.lang]}
	}
	for i := range res.Sessions {
		out.Sessions = append(out.Sessions, sessionOf(&res.Sessions[i], res.Cutoffs))
	}
	return out
}
