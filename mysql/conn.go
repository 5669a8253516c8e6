package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"regexp"
	"strings"
	"time"
)

// params are the values of a statement's parameters, :name. A []any stands for a list of values, as IN has it.
type params map[string]any

// parameter matches a parameter, and what only looks like one within quotes.
var parameter = regexp.MustCompile("\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|:[a-z][a-z0-9_]*")

// bound is a statement with the driver's placeholders, and the values for them. An empty list becomes NULL, which is equal to
// nothing.
func bound(statement string, p params) (string, []any) {
	var args []any
	text := parameter.ReplaceAllStringFunc(statement, func(match string) string {
		if match[0] != ':' {
			return match
		}
		value, ok := p[match[1:]]
		if !ok {
			panic("mysql: no value for " + match + " in: " + statement) // a mistake of this package
		}
		list, ok := value.([]any)
		switch {
		case !ok:
			args = append(args, value)
			return "?"
		case len(list) == 0:
			return "NULL"
		default:
			args = append(args, list...)
			return strings.Repeat("?, ", len(list)-1) + "?"
		}
	})
	return text, args
}

// conn is a connection, with the layout of the database once that is known.
type conn struct {
	*sql.Conn
	*layout
	naming naming // the store's
	trips  trips
}

// trips are the round trips to the server: their number, and how long the fastest took, which is about the network's
// share of each.
type trips struct {
	count   int
	fastest time.Duration
}

func (t *trips) add(started time.Time) {
	took := time.Since(started)
	if t.count == 0 || took < t.fastest {
		t.fastest = took
	}
	t.count++
}

// heldSince is how long locks were held since a time and a number of round trips, less what the network took: smaller
// batches would not shorten that.
func (t *trips) heldSince(started time.Time, count int) time.Duration {
	return max(time.Since(started)-time.Duration(t.count-count)*t.fastest, time.Millisecond)
}

// query calls scan for each row.
func (c *conn) query(ctx context.Context, statement string, p params, scan func(*sql.Rows) error) error {
	text, args := bound(statement, p)
	started := time.Now()
	rows, err := c.QueryContext(ctx, text, args...)
	c.trips.add(started)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// row reads the only row of a statement; sql.ErrNoRows when there is none.
func (c *conn) row(ctx context.Context, statement string, p params, dest ...any) error {
	text, args := bound(statement, p)
	defer c.trips.add(time.Now())
	return c.QueryRowContext(ctx, text, args...).Scan(dest...)
}

// exec returns the number of rows that were changed.
func (c *conn) exec(ctx context.Context, statement string, p params) (int64, error) {
	text, args := bound(statement, p)
	defer c.trips.add(time.Now())
	result, err := c.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// largeStatement is the size of values from which on they are sent one by one: with them in it, a statement could be
// larger than the server allows.
const largeStatement = 1 << 20

// execLarge is exec for values that may be large.
func (c *conn) execLarge(ctx context.Context, statement string, p params) (int64, error) {
	size := 0
	for _, value := range p {
		switch v := value.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
	}
	if size < largeStatement {
		return c.exec(ctx, statement, p)
	}
	text, args := bound(statement, p)
	prepared, err := c.PrepareContext(ctx, text)
	if err != nil {
		return 0, err
	}
	defer func() { _ = prepared.Close() }()
	result, err := prepared.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// reading calls do with a connection.
func (s *Store) reading(ctx context.Context, do func(c *conn) error) error {
	raw, err := s.db.Conn(ctx)
	if err != nil {
		return s.failed(ctx, err)
	}
	err = do(&conn{Conn: raw, naming: s.naming})
	_ = raw.Close()
	return s.failed(ctx, err)
}

// writing calls do in a transaction. Every write needs one: a single statement would be committed even when its context
// ended while it waited for a lock.
func (s *Store) writing(ctx context.Context, do func(c *conn) error) error {
	return s.reading(ctx, func(c *conn) error {
		if _, err := c.ExecContext(ctx, "START TRANSACTION"); err != nil {
			return err
		}
		err := do(c)
		if err == nil {
			_, err = c.ExecContext(ctx, "COMMIT")
		}
		if err != nil {
			c.rollBack(ctx)
		}
		return err
	})
}

// rollBack ends the transaction. When that fails, the connection must not return to the pool: there a later BEGIN would commit
// what is left.
func (c *conn) rollBack(ctx context.Context) {
	if _, err := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
		c.discard()
	}
}

// discard makes database/sql close the connection instead of using it again.
func (c *conn) discard() { _ = c.Raw(func(any) error { return driver.ErrBadConn }) }

// readingSessions is reading with the layout.
func (s *Store) readingSessions(ctx context.Context, do func(c *conn) error) error {
	return s.reading(ctx, s.withLayout(ctx, do))
}

// writingSessions is writing with the layout.
func (s *Store) writingSessions(ctx context.Context, do func(c *conn) error) error {
	return s.writing(ctx, s.withLayout(ctx, do))
}

func (s *Store) withLayout(ctx context.Context, do func(c *conn) error) func(c *conn) error {
	return func(c *conn) (err error) {
		if c.layout, err = s.currentLayout(ctx, c); err != nil {
			return err
		}
		return do(c)
	}
}
