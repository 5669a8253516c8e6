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
	Success bool       `json:"success"`
	DryRun  bool       `json:"dry_run"`
	RunID   *string    `json:"run_id"`
	AsOf    *time.Time `json:"as_of,omitempty"` // of a dry run: for the run that does exactly this
	report
	Untracked bool `json:"untracked,omitempty"` // nothing shows when the sessions are used: idle ones are never due
	// Of a dry run: the first of the sessions concerned, the rows of other tables that would go along with those to delete,
	// what each rule by tag does, and whether the deletion limit would stop the deletion.
	Sessions   []session                   `json:"sessions,omitempty"`
	Dependents []sessioncleanup.Dependent  `json:"dependents,omitempty"`
	Rules      []sessioncleanup.RuleEffect `json:"rules,omitempty"`
	Refused    bool                        `json:"would_be_refused,omitempty"`
}

// report is what a run did, or would do.
type report struct {
	Phases   sessioncleanup.Phases    `json:"phases,omitzero"`
	Results  []result                 `json:"results,omitzero"`
	Failures []failure                `json:"failures,omitzero"`
	Skipped  []sessioncleanup.Skipped `json:"skipped,omitzero"`
}

// result is one phase for people, in the columns of the SQL function cleanup_inactive_sessions.
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
	var run sessioncleanup.Run
	err := c.body(map[string]field{
		"inactive_hours":  threshold(time.Hour, &run.InactiveAfter),
		"delete_old_days": threshold(day, &run.DeleteAfter),
		"owner_id":        ownerID(&run.Filter.OwnerID),
		"tags":            tagFilterField(&run.Filter.Tags),
		"dry_run":         boolean(&run.DryRun),
		"force":           boolean(&run.Force),
		"delete_at_most":  count(&run.DeleteAtMost),
		"as_of":           moment(&run.AsOf),
	})
	if err != nil {
		return err
	}
	if !run.AsOf.IsZero() && (time.Until(run.AsOf) > time.Hour || time.Since(run.AsOf) > 2*time.Hour) { // the Manager asks the database
		return wrong("as_of", msgRecent, run.AsOf.Format(time.RFC3339))
	}
	s := c.streamed()
	run.Progress = s.progressOfRun
	res, err := c.run(run, s)
	if err != nil {
		return s.end(c.runFault(run, res, err))
	}
	out := cleanupAnswer{
		Success: true, DryRun: res.DryRun, report: c.reportOf(run, res), Untracked: res.Cutoffs.Untracked,
		RunID: given(res.RunID), Dependents: res.Dependents, Rules: res.Rules, Refused: res.Refused != nil,
	}
	if res.DryRun {
		out.Sessions, out.AsOf = sessionsOf(res.Sessions, c.m.Policy()), known(res.Cutoffs.Now)
	}
	return s.reply(out)
}

// run does a run. A run retries for a while when the database is unavailable; a client gets its 503 sooner. A dry run
// takes its time in a large table, and ends when its client leaves.
func (c *call) run(run sessioncleanup.Run, s *stream) (sessioncleanup.Result, error) {
	if err := c.reachable(c.r.Context()); err != nil {
		return sessioncleanup.Result{}, err
	}
	do := func(ctx context.Context) (sessioncleanup.Result, error) { return c.m.Cleanup(ctx, run) }
	if run.DryRun {
		return unhurried(c.r.Context(), c, whileReachable(c, do))
	}
	defer c.forgetAll()
	return worked(s, do)
}

// reachable fails unless the database responds in time.
func (c *call) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	_, err := c.m.Now(ctx)
	return err
}

// lookInterval is how often work that takes its time looks whether the database still responds.
const lookInterval = 250 * time.Millisecond

// whileReachable is work that ends when the database no longer responds in time.
func whileReachable[T any](c *call, work func(context.Context) (T, error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		ctx, end := context.WithCancelCause(ctx)
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-ctx.Done():
					return
				case <-time.After(lookInterval):
				}
				if err := c.reachable(ctx); err != nil {
					end(err)
					return
				}
			}
		}()
		out, err := work(ctx)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		end(nil)
		<-watched
		return out, err
	}
}

// detached does work that continues when the client disconnects. Only Options.Context ends it early.
func detached[T any](c *call, work func(context.Context) (T, error)) (T, error) {
	return unhurried(context.WithoutCancel(c.r.Context()), c, work)
}

// unhurried does work that may take longer than a response. Options.Context ends it, too.
func unhurried[T any](ctx context.Context, c *call, work func(context.Context) (T, error)) (T, error) {
	// A server's WriteTimeout is meant for responses, not for runs. A writer without deadlines has none to lift.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.Context, cancel)() //nolint:contextcheck // the server's life, beside the request's
	out, err := work(ctx)
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(writeTimeout))
	return out, err
}

// runFault is the problem for a run's error. It reports what the run did before.
func (c *call) runFault(run sessioncleanup.Run, res sessioncleanup.Result, err error) error {
	if held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err); ok {
		return &fault{problem: alreadyRunning, retryAfter: max(time.Second, held.Remaining)}
	}
	f := *c.faultOf(err)
	refused := errors.Is(err, sessioncleanup.ErrTooMany)
	if res.Batches > 0 && !refused {
		f.detail, f.args = msgInterrupted, nil
	}
	if res.Batches > 0 || refused {
		f.extra.RunID, f.extra.report = res.RunID, c.reportOf(run, res)
	}
	return &f
}

func (c *call) reportOf(run sessioncleanup.Run, res sessioncleanup.Result) report {
	out := report{Phases: res.Phases, Results: c.results(run, res), Failures: make([]failure, len(res.Failures))}
	out.Skipped = append([]sessioncleanup.Skipped{}, res.Skipped...)
	if out.Phases == nil {
		out.Phases = sessioncleanup.Phases{}
	}
	for i, f := range res.Failures { // their errors quote the database
		message := msgNotDeactivated
		if f.Action == sessioncleanup.ActionDeleted {
			message = msgNotDeleted
		}
		out.Failures[i] = failure{SessionID: f.SessionID, Action: f.Action, Error: message[c.lang]}
	}
	return out
}

// results describes each phase as text, including those that are off.
func (c *call) results(run sessioncleanup.Run, res sessioncleanup.Result) []result {
	policy := sessioncleanup.Policy{InactiveAfter: run.InactiveAfter, DeleteAfter: run.DeleteAfter}.Or(c.m.Policy())
	out := []result{
		{Action: sessioncleanup.ActionDeactivated, Count: res.Deactivated(), Details: msgNoDeactivation[c.lang]},
		{Action: sessioncleanup.ActionDeleted, Count: res.Deleted(), Details: msgNoDeletion[c.lang]},
	}
	deactivated, deleted := msgDidDeactivate, msgDidDelete
	if res.DryRun {
		deactivated, deleted = msgWouldDeactivate, msgWouldDelete
	}
	if after := policy.InactiveAfter; after != sessioncleanup.Never {
		out[0].Details = fmt.Sprintf(deactivated[c.lang], out[0].Count, c.span(after, time.Hour, hourName))
	}
	if after := policy.DeleteAfter; after != sessioncleanup.Never {
		out[1].Details = fmt.Sprintf(deleted[c.lang], out[1].Count, c.span(after, day, dayName))
	}
	if before := policy.WarnBefore; before != sessioncleanup.Never && policy.DeleteAfter != sessioncleanup.Never {
		out = append(out, result{Action: sessioncleanup.ActionNoticed, Count: res.Noticed(), Details: fmt.Sprintf(msgNoticed[c.lang],
			res.Noticed(), c.span(before, day, dayName), res.Waiting)})
	}
	return out
}

// span is a threshold with its unit: "1 hour", "1.5 heure", "30 days".
func (c *call) span(d, unit time.Duration, name text) string {
	words := sessioncleanup.Threshold(d, unit) + " " + name[c.lang]
	if d == unit || c.lang == french && d < 2*unit {
		return words
	}
	return words + "s"
}
