package mysql

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// library is the part of a Store that concerns the library's own tables.
type library = sqlstore.Store

// readingOwn is reading once the library's tables are there, and of this version.
func (s *Store) readingOwn(ctx context.Context, do func(c *conn) error) error {
	return s.reading(ctx, installed(ctx, do))
}

// writingOwn is writing once the library's tables are there, and of this version.
func (s *Store) writingOwn(ctx context.Context, do func(c *conn) error) error {
	return s.writing(ctx, installed(ctx, do))
}

func installed(ctx context.Context, do func(c *conn) error) func(c *conn) error {
	return func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		return do(c)
	}
}

// backend opens connections for the library.
type backend struct{ s *Store }

func (b backend) Reading(ctx context.Context, do func(sqlstore.Conn) error) error {
	return b.s.readingOwn(ctx, own(do))
}

func (b backend) Writing(ctx context.Context, do func(sqlstore.Conn) error) error {
	return b.s.writingOwn(ctx, own(do))
}

func (b backend) WritingSessions(ctx context.Context, do func(sqlstore.Conn) error) error {
	return b.s.writingSessions(ctx, own(do))
}

func (b backend) Batch(ctx context.Context, batch sessioncleanup.Batch, do func(sqlstore.Conn) error) (held, pause time.Duration, err error) {
	started := time.Now()
	err = b.s.writingOwn(ctx, own(do))
	held = time.Since(started)
	return held, batch.PauseAfter(held), err
}

func own(do func(sqlstore.Conn) error) func(c *conn) error {
	return func(c *conn) error { return do(ownConn{c}) }
}

// ownConn is a connection as the library uses it.
type ownConn struct{ *conn }

// paramForm is how parameters are written: bytes are compared whatever the collation of the connection.
var paramForm = sqlstore.Form{
	ID:   func(id string) any { return []byte(id) },
	Time: nullTime,
	List: func(list []any) any { return list },
}

func (c ownConn) SQL(name string, names sqlfile.Names) string { return filled(name, names) }

func (c ownConn) Query(ctx context.Context, statement string, p sqlstore.Params, scan func(*sql.Rows) error) error {
	return c.query(ctx, statement, paramForm.Of(p), scan)
}

func (c ownConn) Exec(ctx context.Context, statement string, p sqlstore.Params) (int64, error) {
	return c.exec(ctx, statement, paramForm.Of(p))
}

func (c ownConn) ForUpdate() string { return "FOR UPDATE" }

func (c ownConn) Stamp(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format("2006-01-02 15:04:05.000000")
}

func (c ownConn) Now(ctx context.Context) (time.Time, error) { return c.now(ctx) }

func (c ownConn) Guard(ctx context.Context, lease sessioncleanup.Lease) error {
	return c.guard(ctx, lease)
}

func (c ownConn) InsertEvent(ctx context.Context, e *sessioncleanup.Event) error {
	return c.insertEvent(ctx, e)
}

// LockLog lets others add events meanwhile.
func (c ownConn) LockLog(ctx context.Context) error {
	var last int64
	return c.row(ctx, statements["lock_log"], nil, &last)
}

func (c ownConn) Cutoffs(t sessioncleanup.Thresholds, now time.Time) sessioncleanup.Cutoffs {
	return c.cutoffsAt(t, now)
}

func (c ownConn) Session(ctx context.Context, id string) (sessioncleanup.Session, error) {
	r, err := c.one(ctx, id)
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		return sessioncleanup.Session{}, nil
	}
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	return r.seen(c.layout), nil
}
