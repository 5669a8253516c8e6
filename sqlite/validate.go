package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Validate reports everything that is missing or wrong in one error: as ErrNotInstalled what Migrate can repair, and as
// ErrInvalid what is wrong with the application's data and tables. These are times that cannot be read, switches other
// than 0 and 1, sessions without an ID, foreign keys that prevent the deletion of a session, and triggers that need
// what this program lacks. It reads the whole table. Config.Logger receives a warning for a flaw that only makes runs
// slow or less effective.
func (s *Store) Validate(ctx context.Context) error {
	var problems []error
	var schema sessioncleanup.Schema
	err := s.reading(ctx, func(c *conn) error {
		set, err := readSettings(ctx, c)
		if err != nil {
			return err
		}
		schema = set.schema
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		missing, err := catalog.check(set.schema)
		if err != nil {
			return fmt.Errorf("%w: %w", sessioncleanup.ErrNotInstalled, err)
		}
		version, err := readVersion(ctx, c)
		if err != nil {
			return err
		}
		if version < latestVersion {
			problems = append(problems, fmt.Errorf("%w: an earlier version created the library's tables; run migrate", sessioncleanup.ErrNotInstalled))
		}
		problems = append(append(problems, catalog.incomplete(set)...), adopt.Lacking(set.schema.Table, missing))
		if !adopt.Fits(s.given, set.schema) {
			problems = append(problems, adopt.OtherSchema(s.given, set.schema))
		}
		if len(missing) > 0 {
			return nil // the rows cannot be read without these columns
		}
		problems = append(append(problems, catalog.blockers(set.schema)...), c.compiles(ctx, set.schema, set.schema.Active, set.schema.LastActivity, set.schema.DeactivatedAt))
		wrong, err := catalog.wrongData(ctx, c, newLayout(set.schema, set.adopted, false))
		problems = append(problems, wrong...)
		return err
	})
	if err == nil {
		err = s.warn(ctx)
	}
	if err == nil {
		err = s.failed(errors.Join(problems...))
	}
	if err != nil {
		return err
	}
	counts, err := s.Counts(ctx, sessioncleanup.CountsQuery{})
	if err != nil {
		return err
	}
	if warning := adopt.NeverDue(counts.NeverDue, counts.Cutoffs.Untracked, schema.LastActivity); warning != "" {
		s.log.WarnContext(ctx, warning)
	}
	return nil
}

// incomplete says what Migrate would create.
func (c *catalog) incomplete(set settings) []error {
	var problems []error
	lacks := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: %s; run migrate", sessioncleanup.ErrNotInstalled, fmt.Sprintf(format, args...)))
	}
	l := newLayout(set.schema, set.adopted, false)
	for _, o := range c.lacking(append(l.objects(c), l.touches())) {
		if c.object(o.name) == nil {
			lacks("the %s %s is missing", o.kind, o.name)
		} else {
			lacks("the %s %s is not as this version creates it", o.kind, o.name)
		}
	}
	if t := c.find(set.schema.Table); set.adopted.Classed && t != nil && !t.classed {
		lacks("the column %s is missing", classColumn)
	}
	if set.adopted.Proposed {
		for _, source := range c.describe().Unfollowed(set.schema) {
			lacks("%s", adopt.NotFollowed(source.Table))
		}
	}
	if len(problems) == 0 && (!set.adopted.Filled || set.adopted.CatchUp) {
		problems = append(problems, sqlstore.ErrUnfilled)
	}
	return problems
}

// compiles reports what changes of the sessions, of these columns, and deletions fail with whatever the rows are: triggers and
// indexes of the application may need functions, collations and tables that are not there.
func (c *conn) compiles(ctx context.Context, s sessioncleanup.Schema, columns ...string) error {
	table := sqlfile.Column(s.Table)
	changes := make([]string, 0, len(columns)+1)
	for _, column := range columns {
		changes = append(changes, filled("explain_update", sqlfile.Names{"sessions": table, "column": sqlfile.Column(column)}))
	}
	if !s.SoftDelete {
		changes = append(changes, filled("explain_delete", sqlfile.Names{"sessions": table}))
	}
	for _, change := range changes {
		err := c.query(ctx, change, nil, func(*sql.Rows) error { return nil })
		if isCode(err, sqlite3.SQLITE_ERROR) {
			return invalid.Databasef("runs cannot change %q: %v; %s", s.Table, err, ownObjects)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ownObjects says what to do about functions and collations of the application's.
const ownObjects = "a trigger or an index of the application needs that: use this library in a program that registers it, or drop the trigger or the index"

// blockers are foreign keys that keep a session with rows in their table from being deleted.
func (c *catalog) blockers(s sessioncleanup.Schema) []error {
	var problems []error
	t := c.find(s.Table)
	if s.SoftDelete {
		return nil
	}
	for _, child := range c.children(t) {
		for _, k := range child.keys {
			if strings.EqualFold(k.table, t.name) && !slices.Contains([]string{"CASCADE", "SET NULL", "SET DEFAULT"}, k.onDelete) {
				problems = append(problems, adopt.Blocks(child.name, k.columns, t.name))
			}
		}
	}
	return problems
}

// wrongData looks for rows that the library cannot read.
func (c *catalog) wrongData(ctx context.Context, db *conn, l *layout) ([]error, error) {
	var problems []error
	s := l.schema
	for _, look := range []struct{ statement, column, what string }{
		{"count_unreadable_last_activity", s.LastActivity, "a time that cannot be read"},
		{"count_unreadable_expires_at", s.ExpiresAt, "a time that cannot be read"},
		{"count_unreadable_deactivated_at", s.DeactivatedAt, "a time that cannot be read"},
		{"count_without_id", s.ID, "no value, or one of another type than the others, so that they cannot be named"},
	} {
		var n int
		var example string
		if err := db.row(ctx, l.sql(look.statement, nil), nil, &n, &example); err != nil {
			return nil, err
		}
		if n > 0 {
			problems = append(problems, invalid.Databasef("%d sessions have in %q %s, %q for example: so they are never due; correct the values", n, look.column, look.what, example))
		}
	}
	return append(problems, c.wrongSwitches(ctx, db, s)...), ctx.Err()
}

// wrongSwitches reports the application's columns active and auto_cleanup when they hold anything but 0, 1 and NULL.
func (c *catalog) wrongSwitches(ctx context.Context, db *conn, s sessioncleanup.Schema) []error {
	t := c.find(s.Table)
	if t == nil {
		return nil
	}
	var problems []error
	switches := map[string]string{"schema.active": s.Active, "schema.auto_cleanup": s.AutoCleanup}
	if s.State != nil {
		delete(switches, "schema.active")
	}
	for _, field := range slices.Sorted(maps.Keys(switches)) {
		column := t.column(switches[field])
		if column == nil {
			continue
		}
		var value, kind string
		err := db.row(ctx, on("find_bad_switch", t.name, column.name), nil, &value, &kind)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			problems = append(problems, err)
		default:
			problems = append(problems, invalid.Databasef("%s is %q: a row of %q has the %s %q in it: want 0 or 1", field, column.name, t.name, kind, value))
		}
	}
	return problems
}
