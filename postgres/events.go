package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Events reads the log from its newest end.
func (s *Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	var before *int64
	if q.Before != 0 {
		before = &q.Before
	}
	var actions []string
	for _, a := range q.Actions {
		actions = append(actions, string(a))
	}
	rows, err := s.pool.Query(ctx, l.statement("events"), orNull(q.SessionID), orNull(q.OwnerID), orNull(q.RunID), actions, before, q.Limit)
	if err != nil {
		return nil, s.failed("read events", err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sessioncleanup.Event, error) { return scanEvent(row, q.OwnerID) })
	return events, s.failed("read events", err)
}

// scanEvent reads an event; with an owner it leaves out the sessions of others.
func scanEvent(row pgx.CollectableRow, owner string) (sessioncleanup.Event, error) {
	var e sessioncleanup.Event
	var action string
	var ids, owners, names []string
	var run []byte
	if err := row.Scan(&e.ID, &e.At, &action, &e.Actor, &e.Reason, &e.RunID, &ids, &owners, &names, &run); err != nil {
		return e, err
	}
	e.At, e.Action = e.At.UTC(), sessioncleanup.Action(action)
	if len(owners) != len(ids) || len(names) != len(ids) {
		return e, errors.New("event's arrays differ in length")
	}
	for i, id := range ids {
		if owner == "" || owners[i] == owner {
			e.Sessions = append(e.Sessions, sessioncleanup.SessionRef{ID: id, OwnerID: owners[i], Name: names[i]})
		}
	}
	if run != nil {
		return e, json.Unmarshal(run, &e.Run)
	}
	return e, nil
}

// Record adds an event and forgets old ones, in one transaction.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Event{}, err
	}
	event := r.Event
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		queueEvent(batch, l, r.Event, func(id int64, at time.Time) { event.ID, event.At = id, at.UTC() })
		if !r.ForgetBefore.IsZero() {
			batch.Queue(l.statement("events_forget"), r.ForgetBefore)
		}
	}, nil)
	return event, s.failed("record event", err)
}

// queueEvent adds an event to what is about to be sent.
func queueEvent(batch *pgx.Batch, l *layout, e sessioncleanup.Event, added func(id int64, at time.Time)) {
	ids, owners, names := make([]string, len(e.Sessions)), make([]string, len(e.Sessions)), make([]string, len(e.Sessions))
	for i, ref := range e.Sessions {
		ids[i], owners[i], names[i] = ref.ID, ref.OwnerID, ref.Name
	}
	var run *string
	if e.Run != nil {
		text, err := json.Marshal(e.Run)
		if err != nil {
			panic(err) // numbers and a string
		}
		s := string(text)
		run = &s
	}
	batch.Queue(l.statement("event_add"), moment(e.At), string(e.Action), e.Actor, e.Reason, e.RunID, ids, owners, names, run).
		QueryRow(func(row pgx.Row) error {
			var id int64
			var at time.Time
			if err := row.Scan(&id, &at); err != nil || added == nil {
				return err
			}
			added(id, at)
			return nil
		})
}
