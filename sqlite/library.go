package sqlite

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
		if err := mustBeInstalled(ctx, c); err != nil {
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
	var h hold
	err = b.s.writingOwn(ctx, func(c *conn) (err error) {
		if h, err = b.s.beginHold(ctx, c); err != nil {
			return err
		}
		return do(ownConn{c})
	})
	held, pause = b.s.endHold(ctx, h, batch)
	return held, pause, err
}

func own(do func(sqlstore.Conn) error) func(c *conn) error {
	return func(c *conn) error { return do(ownConn{c}) }
}

// ownConn is a connection as the library uses it.
type ownConn struct{ *conn }

// paramForm is how parameters are written: times as text, and lists for json_each.
var paramForm = sqlstore.Form{
	ID:   func(id string) any { return id },
	Time: formatTime,
	List: func(list []any) any { return sqlstore.JSON(list) },
}

func (c ownConn) SQL(name string, names sqlfile.Names) string { return filled(name, names) }

func (c ownConn) Query(ctx context.Context, statement string, p sqlstore.Params, scan func(*sql.Rows) error) error {
	return c.query(ctx, statement, paramForm.Of(p), scan)
}

func (c ownConn) Exec(ctx context.Context, statement string, p sqlstore.Params) (int64, error) {
	return c.exec(ctx, statement, paramForm.Of(p))
}

// ForUpdate is empty: a transaction that writes has the whole database locked.
func (c ownConn) ForUpdate() string { return "" }

func (c ownConn) Stamp(at time.Time) any { return formatTime(at) }

func (c ownConn) Now(context.Context) (time.Time, error) { return c.clock(), nil }

func (c ownConn) Guard(ctx context.Context, batch sessioncleanup.Lease) error {
	return c.guard(ctx, batch)
}

func (c ownConn) InsertEvent(ctx context.Context, e *sessioncleanup.Event) error {
	return c.insertEvent(ctx, e)
}

// LockLog does nothing, as ForUpdate.
func (c ownConn) LockLog(context.Context) error { return nil }

func (c ownConn) Cutoffs(t sessioncleanup.Thresholds, _ time.Time) sessioncleanup.Cutoffs {
	return c.cutoffsAt(t)
}

func (c ownConn) Session(ctx context.Context, id string) (sessioncleanup.Session, error) {
	value, ok := c.adopted.ID.bind(id)
	if !ok {
		return sessioncleanup.Session{}, nil
	}
	session, err := c.one(ctx, value)
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		err = nil
	}
	return session, err
}
