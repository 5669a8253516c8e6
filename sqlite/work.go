package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// values are the named parameters of a statement.
type values map[string]any

func (v values) args() []any {
	args := make([]any, 0, len(v))
	for name, value := range v {
		args = append(args, sql.Named(name, value))
	}
	return args
}

// work is one connection at work, for one call.
type work struct {
	*layout // of the database as the call found it; nil where the call needs none
	conn    *connection
}

// reading does work that only reads.
func (s *Store) reading(ctx context.Context, do func(w *work) error) error {
	c, release, err := s.connect(ctx, s.read, false)
	if err != nil {
		return s.failed(err)
	}
	defer release()
	return s.failed(do(&work{conn: c}))
}

// readingSessions does work that reads sessions.
func (s *Store) readingSessions(ctx context.Context, do func(w *work) error) error {
	return s.reading(ctx, func(w *work) error {
		if err := s.orient(ctx, w); err != nil {
			return err
		}
		return do(w)
	})
}

// writing does work in one transaction, which takes the write lock before anything else: it never has to give up for
// what another connection wrote since it began to read. Once the commit has begun it is not stopped, so that a call
// that fails has changed nothing.
func (s *Store) writing(ctx context.Context, do func(w *work) error) error {
	c, release, err := s.connect(ctx, s.write, true)
	if err != nil {
		return s.failed(err)
	}
	defer release()
	return s.failed(transact(ctx, c, do))
}

func transact(ctx context.Context, c *connection, do func(w *work) error) error {
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do(&work{conn: c})
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if _, err = c.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err == nil {
			return nil
		}
	}
	rollBack(ctx, c)
	return err
}

// rollBack ends a transaction that failed, whatever became of its context.
func rollBack(ctx context.Context, c *connection) {
	_, err := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err != nil && !strings.Contains(err.Error(), "no transaction is active") { // SQLite did so itself
		c.broken = true
	}
}

// writingSessions does work that writes sessions.
func (s *Store) writingSessions(ctx context.Context, do func(w *work) error) error {
	return s.writing(ctx, func(w *work) error {
		if err := s.orient(ctx, w); err != nil {
			return err
		}
		return do(w)
	})
}

// orient finds out how the host keeps its sessions, anew when the database's schema has changed since.
func (s *Store) orient(ctx context.Context, w *work) error {
	version, err := w.schemaVersion(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	known := s.layout
	s.mu.Unlock()
	if known == nil || known.schemaVersion != version {
		if known, err = s.readLayout(ctx, w); err != nil {
			return err
		}
		known.schemaVersion = version
		s.mu.Lock()
		s.layout = known
		s.mu.Unlock()
	}
	w.layout = known
	return nil
}

// readLayout reads what Migrate stored, and sees that it fits this version and this configuration.
func (s *Store) readLayout(ctx context.Context, w *work) (*layout, error) {
	set, err := readSettings(ctx, w)
	if err != nil {
		return nil, err
	}
	if !s.given.IsZero() && !same(s.given, set.schema) {
		return nil, fmt.Errorf("%w: the schema given differs from the one that was adopted: call Migrate", sessioncleanup.ErrNotInstalled)
	}
	c, err := readCatalog(ctx, w)
	if err != nil {
		return nil, err
	}
	missing, err := c.survey(set.schema)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sessioncleanup.ErrNotInstalled, err)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: table %q has no column %q: call Migrate", sessioncleanup.ErrNotInstalled,
			set.schema.Table, lifecycle(set.schema)[missing[0]])
	}
	l := newLayout(set.schema, set.adopted)
	l.spreads = c.spreads(set.schema.Table)
	return l, nil
}

func (w *work) schemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := w.row(ctx, "PRAGMA schema_version", nil, &version)
	return version, err
}

// exec runs a statement and gives the number of rows that it changed.
func (w *work) exec(ctx context.Context, text string, v values) (int64, error) {
	statement, err := w.conn.prepared(ctx, text) //nolint:sqlclosecheck // the connection keeps it
	if err != nil {
		return 0, err
	}
	var result sql.Result
	if statement != nil {
		result, err = statement.ExecContext(ctx, v.args()...)
	} else {
		result, err = w.conn.ExecContext(ctx, text, v.args()...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// define runs a statement that is not worth keeping: one that defines something.
func (w *work) define(ctx context.Context, text string) error {
	_, err := w.conn.ExecContext(ctx, text)
	return err
}

// row reads one row; sql.ErrNoRows when there is none.
func (w *work) row(ctx context.Context, text string, v values, dest ...any) error {
	found := false
	err := w.query(ctx, text, v, func(rows *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return rows.Scan(dest...)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// query reads rows.
func (w *work) query(ctx context.Context, text string, v values, scan func(rows *sql.Rows) error) (err error) {
	statement, err := w.conn.prepared(ctx, text) //nolint:sqlclosecheck // the connection keeps it
	if err != nil {
		return err
	}
	var rows *sql.Rows
	if statement != nil {
		rows, err = statement.QueryContext(ctx, v.args()...)
	} else {
		rows, err = w.conn.QueryContext(ctx, text, v.args()...)
	}
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := rows.Close(); err == nil {
			err = closeErr
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
