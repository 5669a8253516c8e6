package httpapi

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// operation is a Manager's method that changes one session.
type operation func(m *sessioncleanup.Manager, ctx context.Context, id string) (sessioncleanup.Session, error)

// changes serves a PATCH route without a body.
func changes(done text, do operation) func(*call) error {
	return func(c *call) error {
		if err := c.body(nil); err != nil {
			return err
		}
		return c.change(done, do)
	}
}

func (c *call) setAutoCleanup() error {
	var on bool
	if err := c.body(map[string]field{"auto_cleanup": boolean(&on)}, "auto_cleanup"); err != nil {
		return err
	}
	message := msgProtected
	if on {
		message = msgUnprotected
	}
	return c.change(message, func(m *sessioncleanup.Manager, ctx context.Context, id string) (sessioncleanup.Session, error) {
		return m.SetAutoCleanup(ctx, id, on)
	})
}

// keep serves PATCH /{id}/keep: it postpones the deletion of a session.
func (c *call) keep() error {
	var days int
	if err := c.body(map[string]field{"days": count(&days)}, "days"); err != nil {
		return err
	}
	return c.change(msgKept, func(m *sessioncleanup.Manager, ctx context.Context, id string) (sessioncleanup.Session, error) {
		s, err := m.Get(ctx, id)
		if err != nil {
			return s, err
		}
		if longest := longestKeep(m.Policy(), s.Tags); days > longest {
			return s, wrong("days", msgFromTo, days, longest)
		}
		return m.Keep(ctx, id, time.Duration(days)*day)
	})
}

const day = 24 * time.Hour

// longestKeep is the most days for which the deletion of a session with these tags can be postponed.
func longestKeep(p sessioncleanup.Policy, tags []string) int {
	if longest := p.LongestKeep(tags); longest != sessioncleanup.Never {
		return int(longest / day)
	}
	return maxKeepDays
}

// maxKeepDays is the longest time to keep a session for where the policy deletes nothing.
const maxKeepDays = 36_500

func (c *call) setExpiry() error {
	var at time.Time
	if err := c.body(map[string]field{"expires_at": moment(&at)}, "expires_at"); err != nil {
		return err
	}
	message := msgExpirySet
	if at.IsZero() {
		message = msgExpiryRemoved
	}
	return c.change(message, func(m *sessioncleanup.Manager, ctx context.Context, id string) (sessioncleanup.Session, error) {
		s, err := m.SetExpiry(ctx, id, at)
		if errors.Is(err, sessioncleanup.ErrInvalid) {
			err = wrong("expires_at", msgTime, at.Format(time.RFC3339))
		}
		return s, err
	})
}

// change serves the PATCH routes: it changes the session and responds with the session as it is then.
func (c *call) change(done text, do operation) error {
	s, err := c.write(do)
	if err != nil {
		return err
	}
	return c.changed(done, s)
}

// write changes the session that the path names, on the condition of If-Match.
func (c *call) write(do operation) (sessioncleanup.Session, error) {
	if !readable(c.id) {
		return sessioncleanup.Session{}, sessioncleanup.ErrNotFound
	}
	condition, err := ifMatch(c, sessionTag)
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	ctx, cancel := c.timed()
	defer cancel()
	s, err := do(c.m.If(condition), ctx, c.id)
	if err == nil {
		c.forget(s.OwnerID)
	}
	return s, err
}

func (c *call) changed(done text, s sessioncleanup.Session) error {
	c.w.Header().Set("ETag", sessionTag(s))
	return c.reply(sessionAnswer{Success: true, Message: done[c.lang], Session: sessionOf(s, c.m.Policy())})
}

// touch serves PATCH /{id}/activity. If-Match is checked before the touch, not with it: a touch overwrites nothing. The
// statistics keep their age, since sessions are touched all the time.
func (c *call) touch() error {
	if err := c.body(nil); err != nil {
		return err
	}
	if !readable(c.id) {
		return sessioncleanup.ErrNotFound
	}
	condition, err := ifMatch(c, sessionTag)
	if err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	if condition != nil {
		s, err := c.m.Get(ctx, c.id)
		if err != nil {
			return err
		}
		if !condition(s) {
			return sessioncleanup.ErrChanged
		}
	}
	if err := c.m.Touch(ctx, c.id); err != nil {
		return err
	}
	s, err := c.m.Get(ctx, c.id)
	if err != nil {
		return err
	}
	return c.changed(msgTouched, s)
}

// delete serves DELETE /{id}.
func (c *call) delete() error {
	cascade, err := oneOf(c, "cascade", []string{"true", "false"})
	if err != nil {
		return err
	}
	if err := c.body(nil); err != nil {
		return err
	}
	if !c.NoConfirm && c.values.Get("confirm") != c.id {
		return c.askToConfirm()
	}
	remove := (*sessioncleanup.Manager).Delete
	if cascade == "true" {
		if err := c.m.PermitAll(); err != nil { // some may be another owner's
			return err
		}
		remove = (*sessioncleanup.Manager).DeleteCascade
	}
	s, err := c.write(remove)
	if err != nil {
		return err
	}
	return c.reply(sessionAnswer{Success: true, Message: msgDeleted[c.lang], Session: sessionOf(s, c.m.Policy())})
}

// toDelete is the part of a session that a request for confirmation shows.
type toDelete struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	OwnerID       string `json:"owner_id"`
	OwnerName     string `json:"owner_name"`
	ActivityCount int64  `json:"activity_count"`
}

// askToConfirm is the problem that shows the session and how to confirm its deletion.
func (c *call) askToConfirm() error {
	s, err := c.get()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	dependents, err := c.m.Dependents(ctx, c.id)
	if err != nil {
		return err
	}
	confirm := url.QueryEscape(s.ID)
	detail := msgConfirm
	if c.m.Policy().Archive.Or(false) {
		detail = msgArchives
	}
	return &fault{
		problem: unconfirmed, detail: detail, args: []any{confirm},
		extra: extra{
			Confirm: "?confirm=" + confirm, Dependents: dependents,
			Session: &toDelete{ID: s.ID, Name: s.Name, OwnerID: s.OwnerID, OwnerName: s.OwnerName, ActivityCount: s.ActivityCount},
		},
	}
}
