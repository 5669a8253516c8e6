package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// naming has the objects of an installation with a name called by it: sessioncleanup_events of carts is
// carts_sessioncleanup_events. Everything else in this package uses the names without it: statements are renamed on their way
// to the database, and what the catalog says on its way back.
type naming struct {
	name string
	out  *strings.Replacer // nil without a name
	back *strings.Replacer
}

// renamedWords are how the names of the library's objects begin.
var renamedWords = []string{"sessioncleanup_", viewName, archiveViewName}

func newNaming(name string) naming {
	n := naming{name: name}
	if name == "" {
		return n
	}
	var out, back []string
	for _, word := range renamedWords {
		out, back = append(out, word, name+"_"+word), append(back, name+"_"+word, word)
	}
	n.out, n.back = strings.NewReplacer(out...), strings.NewReplacer(back...)
	return n
}

// sql is SQL, or the name of an object, as the database has it.
func (n naming) sql(text string) string {
	if n.out == nil {
		return text
	}
	return n.out.Replace(text)
}

// read returns an object of the catalog as this package calls it. It is false for the objects of other installations.
func (n naming) read(o object) (object, bool) {
	switch name, own := adopt.Installation(o.name); {
	case !own:
		return o, true
	case name != n.name:
		return o, false
	case n.back != nil:
		o.name, o.table, o.sql = n.back.Replace(o.name), n.back.Replace(o.table), n.back.Replace(o.sql)
	}
	return o, true
}

// validSchema refuses words that would be renamed where they are the application's.
func (n naming) validSchema(s sessioncleanup.Schema) error {
	if n.out == nil {
		return nil
	}
	text, err := json.Marshal(s)
	if err == nil && n.out.Replace(string(text)) != string(text) {
		err = invalid.Errorf("the schema has a name or a value with %s in it, which a Store with a name cannot have: rename it", strings.Join(renamedWords, " or "))
	}
	return err
}

// files are the migrations of an installation.
type files struct {
	fs.FS
	naming naming
}

// Open opens a file with the names of the installation in it.
func (f files) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	text, err := io.ReadAll(file)
	return renamedFile{file, strings.NewReader(f.naming.sql(string(text)))}, err
}

type renamedFile struct {
	fs.File
	text io.Reader
}

// Read reads the text with the names of the installation.
func (f renamedFile) Read(p []byte) (int, error) { return f.text.Read(p) }

// conn is a connection on which statements are renamed.
func (n naming) conn(db database, clock func() time.Time) *conn {
	c := &conn{database: db, clock: clock, naming: n}
	if n.out != nil {
		c.database = renamed{db, n}
	}
	return c
}

type renamed struct {
	database
	naming naming
}

func (r renamed) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return r.database.ExecContext(ctx, r.naming.sql(query), args...)
}

func (r renamed) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return r.database.QueryContext(ctx, r.naming.sql(query), args...)
}

func (r renamed) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return r.database.QueryRowContext(ctx, r.naming.sql(query), args...)
}

func (r renamed) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return r.database.PrepareContext(ctx, r.naming.sql(query))
}

// bare is the connection without renaming.
func (c *conn) bare() database {
	if r, ok := c.database.(renamed); ok {
		return r.database
	}
	return c.database
}

// notOthers refuses the table of sessions of another installation.
func (c *catalog) notOthers(s sessioncleanup.Schema) error {
	for _, o := range c.others {
		if o.kind == "trigger" && strings.HasSuffix(o.name, "sessioncleanup_session_changed") && strings.EqualFold(o.table, s.Table) {
			name, _ := adopt.Installation(o.name)
			return adopt.Taken(s.Table, name)
		}
	}
	return nil
}

// Installations lists the installations in the database, each with its name and its table of sessions.
func (s *Store) Installations(ctx context.Context) (all []sessioncleanup.Installation, err error) {
	err = s.reading(ctx, func(c *conn) error {
		var names []string
		err := newNaming("").conn(c.bare(), c.clock).query(ctx, statements["list_objects"], nil, func(rows *sql.Rows) error {
			var o object
			err := rows.Scan(&o.kind, &o.name, &o.table, &o.sql)
			if name, own := adopt.Installation(o.name); own && o.kind == "table" && o.name == newNaming(name).sql("sessioncleanup_settings") {
				names = append(names, name)
			}
			return err
		})
		for _, name := range names {
			set, err := readSettings(ctx, newNaming(name).conn(c.bare(), c.clock))
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
