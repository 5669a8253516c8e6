package sqlite

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Uninstall removes everything that Migrate added, in one transaction. A sessions table that Migrate created must be
// empty, and nothing may refer to it, or else Uninstall fails with an ErrInvalid and changes nothing. The journal mode
// stays as it is. On a database without anything of the library's it does nothing.
func (s *Store) Uninstall(ctx context.Context) error {
	defer s.setLayout(nil)
	return s.writing(ctx, func(c *conn) error {
		set, err := readSettings(ctx, c)
		installed := err == nil
		if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
			return err
		}
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		var todo []string
		if installed { // else Migrate was interrupted before it changed the application's tables
			for _, o := range catalog.leftovers(nil) {
				todo = append(todo, drop(o))
			}
			statements, err := catalog.dropColumns(ctx, c, set)
			if err != nil {
				return err
			}
			todo = append(todo, statements...)
		}
		for _, o := range catalog.objects {
			if o.kind == "table" && adopt.Own(o.name) {
				todo = append(todo, drop(o))
			}
		}
		return c.execAll(ctx, todo)
	})
}

// dropColumns returns the statements that drop the columns that Migrate added, or the table that it created.
func (c *catalog) dropColumns(ctx context.Context, db *conn, set settings) ([]string, error) {
	t := c.find(set.schema.Table)
	switch {
	case t == nil:
		return nil, nil
	case set.adopted.MadeTable:
		return []string{drop(object{kind: "table", name: t.name})}, c.mustBeUnused(ctx, db, t)
	}
	var statements []string
	for _, c := range slices.Backward(adopt.Lifecycle(set.schema)) {
		if column := t.column(c.Column); column != nil && slices.Contains(set.adopted.AddedColumns, c.Field) {
			statements = append(statements, on("drop_column", t.name, column.name))
		}
	}
	return statements, nil
}

// mustBeUnused checks that nothing is lost with a table.
func (c *catalog) mustBeUnused(ctx context.Context, db *conn, t *table) error {
	var rows bool
	if err := db.row(ctx, on("find_row", t.name, ""), nil, &rows); err != nil {
		return err
	}
	if rows {
		return invalid.Errorf("table %q holds sessions: delete them first", t.name)
	}
	if children := c.children(t); len(children) > 0 {
		names := []string{}
		for _, child := range children {
			names = append(names, child.name)
		}
		return invalid.Errorf("%s refer to table %q: drop them first", strings.Join(names, ", "), t.name)
	}
	return nil
}
