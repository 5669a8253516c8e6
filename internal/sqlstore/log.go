package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Record adds one event that is no session's, and then removes old ones, in transactions of their own.
func (s Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	event := r.Event
	if err := s.b.Writing(ctx, func(c Conn) error { return c.InsertEvent(ctx, &event) }); err != nil {
		return sessioncleanup.Event{}, err
	}
	for more := !r.ForgetBefore.IsZero(); more; {
		err := s.b.Writing(ctx, func(c Conn) (err error) {
			if err = c.LockLog(ctx); err == nil {
				more, err = forgetEvents(ctx, c, r.ForgetBefore, event.ID)
			}
			return err
		})
		if err != nil {
			break // the event is written; the next Record continues
		}
	}
	return event, nil
}

// EventOf is the event of a change to sessions. InsertEvent fills in a zero time.
func EventOf(at time.Time, action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) *sessioncleanup.Event {
	return &sessioncleanup.Event{At: at, Action: action, Sessions: refs, Actor: cause.Actor, Reason: cause.Reason, RunID: cause.RunID}
}

// EventParams shortens an event and returns the parameters that write it.
func EventParams(e *sessioncleanup.Event) Params {
	*e = e.Shortened()
	p := Params{
		"id": e.ID, "at": e.At, "action": string(e.Action), "actor": e.Actor, "reason": e.Reason, "run_id": e.RunID, "sessions": sessionsOf(*e), "run": nil,
	}
	if details := e.Details(); details != nil {
		p["run"] = string(details)
	}
	return p
}

// sessionsOf are the sessions of an event as JSON; nil when it has none.
func sessionsOf(e sessioncleanup.Event) any {
	if len(e.Sessions) == 0 {
		return nil
	}
	return JSON(e.Sessions)
}

// errEnough ends the reading of events.
var errEnough = errors.New("enough events")

// Events returns the audit log, newest first. It finds those of one session, or of one owner, by reading the log.
func (s Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	p := Params{
		"limit": q.Limit, "before": q.Before, "after": q.After, "run_id": q.RunID, "actions": List(q.Actions), "session": q.SessionID, "owner": q.OwnerID,
	}
	ofSessions := q.SessionID != "" || q.OwnerID != ""
	var conditions []string
	for condition, holds := range map[string]bool{
		"events_before": q.Before > 0, "events_after": q.After > 0, "events_of_run": q.RunID != "", "events_with_action": len(q.Actions) > 0,
		"events_of_sessions": ofSessions && !q.Part,
	} {
		if holds {
			conditions = append(conditions, condition)
		}
	}
	slices.Sort(conditions)
	return s.events(ctx, q, "DESC", conditions, ofSessions && q.Part, p)
}

// EventsAfter reads the log forward. IDs are in the order of commits.
func (s Store) EventsAfter(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
	q := sessioncleanup.EventQuery{Limit: limit, Part: true}
	return s.events(ctx, q, "ASC", []string{"events_after"}, false, Params{"after": after, "limit": limit})
}

// events reads events until there are enough; bare are those that have their sessions only where these are asked for.
func (s Store) events(ctx context.Context, q sessioncleanup.EventQuery, direction string, conditions []string, bare bool, p Params) ([]sessioncleanup.Event, error) {
	if q.Limit <= 0 {
		return nil, invalid.Errorf("limit of the events is %d: want at least 1", q.Limit)
	}
	var events []sessioncleanup.Event
	err := s.b.Reading(ctx, func(c Conn) error {
		names := sqlfile.Names{"condition": "TRUE", "sessions_of_event": "sessions", "direction": direction}
		if bare {
			names["sessions_of_event"] = "CASE WHEN " + c.SQL("events_of_sessions", nil) + " THEN sessions END"
		}
		var all []string
		for _, condition := range conditions {
			all = append(all, c.SQL(condition, nil))
		}
		if len(all) > 0 {
			names["condition"] = strings.Join(all, " AND ")
		}
		return c.Query(ctx, c.SQL("list_events", names), p, func(rows *sql.Rows) error {
			event, err := scanEvent(rows)
			if event, ok := q.Select(event); ok {
				events = append(events, event)
			}
			if err == nil && q.Enough(events) {
				err = errEnough
			}
			return err
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return events, nil
}

func scanEvent(rows *sql.Rows) (sessioncleanup.Event, error) {
	var e sessioncleanup.Event
	var sessions, run sql.NullString
	if err := rows.Scan(&e.ID, Time(&e.At), &e.Action, &e.Actor, &e.Reason, &e.RunID, &sessions, &run); err != nil {
		return e, err
	}
	if sessions.String != "" {
		if err := json.Unmarshal([]byte(sessions.String), &e.Sessions); err != nil {
			return e, fmt.Errorf("read the sessions of event %d: %w", e.ID, err)
		}
	}
	if err := e.SetDetails([]byte(run.String)); err != nil {
		return e, fmt.Errorf("read the details of event %d: %w", e.ID, err)
	}
	return e, nil
}

// Position is how far a consumer has read.
func (s Store) Position(ctx context.Context, consumer string) (int64, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) (position int64, err error) {
		err = row(ctx, c, c.SQL("read_position", nil), Params{"consumer": ID(consumer)}, &position)
		return position, err
	})
}

// SetPosition stores how far a consumer has read.
func (s Store) SetPosition(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error {
	return s.b.Writing(ctx, func(c Conn) error {
		if err := c.Guard(ctx, held); err != nil {
			return err
		}
		_, err := c.Exec(ctx, c.SQL("write_position", nil), Params{"consumer": ID(consumer), "position": position})
		return err
	})
}
