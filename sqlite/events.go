package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Record adds one event that is no session's, and removes old ones.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	event := r.Event
	more := false // old events are left
	forget := func(c *conn) (err error) {
		if !r.ForgetBefore.IsZero() {
			more, err = c.log().Forget(ctx, r.ForgetBefore, event.ID)
		}
		return err
	}
	err := s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		if err := c.insertEvent(ctx, &event); err != nil {
			return err
		}
		return forget(c)
	})
	if err != nil {
		return sessioncleanup.Event{}, err
	}
	for more {
		if s.writing(ctx, forget) != nil {
			break // the event is written; the next Record continues
		}
	}
	s.truncateLog(ctx)
	return event, nil
}

// addEvent writes the event of a change to sessions.
func (c *conn) addEvent(ctx context.Context, action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) error {
	return c.addEventAt(ctx, time.Time{}, action, cause, refs)
}

// addEventAt is addEvent with the time of the change.
func (c *conn) addEventAt(ctx context.Context, at time.Time, action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) error {
	return c.insertEvent(ctx, &sessioncleanup.Event{
		At: at, Action: action, Sessions: refs, Actor: cause.Actor, Reason: cause.Reason, RunID: cause.RunID,
	})
}

// insertEvent writes an event and fills in its ID and, when zero, its time.
func (c *conn) insertEvent(ctx context.Context, e *sessioncleanup.Event) error {
	if e.At = e.At.UTC(); e.At.IsZero() {
		e.At = c.clock()
	}
	*e = e.Shortened()
	p := params{
		"at": formatTime(e.At), "action": string(e.Action), "actor": e.Actor, "reason": e.Reason, "run_id": e.RunID,
		"sessions": nil, "run": nil,
	}
	if len(e.Sessions) > 0 {
		sessions, err := json.Marshal(e.Sessions)
		if err != nil {
			return err
		}
		p["sessions"] = string(sessions)
	}
	if details := e.Details(); details != nil {
		p["run"] = string(details)
	}
	return c.row(ctx, statements["insert_event"], p, &e.ID)
}

// errEnough ends the reading of events.
var errEnough = errors.New("enough events")

// Events returns the audit log, newest first. It finds those of one session, or of one owner, by reading the log.
func (s *Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if q.Limit <= 0 {
		return nil, invalid.Errorf("limit of the events is %d: want at least 1", q.Limit)
	}
	actions, err := json.Marshal(q.Actions)
	if err != nil {
		return nil, err
	}
	p := params{
		"limit": q.Limit, "before": q.Before, "after": q.After, "run_id": q.RunID, "actions": string(actions),
		"session": q.SessionID, "owner": q.OwnerID,
	}
	ofSessions := q.SessionID != "" || q.OwnerID != ""
	conditions, sessions := []string{"1"}, "sessions"
	if ofSessions && q.Part {
		sessions = "CASE WHEN " + statements["events_of_sessions"] + " THEN sessions END"
	}
	for condition, holds := range map[string]bool{
		"events_before": q.Before > 0, "events_after": q.After > 0, "events_of_run": q.RunID != "", "events_with_action": len(q.Actions) > 0,
		"events_of_sessions": ofSessions && !q.Part,
	} {
		if holds {
			conditions = append(conditions, statements[condition])
		}
	}
	var events []sessioncleanup.Event
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		statement := filled("list_events", sqlfile.Names{"condition": strings.Join(conditions, " AND "), "sessions_of_event": sessions})
		return c.query(ctx, statement, p, func(rows *sql.Rows) error {
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
	var at, sessions, run string
	if err := rows.Scan(&e.ID, &at, &e.Action, &e.Actor, &e.Reason, &e.RunID, &sessions, &run); err != nil {
		return e, err
	}
	var err error
	if e.At, err = parseTime(at); err != nil {
		return e, err
	}
	if sessions != "" {
		if err := json.Unmarshal([]byte(sessions), &e.Sessions); err != nil {
			return e, fmt.Errorf("read the sessions of event %d: %w", e.ID, err)
		}
	}
	if err := e.SetDetails([]byte(run)); err != nil {
		return e, fmt.Errorf("read the details of event %d: %w", e.ID, err)
	}
	return e, nil
}
