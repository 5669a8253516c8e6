package httpapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
)

type reversedAnswer struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	RunID   string `json:"run_id"`
	Due     int    `json:"due"`     // sessions that the run deactivated
	Done    int    `json:"done"`    // sessions that are active again
	Skipped int    `json:"skipped"` // sessions that were changed or deleted since
}

type runAnswer struct {
	Success bool  `json:"success"`
	Run     event `json:"run"`
}

// oneRun serves GET /runs/{id}: the event of a run, with its result. Its changes to each session are in /events?run=.
func (c *call) oneRun() error {
	noRun := &fault{problem: notFound, detail: msgNoRun}
	if !readable(c.id) {
		return noRun
	}
	ctx, cancel := c.timed()
	defer cancel()
	found, err := c.m.Events(ctx, sessioncleanup.EventQuery{RunID: c.id, Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}, Limit: 1})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noRun
	}
	return c.reply(runAnswer{Success: true, Run: eventOf(found[0])})
}

// reactivateRun serves POST /runs/{id}/reactivate: it reverses the deactivations of a run.
func (c *call) reactivateRun() error {
	if err := c.body(nil); err != nil {
		return err
	}
	noRun := &fault{problem: notFound, detail: msgNoRun}
	if !readable(c.id) {
		return noRun
	}
	if err := c.reachable(c.r.Context()); err != nil {
		return err
	}
	defer c.forgetAll()
	res, err := detached(c, func(ctx context.Context) (sessioncleanup.PhaseResult, error) { return c.m.ReactivateRun(ctx, c.id) })
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		return noRun
	}
	if err != nil {
		return err
	}
	return c.reply(reversedAnswer{
		Success: true, Message: fmt.Sprintf(msgRunReversed[c.lang], res.Done, res.Skipped),
		RunID: c.id, Due: res.Due, Done: res.Done, Skipped: res.Skipped,
	})
}
