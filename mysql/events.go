package mysql

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

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
		e.At, err = c.now(ctx)
	}
	if err != nil {
		return err
	}
	p, err := sqlstore.EventParams(e)
	if err != nil {
		return err
	}
	proof := make([]byte, sessioncleanup.SaltSize)
	if _, err := rand.Read(proof); err != nil {
		return err
	}
	p["proof"] = proof
	_, err = c.exec(ctx, statements["insert_event"], paramForm.Of(p))
	return err
}

// addEvent writes the event of a change to sessions, at the end of its transaction. A zero time is that of the server.
func (c *conn) addEvent(ctx context.Context, at time.Time, action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) error {
	e := sqlstore.EventOf(action, cause, refs)
	e.At = at
	return c.insertEvent(ctx, e)
}
