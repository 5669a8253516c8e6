package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// forgetBatch is the number of old events that are deleted in one transaction. Each may hold a batch's sessions.
const forgetBatch = 200

// Record adds one event that is no session's, and forgets old ones.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	event := r.Event
	var forgotten int64
	forget := func(w *work) (err error) {
		if r.ForgetBefore.IsZero() {
			return nil
		}
		forgotten, err = w.exec(ctx, text["forget_events"], values{"before": formatTime(r.ForgetBefore), "keep": event.ID, "limit": forgetBatch})
		return err
	}
	err := s.writing(ctx, func(w *work) error {
		_, err := readSettings(ctx, w)
		if err != nil {
			return err
		}
		if event, err = w.addEvent(ctx, r.Event); err != nil {
			return err
		}
		return forget(w)
	})
	if err != nil {
		return sessioncleanup.Event{}, err
	}
	for forgotten == forgetBatch {
		if s.writing(ctx, forget) != nil {
			break // the event is written; the next record goes on from here
		}
	}
	return event, nil
}

// addEvent writes an event and gives it with its ID and time.
func (w *work) addEvent(ctx context.Context, e sessioncleanup.Event) (sessioncleanup.Event, error) {
	v := values{
		"at": formatTime(e.At), "action": string(e.Action), "actor": e.Actor, "reason": e.Reason, "run_id": e.RunID,
		"sessions": nil, "run": nil,
	}
	if len(e.Sessions) > 0 {
		sessions, err := json.Marshal(e.Sessions)
		if err != nil {
			return e, err
		}
		v["sessions"] = string(sessions)
	}
	if e.Run != nil {
		run, err := json.Marshal(e.Run)
		if err != nil {
			return e, err
		}
		v["run"] = string(run)
	}
	var at string
	err := w.row(ctx, text["insert_event"], v, &e.ID, &at)
	if err != nil {
		return e, err
	}
	e.At, err = parseTime(at)
	return e, err
}

// Events gives the audit log, newest first. Those of one session, or of one owner, are found by reading the log.
func (s *Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if q.Limit <= 0 {
		return nil, invalidf("limit of the events is %d: want at least 1", q.Limit)
	}
	conditions := []string{"1"}
	v := values{"limit": q.Limit, "owner": q.OwnerID}
	when := func(holds bool, name string) {
		if holds {
			conditions = append(conditions, text[name])
		}
	}
	if q.Before > 0 {
		v["before"] = q.Before
	}
	when(q.Before > 0, "events_before")
	v["run_id"] = q.RunID
	when(q.RunID != "", "events_of_run")
	if len(q.Actions) > 0 {
		actions, err := json.Marshal(q.Actions)
		if err != nil {
			return nil, err
		}
		v["actions"] = string(actions)
	}
	when(len(q.Actions) > 0, "events_with_action")
	v["session"], v["needle"] = q.SessionID, needle("id", q.SessionID)
	when(q.SessionID != "", "events_of_session")
	if q.SessionID == "" {
		v["needle"] = needle("owner_id", q.OwnerID)
	}
	when(q.SessionID == "" && q.OwnerID != "", "events_of_owner")

	var events []sessioncleanup.Event
	err := s.reading(ctx, func(w *work) error {
		if _, err := readSettings(ctx, w); err != nil {
			return err
		}
		statement := filled("list_events", sqlfile.Names{"condition": strings.Join(conditions, " AND ")})
		return w.query(ctx, statement, v, func(rows *sql.Rows) error {
			event, err := scanEvent(rows, q)
			events = append(events, event)
			return err
		})
	})
	return events, err
}

var plainText = regexp.MustCompile(`^[0-9A-Za-z_.:-]*$`)

// needle is what stands in the text of an event that has a value. It is empty, which stands everywhere, for values that
// JSON may write in several ways.
func needle(field, value string) string {
	if !plainText.MatchString(value) {
		return ""
	}
	return fmt.Sprintf(`"%s":"%s"`, field, value)
}

// scanEvent reads an event, and of its sessions those that the query asks for.
func scanEvent(rows *sql.Rows, q sessioncleanup.EventQuery) (sessioncleanup.Event, error) {
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
	if run != "" {
		if err := json.Unmarshal([]byte(run), &e.Run); err != nil {
			return e, fmt.Errorf("read the run of event %d: %w", e.ID, err)
		}
	}
	e.Sessions = slices.DeleteFunc(e.Sessions, func(r sessioncleanup.SessionRef) bool {
		return q.OwnerID != "" && r.OwnerID != q.OwnerID || q.SessionID != "" && r.ID != q.SessionID
	})
	return e, nil
}
