package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Migrate brings the database to what this version needs and stores the policy in it. It makes the file when there is
// none. With nothing to do it only reads. Otherwise each step is a transaction that first looks at what is there, so
// that several processes can migrate at once, and a call that was interrupted is finished by the next.
//
// Adding columns takes no time; the backfill works in short batches; making an index on a large table holds the write
// lock for about two seconds per million rows. A schema other than the one adopted before may name other columns and
// activity sources, but not another table.
func (s *Store) Migrate(ctx context.Context, p sessioncleanup.Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	p = p.WithDefaults()
	made, err := s.create(ctx)
	if err != nil {
		return err
	}
	plan, err := s.plan(ctx, p)
	if err != nil && made { // nothing was changed
		_ = os.Remove(s.path)
	}
	if err != nil || plan.done {
		return err
	}
	if err := s.useWAL(ctx); err != nil {
		return err
	}
	if err := s.installLibrary(ctx); err != nil {
		return err
	}
	if !plan.begun {
		if plan, err = s.adopt(ctx, p); err != nil {
			return err
		}
	}
	if err := s.makeObjects(ctx, plan, func(o objects) []object { return o.helpers }); err != nil {
		return err
	}
	if !plan.want.adopted.Filled {
		if err := s.backfill(ctx, plan.want); err != nil {
			return err
		}
	}
	return s.makeObjects(ctx, plan, func(o objects) []object { return o.indexes })
}

// create makes an empty file, which is an empty database, and reports whether there was none.
func (s *Store) create(ctx context.Context) (bool, error) {
	if s.path == "" {
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, s.failed(err)
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, s.failed(fmt.Errorf("%w: the file cannot be made: %w", sessioncleanup.ErrInvalid, err))
	}
	return true, s.failed(f.Close())
}

// useWAL switches a file to write-ahead logging, so that readers and the writer do not wait for each other. It needs
// the database to itself for a moment; SQLite does not wait for that, so this does.
func (s *Store) useWAL(ctx context.Context) error {
	if s.path == "" {
		return nil
	}
	deadline := time.Now().Add(s.busy)
	for {
		c, release, err := s.connect(ctx, s.write, false)
		if err != nil {
			return s.failed(err)
		}
		w := &work{conn: c}
		var mode string
		if err = w.row(ctx, "PRAGMA journal_mode", nil, &mode); err == nil && mode != "wal" {
			err = w.row(ctx, "PRAGMA journal_mode = WAL", nil, &mode)
		}
		release()
		code, ok := resultCode(err)
		if !ok || code&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return s.failed(err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return s.failed(err)
		}
	}
}

// plan is what Migrate is to do.
type plan struct {
	want    settings
	missing []string // fields whose columns are to be added
	begun   bool     // settings, columns, triggers and view are as they should be
	done    bool     // everything is
}

// plan finds out what to do, and whether it can be done.
func (s *Store) plan(ctx context.Context, p sessioncleanup.Policy) (plan, error) {
	var out plan
	err := s.reading(ctx, func(w *work) error {
		var err error
		out, err = s.planned(ctx, w, p)
		return err
	})
	return out, err
}

func (s *Store) planned(ctx context.Context, w *work, p sessioncleanup.Policy) (plan, error) {
	c, err := readCatalog(ctx, w)
	if err != nil {
		return plan{}, err
	}
	have, err := readSettings(ctx, w)
	installed := err == nil
	if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return plan{}, err
	}
	out := plan{want: settings{policy: p, schema: have.schema, adopted: have.adopted}}
	if !s.given.IsZero() {
		out.want.schema = s.given
	} else if !installed {
		if out.want.schema, err = c.propose(""); err != nil {
			return plan{}, err
		}
	}
	if installed && !strings.EqualFold(out.want.schema.Table, have.schema.Table) {
		return plan{}, invalidf("schema.table is %q, but %q was adopted: call Uninstall first", out.want.schema.Table, have.schema.Table)
	}
	own := c.find(out.want.schema.Table) == nil && same(out.want.schema, sessioncleanup.OwnSchema())
	if !own {
		if out.missing, err = c.survey(out.want.schema); err != nil {
			return plan{}, err
		}
	}
	if err := c.examine(ctx, w, out.want.schema, &out.want.adopted); err != nil {
		return plan{}, err
	}
	if !installed || !same(out.want.schema, have.schema) {
		if err := errors.Join(c.switches(ctx, w, out.want.schema)...); err != nil {
			return plan{}, err
		}
		out.want.adopted.Filled = false
	}
	if own {
		out.want.adopted.MadeTable, out.want.adopted.Filled = true, true
	}
	if o := c.object(viewName); o != nil && !have.adopted.MadeView {
		return plan{}, invalidf("the database has a %s %q of its own: rename it first", o.kind, viewName)
	}
	out.want.adopted.MadeView = true
	for _, field := range out.missing {
		if !slices.Contains(out.want.adopted.AddedColumns, field) {
			out.want.adopted.AddedColumns = append(out.want.adopted.AddedColumns, field)
		}
	}
	want := newLayout(out.want.schema, out.want.adopted).objects(c)
	out.begun = installed && !own && len(out.missing) == 0 && same(out.want, have) &&
		c.has(want.triggers) && c.has([]object{want.view}) && len(c.leftovers(want)) == 0
	out.done = out.begun && out.want.adopted.Filled && c.has(want.helpers) && c.has(want.indexes)
	return out, nil
}

// has reports whether the database has objects, word for word.
func (c *catalog) has(objects []object) bool {
	for _, o := range objects {
		if have := c.object(o.name); have == nil || have.sql != o.sql {
			return false
		}
	}
	return true
}

// leftovers are the objects of the library on the host's tables that are not wanted, or not as they are.
func (c *catalog) leftovers(want objects) []object {
	wanted := map[string]string{}
	for _, o := range want.all() {
		wanted[strings.ToLower(o.name)] = o.sql
	}
	var left []object
	for _, o := range c.objects {
		onHost := o.kind == "trigger" || o.kind == "index" && !own(o.table) || o.kind == "view"
		if onHost && own(o.name) && o.sql != wanted[strings.ToLower(o.name)] {
			left = append(left, o)
		}
	}
	return left
}

// adopt stores the settings, makes or completes the sessions table, and makes triggers and view, in one transaction:
// from then on nothing is missed. What takes time on a large table comes after it; on a small one it is done here, too.
func (s *Store) adopt(ctx context.Context, p sessioncleanup.Policy) (plan, error) {
	var out plan
	err := s.writing(ctx, func(w *work) error {
		var err error
		if out, err = s.planned(ctx, w, p); err != nil {
			return err
		}
		l := newLayout(out.want.schema, out.want.adopted)
		c, err := readCatalog(ctx, w)
		if err != nil {
			return err
		}
		statements := []string{}
		for _, o := range c.leftovers(l.objects(c)) {
			statements = append(statements, drop(o))
		}
		if c.find(out.want.schema.Table) == nil {
			statements = append(statements, filled("create_sessions", l.names))
		}
		for _, field := range out.missing {
			statements = append(statements, filled("add_"+field, l.names))
		}
		if err := w.execAll(ctx, statements); err != nil {
			return err
		}
		if c, err = readCatalog(ctx, w); err != nil { // the view depends on the columns
			return err
		}
		want := l.objects(c)
		if err := w.execAll(ctx, c.lacking(append(want.triggers, want.view))); err != nil {
			return err
		}
		var small bool
		if err := w.row(ctx, on("is_small", out.want.schema.Table, ""), values{"limit": backfillBatch}, &small); err != nil {
			return err
		}
		if small {
			if err := w.execAll(ctx, c.lacking(want.helpers)); err != nil {
				return err
			}
			if _, err := w.fill(ctx, &out.want, out.want.adopted.ID.least()); err != nil {
				return err
			}
			if err := w.execAll(ctx, c.lacking(want.indexes)); err != nil {
				return err
			}
		}
		return out.want.store(ctx, w)
	})
	return out, err
}

// lacking gives the statements that make those objects that the database does not have.
func (c *catalog) lacking(objects []object) []string {
	var statements []string
	for _, o := range objects {
		if c.object(o.name) == nil {
			statements = append(statements, o.sql)
		}
	}
	return statements
}

func (w *work) execAll(ctx context.Context, statements []string) error {
	for _, statement := range statements {
		if err := w.define(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// makeObjects makes objects that are missing, each in a transaction of its own.
func (s *Store) makeObjects(ctx context.Context, p plan, which func(objects) []object) error {
	var missing []object
	l := newLayout(p.want.schema, p.want.adopted)
	look := func(w *work) error {
		c, err := readCatalog(ctx, w)
		if err != nil {
			return err
		}
		missing = slices.DeleteFunc(which(l.objects(c)), func(o object) bool { return c.object(o.name) != nil })
		return nil
	}
	if err := s.reading(ctx, look); err != nil {
		return err
	}
	for len(missing) > 0 {
		err := s.writing(ctx, func(w *work) error {
			if err := look(w); err != nil || len(missing) == 0 {
				return err
			}
			err := w.define(ctx, missing[0].sql)
			missing = missing[1:]
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// drop is the statement that drops an object.
func drop(o object) string {
	return filled("drop_object", sqlfile.Names{"type": strings.ToUpper(o.kind), "name": sqlfile.Column(o.name)})
}
