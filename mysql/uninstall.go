package mysql

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Uninstall removes everything that Migrate added, the library's own tables last, so that an interrupted call can be
// repeated. It fails with an ErrInvalid, and changes nothing, when a sessions table that Migrate created is not empty
// or other tables refer to it. On a database without anything of the library it does nothing.
func (s *Store) Uninstall(ctx context.Context) error {
	defer s.forgetLayout()
	var own bool
	err := s.reading(ctx, func(c *conn) error {
		catalog, err := readCatalog(ctx, c)
		own = err == nil && slices.ContainsFunc(slices.Collect(maps.Keys(catalog.tables)), adopt.Own)
		return err
	})
	if err != nil || !own {
		return err
	}
	return s.migrating(ctx, func(ctx context.Context, m *migration) error {
		c := m.conn
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		set, err := readEarlierSettings(ctx, c)
		installed := err == nil
		if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
			return err
		}
		t := catalog.tables[set.schema.Table]
		if installed && set.adopted.MadeTable && t != nil {
			if err := catalog.mustBeUnused(ctx, c, t); err != nil {
				return err
			}
		}
		if catalog.tables["sessioncleanup_archive"] != nil {
			if err := sqlstore.MustHaveRestored(ctx, ownConn{c}); err != nil {
				return err
			}
		}
		if installed && set.adopted.Ready {
			set.adopted.Ready = false
			if err := m.storing(ctx, set, nil); err != nil {
				return err
			}
		}
		if set.adopted.View {
			if err := s.dropViews(ctx, c); err != nil {
				return err
			}
		}
		if err := s.dropTriggers(ctx, c, catalog, nil); err != nil {
			return err
		}
		if err := s.dropFromTables(ctx, c, catalog, set, installed); err != nil {
			return err
		}
		return s.dropOwnTables(ctx, c, catalog)
	})
}

// dropFromTables drops indexes and columns from tables of the application, or the table that Migrate created.
func (s *Store) dropFromTables(ctx context.Context, c *conn, catalog *catalog, set settings, installed bool) error {
	t := catalog.tables[set.schema.Table]
	if installed && set.adopted.MadeTable && t != nil {
		return s.define(ctx, c, filled("drop_table", sqlfile.Names{"table": sqlfile.Column(t.name)}))
	}
	if err := s.dropIndexes(ctx, c, "uninstall", catalog.ownIndexes()); err != nil {
		return err
	}
	if !installed || t == nil {
		return nil
	}
	var changes []string
	for _, added := range adopt.Lifecycle(set.schema) {
		if slices.Contains(set.adopted.AddedColumns, added.Field) && t.column(added.Column) != nil {
			changes = append(changes, filled("drop_column", sqlfile.Names{"column": sqlfile.Column(added.Column)}))
		}
	}
	for _, own := range ownColumns {
		if t.column(own) != nil {
			changes = append(changes, filled("drop_column", sqlfile.Names{"column": sqlfile.Column(own)}))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return s.alter(ctx, c, sqlfile.Names{"sessions": sqlfile.Column(t.name), "changes": strings.Join(changes, ", ")})
}

// neededByKey is the number of the error for an index that a foreign key needs.
const neededByKey = 1553

// dropOwnTables drops the library's tables, and those last that tell what to remove.
func (s *Store) dropOwnTables(ctx context.Context, c *conn, catalog *catalog) error {
	last := []string{"sessioncleanup_settings", versionTable}
	var names []string
	for name := range catalog.tables {
		if adopt.Own(name) && !slices.Contains(last, name) && !slices.Contains(viewNames, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range append(names, last...) {
		if err := s.define(ctx, c, filled("drop_table", sqlfile.Names{"table": sqlfile.Column(name)})); err != nil {
			return err
		}
	}
	return nil
}

// mustBeUnused checks that nothing is lost with a table.
func (c *catalog) mustBeUnused(ctx context.Context, db *conn, t *table) error {
	var rows bool
	if err := db.row(ctx, filled("has_rows", sqlfile.Names{"table": sqlfile.Column(t.name)}), nil, &rows); err != nil {
		return err
	}
	var referring []string
	for _, child := range c.children(t.name) {
		referring = append(referring, child.name)
	}
	return adopt.InUse(t.name, rows, referring)
}
