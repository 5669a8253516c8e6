package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// Validate reports in words what is missing, an ErrNotInstalled that Migrate puts right, and what is wrong with the
// host's data and tables, an ErrInvalid each: times that cannot be read, switches other than 0 and 1, sessions without
// an id, foreign keys that keep a session from being deleted. All of it is reported together. It reads the whole table.
func (s *Store) Validate(ctx context.Context) error {
	var problems []error
	err := s.reading(ctx, func(w *work) error {
		set, err := readSettings(ctx, w)
		if err != nil {
			return err
		}
		c, err := readCatalog(ctx, w)
		if err != nil {
			return err
		}
		missing, err := c.survey(set.schema)
		if err != nil {
			return fmt.Errorf("%w: %w", sessioncleanup.ErrNotInstalled, err)
		}
		problems = c.incomplete(set, missing)
		if !s.given.IsZero() && !same(s.given, set.schema) {
			problems = append(problems, fmt.Errorf("%w: the schema given differs from the one that was adopted: call Migrate", sessioncleanup.ErrNotInstalled))
		}
		if len(missing) > 0 {
			return nil // the rows cannot be looked at without these columns
		}
		problems = append(problems, c.blockers(set.schema)...)
		wrong, err := c.wrongData(ctx, w, newLayout(set.schema, set.adopted))
		problems = append(problems, wrong...)
		return err
	})
	if err == nil {
		err = s.failed(errors.Join(problems...))
	}
	return err
}

// incomplete says what Migrate would make.
func (c *catalog) incomplete(set settings, missing []string) []error {
	var problems []error
	lacks := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: %s: call Migrate", sessioncleanup.ErrNotInstalled, fmt.Sprintf(format, args...)))
	}
	for _, field := range missing {
		lacks("table %q has no column %q", set.schema.Table, lifecycle(set.schema)[field])
	}
	want := newLayout(set.schema, set.adopted).objects(c)
	for _, o := range want.all() {
		if have := c.object(o.name); have == nil {
			lacks("the %s %s is missing", o.kind, o.name)
		} else if have.sql != o.sql {
			lacks("the %s %s is not as this version makes it", o.kind, o.name)
		}
	}
	if len(problems) == 0 && !set.adopted.Filled {
		lacks("the backfill of last_activity is not finished")
	}
	return problems
}

// blockers are foreign keys that keep a session with rows in their table from being deleted.
func (c *catalog) blockers(s sessioncleanup.Schema) []error {
	var problems []error
	t := c.find(s.Table)
	for _, child := range c.children(t) {
		for _, k := range child.keys {
			if !strings.EqualFold(k.table, t.name) || k.onDelete == "CASCADE" || k.onDelete == "SET NULL" || k.onDelete == "SET DEFAULT" {
				continue
			}
			problems = append(problems, invalidf("%q refers to %q without ON DELETE CASCADE: sessions that have rows there cannot be deleted, and runs will report them", child.name+"."+k.column, t.name))
		}
	}
	return problems
}

// wrongData looks for rows that the library cannot make sense of.
func (c *catalog) wrongData(ctx context.Context, w *work, l *layout) ([]error, error) {
	var problems []error
	s := l.schema
	for _, look := range []struct{ statement, column, what string }{
		{"count_unreadable_last_activity", s.LastActivity, "a time that SQLite cannot read"},
		{"count_unreadable_expires_at", s.ExpiresAt, "a time that SQLite cannot read"},
		{"count_without_id", s.ID, "no value, so that they cannot be named"},
	} {
		var n int
		var example string
		if err := w.row(ctx, filled(look.statement, l.names), nil, &n, &example); err != nil {
			return nil, err
		}
		if n > 0 {
			problems = append(problems, invalidf("%d sessions have in %q %s, %q for example: they are never due for it", n, look.column, look.what, example))
		}
	}
	return append(problems, c.switches(ctx, w, s)...), ctx.Err()
}
