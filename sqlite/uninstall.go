package sqlite

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Uninstall takes back everything that Migrate added, in one transaction. A sessions table that Migrate made has to be
// empty, and nothing may refer to it, or else Uninstall fails with an ErrInvalid and changes nothing. The journal mode
// stays as it is. On a database without anything of the library's it does nothing.
func (s *Store) Uninstall(ctx context.Context) error {
	installed := false
	err := s.reading(ctx, func(w *work) error {
		var err error
		installed, err = hasLibrary(ctx, w)
		return err
	})
	if err != nil || !installed {
		return err
	}
	provider, err := s.goose(transaction{
		target: 0,
		before: func(w *work) error { return w.takeBack(ctx) },
		after:  func(w *work) error { return w.define(ctx, text["drop_versions"]) },
	})
	if err != nil {
		return s.failed(err)
	}
	if _, err = provider.DownTo(ctx, 0); err != nil {
		return s.failed(err)
	}
	return nil
}

func hasLibrary(ctx context.Context, w *work) (bool, error) {
	if _, err := readVersion(ctx, w); err != nil { // of a newer library?
		return false, err
	}
	var exists bool
	err := w.row(ctx, text["has_table"], values{"table": versionTable}, &exists)
	return exists, err
}

// takeBack takes the library's objects, columns and table out of the host's part of the database.
func (w *work) takeBack(ctx context.Context) error {
	set, err := readSettings(ctx, w)
	if errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return nil // Migrate was interrupted before it got to the host's tables
	}
	if err != nil {
		return err
	}
	c, err := readCatalog(ctx, w)
	if err != nil {
		return err
	}
	var statements []string
	for _, o := range c.leftovers(objects{}) {
		statements = append(statements, drop(o))
	}
	t := c.find(set.schema.Table)
	switch {
	case t == nil:
	case set.adopted.MadeTable:
		if err := c.mustBeUnused(ctx, w, t); err != nil {
			return err
		}
		statements = append(statements, filled("drop_sessions", sqlfile.Names{"sessions": sqlfile.Column(t.name)}))
	default:
		for _, field := range slices.Backward(set.adopted.AddedColumns) {
			if column := t.column(lifecycle(set.schema)[field]); column != nil {
				statements = append(statements, on("drop_column", t.name, column.name))
			}
		}
	}
	for _, statement := range statements {
		if err := w.define(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// mustBeUnused sees that nothing is lost with a table.
func (c *catalog) mustBeUnused(ctx context.Context, w *work, t *table) error {
	var rows bool
	if err := w.row(ctx, on("find_row", t.name, ""), nil, &rows); err != nil {
		return err
	}
	if rows {
		return invalidf("table %q holds sessions: delete them first", t.name)
	}
	if children := c.children(t); len(children) > 0 {
		names := []string{}
		for _, child := range children {
			names = append(names, child.name)
		}
		return invalidf("%s refer to table %q: drop them first", strings.Join(names, ", "), t.name)
	}
	return nil
}
