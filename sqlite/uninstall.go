package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Uninstall removes everything that Migrate added, in one transaction, even what the application has renamed since, and
// then restores the journal mode. It fails with an ErrInvalid, and changes nothing, when a sessions table that Migrate
// created is not empty or other tables refer to it. Config.Logger receives a warning for an object that it does not
// find any more. On a database without anything of the library it does nothing.
func (s *Store) Uninstall(ctx context.Context) error {
	defer s.setLayout(nil)
	var journal string
	var warnings []string
	err := s.writing(ctx, func(c *conn) error {
		set, err := readSettings(ctx, c)
		installed := err == nil
		if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
			return err
		}
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		if catalog.object("sessioncleanup_archive") != nil {
			if err := sqlstore.MustHaveRestored(ctx, ownConn{c}); err != nil {
				return err
			}
		}
		var todo []string
		if installed { // else Migrate was interrupted before it changed the application's tables
			if len(catalog.others) == 0 { // which need it as it is
				journal = set.adopted.JournalMode
			}
			for _, o := range catalog.leftovers(set.adopted, nil) {
				todo = append(todo, drop(o))
			}
			set.schema = catalog.follow(set.schema)
			drops, missing, err := catalog.dropColumns(ctx, c, set)
			if err != nil {
				return err
			}
			todo, warnings = append(todo, drops...), missing
		}
		for _, o := range catalog.objects {
			if o.kind == "table" && adopt.Own(o.name) {
				todo = append(todo, drop(o))
			}
		}
		return c.execAll(ctx, todo)
	})
	if err != nil {
		return err
	}
	s.sayWarnings(ctx, "uninstall", warnings)
	s.restoreJournal(ctx, journal)
	return nil
}

// dropColumns returns the statements that drop the columns that Migrate added, or the table that it created, and says
// which are not there any more.
func (c *catalog) dropColumns(ctx context.Context, db *conn, set settings) (drops, missing []string, err error) {
	t := c.find(set.schema.Table)
	switch {
	case t == nil:
		return nil, []string{fmt.Sprintf("there is no table %q any more; columns that were added to it may be left elsewhere", set.schema.Table)}, nil
	case set.adopted.MadeTable:
		return []string{drop(object{kind: "table", name: t.name})}, nil, c.mustBeUnused(ctx, db, t)
	}
	for _, added := range slices.Backward(adopt.Lifecycle(set.schema)) {
		column := t.column(added.Column)
		switch {
		case !slices.Contains(set.adopted.AddedColumns, added.Field):
		case column == nil:
			missing = append(missing, fmt.Sprintf("table %q has no column %q any more: it was renamed or dropped", t.name, added.Column))
		default:
			drops = append(drops, on("drop_column", t.name, column.name))
		}
	}
	if t.classed {
		drops = append(drops, on("drop_column", t.name, classColumn))
	}
	return drops, missing, nil
}

// mustBeUnused checks that nothing is lost with a table.
func (c *catalog) mustBeUnused(ctx context.Context, db *conn, t *table) error {
	var rows bool
	if err := db.row(ctx, on("find_row", t.name, ""), nil, &rows); err != nil {
		return err
	}
	var referring []string
	for _, child := range c.children(t) {
		referring = append(referring, child.name)
	}
	return adopt.InUse(t.name, rows, referring)
}
