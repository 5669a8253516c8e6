package mysql

import (
	"context"
	"slices"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// followed is an error unless the triggers are there that notice what runs depend on: activity, and the tags of columns. Migrations
// of the application may have dropped them, with the table that they were on.
func (s *Store) followed(ctx context.Context) error {
	return s.readingSessions(ctx, func(c *conn) error {
		there, read := map[string]bool{}, map[string]bool{}
		for _, o := range c.triggers() {
			table := o.table
			if adopt.Own(table) {
				table = c.naming.sql(table)
			}
			if read[table] {
				continue
			}
			read[table] = true
			var names []string
			if err := c.query(ctx, statements["triggers_on"], params{"table": table}, sqlstore.Each(&names)); err != nil {
				return err
			}
			for _, name := range names {
				if own, mine := c.naming.read(name); mine {
					there[own] = true
				}
			}
		}
		if len(c.schema.TagColumns) > 0 && (!c.adopted.Tagged || !there[columnInserted] || !there[columnUpdated]) {
			return sqlstore.Untagged(c.naming.sql(columnInserted), c.naming.sql(columnUpdated))
		}
		missing, _, err := c.missingTriggers(ctx, c.layout, func(name string) bool { return there[name] })
		if err != nil || len(missing) == 0 {
			return err
		}
		for i := range missing {
			missing[i] = c.naming.sql(missing[i])
		}
		return sqlstore.Unnoticed(missing)
	})
}

// missingTriggers are the triggers that are not there, and the tables of which the user may not see any.
func (c *conn) missingTriggers(ctx context.Context, l *layout, there func(name string) bool) (missing, hidden []string, err error) {
	all := l.triggers()
	some := slices.ContainsFunc(all, func(o object) bool { return there(o.name) })
	for table, names := range byTable(all) {
		gone := slices.DeleteFunc(slices.Clone(names), there)
		if len(gone) == len(names) {
			hides, err := c.hidesTriggers(ctx, table, l.triggerColumn(table), some)
			if err != nil {
				return nil, nil, err
			}
			if hides {
				hidden = append(hidden, table)
				continue
			}
		}
		missing = append(missing, gone...)
	}
	slices.Sort(missing)
	slices.Sort(hidden)
	return missing, hidden, nil
}

// byTable are the names of triggers by their tables.
func byTable(triggers []object) map[string][]string {
	all := map[string][]string{}
	for _, o := range triggers {
		all[o.table] = append(all[o.table], o.name)
	}
	return all
}

// triggerColumn is a column of a table with triggers.
func (l *layout) triggerColumn(table string) string {
	for _, source := range l.schema.Sources {
		if source.Table == table {
			return source.Session
		}
	}
	if table == l.schema.Table {
		return l.schema.ID
	}
	return "tag"
}

// hidesTriggers reports whether a table that seems to have no trigger may have some: MariaDB does not show them to who may only read the
// table, and MySQL shows none to who has no right TRIGGER. Some says whether the user sees those of another table. Whoever may write is
// told from the error of a statement that changes no row; a server that is read-only does not tell.
func (c *conn) hidesTriggers(ctx context.Context, table, column string, some bool) (bool, error) {
	var shows bool
	if err := c.row(ctx, statements["shows_triggers"], nil, &shows); err != nil {
		return false, err
	}
	if !shows {
		return !some, nil
	}
	names := sqlfile.Names{"table": sqlfile.Column(table), "column": sqlfile.Column(column)}
	for _, try := range []string{"try_delete", "try_insert", "try_update"} {
		_, err := c.exec(ctx, filled(try, names), nil)
		switch number := errorNumber(err); {
		case err != nil && number == 0:
			return false, err
		case number != readOnly && !slices.Contains(forbidden, number):
			return false, nil
		}
	}
	return true, nil
}

// errHidden is about a table of which the user may not see the triggers.
func errHidden(table string) error {
	return invalid.Errorf("the user of the database URL may not see the triggers of %q, so whether they are there cannot be told: "+
		"the server shows them only to users with a right on the table besides SELECT; validate as the user that migrates", table)
}
