// Package sqlstore has what the Stores of SQLite and MariaDB do alike, above all with the library's own tables, which are the archive,
// the audit log with its seals and positions, the outbox, leases and values. A backend opens connections for it, and has its
// statements by the names that this package uses in the folder sql:
//
//	type library = sqlstore.Store // so that the field is not exported
//
//	type Store struct {
//		library // Archived, Hold, Events, Seal, Lease, …
//		…
//	}
//
//	s.library = sqlstore.New(backend{s})
package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Backend opens connections to a database. It fails with ErrNotInstalled when the library's tables are not there, and calls do only
// when they are.
type Backend interface {
	Reading(ctx context.Context, do func(Conn) error) error
	// Writing calls do in a transaction.
	Writing(ctx context.Context, do func(Conn) error) error
	// WritingSessions calls do in a transaction in which it may ask for sessions.
	WritingSessions(ctx context.Context, do func(Conn) error) error
	// Batch is Writing for a batch of a run, and measures it as BatchResult has it.
	Batch(ctx context.Context, b sessioncleanup.Batch, do func(Conn) error) (held, pause time.Duration, err error)
}

// Conn is a connection, in use by one call.
type Conn interface {
	// SQL is the statement of a name.
	SQL(name string, names sqlfile.Names) string
	Query(ctx context.Context, statement string, p Params, scan func(*sql.Rows) error) error
	Exec(ctx context.Context, statement string, p Params) (changed int64, err error)
	// ForUpdate ends a statement that locks what it reads.
	ForUpdate() string
	// Stamp is a time within JSON, as statements read it; nil for the zero time.
	Stamp(at time.Time) any

	Now(ctx context.Context) (time.Time, error)
	// Guard is an ErrLeaseLost unless the lease is held. The zero lease always is.
	Guard(ctx context.Context, lease sessioncleanup.Lease) error
	// InsertEvent writes an event and fills in its ID and, when zero, its time.
	InsertEvent(ctx context.Context, e *sessioncleanup.Event) error
	// LockLog keeps others from sealing, forgetting and erasing events until the transaction ends.
	LockLog(ctx context.Context) error

	// Cutoffs are those of thresholds for the adopted table.
	Cutoffs(t sessioncleanup.Thresholds, now time.Time) sessioncleanup.Cutoffs
	// Session is the session of an ID; the zero Session when there is none.
	Session(ctx context.Context, id string) (sessioncleanup.Session, error)
}

// Params are the parameters of a statement by name. IDs, times and lists, which are a []any, have the Form of the backend.
type Params map[string]any

// ID is a parameter that is compared byte by byte.
type ID string

// Form is how the driver of a backend takes parameters.
type Form struct {
	ID   func(string) any
	Time func(time.Time) any // NULL for the zero time
	List func([]any) any
}

// Of returns parameters in their form.
func (f Form) Of(p Params) map[string]any {
	all := make(map[string]any, len(p))
	for name, value := range p {
		all[name] = f.value(value)
	}
	return all
}

func (f Form) value(value any) any {
	switch v := value.(type) {
	case ID:
		return f.ID(string(v))
	case time.Time:
		return f.Time(v)
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = f.value(v[i])
		}
		return f.List(all)
	default:
		return value
	}
}

// Store is the part of a sessioncleanup.Store that backends embed.
type Store struct{ b Backend }

var _ interface {
	sessioncleanup.Sealer
	sessioncleanup.Follower
	sessioncleanup.Values
} = Store{}

// New returns the Store of a backend.
func New(b Backend) Store { return Store{b} }

// Answer calls do with a connection, as in opens it, and returns what do returns; the zero value with an error.
func Answer[C, T any](ctx context.Context, in func(context.Context, func(C) error) error, do func(C) (T, error)) (T, error) {
	var answer, none T
	err := in(ctx, func(c C) (err error) {
		answer, err = do(c)
		return err
	})
	if err != nil {
		return none, err
	}
	return answer, nil
}

// JSON is a value as JSON. It is for texts, whole numbers, switches and lists and structs of them, which always marshal.
func JSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// List is a list of values as a parameter.
func List[T any](values []T) []any {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = value
	}
	return all
}

// idList is a list of IDs as a parameter.
func idList(ids []string) []any {
	all := make([]any, len(ids))
	for i, id := range ids {
		all[i] = ID(id)
	}
	return all
}

// row reads the only row of a statement; sql.ErrNoRows when there is none.
func row(ctx context.Context, c Conn, statement string, p Params, dest ...any) error {
	found := false
	err := c.Query(ctx, statement, p, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(dest...)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// Each scans rows of one column into a slice.
func Each[T any](all *[]T) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var value T
		err := rows.Scan(&value)
		*all = append(*all, value)
		return err
	}
}

// Time scans a column with a time. NULL and an empty text are the zero time.
func Time(to *time.Time) sql.Scanner { return scannedTime{to} }

type scannedTime struct{ to *time.Time }

// Scan sets the time.
func (t scannedTime) Scan(value any) (err error) {
	switch v := value.(type) {
	case nil:
		*t.to = time.Time{}
	case time.Time:
		*t.to = v
	case string:
		*t.to, err = ParseTime(v)
	case []byte:
		*t.to, err = ParseTime(string(v))
	default:
		err = fmt.Errorf("read a time: it is a %T", value)
	}
	return err
}

// ParseTime reads a time of UTC, with any fraction of a second; an empty text is no time.
func ParseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time %q: %w", text, err)
	}
	return t, nil
}

// Versions is the number of migrations among some files, which is that of the last one: they are numbered from 1 without a gap.
func Versions(migrations fs.FS) int64 {
	files, err := fs.Glob(migrations, "[0-9]*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return int64(len(files))
}
