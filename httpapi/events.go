package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// event is a line of the audit log as clients see it. The error of a run is in the server's log only: it may quote the
// database.
type event struct {
	ID           int64                       `json:"id"`
	At           time.Time                   `json:"at"`
	Action       sessioncleanup.Action       `json:"action"`
	SessionCount int                         `json:"session_count"`
	Sessions     []sessioncleanup.SessionRef `json:"sessions"`
	Actor        string                      `json:"actor"`
	Reason       string                      `json:"reason"`
	RunID        *string                     `json:"run_id"`
	Run          *runSummary                 `json:"run"`
	Until        *time.Time                  `json:"until,omitempty"` // of a pause
}

type runSummary struct {
	StartedAt time.Time             `json:"started_at"`
	Phases    sessioncleanup.Phases `json:"phases"`
	Seconds   float64               `json:"duration_seconds"`
	Failed    bool                  `json:"failed"`
	Refused   bool                  `json:"refused"`
	Partial   bool                  `json:"partial"`
}

func eventOf(e sessioncleanup.Event) event {
	out := event{
		ID: e.ID, At: e.At, Action: e.Action, SessionCount: len(e.Sessions) + e.Unnamed, Sessions: e.Sessions,
		Actor: e.Actor, Reason: e.Reason, RunID: given(e.RunID), Until: known(e.Until),
	}
	if out.Sessions == nil {
		out.Sessions = []sessioncleanup.SessionRef{}
	}
	if r := e.Run; r != nil {
		out.Run = &runSummary{
			StartedAt: r.StartedAt, Phases: r.Phases, Seconds: r.Duration.Seconds(), Failed: r.Error != "", Refused: r.Refused, Partial: r.Partial,
		}
		if out.Run.Phases == nil {
			out.Run.Phases = sessioncleanup.Phases{}
		}
	}
	return out
}

type eventsAnswer struct {
	Success    bool    `json:"success"`
	Events     []event `json:"events"`
	NextCursor *string `json:"next_cursor"`
}

// defaultEvents is the default size of a page of events.
const defaultEvents = 50

// events serves GET /events: a page of the audit log, newest first.
func (c *call) events() error {
	q := sessioncleanup.EventQuery{SessionID: c.values.Get("session"), OwnerID: c.values.Get("owner"), RunID: c.values.Get("run")}
	var err error
	if q.Limit, err = c.limit(defaultEvents); err != nil {
		return err
	}
	action, err := oneOf(c, "action", sessioncleanup.Actions())
	if err != nil {
		return err
	}
	if action != "" {
		q.Actions = []sessioncleanup.Action{action}
	}
	list := listOf(c.scope, q.SessionID, q.RunID, string(action))
	if q.Before, err = list.before(c.values.Get("cursor")); err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	page, err := c.m.EventPage(ctx, q)
	if err != nil {
		return err
	}
	out := eventsAnswer{Success: true, Events: make([]event, len(page.Events))}
	for i, e := range page.Events {
		out.Events[i] = eventOf(e)
	}
	if page.Next != 0 {
		out.NextCursor = given(list.cursor(page.Next))
	}
	return c.reply(out)
}

// eventList tells lists of events apart whose cursors must not be mixed.
type eventList string

func listOf(filters ...string) eventList {
	sum := sha256.New()
	for _, f := range filters {
		_, _ = fmt.Fprintf(sum, "%d:%s", len(f), f) // a hash never fails
	}
	return eventList(base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:9]))
}

// eventCursor is the content of a cursor: the last event of a page, and the list that it belongs to.
type eventCursor struct {
	List   eventList `json:"l"`
	Before int64     `json:"b"`
}

func (l eventList) cursor(last int64) string {
	data, err := json.Marshal(eventCursor{l, last})
	if err != nil { // a string and a number always marshal
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// before is the last event of the page that a cursor comes from; 0 without one.
func (l eventList) before(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	var c eventCursor
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || c.List != l || c.Before <= 0 {
		return 0, wrong("cursor", msgCursor)
	}
	return c.Before, nil
}

// cursorFault is for a list whose other options are valid: an ErrInvalid is about its cursor.
func cursorFault(err error) error {
	if errors.Is(err, sessioncleanup.ErrInvalid) {
		return wrong("cursor", msgCursor)
	}
	return err
}
