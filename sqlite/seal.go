package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/seallog"
)

// Seal seals the oldest events without a seal. Nobody can write meanwhile, so no older event can appear later.
func (s *Store) Seal(ctx context.Context, limit int) (next sessioncleanup.Seal, err error) {
	err = s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		next, err = c.log().Seal(ctx, limit)
		return err
	})
	if err != nil {
		return sessioncleanup.Seal{}, err
	}
	return next, nil
}

// Seals returns seals in their order.
func (s *Store) Seals(ctx context.Context, after int64, limit int) (seals []sessioncleanup.Seal, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		seals, err = c.log().Seals(ctx, after, limit)
		return err
	})
	return seals, err
}

// Entries returns events as they are sealed.
func (s *Store) Entries(ctx context.Context, after, through int64, limit int) (entries []sessioncleanup.Entry, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		entries, err = c.log().Entries(ctx, after, through, limit)
		return err
	})
	return entries, err
}

// EraseOwner removes an owner from all events, in pages of the log.
func (s *Store) EraseOwner(ctx context.Context, owner string) (int, error) {
	return seallog.EraseAll(func(after int64) (erased int, last int64, more bool, err error) {
		err = s.writing(ctx, func(c *conn) error {
			if err := mustBeInstalled(ctx, c); err != nil {
				return err
			}
			erased, last, more, err = c.log().EraseOwner(ctx, owner, after)
			return err
		})
		return erased, last, more, err
	})
}

// log is the audit log on the connection.
func (c *conn) log() seallog.Log {
	return seallog.Log{
		Conn:  logConn{c},
		Stamp: formatTime,
		Scan:  func(at *time.Time) any { return scannedTime{at} },
	}
}

// logConn runs statements by their names.
type logConn struct{ c *conn }

func (l logConn) Query(ctx context.Context, statement string, p map[string]any, scan func(*sql.Rows) error) error {
	return l.c.query(ctx, statements[statement], p, scan)
}

func (l logConn) Exec(ctx context.Context, statement string, p map[string]any) (int64, error) {
	return l.c.exec(ctx, statements[statement], p)
}

// scannedTime sets a time from the text that SQLite has.
type scannedTime struct{ at *time.Time }

func (t scannedTime) Scan(value any) error {
	var text sql.NullString
	err := text.Scan(value)
	*t.at, _ = parseTime(text.String)
	return err
}
