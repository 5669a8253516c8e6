package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// naming has the objects of an installation with a name called by it: sessioncleanup_events of carts is
// carts_sessioncleanup_events. Everything else in this package uses the names without it: connections rename statements on their
// way to the server, and the catalog what it reads. The columns of the sessions have no name: a table has one installation.
type naming struct{ name string }

// libraryName matches what an installation calls its own.
var libraryName = regexp.MustCompile(`\b(?:` + prefix + `\w*|` + strings.Join(viewNames, `\b|`) + `\b)`)

// sql is a statement, or a name, as the server has it. Before it may be asItIs.
func (n naming) sql(text string) string {
	if as, exactly := strings.CutPrefix(text, asItIs); exactly {
		return as
	}
	if n.name == "" {
		return text
	}
	return libraryName.ReplaceAllStringFunc(text, func(word string) string {
		if slices.Contains(ownColumns, word) {
			return word
		}
		return n.name + "_" + word
	})
}

// asItIs begins a statement about another installation.
const asItIs = "-- as it is\n"

// exactly is a statement about this installation, for a connection of any.
func (n naming) exactly(text string) string { return asItIs + n.sql(text) }

// read is the name of an object as this package calls it. It is false for an object of another installation.
func (n naming) read(object string) (string, bool) {
	switch name, own := adopt.Installation(object); {
	case !own:
		return object, true
	case name != n.name:
		return object, false
	case name == "":
		return object, true
	default:
		return object[len(name)+1:], true
	}
}

// back is the body of a trigger of this installation as this package writes it.
func (n naming) back(body string) string {
	if n.name == "" {
		return body
	}
	return strings.NewReplacer(n.name+"_"+prefix, prefix).Replace(body)
}

// validSchema refuses words that would be renamed where they are the application's.
func (n naming) validSchema(s sessioncleanup.Schema) error {
	text, err := json.Marshal(s)
	if err == nil && n.sql(string(text)) != string(text) {
		err = invalid.Errorf("the schema has a name or a value that begins with %s, which a Store with a name cannot have: rename it", prefix)
	}
	return err
}

// driverConn is what a connection of the driver can do.
type driverConn interface {
	driver.Conn
	driver.Pinger
	driver.ExecerContext
	driver.QueryerContext
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
}

// renamed is a connection on which statements are renamed.
type renamed struct {
	driverConn
	naming naming
}

// ExecContext executes a statement.
func (r renamed) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return r.driverConn.ExecContext(ctx, r.naming.sql(query), args)
}

// QueryContext executes a query.
func (r renamed) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return r.driverConn.QueryContext(ctx, r.naming.sql(query), args)
}

// PrepareContext prepares a statement.
func (r renamed) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return r.driverConn.PrepareContext(ctx, r.naming.sql(query))
}

// Prepare prepares a statement.
func (r renamed) Prepare(query string) (driver.Stmt, error) {
	return r.driverConn.Prepare(r.naming.sql(query))
}

// notOthers refuses the table of sessions of another installation.
func (c *catalog) notOthers(s sessioncleanup.Schema) error {
	for name, table := range c.taken {
		if table == s.Table {
			return adopt.Taken(table, name)
		}
	}
	return nil
}

// silently keeps the triggers of other installations from taking what do writes for activity.
func (c *conn) silently(ctx context.Context, catalog *catalog, do func() error) error {
	each := func(ctx context.Context, statement string) error {
		for name := range catalog.taken {
			if _, err := c.ExecContext(ctx, naming{name}.exactly(statements[statement])); err != nil {
				return err
			}
		}
		return nil
	}
	err := each(ctx, "probe_as_library")
	if err == nil {
		err = do()
	}
	if failed := each(context.WithoutCancel(ctx), "probe_as_application"); failed != nil {
		c.discard()
	}
	return err
}

// Installations lists the installations in the database, each with its name and its table of sessions.
func (s *Store) Installations(ctx context.Context) (all []sessioncleanup.Installation, err error) {
	err = s.reading(ctx, func(c *conn) error {
		var names []string
		err := c.query(ctx, statements["list_tables"], nil, func(rows *sql.Rows) error {
			var table, rest string
			err := rows.Scan(&table, &rest, &rest, &rest)
			if name, own := adopt.Installation(table); own && table == (naming{name}).sql("sessioncleanup_settings") {
				names = append(names, name)
			}
			return err
		})
		for _, name := range names {
			set, err := parsed(current(readRow(ctx, c, naming{name}.exactly(statements["read_settings"]))))
			if err != nil {
				continue // an unfinished Migrate, or another version's: Validate says more
			}
			all = append(all, sessioncleanup.Installation{Name: name, Table: set.schema.Table})
		}
		return err
	})
	adopt.SortInstallations(all)
	return all, err
}
