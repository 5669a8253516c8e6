package mysql

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Migrate creates what is missing in the database and stores the policy.
//
// MariaDB and MySQL do not include changes of tables in transactions. So Migrate first records what it will add, then
// adds each thing on its own, and the library uses the database once everything is there. New columns need no copy of
// the table; where the server cannot do without one, it copies in the background, and Config.Logger says so. Migrate
// does not wait for a table that other transactions use: it retries for a minute and then fails with ErrUnavailable.
func (s *Store) Migrate(ctx context.Context, p sessioncleanup.Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	p = p.WithDefaults()
	defer s.forgetLayout()
	err := s.migrating(ctx, func(ctx context.Context, m *migration) error {
		c := m.conn
		plan, err := s.plan(ctx, c, p)
		if err != nil {
			return err
		}
		s.warn(ctx, "migrate", plan.warnings)
		if err := s.checkTimes(ctx, c, plan); err != nil {
			return err
		}
		if err := s.createLibraryTables(ctx, c); err != nil {
			return err
		}
		noted, err := m.note(ctx, plan)
		if err != nil {
			return err
		}
		if err := s.alterSessions(ctx, c, plan); err != nil {
			return err
		}
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		want := plan.want
		catalog.recognize(want.schema, &want.adopted)
		if plan.rebuilt {
			if err := s.tieTagsAgain(ctx, catalog, want); err != nil {
				return err
			}
		}
		if err := s.noteReached(ctx, c, catalog, &want); err != nil {
			return err
		}
		if err := m.noteCatchUp(ctx, noted, plan); err != nil {
			return err
		}
		if err := s.createObjects(ctx, c, catalog, want); err != nil {
			return err
		}
		if !want.adopted.Filled || want.adopted.CatchUp {
			if err := s.backfill(ctx, catalog, want); err != nil {
				return err
			}
		}
		if err := s.createViews(ctx, c, catalog, &want); err != nil {
			return err
		}
		if err := s.tagColumns(ctx, &want); err != nil {
			return err
		}
		want.adopted.Filled, want.adopted.MarkInactive, want.adopted.Ready, want.adopted.CatchUp, want.adopted.Gaps = true, false, true, false, nil
		want.adopted.LostActivity = false
		if !plan.want.adopted.CatchUp && plan.have.adopted.Ready && same(want.policy, plan.have.policy) && same(want.schema, plan.have.schema) && same(want.adopted, plan.have.adopted) {
			return nil
		}
		return m.storing(ctx, want, nil)
	})
	if err != nil {
		return err
	}
	return s.followRules(ctx, p, classAll)
}

// checkTimes says how the times of a table that is adopted are understood, and refuses doubtful ones.
func (s *Store) checkTimes(ctx context.Context, c *conn, p plan) error {
	if p.want.adopted.Filled {
		return nil
	}
	schema := p.want.schema
	times, err := c.timesOf(ctx, p.catalog, schema)
	if err != nil {
		return err
	}
	now, err := c.now(ctx)
	if err == nil && !s.options.AcceptTimes {
		err = times.Check(schema.Table, now)
	}
	if err != nil {
		return err
	}
	return s.sayTimes(ctx, c, "migrate", p.catalog, schema, times)
}

// noteReached notes which tables a deletion reaches, and warns of what keeps sessions from being archived.
func (s *Store) noteReached(ctx context.Context, c *conn, catalog *catalog, set *settings) (err error) {
	a := catalog.archival(set.schema)
	set.adopted.Reached = a.names()
	a.known = set.adopted.Reached
	if a.sessions == nil || !set.policy.Archive.Or(false) {
		return nil
	}
	if a.outside, err = c.outside(ctx, append(a.names(), a.sessions.name)); err != nil {
		return err
	}
	if obstacle := a.obstacle(set.schema); obstacle != nil {
		s.warn(ctx, "migrate", []string{obstacle.Error()})
	}
	return nil
}

func (s *Store) forgetLayout() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layout, s.archives = nil, nil
}

// plan is what Migrate has to do.
type plan struct {
	catalog  *catalog
	want     settings
	have     settings                // what an earlier Migrate did
	create   bool                    // the table of sessions
	missing  []adopt.LifecycleColumn // to be added
	rebuilt  bool                    // the table of sessions lost what an earlier Migrate added to it
	warnings []string                // of what Inspect proposes
}

// plan finds out what there is to do, and whether it can be done.
func (s *Store) plan(ctx context.Context, c *conn, p sessioncleanup.Policy) (plan, error) {
	catalog, err := readCatalog(ctx, c)
	if err != nil {
		return plan{}, err
	}
	have, err := readEarlierSettings(ctx, c)
	installed := err == nil
	if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return plan{}, err
	}
	var before *sessioncleanup.Schema
	if installed {
		before = &have.schema
	}
	proposal, proposed, err := catalog.describe().Wanted(catalog.spelled(s.given), s.naming.name, before)
	if err != nil {
		return plan{}, err
	}
	want := settings{policy: p, schema: proposal.Schema, adopted: have.adopted}
	out := plan{catalog: catalog, have: have, want: want, warnings: proposal.Warnings}
	a := &out.want.adopted
	a.Proposed = s.given.Sources == nil && (proposed || a.Proposed)
	if installed && a.Proposed {
		out.want.schema.Sources = catalog.sources(out.want.schema)
	}
	out.want.schema = adopt.Respelled(out.want.schema, func(table, column string) string {
		if of := catalog.tables[table].column(column); of != nil {
			return of.name
		}
		return column
	})
	if err := errors.Join(validSchema(out.want.schema), s.naming.validSchema(out.want.schema), catalog.notOthers(out.want.schema)); err != nil {
		return plan{}, err
	}
	if installed && out.want.schema.Table != have.schema.Table {
		return plan{}, invalid.Errorf("schema.table is %q, but %q was adopted: call Uninstall first", out.want.schema.Table, have.schema.Table)
	}
	a.View, a.IdleRules = s.options.View || a.View && catalog.hasViews(), a.IdleRules || s.options.Untracked
	if err := catalog.viewsAreFree(*a, have.adopted); err != nil {
		return plan{}, err
	}
	out.create = catalog.tables[out.want.schema.Table] == nil && same(out.want.schema, sessioncleanup.OwnSchema())
	if !out.create {
		out.missing, err = catalog.check(out.want.schema)
		if err := errors.Join(err, catalog.checkTagColumns(out.want.schema)); err != nil {
			return plan{}, err
		}
	}
	_, triggered := catalog.triggers[insertedTrigger]
	out.rebuilt = installed && !triggered
	switch {
	case !installed:
		a.MarkInactive, a.Untracked = true, catalog.describe().Untracked(out.want.schema, a.AddedColumns...)
	case a.Untracked:
		a.Untracked = catalog.describe().Untracked(out.want.schema, a.AddedColumns...)
	}
	if out.create {
		a.MadeTable, a.MarkInactive = true, false
	}
	for _, column := range out.missing {
		if !slices.Contains(a.AddedColumns, column.Field) {
			a.AddedColumns = append(slices.Clone(a.AddedColumns), column.Field)
		}
	}
	a.Filled, a.MarkInactive = a.Filled && len(out.missing) == 0 && same(out.want.schema, have.schema), a.MarkInactive && !a.Filled
	out.planCatchUp(s.options.Reread)
	followed := !slices.ContainsFunc([]string{columnInserted, columnUpdated}, func(name string) bool { _, there := catalog.triggers[name]; return !there })
	a.PlanTags(out.want.schema, followed)
	return out, nil
}

// note stores what will be added before it is, so that Uninstall finds it after an interruption. Until an earlier
// installation is changed, it works as before.
func (m *migration) note(ctx context.Context, p plan) (settings, error) {
	noted := p.want
	if p.have.adopted.Ready {
		noted = p.have
		noted.adopted.AddedColumns, noted.adopted.View, noted.adopted.LostActivity = p.want.adopted.AddedColumns, p.want.adopted.View, p.want.adopted.LostActivity
		if same(p.want.schema, p.have.schema) { // it has lost what this Migrate makes again
			noted.adopted.CatchUp, noted.adopted.Gaps = p.want.adopted.CatchUp, p.want.adopted.Gaps
		}
	}
	if noted.adopted.KeyType == "" {
		p.catalog.recognize(noted.schema, &noted.adopted)
	}
	if same(noted.schema, p.have.schema) && same(noted.adopted, p.have.adopted) {
		return noted, nil
	}
	return noted, m.storing(ctx, noted, nil)
}

// alterSessions creates the table of sessions, or adds the columns that it lacks, all at once.
func (s *Store) alterSessions(ctx context.Context, c *conn, p plan) error {
	names := sqlfile.Names{"sessions": sqlfile.Column(p.want.schema.Table), "invisible": statements["invisible"]}
	if p.create {
		s.log.InfoContext(ctx, "migrate: create the table "+p.want.schema.Table)
		return s.define(ctx, c, filled("create_sessions", names))
	}
	var changes []string
	for _, column := range p.missing {
		more := sqlfile.Names{"column": sqlfile.Column(column.Column), "default": "1"}
		switch {
		case column.Kind != adopt.Boolean:
			changes = append(changes, filled("add_time", more))
			continue
		case column.Field == "auto_cleanup":
			more["default"] = autoCleanupDefault(p.want.policy)
		}
		changes = append(changes, filled("add_switch", more))
	}
	if p.catalog.tables[p.want.schema.Table].column(sinceColumn) == nil {
		changes = append(changes, filled("add_since", with(names, sqlfile.Names{"column": sqlfile.Column(sinceColumn)})))
	}
	if p.catalog.tables[p.want.schema.Table].column(classColumn) == nil {
		changes = append(changes, filled("add_class", with(names, sqlfile.Names{"column": sqlfile.Column(classColumn)})))
	}
	if len(changes) == 0 {
		return nil
	}
	names["changes"] = strings.Join(changes, ", ")
	return s.alter(ctx, c, names)
}

func autoCleanupDefault(p sessioncleanup.Policy) string {
	if p.AutoCleanupDefault.Or(true) {
		return "1"
	}
	return "0"
}

// alter changes the table of sessions, without a copy if the server can.
func (s *Store) alter(ctx context.Context, c *conn, names sqlfile.Names) error {
	err := s.define(ctx, c, filled("alter_sessions", names))
	if slices.Contains(costly, errorNumber(err)) {
		s.log.WarnContext(ctx, "the server makes a copy of the table "+names["sessions"]+" in the background to change its columns: "+err.Error())
		err = s.define(ctx, c, filled("alter_sessions_in_place", names))
	}
	if slices.Contains(costly, errorNumber(err)) {
		plain := doubleQuoted.ReplaceAllString(filled("alter_sessions_plainly", names), "`$1`")
		err = invalid.Databasef("the server cannot change the columns of %s while others write to it: execute %s; at a quiet time, and repeat this: %w", names["sessions"], plain, err)
	}
	return err
}

// doubleQuoted matches a name as the library writes it, which not all clients understand.
var doubleQuoted = regexp.MustCompile(`"((?:[^"` + "`" + `]|"")*)"`)

const (
	defineAttempts = 600
	definePause    = 100 * time.Millisecond
)

// define executes a statement that changes the schema. It does not wait for a table that others use, because all later statements
// on the table would wait as well: it tries again.
func (s *Store) define(ctx context.Context, c *conn, statement string) error {
	for attempt := 1; ; attempt++ {
		_, err := c.ExecContext(ctx, statement)
		number := errorNumber(err)
		switch {
		case slices.Contains(present, number): // another node of the cluster was faster
			return nil
		case number != lockWaitTimeout && number != deadlock || attempt == defineAttempts:
			if number == lockWaitTimeout {
				err = fmt.Errorf("%w%s", err, s.oldestTransaction(ctx, c))
			}
			return err
		}
		select {
		case <-time.After(definePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// oldestTransaction says in words which transaction probably uses the table; nothing without the right to see it.
func (s *Store) oldestTransaction(ctx context.Context, c *conn) string {
	var thread, seconds int64
	if c.row(ctx, statements["find_oldest_transaction"], nil, &thread, &seconds) != nil {
		return ""
	}
	return fmt.Sprintf("; the oldest transaction is that of connection %d, open for %d s", thread, seconds)
}
