package httpapi

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func (c *call) deactivate() error {
	if err := c.body(nil); err != nil {
		return err
	}
	return c.change(msgDeactivated, c.m.Deactivate)
}

func (c *call) reactivate() error {
	if err := c.body(nil); err != nil {
		return err
	}
	return c.change(msgReactivated, c.m.Reactivate)
}

func (c *call) setAutoCleanup() error {
	var on bool
	read, given := required("auto_cleanup", boolean("auto_cleanup", &on))
	if err := c.body(map[string]field{"auto_cleanup": read}); err != nil {
		return err
	}
	if err := given(); err != nil {
		return err
	}
	message := msgProtected
	if on {
		message = msgUnprotected
	}
	return c.change(message, func(ctx context.Context, id string) (sessioncleanup.Session, error) {
		return c.m.SetAutoCleanup(ctx, id, on)
	})
}

func (c *call) setExpiry() error {
	var at time.Time
	read, given := required("expires_at", moment("expires_at", &at))
	if err := c.body(map[string]field{"expires_at": read}); err != nil {
		return err
	}
	if err := given(); err != nil {
		return err
	}
	message := msgExpirySet
	if at.IsZero() {
		message = msgExpiryRemoved
	}
	return c.change(message, func(ctx context.Context, id string) (sessioncleanup.Session, error) {
		s, err := c.m.SetExpiry(ctx, id, at)
		if errors.Is(err, sessioncleanup.ErrInvalid) {
			err = wrong("expires_at", msgTime, at.Format(time.RFC3339))
		}
		return s, err
	})
}

func (c *call) touch() error {
	if err := c.body(nil); err != nil {
		return err
	}
	return c.change(msgTouched, func(ctx context.Context, id string) (sessioncleanup.Session, error) {
		if err := c.m.Touch(ctx, id); err != nil {
			return sessioncleanup.Session{}, err
		}
		return c.m.Get(ctx, id)
	})
}

// change does something to the session that the path names and answers with the session as it is then.
func (c *call) change(done text, do func(context.Context, string) (sessioncleanup.Session, error)) error {
	if _, err := c.query(); err != nil {
		return err
	}
	if !possible(c.id) {
		return sessioncleanup.ErrNotFound
	}
	ctx, cancel := c.timed()
	defer cancel()
	if err := c.unchanged(ctx); err != nil {
		return err
	}
	cutoffs, err := c.m.Cutoffs(ctx) // first, so that nothing is left to fail once the session is changed
	if err != nil {
		return err
	}
	s, err := do(ctx, c.id)
	if err != nil {
		return err
	}
	if done != msgTouched { // sessions are touched all the time; that must not defeat the interval of the statistics
		c.figures.forget("", s.OwnerID)
	}
	c.w.Header().Set("ETag", sessionTag(&s))
	return c.reply(sessionAnswer{Success: true, Message: done[c.lang], Session: sessionOf(&s, cutoffs)})
}

// doomed is what a request for confirmation shows of a session.
type doomed struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	OwnerID       string `json:"owner_id"`
	OwnerName     string `json:"owner_name"`
	ActivityCount int64  `json:"activity_count"`
}

// delete serves DELETE /{id}.
func (c *call) delete() error {
	values, err := c.query("confirm")
	if err != nil {
		return err
	}
	if err := c.body(nil); err != nil {
		return err
	}
	if !possible(c.id) {
		return sessioncleanup.ErrNotFound
	}
	ctx, cancel := c.timed()
	defer cancel()
	if !c.NoConfirm && values.Get("confirm") != c.id {
		s, err := c.m.Get(ctx, c.id)
		if err != nil {
			return err
		}
		confirm := url.QueryEscape(s.ID)
		return &fault{
			problem: unconfirmed, args: []any{confirm},
			extra: extra{
				Confirm: "?confirm=" + confirm,
				Session: &doomed{ID: s.ID, Name: s.Name, OwnerID: s.OwnerID, OwnerName: s.OwnerName, ActivityCount: s.ActivityCount},
			},
		}
	}
	if err := c.unchanged(ctx); err != nil {
		return err
	}
	cutoffs, err := c.m.Cutoffs(ctx)
	if err != nil {
		return err
	}
	s, err := c.m.Delete(ctx, c.id)
	if err != nil {
		return err
	}
	c.figures.forget("", s.OwnerID)
	s.Status = cutoffs.Status(s)
	return c.reply(sessionAnswer{Success: true, Message: msgDeleted[c.lang], Session: sessionOf(&s, cutoffs)})
}
