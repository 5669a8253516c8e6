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
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// Migrate brings the database to what this version needs and stores the policy in it. It creates the file when there is
// none. With nothing to do it only reads. Otherwise each step is a transaction that first looks at what is there, so
// that several processes can migrate at once, and a call that was interrupted is finished by the next.
//
// Adding columns takes no time; the backfill works in short batches; creating an index on a large table holds the write
// lock for about two seconds per million rows. A schema other than the one adopted before may name other columns and
// activity tables, but not another sessions table.
func (s *Store) Migrate(ctx context.Context, p sessioncleanup.Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	p = p.WithDefaults()
	created, err := s.create(ctx)
	if err != nil {
		return err
	}
	var todo plan
	err = s.reading(ctx, func(c *conn) (err error) {
		todo, err = s.plan(ctx, c, p)
		return err
	})
	if err != nil && created { // nothing was changed
		_ = os.Remove(s.path)
	}
	if err != nil || todo.done {
		return err
	}
	defer s.setLayout(nil) // other settings need not change the schema's version
	if err := s.useWAL(ctx); err != nil {
		return err
	}
	if err := s.createLibraryTables(ctx); err != nil {
		return err
	}
	if !todo.adopted {
		if todo, err = s.adopt(ctx, p); err != nil {
			return err
		}
	}
	if err := s.createIndexes(ctx, todo.want); err != nil {
		return err
	}
	return s.backfill(ctx, todo.want)
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
		return false, s.failed(fmt.Errorf("%w: the file cannot be created: %w", sessioncleanup.ErrInvalid, err))
	}
	return true, s.failed(f.Close())
}

// useWAL switches a file to write-ahead logging, so that readers and the writer do not wait for each other. That needs
// the database to itself for a moment. SQLite does not wait for it, so this polls.
func (s *Store) useWAL(ctx context.Context) error {
	if s.path == "" {
		return nil
	}
	for deadline := time.Now().Add(s.busy); ; {
		var mode string
		err := s.writer.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		code, ok := resultCode(err)
		if !ok || code&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return s.failed(err)
		}
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return s.failed(err)
		}
	}
}

// plan is what Migrate has to do.
type plan struct {
	want    settings
	missing []adopt.LifecycleColumn // to be added
	adopted bool                    // settings, columns, triggers and view are as they should be
	done    bool                    // everything is
}

// plan finds out what there is to do, and whether it can be done.
func (s *Store) plan(ctx context.Context, c *conn, p sessioncleanup.Policy) (plan, error) {
	catalog, err := readCatalog(ctx, c)
	if err != nil {
		return plan{}, err
	}
	have, err := readSettings(ctx, c)
	installed := err == nil
	if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return plan{}, err
	}
	out := plan{want: settings{policy: p, schema: have.schema, adopted: have.adopted}}
	if !s.given.IsZero() {
		out.want.schema = s.given
	} else if !installed {
		if out.want.schema, err = catalog.propose(""); err != nil {
			return plan{}, err
		}
	}
	if installed && !strings.EqualFold(out.want.schema.Table, have.schema.Table) {
		return plan{}, invalid.Errorf("schema.table is %q, but %q was adopted: call Uninstall first", out.want.schema.Table, have.schema.Table)
	}
	if o := catalog.object(viewName); o != nil && !installed {
		return plan{}, invalid.Errorf("the database has a %s %q of its own: rename it first", o.kind, viewName)
	}
	create := catalog.find(out.want.schema.Table) == nil && same(out.want.schema, sessioncleanup.OwnSchema())
	if !create {
		if out.missing, err = catalog.check(out.want.schema); err != nil {
			return plan{}, err
		}
	}
	if err := catalog.recognize(ctx, c, out.want.schema, &out.want.adopted); err != nil {
		return plan{}, err
	}
	if !installed || !same(out.want.schema, have.schema) {
		if err := errors.Join(catalog.wrongSwitches(ctx, c, out.want.schema)...); err != nil {
			return plan{}, err
		}
		out.want.adopted.Filled = false
	}
	if create {
		out.want.adopted.MadeTable, out.want.adopted.Filled = true, true
	}
	for _, c := range out.missing {
		if !slices.Contains(out.want.adopted.AddedColumns, c.Field) {
			out.want.adopted.AddedColumns = append(slices.Clone(out.want.adopted.AddedColumns), c.Field)
		}
	}
	l := newLayout(out.want.schema, out.want.adopted)
	out.adopted = installed && !create && len(out.missing) == 0 && same(out.want, have) &&
		len(catalog.lacking(l.triggers())) == 0 && len(catalog.lacking([]object{l.view(catalog)})) == 0 &&
		len(catalog.leftovers(l.objects(catalog))) == 0
	out.done = out.adopted && out.want.adopted.Filled && len(catalog.lacking(l.indexes(catalog))) == 0
	return out, nil
}

// adopt stores the settings, creates or completes the sessions table, and creates triggers and view, in one transaction:
// from then on no activity is missed. Indexes and the backfill, which take time on a large table, come after it.
func (s *Store) adopt(ctx context.Context, p sessioncleanup.Policy) (plan, error) {
	var out plan
	err := s.writing(ctx, func(c *conn) error {
		var err error
		if out, err = s.plan(ctx, c, p); err != nil {
			return err
		}
		l := newLayout(out.want.schema, out.want.adopted)
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		var todo []string
		for _, o := range catalog.leftovers(l.objects(catalog)) {
			todo = append(todo, drop(o))
		}
		if catalog.find(out.want.schema.Table) == nil {
			todo = append(todo, l.sql("create_sessions", nil))
		}
		for _, c := range out.missing {
			todo = append(todo, l.sql("add_"+c.Field, nil))
		}
		if err := c.execAll(ctx, todo); err != nil {
			return err
		}
		if catalog, err = readCatalog(ctx, c); err != nil { // the view depends on the columns
			return err
		}
		todo = nil
		for _, o := range catalog.lacking(append(l.triggers(), l.view(catalog))) {
			todo = append(todo, o.sql)
		}
		if err := c.execAll(ctx, todo); err != nil {
			return err
		}
		return out.want.store(ctx, c)
	})
	return out, err
}

// createIndexes creates the indexes that are missing, each in a transaction of its own.
func (s *Store) createIndexes(ctx context.Context, set settings) error {
	l := newLayout(set.schema, set.adopted)
	for {
		left := 0
		err := s.writing(ctx, func(c *conn) error {
			catalog, err := readCatalog(ctx, c)
			if err != nil {
				return err
			}
			missing := catalog.lacking(l.indexes(catalog))
			if left = len(missing); left == 0 {
				return nil
			}
			_, err = c.ExecContext(ctx, missing[0].sql)
			return err
		})
		if err != nil || left <= 1 {
			return err
		}
	}
}
