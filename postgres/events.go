package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Events reads the log from its newest end.
func (s *Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	var before, after *int64
	if q.Before != 0 {
		before = &q.Before
	}
	if q.After != 0 {
		after = &q.After
	}
	var actions []string
	for _, a := range q.Actions {
		actions = append(actions, string(a))
	}
	rows, err := s.pool.Query(ctx, m.statement("events"), orNull(q.SessionID), orNull(q.OwnerID), orNull(q.RunID), actions, before, q.Limit, after, q.Part)
	if err != nil {
		return nil, s.failed("read events", err)
	}
	defer rows.Close()
	var events []sessioncleanup.Event
	for !q.Enough(events) && rows.Next() {
		event, err := scanEvent(rows)
		if err != nil {
			return nil, s.failed("read events", err)
		}
		event, _ = q.Select(event)
		events = append(events, event)
	}
	return events, s.failed("read events", rows.Err())
}

// scanEvent reads an event, and more columns after it.
func scanEvent(row pgx.Row, more ...any) (sessioncleanup.Event, error) {
	var e sessioncleanup.Event
	var action string
	var ids, owners, names []string
	var run []byte
	columns := append([]any{&e.ID, &e.At, &action, &e.Actor, &e.Reason, &e.RunID, &ids, &owners, &names, &run, &e.Unnamed}, more...)
	if err := row.Scan(columns...); err != nil {
		return e, err
	}
	e.At, e.Action = e.At.UTC(), sessioncleanup.Action(action)
	if len(owners) == 0 { // none of the sessions had one
		owners = make([]string, len(ids))
	}
	if len(owners) != len(ids) || len(names) != len(ids) {
		return e, errors.New("event's arrays differ in length")
	}
	for i, id := range ids {
		e.Sessions = append(e.Sessions, sessioncleanup.SessionRef{ID: id, OwnerID: owners[i], Name: names[i]})
	}
	if e.SetDetails(run) != nil {
		e.Run = nil // not one of the library's own
	}
	return e, nil
}

// forgetBatch is the number of old events that one transaction removes. Each may hold a batch's sessions.
const forgetBatch = 1000

// Record adds an event and removes old ones, some of them in the same transaction and the rest in further ones.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Event{}, err
	}
	event := r.Event
	var forgotten int64
	forget := func(batch *pgx.Batch) {
		forgotten = 0
		if r.ForgetBefore.IsZero() {
			return
		}
		batch.Queue(m.statement("events_forget"), r.ForgetBefore, forgetBatch).QueryRow(func(row pgx.Row) error { return row.Scan(&forgotten) })
	}
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		forget(batch) // before the event is there: it may itself be an old one
		queueEvent(batch, m, r.Event, func(id int64, at time.Time) { event.ID, event.At = id, at.UTC() })
	}, nil)
	if err != nil {
		return sessioncleanup.Event{}, s.failed("record event", err)
	}
	for forgotten > 0 { // those of a seal go together, so that there may be fewer than a batch
		if err := s.inTx(ctx, forget, nil); err != nil {
			s.cfg.Logger.WarnContext(ctx, "old events are left to the next run to forget", "error", err)
			break
		}
	}
	return event, nil
}

// queueEvent adds an event to what is about to be sent.
func queueEvent(batch *pgx.Batch, m *mapping, e sessioncleanup.Event, added func(id int64, at time.Time)) {
	e = e.Shortened()
	ids, owners, names := []string{}, []string{}, []string{}
	for _, ref := range e.Sessions {
		ids, owners, names = append(ids, ref.ID), append(owners, ref.OwnerID), append(names, ref.Name)
	}
	var details *string
	if data := e.Details(); data != nil {
		details = new(string(data))
	}
	batch.Queue(m.statement("event_add"), moment(e.At), string(e.Action), e.Actor, e.Reason, e.RunID, ids, owners, names, details).
		QueryRow(func(row pgx.Row) error {
			var id int64
			var at time.Time
			err := row.Scan(&id, &at)
			if err == nil && added != nil {
				added(id, at)
			}
			return err
		})
}
