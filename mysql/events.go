package mysql

import (
	"context"
	"crypto/rand"
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

// forgetBatch is the number of old events that are deleted in one transaction. Each may hold a batch's sessions.
const forgetBatch = 200

// Record adds one event that is no session's, and removes old ones.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	event := r.Event
	err := s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		return c.insertEvent(ctx, &event)
	})
	if err != nil {
		return sessioncleanup.Event{}, err
	}
	for more := !r.ForgetBefore.IsZero(); more; {
		err := s.writing(ctx, func(c *conn) (err error) {
			if err = c.lockLog(ctx); err == nil {
				more, err = c.forget(ctx, r.ForgetBefore, event.ID)
			}
			return err
		})
		if err != nil {
			break // the event is written; the next Record continues
		}
	}
	return event, nil
}

// addEvent writes the event of a change to sessions, at the end of its transaction.
func (c *conn) addEvent(ctx context.Context, e sessioncleanup.Event) error {
	return c.insertEvent(ctx, &e)
}

// insertEvent writes an event and fills in its ID and, when zero, its time. From then on other events wait for the
// transaction to end: so IDs are in the order of commits.
func (c *conn) insertEvent(ctx context.Context, e *sessioncleanup.Event) error {
	started := time.Now()
	counted, err := c.ExecContext(ctx, statements["count_event"])
	c.trips.add(started)
	if err == nil {
		e.ID, err = counted.LastInsertId()
	}
	if e.At = e.At.UTC(); err == nil && e.At.IsZero() {
		err = c.row(ctx, statements["clock"], nil, &e.At)
	}
	if err != nil {
		return err
	}
	*e = e.Shortened()
	proof := make([]byte, sessioncleanup.SaltSize)
	if _, err := rand.Read(proof); err != nil {
		return err
	}
	p := params{
		"proof": proof,

		"id": e.ID, "at": e.At, "action": string(e.Action), "actor": e.Actor, "reason": e.Reason, "run_id": e.RunID, "sessions": nil, "run": nil,
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
	_, err = c.exec(ctx, statements["insert_event"], p)
	return err
}

// errEnough ends the reading of events.
var errEnough = errors.New("enough events")

// Events returns the audit log, newest first. It finds those of one session, or of one owner, by reading the log.
func (s *Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if q.Limit <= 0 {
		return nil, invalid.Errorf("limit of the events is %d: want at least 1", q.Limit)
	}
	actions := make([]any, len(q.Actions))
	for i, action := range q.Actions {
		actions[i] = string(action)
	}
	p := params{"limit": q.Limit, "before": q.Before, "after": q.After, "run_id": q.RunID, "actions": actions, "session": q.SessionID, "owner": q.OwnerID}
	conditions, sessions := []string{"TRUE"}, "sessions"
	for condition, holds := range map[string]bool{
		"events_before": q.Before > 0, "events_after": q.After > 0, "events_of_run": q.RunID != "", "events_with_action": len(q.Actions) > 0,
	} {
		if holds {
			conditions = append(conditions, statements[condition])
		}
	}
	if of := ofSessions(q); of != "" && q.Part {
		sessions = "CASE WHEN " + statements[of] + " THEN sessions END"
	} else if of != "" {
		conditions = append(conditions, statements[of])
	}
	slices.Sort(conditions)
	statement := filled("list_events", sqlfile.Names{"condition": strings.Join(conditions, " AND "), "sessions_of_event": sessions, "direction": "DESC"})
	return s.events(ctx, statement, p, q)
}

// ofSessions is the condition for events of the sessions that a query asks for; empty when it asks for all.
func ofSessions(q sessioncleanup.EventQuery) string {
	switch {
	case q.SessionID != "" && q.OwnerID != "":
		return "events_of_session_and_owner"
	case q.SessionID != "":
		return "events_of_session"
	case q.OwnerID != "":
		return "events_of_owner"
	default:
		return ""
	}
}

// events reads events until there are enough.
func (s *Store) events(ctx context.Context, statement string, p params, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	var events []sessioncleanup.Event
	err := s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
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
	var sessions, run sql.NullString
	if err := rows.Scan(&e.ID, &e.At, &e.Action, &e.Actor, &e.Reason, &e.RunID, &sessions, &run); err != nil {
		return e, err
	}
	if sessions.Valid {
		if err := json.Unmarshal([]byte(sessions.String), &e.Sessions); err != nil {
			return e, fmt.Errorf("read the sessions of event %d: %w", e.ID, err)
		}
	}
	if err := e.SetDetails([]byte(run.String)); err != nil {
		return e, fmt.Errorf("read the details of event %d: %w", e.ID, err)
	}
	return e, nil
}

// EventsAfter reads the log forward. IDs are in the order of commits.
func (s *Store) EventsAfter(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
	if limit <= 0 {
		return nil, invalid.Errorf("limit of the events is %d: want at least 1", limit)
	}
	statement := filled("list_events", sqlfile.Names{"condition": statements["events_after"], "sessions_of_event": "sessions", "direction": "ASC"})
	return s.events(ctx, statement, params{"after": after, "limit": limit}, sessioncleanup.EventQuery{Limit: limit, Part: true})
}

// Position is how far a consumer has read.
func (s *Store) Position(ctx context.Context, consumer string) (position int64, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		return c.row(ctx, statements["read_position"], params{"consumer": []byte(consumer)}, &position)
	})
	return position, err
}

// SetPosition stores how far a consumer has read.
func (s *Store) SetPosition(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error {
	return s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		if err := c.guard(ctx, held); err != nil {
			return err
		}
		_, err := c.exec(ctx, statements["write_position"], params{"consumer": []byte(consumer), "position": position})
		return err
	})
}
