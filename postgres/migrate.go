package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Migrate adopts the application's tables, or creates one, without blocking their writers. Each change of a table holds
// its lock only for a change of the catalog. When Migrate cannot get the lock within 40 ms, it gives up and tries
// again. It builds indexes concurrently, and fills in the last activity of old sessions in batches. The next call
// finishes what an interrupted one began. When there is nothing to do, it only reads.
func (s *Store) Migrate(ctx context.Context, p sessioncleanup.Policy) error {
	return s.namingEventTrigger(ctx, s.migrate(ctx, p))
}

func (s *Store) migrate(ctx context.Context, p sessioncleanup.Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := s.ping(ctx); err != nil {
		return err
	}
	defer s.forget()
	plan, err := s.prepare(ctx, p)
	if err != nil {
		return err
	}
	idle, err := s.idle(ctx, plan)
	if err != nil {
		return err
	}
	if idle {
		s.say(ctx, plan.notes)
	} else if plan, err = s.carryOut(ctx, p, plan); err != nil {
		return err
	}
	s.warn(ctx, plan.m)
	s.warnOfNames(ctx, plan.m)
	if err := s.checkReplicated(ctx, plan.m); err != nil {
		s.cfg.Logger.WarnContext(ctx, "runs will be refused: "+err.Error())
	}
	return nil
}

// idle reports whether everything is as the plan would leave it.
func (s *Store) idle(ctx context.Context, p *plan) (same bool, err error) {
	if p.set.complete != adoption || !p.recorded || len(p.first)+len(p.steps) > 0 {
		return false, nil
	}
	if tables, err := s.ownTablesSQL(ctx, p.m); err != nil || len(tables) > 0 {
		return false, err
	}
	err = s.pool.QueryRow(ctx, p.m.statement("settings_same", p.settingsNames())).Scan(&same)
	return same, mapError("look at the settings", err)
}

// carryOut does what is planned while no other process migrates, and returns the plan that it made then.
func (s *Store) carryOut(ctx context.Context, policy sessioncleanup.Policy, p *plan) (*plan, error) {
	if p.space {
		if err := s.makeSpace(ctx, p.m); err != nil {
			return nil, err
		}
	}
	lock, err := s.lock(ctx, p.m)
	if err != nil {
		return nil, err
	}
	defer lock.release(ctx)
	for _, step := range p.first {
		if err := s.runStep(ctx, p.m, step); err != nil {
			return nil, fmt.Errorf("%s: %w", step.about, err)
		}
	}
	if err := s.migrateOwnTables(ctx, p.m); err != nil {
		return nil, err
	}
	if p, err = s.prepare(ctx, policy); err != nil { // again: another process may have migrated until now
		return nil, err
	}
	s.say(ctx, p.notes)
	if err := s.runStep(ctx, p.m, p.settingsStep()); err != nil {
		return nil, err
	}
	for _, step := range p.steps {
		if err := lock.check(ctx); err != nil {
			return nil, err
		}
		s.cfg.Logger.InfoContext(ctx, "migrate: "+step.about)
		if err := s.perform(ctx, p, step); err != nil {
			return nil, fmt.Errorf("%s: %w", step.about, err)
		}
	}
	if err := s.forgetMoved(ctx, p.m); err != nil {
		return nil, err
	}
	return p, s.runStep(ctx, p.m, completeStep(p.m))
}

// forgetMoved removes from the record what is now elsewhere, because the application renamed or moved its table.
func (s *Store) forgetMoved(ctx context.Context, m *mapping) error {
	set, err := readSettings(ctx, s.pool, m.space)
	if err != nil {
		return err
	}
	found, err := findOwn(ctx, s.pool, m.space)
	if err != nil {
		return err
	}
	moved := unrecorded(set.added, found)
	if len(moved.drops)+len(moved.adds) == 0 {
		return nil
	}
	return s.runStep(ctx, m, moved)
}

// unrecorded is the difference between the record and what the catalog shows.
func unrecorded(added, found []object) (moved step) {
	for _, o := range added {
		if slices.Contains([]string{"index", "trigger", "function", "view"}, o.Kind) && !slices.Contains(found, o) {
			moved.drops = append(moved.drops, o)
		}
	}
	for _, o := range found {
		if !slices.Contains(added, o) {
			moved.adds = append(moved.adds, o)
		}
	}
	return moved
}

// say logs notes for the operator.
func (s *Store) say(ctx context.Context, notes []note) {
	for _, n := range notes {
		if n.warning {
			s.cfg.Logger.WarnContext(ctx, n.text)
		} else {
			s.cfg.Logger.InfoContext(ctx, n.text)
		}
	}
}

// MigrationSQL returns what Migrate would do now as SQL, for people with their own migration tool. It changes nothing.
// Comments mark the statements that must run outside of a transaction. The backfill, which Migrate does in batches, is
// one statement.
func (s *Store) MigrationSQL(ctx context.Context, p sessioncleanup.Policy) (string, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	plan, err := s.prepare(ctx, p)
	if err != nil {
		return "", err
	}
	tables, err := s.ownTablesSQL(ctx, plan.m)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	section := func(about string, statements ...string) {
		fmt.Fprintf(&out, "-- %s\n%s\n\n", oneLine(about), strings.Join(statements, "\n"))
	}
	for _, n := range plan.notes {
		fmt.Fprintf(&out, "-- %s\n", oneLine(n.text))
	}
	section("look for names on the server only", "SET search_path = "+plan.m.safe+";")
	if plan.space {
		section("create a schema for what follows", makeSpaceSQL(plan.m))
	}
	if len(tables) > 0 {
		section("create the library's tables", tables...)
	}
	if plan.m.role != "" {
		section("as the owner of the sessions", "SET ROLE "+sqlfile.Column(plan.m.role)+";")
	}
	steps := slices.Concat(plan.first, []step{plan.settingsStep()}, plan.steps, []step{completeStep(plan.m)})
	for _, step := range steps {
		about := step.about
		if step.alone {
			about += " (outside of a transaction)"
		}
		sql := append(step.record(plan.m), step.sql...)
		if step.self && plan.m.role != "" {
			sql = slices.Concat([]string{"RESET ROLE;"}, sql, []string{"SET ROLE " + sqlfile.Column(plan.m.role) + ";"})
		}
		if step.fill { // the application's triggers run
			sql = slices.Concat([]string{"SET search_path = pg_catalog, " + plan.m.path + ", pg_temp;"}, sql, []string{"SET search_path = " + plan.m.safe + ";"})
		}
		section(about, sql...)
	}
	if plan.m.role != "" {
		section("as before", "RESET ROLE;")
	}
	section("as before", "RESET search_path;")
	return out.String(), nil
}

// oneLine keeps a name with a line break within its comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// prepare reads the database and plans what is missing.
func (s *Store) prepare(ctx context.Context, policy sessioncleanup.Policy) (*plan, error) {
	p := &plan{q: s.pool, policy: policy.WithDefaults(), opts: s.cfg.Migrate}
	schema, set, err := s.wanted(ctx)
	if err != nil {
		return nil, err
	}
	p.set = set
	was := set.zone
	if set.zone == "" || p.opts.TimeZone != "" {
		if set.zone, err = s.zone(ctx); err != nil {
			return nil, err
		}
	}
	p.m, err = readMapping(ctx, s.pool, schema, set)
	if errors.Is(err, errNoTable) {
		if !isOwn(schema) && (len(set.added) == 0 || set.added[0].Kind != "table") {
			return nil, noSuchTable("schema.table", schema.Table)
		}
		p.create, err = true, nil
	}
	if err != nil {
		return nil, err
	}
	if err := checkHeirs(ctx, s.pool, p.m.table); err != nil {
		return nil, err
	}
	if err := s.act(ctx, p.m, true); err != nil {
		return nil, err
	}
	if p.space, err = s.lacksSpace(ctx, p.m); err != nil {
		return nil, err
	}
	if err := s.checkRights(ctx, p); err != nil {
		return nil, err
	}
	if err := s.notOthers(ctx, p.m); err != nil {
		return nil, err
	}
	if err := s.checkRowSecurity(ctx, p.m); err != nil {
		return nil, err
	}
	if err := checkOwnTables(ctx, s.pool, p.m.space, 0, p.m.table.oid); err != nil {
		return nil, err
	}
	if err := checkWriters(ctx, s.pool, p.m.space); err != nil {
		return nil, err
	}
	found, err := findOwn(ctx, s.pool, p.m.space)
	if err != nil {
		return nil, err
	}
	added, old, now, err := p.set.renamed(ctx, s.pool)
	if err != nil {
		return nil, err
	}
	p.moved = step{drops: old, adds: now}
	other := unrecorded(added, found)
	p.recorded = len(old)+len(other.adds)+len(other.drops) == 0
	p.set.added = merged(added, found)
	p.decideTracking()
	if err := p.checkTimes(ctx, was); err != nil {
		return nil, err
	}
	return p, p.build(ctx)
}

// decideTracking tells whether anything shows when the sessions are used, leaving out what Migrate itself added.
func (p *plan) decideTracking() {
	p.set.accepted = p.set.accepted || p.opts.Untracked
	natural := false
	if !p.create {
		database := adopt.Database{Tables: slices.Clone(p.m.described.Tables)}
		for i := range database.Tables {
			t := &database.Tables[i]
			t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c adopt.Column) bool {
				return p.has(object{Kind: "column", Space: t.Space, Table: t.Name, Name: c.Name})
			})
		}
		natural = database.Untracked(p.m.schema) && !p.has(object{Kind: "table", Space: p.m.table.space, Name: p.m.table.name})
	}
	if natural && !p.m.schema.AppTouches && !p.set.accepted {
		p.warn("%s", untrackedWarning(p.m))
	}
	p.m.untracked = natural && !p.m.schema.AppTouches && !p.set.accepted
	p.m.fill()
}

func untrackedWarning(m *mapping) string {
	return fmt.Sprintf("table %s is untracked: no activity is followed, because no column says when a session was last used and no other table refers to it; "+
		"only sessions with an expiry are cleaned up. If the application reports all activity by itself, with touches or by writing %s, "+
		"say so with \"app_touches\": true in the schema, or with migrate --untracked", m.table.path(), m.schema.LastActivity)
}

// wanted returns the schema to adopt: the configured one, that of an earlier Migrate, or what Inspect proposes.
func (s *Store) wanted(ctx context.Context) (sessioncleanup.Schema, settings, error) {
	schema := s.cfg.Schema
	space, err := s.findSpace(ctx)
	var set settings
	if err == nil {
		set, err = readSettings(ctx, s.pool, space)
	}
	switch {
	case err == nil && set.complete > adoption:
		return schema, set, fmt.Errorf("%w: upgrade this program", sessioncleanup.ErrNewerSchema)
	case err == nil:
		now, err := follow(ctx, s.pool, set.schema, set.places)
		if err != nil {
			return schema, set, err
		}
		was, _ := s.pool.oidOf(ctx, now.Table)
		schema = adopt.Over(s.cfg.Schema, now)
		if err := schema.Validate(); err != nil {
			return schema, set, err
		}
		if is, _ := s.pool.oidOf(ctx, schema.Table); was != is {
			return schema, set, invalid.Errorf("schema.table is %q: schema %s has adopted the table %s already; uninstall that first", schema.Table, space, set.schema.Table)
		}
		if set.places.Proposed = set.places.Proposed && s.cfg.Schema.Sources == nil; !set.places.Proposed {
			return schema, set, nil
		}
		fresh, err := unfollowed(ctx, s.pool, schema, set.places)
		schema.Sources = append(slices.Clip(schema.Sources), fresh...)
		return schema, set, err
	case !errors.Is(err, sessioncleanup.ErrNotInstalled):
		return schema, set, err
	case s.cfg.Name != "" && s.cfg.Schema.Table == "":
		return schema, set, adopt.NoTable(s.cfg.Name)
	default:
		notInstalled := err
		set.space = spaceOf(s.cfg.Name)
		schema, err = s.completed(ctx)
		if r, missing := findRelation(ctx, s.pool, schema.Table); err == nil && missing == nil && isPassedOver(notInstalled, &r) {
			err = notInstalled // it may be installed for this table
		}
		set.places.Proposed = s.cfg.Schema.Sources == nil
		return schema, set, err
	}
}
