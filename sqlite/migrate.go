package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Migrate brings the database to what this version needs and stores the policy in it. It creates the file when there is
// none. When nothing is missing, it only reads. Otherwise each step is a transaction that first checks what exists, so
// several processes can migrate at once, and the next call finishes what an interrupted one began.
//
// Adding columns takes no time, and the backfill works in short batches. Creating an index on a large table holds the
// write lock for about two seconds per million rows. Times that cannot be right are refused before anything has
// changed; see MigrateOptions.AcceptTimes. A schema other than the one adopted before may name other columns and
// activity tables, but not another sessions table.
func (s *Store) Migrate(ctx context.Context, p sessioncleanup.Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	p = p.WithDefaults()
	return s.install(ctx, &p)
}

// install is Migrate. Without a policy it leaves the stored one as it is, and prepares the database for rules by tag.
func (s *Store) install(ctx context.Context, p *sessioncleanup.Policy) error {
	if err := s.checkOptions(ctx); err != nil {
		return err
	}
	created, err := s.create(ctx)
	if err != nil {
		return err
	}
	if err := s.upgrade(ctx); err != nil {
		return err
	}
	var todo plan
	var times adopt.Times
	err = s.reading(ctx, func(c *conn) (err error) {
		if todo, err = s.plan(ctx, c, p); err != nil || todo.want.adopted.Filled {
			return err
		}
		var unreadable []string
		times, unreadable, err = todo.catalog.timesOf(ctx, c, todo.want.schema)
		todo.warnings = append(slices.Clip(todo.warnings), unreadable...)
		if err != nil || s.options.AcceptTimes {
			return err
		}
		return times.Check(todo.want.schema.Table, s.clock())
	})
	if err != nil && created { // nothing was changed
		_ = os.Remove(s.path)
	}
	if err != nil || todo.done {
		return err
	}
	if todo.want.adopted.MadeTable && !todo.have.MadeTable {
		said := "migrate: create the table " + todo.want.schema.Table
		if created {
			said += " in the new file " + s.path
		}
		s.log.InfoContext(ctx, said)
	}
	s.sayWarnings(ctx, "migrate", todo.warnings)
	s.sayTimes(ctx, "migrate", times)
	defer s.setLayout(nil) // other settings need not change the schema's version
	if err := s.createLibraryTables(ctx); err != nil {
		return err
	}
	if !todo.adopted {
		if todo, err = s.adopt(ctx, p); err != nil {
			return err
		}
	}
	if err := s.useWAL(ctx); err != nil {
		return err
	}
	if err := s.createIndexes(ctx, todo.want); err != nil {
		return err
	}
	if todo.want.adopted.CatchUp {
		s.log.InfoContext(ctx, sqlstore.CatchingUp)
	}
	if err := s.backfill(ctx); err != nil {
		return err
	}
	if err := s.tagColumns(ctx); err != nil {
		return err
	}
	if err := s.reclass(ctx, classAll); err != nil {
		return err
	}
	return s.warn(ctx)
}

// create makes an empty file, which is an empty database, and reports whether there was none.
func (s *Store) create(ctx context.Context) (bool, error) {
	if s.path == "" {
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, s.failed(err)
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, s.failed(invalid.Errorf("the file cannot be created: %w", withoutPath(err)))
	}
	return true, s.failed(f.Close())
}

// plan is what Migrate has to do.
type plan struct {
	catalog   *catalog
	want      settings
	have      adopted                 // what an earlier Migrate did
	missing   []adopt.LifecycleColumn // to be added
	unclassed bool                    // the column of classes is to be added
	warnings  []string                // of what Inspect proposes
	adopted   bool                    // settings, columns, triggers and view are as they should be
	done      bool                    // everything is
}

// plan finds out what install has to do, and whether it can be done.
func (s *Store) plan(ctx context.Context, c *conn, p *sessioncleanup.Policy) (plan, error) {
	catalog, err := readCatalog(ctx, c)
	if err != nil {
		return plan{}, err
	}
	have, err := readSettings(ctx, c)
	installed := err == nil
	if err != nil && (p == nil || !errors.Is(err, sessioncleanup.ErrNotInstalled)) {
		return plan{}, err
	}
	ruled := p == nil
	if ruled {
		p = &have.policy
	}
	want, warnings, err := s.choose(catalog, have, installed)
	if err != nil {
		return plan{}, err
	}
	want.policy = *p
	out := plan{catalog: catalog, want: want, have: have.adopted, warnings: warnings}
	a := &out.want.adopted
	create := catalog.find(out.want.schema.Table) == nil && same(out.want.schema, sessioncleanup.OwnSchema())
	if !create {
		if out.missing, err = catalog.check(out.want.schema); err != nil {
			return plan{}, err
		}
	}
	if !create && !installed {
		if err := c.compiles(ctx, out.want.schema, out.want.schema.ID); err != nil {
			return plan{}, err
		}
	}
	if err := catalog.recognize(ctx, c, out.want.schema, a); err != nil {
		return plan{}, err
	}
	if !installed || len(out.missing) > 0 || !same(out.want.schema, have.schema) {
		if err := errors.Join(catalog.wrongSwitches(ctx, c, out.want.schema)...); err != nil {
			return plan{}, err
		}
		a.Filled = false
	}
	switch {
	case !installed:
		a.MarkInactive, a.Untracked = true, len(a.Others) == 0 && catalog.describe().Untracked(out.want.schema, a.AddedColumns...)
		a.JournalMode, err = s.otherJournal(ctx, c)
	case a.Untracked:
		a.Untracked = len(a.Others) == 0 && catalog.describe().Untracked(out.want.schema, a.AddedColumns...)
	}
	if err != nil {
		return plan{}, err
	}
	if installed {
		out.planCatchUp(have, s.options.Reread && !ruled)
		if have.adopted.Filled {
			out.noteLoss()
		}
	}
	a.Classed = a.Classed || ruled || len(p.RuleTags()) > 0
	if a.Reached = nil; !create {
		a.Reached = catalog.reach(out.want.schema).names()
	}
	if create {
		a.MadeTable, a.Filled, a.MarkInactive = true, true, false
	}
	for _, column := range out.missing {
		if !slices.Contains(a.AddedColumns, column.Field) {
			a.AddedColumns = append(slices.Clone(a.AddedColumns), column.Field)
		}
	}
	l := newLayout(out.want.schema, *a, false)
	a.PlanTags(l.schema, len(catalog.lacking(l.columnTriggers())) == 0)
	wanted := append(append(l.triggers(), l.views(catalog)...), l.touches())
	table := catalog.find(out.want.schema.Table)
	out.unclassed = a.Classed && (table == nil || !table.classed)
	out.adopted = installed && !create && !out.unclassed && len(out.missing) == 0 && same(out.want, have) &&
		len(catalog.lacking(wanted)) == 0 && len(catalog.leftovers(have.adopted, l.objects(catalog))) == 0
	version, err := readVersion(ctx, c)
	if err != nil {
		return plan{}, err
	}
	out.done = out.adopted && a.Filled && !a.CatchUp && !a.TagsUnfinished() && version == latestVersion && len(catalog.lacking(l.indexes(catalog))) == 0
	return out, nil
}

// choose finds out which schema is wanted, and refuses names that it cannot have.
func (s *Store) choose(catalog *catalog, have settings, installed bool) (want settings, warnings []string, err error) {
	var current *sessioncleanup.Schema
	if installed {
		followed := catalog.follow(have.schema)
		current = &followed
	}
	proposal, proposed, err := catalog.describe().Wanted(s.given, s.naming.name, current)
	if err != nil {
		return want, nil, err
	}
	want = settings{schema: proposal.Schema, adopted: have.adopted}
	a := &want.adopted
	a.Proposed = s.given.Sources == nil && (proposed || a.Proposed)
	if installed && a.Proposed {
		want.schema.Sources = catalog.sources(want.schema)
	}
	if err := errors.Join(validSchema(want.schema), s.naming.validSchema(want.schema), catalog.notOthers(want.schema)); err != nil {
		return want, nil, err
	}
	if installed && !strings.EqualFold(want.schema.Table, current.Table) {
		return want, nil, invalid.Errorf("schema.table is %q, but %q was adopted: call Uninstall first", want.schema.Table, current.Table)
	}
	a.View, a.IdleRules = a.View || s.options.View, a.IdleRules || s.options.Untracked
	for _, name := range []string{viewName, archiveViewName} {
		if o := catalog.object(name); o != nil && a.View && !have.adopted.View {
			return want, nil, invalid.Databasef("the database has a %s %q of its own: rename it first", o.kind, name)
		}
	}
	return want, proposal.Warnings, nil
}

// adopt stores the settings, creates or completes the sessions table, and creates triggers and view, in one
// transaction: from then on no activity is missed. Indexes and the backfill, which take time on a large table, come after it.
func (s *Store) adopt(ctx context.Context, p *sessioncleanup.Policy) (plan, error) {
	var out plan
	err := s.writing(ctx, func(c *conn) error {
		var err error
		if out, err = s.plan(ctx, c, p); err != nil {
			return err
		}
		l, catalog := newLayout(out.want.schema, out.want.adopted, false), out.catalog
		var todo []string
		for _, o := range catalog.leftovers(out.have, l.objects(catalog)) {
			todo = append(todo, drop(o))
		}
		if catalog.find(out.want.schema.Table) == nil {
			todo = append(todo, l.sql("create_sessions", nil))
		}
		for _, column := range out.missing {
			todo = append(todo, l.sql("add_"+column.Field, catalog.find(out.want.schema.Table).types()))
		}
		if out.unclassed {
			todo = append(todo, l.sql("add_class", nil), statements["walk_rule_tags"])
		}
		todo = append(todo, catalog.remakeTouches(l)...)
		if err := c.execAll(ctx, todo); err != nil {
			return err
		}
		if catalog, err = readCatalog(ctx, c); err != nil { // the view depends on the columns
			return err
		}
		todo = nil
		for _, o := range catalog.lacking(append(l.triggers(), l.views(catalog)...)) {
			todo = append(todo, o.sql)
		}
		if err := c.execAll(ctx, todo); err != nil {
			return err
		}
		if out.want.adopted.Classed {
			if err := c.setRuleTags(ctx, out.want.policy.RuleTags(), true); err != nil {
				return err
			}
		}
		return out.want.store(ctx, c)
	})
	return out, err
}

// remakeTouches are the statements that make the table of notes, or remake it for ids of another type.
func (c *catalog) remakeTouches(l *layout) []string {
	want := l.touches()
	switch have := c.object(want.name); {
	case have == nil:
		return []string{want.sql}
	case have.sql == want.sql:
		return nil
	default:
		return []string{statements["keep_touches"], drop(*have), want.sql, statements["restore_touches"], statements["forget_kept_touches"]}
	}
}

// createIndexes creates the indexes that are missing, each in a transaction of its own.
func (s *Store) createIndexes(ctx context.Context, set settings) error {
	l := newLayout(set.schema, set.adopted, false)
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
