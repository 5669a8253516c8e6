package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/told"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const (
	firstPause     = time.Minute // after a message that was not delivered, doubled each time
	longestPause   = time.Hour
	permanentPause = 24 * time.Hour  // somebody may have corrected what was wrong
	saveGrace      = 2 * time.Second // for the entry of a message that was delivered when Run is to end
)

// channel is a channel with its state in a teller.
type channel struct {
	Notifier
	epoch    int64                      // of the lease under which this is known
	known    bool                       // the log was read
	unsaved  bool                       // the log does not have told yet
	last     sessioncleanup.Event       // the entry of the log that says what was told last
	told     []sessioncleanup.AlertCode // the alerts that the receivers know to hold
	failures int                        // in a row
	nextTry  time.Time                  // by the process's clock
	gone     bool
}

// update tells a channel what began and what ended since it was told last, one message each, until one is not delivered.
func (t *teller) update(ctx context.Context, c *channel, s sessioncleanup.Stats, alerts []sessioncleanup.Alert) error {
	if c.gone || time.Now().Before(c.nextTry) {
		return nil
	}
	err := t.remember(ctx, c)
	if err == nil && c.unsaved {
		err = t.save(ctx, c)
	}
	for _, n := range c.news(alerts) {
		if err != nil {
			break
		}
		n.Service, n.At, n.Stats = t.o.Service, s.At, s
		err = t.tell(ctx, c, n)
	}
	if err != nil && ctx.Err() == nil {
		pause := c.postpone(err)
		t.o.Logger.WarnContext(ctx, "a message to operators could not be sent", "channel", c.Name(), "failures", c.failures, "in", pause, "gone", c.gone, "error", err)
	}
	return err
}

// news are the notices that the receivers did not get yet, those of ended alerts first.
func (c *channel) news(alerts []sessioncleanup.Alert) []Notice {
	var news []Notice
	for _, code := range c.told {
		if !slices.ContainsFunc(alerts, func(a sessioncleanup.Alert) bool { return a.Code == code }) {
			news = append(news, Notice{Code: code, Ended: true})
		}
	}
	for _, alert := range alerts {
		if !slices.Contains(c.told, alert.Code) {
			news = append(news, Notice{Code: alert.Code, Alert: alert})
		}
	}
	return news
}

// tell delivers one notice and records it.
func (t *teller) tell(ctx context.Context, c *channel, n Notice) error {
	m, err := t.o.Texts.Message(n)
	if err != nil {
		return &Error{Channel: c.Name(), Permanent: true, Err: err}
	}
	m.ID = c.messageID(n)
	epoch, err := t.hold(ctx)
	if err == nil && epoch != c.epoch { // another instance told something in between: the next look reads what
		err = fmt.Errorf("%s: %w", c.Name(), sessioncleanup.ErrLeaseLost)
	}
	if err != nil {
		return err
	}
	if err := c.Notify(ctx, m); err != nil {
		if _, ok := errors.AsType[*Error](err); !ok && ctx.Err() == nil {
			err = &Error{Channel: c.Name(), Err: err}
		}
		return err
	}
	c.failures = 0
	t.o.Logger.InfoContext(ctx, "message to operators sent", "channel", c.Name(), "alert", n.Code, "over", n.Ended, "message_id", m.ID)
	c.told = slices.DeleteFunc(slices.Clone(c.told), func(code sessioncleanup.AlertCode) bool { return code == n.Code })
	if !n.Ended {
		c.told = append(c.told, n.Code)
	}
	lasting, cancel := wait.Outlive(ctx, saveGrace) // what was delivered must be known
	defer cancel()
	return t.save(lasting, c)
}

// messageID is the same for the same news since the same entry of the log.
func (c *channel) messageID(n Notice) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s %t", c.Name(), c.last.ID, c.last.At.UnixMilli(), n.Code, n.Ended))
	return "alert-" + hex.EncodeToString(sum[:12])
}

// postpone returns how long a channel is left alone; 0 means until the next look.
func (c *channel) postpone(err error) time.Duration {
	failed, _ := errors.AsType[*Error](err)
	if failed == nil { // the store's error
		return 0
	}
	pause := min(longestPause, firstPause<<min(c.failures, 10))
	c.failures++
	switch {
	case failed.Gone:
		c.gone = true
	case failed.Permanent:
		pause = permanentPause
	default:
		pause = max(pause, failed.RetryAfter)
	}
	pause += rand.N(pause / 10) // receivers are not asked by everybody at the same moment
	c.nextTry = time.Now().Add(pause)
	return pause
}

// remember reads from the log what a channel was told. A channel that was told nothing yet gets an entry, so that the IDs
// of its messages are unique.
func (t *teller) remember(ctx context.Context, c *channel) error {
	if c.known {
		return nil
	}
	q := sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionNotified}, Limit: 100}
	for {
		events, err := t.notified(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range events {
			if name, alerts := told.Parse(e.Reason); name == c.Name() {
				c.known, c.last, c.told = true, e, alerts
				return nil
			}
		}
		if len(events) < q.Limit {
			c.known = true
			return t.save(ctx, c)
		}
		q.Before, q.Limit = events[len(events)-1].ID, sessioncleanup.MaxPage
	}
}

func (t *teller) notified(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	events, err := t.o.Store.Events(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("find what operators were told: %w", err)
	}
	return events, nil
}

// save writes to the log which alerts the receivers of a channel know to hold. They may know more than the log when it fails.
func (t *teller) save(ctx context.Context, c *channel) error {
	reason := told.Reason(c.Name(), c.told)
	if len([]rune(reason)) > sessioncleanup.MaxEventText {
		return invalid.Errorf("the log has no room for what a channel was told, %q: want shorter names", reason)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.unsaved = true
	e, err := t.o.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{
		Action: sessioncleanup.ActionNotified, Actor: "system", Reason: reason,
	}})
	if err != nil {
		return fmt.Errorf("record what operators were told: %w", err)
	}
	c.unsaved, c.last = false, e
	return nil
}
