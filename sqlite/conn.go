package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// params are the named parameters of a statement.
type params map[string]any

func (p params) args() []any {
	args := make([]any, 0, len(p))
	for name, value := range p {
		args = append(args, sql.Named(name, value))
	}
	return args
}

// database is a connection, or a transaction of the application's on one.
type database interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// conn is one connection, in use by one call.
type conn struct {
	database
	clock   func() time.Time // the store's
	busy    time.Duration    // the store's, for the write lock
	naming  naming           // the store's
	*layout                  // of the application's tables as the call found them; nil where the call needs none
}

// reading calls do with a connection for reading.
func (s *Store) reading(ctx context.Context, do func(c *conn) error) error {
	db, err := s.reader.Conn(ctx)
	if err != nil {
		return s.failed(err)
	}
	defer func() { _ = db.Close() }()
	if err := s.unmoved(); err != nil {
		return s.failed(err)
	}
	return s.failed(do(s.naming.conn(db, s.clock)))
}

// readingSessions is reading with the layout.
func (s *Store) readingSessions(ctx context.Context, do func(c *conn) error) error {
	return s.reading(ctx, s.withLayout(ctx, do))
}

// writing calls do in a transaction, which takes the write lock first: it never has to give up because another connection
// wrote after it began to read. A commit that has begun is not canceled, so that a call that fails has changed nothing.
func (s *Store) writing(ctx context.Context, do func(c *conn) error) error {
	db, err := s.writer.Conn(ctx)
	if err != nil {
		return s.failed(err)
	}
	defer func() { _ = db.Close() }()
	if err := s.unmoved(); err != nil {
		return s.failed(err)
	}
	c := s.naming.conn(db, s.clock)
	c.busy = s.busy
	restore, err := s.configure(ctx, c)
	if err != nil {
		return s.failed(err)
	}
	defer restore()
	return s.failed(c.transact(ctx, do))
}

// writingSessions is writing with the layout. The library's triggers do nothing meanwhile.
func (s *Store) writingSessions(ctx context.Context, do func(c *conn) error) error {
	return s.writing(ctx, s.withLayout(ctx, func(c *conn) error { return c.unobserved(ctx, do) }))
}

// unobserved calls do within a transaction of the library's own, as its triggers know.
func (c *conn) unobserved(ctx context.Context, do func(c *conn) error) error {
	if _, err := c.exec(ctx, statements["set_writing"], params{"writing": true}); err != nil {
		return err
	}
	if err := do(c); err != nil {
		return err // and all is rolled back
	}
	_, err := c.exec(ctx, statements["set_writing"], params{"writing": false})
	return err
}

func (s *Store) withLayout(ctx context.Context, do func(c *conn) error) func(c *conn) error {
	return func(c *conn) (err error) {
		if c.layout, err = s.currentLayout(ctx, c); err != nil {
			return err
		}
		return do(c)
	}
}

func (c *conn) transact(ctx context.Context, do func(c *conn) error) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed { // a panic in do ends up here, too
			c.rollBack(ctx)
		}
	}()
	err := do(c)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		_, err = c.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	}
	committed = err == nil
	return err
}

// begin begins a transaction that writes. The driver may report a context that ended after the transaction began.
func (c *conn) begin(ctx context.Context) error {
	err := c.atOnce(ctx, func() error { return c.lock(ctx) })
	if err != nil {
		c.rollBack(ctx)
	}
	return err
}

// atOnce calls do while SQLite itself does not wait for locks.
func (c *conn) atOnce(ctx context.Context, do func() error) error {
	var busy int64
	if err := c.row(ctx, "PRAGMA busy_timeout", nil, &busy); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	err := do()
	if _, resetErr := c.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA busy_timeout = %d", busy)); err == nil {
		err = resetErr
	}
	return err
}

// pollEvery is how often a connection tries to get the write lock. SQLite's own busy handler soon tries only every 100 ms, and so
// may find the lock taken each time although others hold it for moments only.
const pollEvery = 2 * time.Millisecond

// lock begins a transaction as soon as no other connection holds the write lock.
func (c *conn) lock(ctx context.Context) error {
	for deadline := time.Now().Add(c.busy); ; {
		_, err := c.ExecContext(ctx, "BEGIN IMMEDIATE")
		left := time.Until(deadline)
		if !isCode(err, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) || left <= 0 {
			return err
		}
		if ended := wait.For(ctx, min(left, pollEvery)); ended != nil {
			return ended
		}
	}
}

// savepoint calls do and undoes what it did when it fails. errUndo undoes without being an error.
func (c *conn) savepoint(ctx context.Context, do func() error) error {
	if _, err := c.ExecContext(ctx, "SAVEPOINT sessioncleanup_part"); err != nil {
		return err
	}
	err := do()
	if err != nil {
		if _, undoErr := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK TO sessioncleanup_part"); undoErr != nil {
			return errors.Join(err, undoErr) // the transaction is gone
		}
	}
	if _, releaseErr := c.ExecContext(context.WithoutCancel(ctx), "RELEASE sessioncleanup_part"); err == nil {
		err = releaseErr
	}
	if errors.Is(err, errUndo) {
		err = nil
	}
	return err
}

// errUndo undoes what was done since a savepoint.
var errUndo = errors.New("undo")

// rollBack ends a transaction that failed, unless SQLite ended it already.
func (c *conn) rollBack(ctx context.Context) {
	_, err := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		c.discard()
	}
}

// discard makes database/sql close the connection instead of using it again.
func (c *conn) discard() {
	if db, ok := c.bare().(*sql.Conn); ok {
		_ = db.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// configure sets what writing needs on a connection of the application's. The function that it returns restores its settings.
func (s *Store) configure(ctx context.Context, c *conn) (restore func(), err error) {
	if !s.shared {
		return func() {}, nil
	}
	var keys, busy int64
	if err := c.row(ctx, "SELECT * FROM pragma_foreign_keys, pragma_busy_timeout", nil, &keys, &busy); err != nil {
		return nil, err
	}
	set := func(ctx context.Context, keys, busy int64) error {
		_, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA foreign_keys = %d; PRAGMA busy_timeout = %d", keys, busy))
		return err
	}
	restore = func() {
		if err := set(context.WithoutCancel(ctx), keys, busy); err != nil {
			c.discard()
		}
	}
	if err := set(ctx, 1, s.busy.Milliseconds()); err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// exec runs a statement and returns the number of rows that it changed.
func (c *conn) exec(ctx context.Context, statement string, p params) (int64, error) {
	result, err := c.ExecContext(ctx, statement, p.args()...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// execEach runs a statement with each of some parameters.
func (c *conn) execEach(ctx context.Context, statement string, all []params) error {
	if len(all) == 0 {
		return nil
	}
	prepared, err := c.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	defer func() { _ = prepared.Close() }()
	for _, p := range all {
		if _, err := prepared.ExecContext(ctx, p.args()...); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) execAll(ctx context.Context, all []string) error {
	for _, statement := range all {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// row reads one row; sql.ErrNoRows when there is none.
func (c *conn) row(ctx context.Context, statement string, p params, dest ...any) error {
	return c.QueryRowContext(ctx, statement, p.args()...).Scan(dest...)
}

// query reads rows.
func (c *conn) query(ctx context.Context, statement string, p params, scan func(rows *sql.Rows) error) error {
	rows, err := c.QueryContext(ctx, statement, p.args()...)
	return read(rows, err, scan)
}

// texts reads rows of one text each, and leaves out NULL.
func (c *conn) texts(ctx context.Context, statement string, p params) (all []string, err error) {
	err = c.query(ctx, statement, p, func(rows *sql.Rows) error {
		var text sql.NullString
		err := rows.Scan(&text)
		if text.Valid {
			all = append(all, text.String)
		}
		return err
	})
	return all, err
}

// refs reads sessions as events have them.
func (c *conn) refs(ctx context.Context, statement string, p params) (all []sessioncleanup.SessionRef, err error) {
	err = c.query(ctx, statement, p, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name)
		all = append(all, ref)
		return err
	})
	return all, err
}

func read(rows *sql.Rows, err error, scan func(rows *sql.Rows) error) error {
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

// repeated is a statement that is run several times in a row: SQLite takes longer to prepare a long one than to look
// into an index.
type repeated struct {
	text string
	stmt *sql.Stmt
}

// query is that of conn, and prepares the statement when it is another one than before.
func (r *repeated) query(ctx context.Context, c *conn, statement string, p params, scan func(rows *sql.Rows) error) error {
	if r.text != statement {
		r.close()
		stmt, err := c.PrepareContext(ctx, statement)
		if err != nil {
			return err
		}
		r.text, r.stmt = statement, stmt
	}
	rows, err := r.stmt.QueryContext(ctx, p.args()...)
	return read(rows, err, scan)
}

func (r *repeated) close() {
	if r.stmt != nil {
		_ = r.stmt.Close()
	}
	r.text, r.stmt = "", nil
}
