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
	p := sqlstore.EventParams(e)
	proof := make([]byte, sessioncleanup.SaltSize)
	if _, err := rand.Read(proof); err != nil {
		return err
	}
	p["proof"] = proof
	_, err = c.exec(ctx, statements["insert_event"], paramForm.Of(p))
	return err
}
