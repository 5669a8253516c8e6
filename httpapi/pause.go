package httpapi

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

type pauseAnswer struct {
	Success bool                  `json:"success"`
	Message string                `json:"message,omitempty"` // after a change
	Pause   *sessioncleanup.Pause `json:"pause"`             // null: cleanup is not paused
}

// paused serves GET /pause.
func (c *call) paused() error {
	ctx, cancel := c.timed()
	defer cancel()
	p, found, err := c.m.Paused(ctx)
	if err != nil {
		return err
	}
	out := pauseAnswer{Success: true}
	if found {
		out.Pause = &p
	}
	return c.reply(out)
}

// pause serves POST /pause.
func (c *call) pause() error {
	var until time.Time
	var hours time.Duration
	var reason string
	if err := c.body(map[string]field{
		"until": moment(&until), "hours": threshold(time.Hour, &hours), "reason": words(&reason),
	}, "reason"); err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	now, err := c.m.Now(ctx)
	switch {
	case err != nil:
		return err
	case reason == "":
		return wrong("reason", msgMissing)
	case until.IsZero() == (hours == 0):
		return wrong("until", msgUntilOrHours)
	case hours > 0:
		until = now.Add(hours)
	}
	if !until.After(now) || until.Sub(now) > sessioncleanup.LongestPause {
		return wrong("until", msgUntil)
	}
	p, err := c.m.Pause(ctx, until, reason)
	if err != nil {
		return err
	}
	c.forgetAll()
	return c.reply(pauseAnswer{Success: true, Message: msgPaused[c.lang], Pause: &p})
}

// resume serves DELETE /pause.
func (c *call) resume() error {
	if err := c.body(nil); err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	if err := c.m.Resume(ctx); err != nil {
		return err
	}
	c.forgetAll()
	return c.reply(pauseAnswer{Success: true, Message: msgResumed[c.lang]})
}
