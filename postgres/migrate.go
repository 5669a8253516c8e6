package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Migrate adopts the application's tables, or makes one, without blocking their writers: each change of a table holds its
// lock for a change of the catalog only, and gives up within 40 ms when it cannot have it, to try again; indexes are built
// concurrently; old sessions get their last activity in batches. The next call finishes what an interrupted one left.
func (s *Store) Migrate(ctx context.Context, p sessioncleanup.Policy) error {
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
	lock, err := s.lock(ctx, plan.m.space)
	if err != nil {
		return err
	}
	defer lock.release(ctx)
	if err := s.migrateOwnTables(ctx, plan.m); err != nil {
		return err
	}
	if plan, err = s.prepare(ctx, p); err != nil { // again: another process may have migrated until now
		return err
	}
	if err := s.runStep(ctx, plan.m, plan.settingsStep()); err != nil {
		return err
	}
	for _, step := range plan.steps {
		if err := lock.check(ctx); err != nil {
			return err
		}
		s.cfg.Logger.InfoContext(ctx, "migrate: "+step.about)
		if err := s.perform(ctx, plan, step); err != nil {
			return fmt.Errorf("%s: %w", step.about, err)
		}
	}
	if err := s.runStep(ctx, plan.m, completeStep(plan.m)); err != nil {
		return err
	}
	s.warn(ctx, plan.m)
	return nil
}

// MigrationSQL is what Migrate would do now, as SQL for people with their own tool. It changes nothing. Statements that
// must run outside of a transaction say so. The backfill, which Migrate does in batches, is one statement here.
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
		fmt.Fprintf(&out, "-- %s\n%s\n\n", about, strings.Join(statements, "\n"))
	}
	if len(tables) > 0 {
		section("create the library's tables", tables...)
	}
	steps := append([]step{plan.settingsStep()}, append(plan.steps, completeStep(plan.m))...)
	for _, step := range steps {
		about := step.about
		if step.alone {
			about += " (outside of a transaction)"
		}
		section(about, append(step.record(plan.m), step.sql...)...)
	}
	return out.String(), nil
}

// prepare reads the database and plans what is missing.
func (s *Store) prepare(ctx context.Context, policy sessioncleanup.Policy) (*plan, error) {
	p := &plan{q: s.pool, policy: policy.WithDefaults()}
	schema, set, err := s.wanted(ctx)
	if err != nil {
		return nil, err
	}
	p.set = set
	zone := set.zone
	if zone == "" {
		if zone, err = s.zone(ctx); err != nil {
			return nil, err
		}
	}
	p.m, err = readMapping(ctx, s.pool, schema, zone)
	if errors.Is(err, errNoTable) {
		if !isOwn(schema) && (len(set.added) == 0 || set.added[0].Kind != "table") {
			return nil, noSuchTable("schema.table", schema.Table)
		}
		p.create, err = true, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkRights(ctx, p); err != nil {
		return nil, err
	}
	return p, p.build(ctx)
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
	case err == nil && schema.IsZero():
		return set.schema, set, nil
	case err == nil:
		was, _ := findRelation(ctx, s.pool, set.schema.Table)
		is, _ := findRelation(ctx, s.pool, schema.WithDefaults().Table)
		if was.oid != is.oid {
			return schema, set, invalid.Errorf("schema.table is %q: schema %s has adopted the table %s already; uninstall that first", schema.Table, space, set.schema.Table)
		}
	case !errors.Is(err, sessioncleanup.ErrNotInstalled):
		return schema, set, err
	case schema.IsZero():
		schema, err = s.Inspect(ctx)
		return schema, set, err
	}
	return schema, set, nil
}

// zone is the configured time zone, or that of the connection.
func (s *Store) zone(ctx context.Context) (string, error) {
	var zone string
	var known bool
	err := s.pool.QueryRow(ctx, `
		SELECT z.name, EXISTS (SELECT FROM pg_catalog.pg_timezone_names n WHERE n.name = z.name)
		  FROM (SELECT coalesce($1::text, current_setting('TimeZone')) AS name) z`, orNull(s.cfg.TimeZone)).Scan(&zone, &known)
	if err == nil && !known {
		return "", invalid.Errorf("the server does not know the time zone %q: want Config.TimeZone to be an IANA name", zone)
	}
	return zone, mapError("read the time zone", err)
}
