package mysql

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// row is a session as its table has it, with what a note says.
type row struct {
	table sessioncleanup.Session // with AsOf
	noted time.Time              // when it was last used, by a note; zero without one
	byRun bool                   // a run deactivated it
}

// seen is the session as its note makes it.
func (r row) seen(l *layout) sessioncleanup.Session {
	s := r.table
	if !r.noted.IsZero() {
		s, _ = l.noteOf(r.table.ID).Apply(s, r.noted, r.byRun)
	}
	if s.LastActivity.IsZero() { // it keeps its session
		s.LastActivity = keptForever
	}
	return s
}

// noteOf is the touch that a note stands for.
func (l *layout) noteOf(ids ...string) sessioncleanup.Touch {
	t := sessioncleanup.Touch{IDs: ids}
	if l.policy.ReactivateOnActivity.Or(false) {
		t.Reactivate = &activityCause
	}
	return t
}

// activityCause is in the event of a session that its activity made active again.
var activityCause = sessioncleanup.Cause{Actor: "system", Reason: "activity"}

// keptForever stands for a last activity that is not known.
var keptForever = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// scan reads the columns of session_columns, and more after them.
func scan(rows *sql.Rows, more ...any) (row, error) {
	var r row
	s := &r.table
	var created, updated, last, expires, deactivated, noted sql.NullTime
	var warning, tags sql.NullString
	err := rows.Scan(append([]any{
		&s.ID, &s.OwnerID, &s.Name, &s.Code, &s.Active, &s.AutoCleanup, &created, &updated, &last, &expires, &deactivated, &noted, &r.byRun, &s.AsOf, &warning, &tags,
	}, more...)...)
	if err == nil {
		s.Warning, err = sqlstore.ParseWarning(warning.String)
	}
	if tags.String != "" {
		s.Tags = strings.Fields(tags.String)
	}
	s.CreatedAt, s.UpdatedAt, s.LastActivity, s.ExpiresAt = created.Time, updated.Time, last.Time, expires.Time
	if !s.Active {
		s.DeactivatedAt = deactivated.Time
	}
	r.noted = noted.Time
	return r, err
}

// some reads sessions by their ids, those that exist, in the order of their keys; the owners' names, the activity, the
// warnings and the tags only when they are whole.
func (c *conn) some(ctx context.Context, ids []any, whole bool) ([]row, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var found []row
	names, warning := sqlfile.Names{"seen": c.seenOf(":ids", "NULL")}, statements["warning"]
	if !whole {
		names["owner_name"], names["activity_count"], names["tags_of"], warning = "''", "0", "NULL", "NULL"
	}
	names["session_columns"] = c.sql("session_columns_for_touch", with(names, sqlfile.Names{"warning": warning}))
	err := c.query(ctx, c.sql("list_some", names), params{"ids": ids}, func(rows *sql.Rows) error {
		var owner string
		var activity int64
		r, err := scan(rows, &owner, &activity)
		r.table.OwnerName, r.table.ActivityCount = owner, activity
		found = append(found, r)
		return err
	})
	return found, err
}

// one reads a session by its id; ErrNotFound when there is none.
func (c *conn) one(ctx context.Context, id string) (row, error) {
	value, ok := c.adopted.ID.bind(id)
	if !ok || id == "" {
		return row{}, sessioncleanup.ErrNotFound
	}
	found, err := c.some(ctx, []any{value}, true)
	if err != nil {
		return row{}, err
	}
	for _, r := range found {
		if r.table.ID == id { // a collation may take another one for equal
			return r, nil
		}
	}
	return row{}, sessioncleanup.ErrNotFound
}

// lock locks sessions for the transaction, and returns the ids of those that exist. Without wait it leaves out those that
// another transaction has locked.
func (c *conn) lock(ctx context.Context, ids []any, wait bool) (locked []any, err error) {
	statement := "lock"
	if !wait {
		statement = "lock_free"
	}
	if len(ids) == 0 {
		return nil, nil
	}
	err = c.query(ctx, c.sql(statement, nil), params{"chosen": chosen(ids)}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		if value, ok := c.adopted.ID.bind(id); ok {
			locked = append(locked, value)
		}
		return err
	})
	return locked, err
}
