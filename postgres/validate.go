package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Validate reports everything that is missing or disabled.
func (s *Store) Validate(ctx context.Context) error {
	if err := s.ping(ctx); err != nil {
		return err
	}
	m, set, err := s.load(ctx)
	if err != nil {
		return err
	}
	v := &validation{Store: s, m: m, set: set}
	for _, check := range []func(context.Context) error{v.checkTables, v.checkOwners, v.checkObjects} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	replicated := s.checkReplicated(ctx, m)
	if replicated != nil && !errors.Is(replicated, sessioncleanup.ErrInvalid) {
		return replicated
	}
	if len(v.wrong) == 0 { // else the table may lack what they are counted by
		if err := v.warnOfNeverDue(ctx); err != nil {
			return err
		}
	}
	s.warnOfNames(ctx, m)
	if m.untracked {
		s.cfg.Logger.WarnContext(ctx, untrackedWarning(m))
	}
	if !s.cfg.Schema.IsZero() && s.differs(ctx, m) {
		v.report("the configured schema is not the one that was adopted")
	}
	if len(v.wrong) > 0 {
		v.wrong = []error{fmt.Errorf("%w; run migrate", errors.Join(v.wrong...))}
	}
	return errors.Join(append(v.wrong, replicated)...)
}

// validation collects what is wrong with an adoption. Its checks return errors only when they cannot tell.
type validation struct {
	*Store
	m     *mapping
	set   settings
	wrong []error
}

func (v *validation) report(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Errorf("%w: %s", sessioncleanup.ErrNotInstalled, fmt.Sprintf(format, args...)))
}

// checkTables compares the application's tables with those that were adopted.
func (v *validation) checkTables(ctx context.Context) error {
	m, set := v.m, v.set
	if set.complete < adoption {
		v.report("the last migration did not finish, or an older version made it")
	}
	if now, err := follow(ctx, v.pool, set.schema, set.places); err == nil && now.Table != set.schema.Table {
		v.report("table %s is now %s", set.schema.Table, now.Table)
	}
	fresh, err := unfollowed(ctx, v.pool, set.schema, set.places)
	if err != nil {
		return err
	}
	for _, src := range fresh {
		v.report("%s", adopt.NotFollowed(src.Table))
	}
	if err := adopt.Lacking(m.schema.Table, m.lacks); err != nil {
		v.wrong = append(v.wrong, err)
	}
	if err := checkHeirs(ctx, v.pool, m.table); err != nil {
		if !errors.Is(err, sessioncleanup.ErrInvalid) {
			return err
		}
		v.wrong = append(v.wrong, err)
	}
	if retyped, err := m.retyped(ctx, v.pool); err != nil {
		return err
	} else if retyped {
		v.report("the type of column %s of table %s was altered", m.schema.ID, m.table.path())
	}
	if there, err := m.classed(ctx, v.pool); err != nil {
		return err
	} else if !there {
		v.report("the column %s of table %s is missing", classColumn, m.table.path())
	}
	return nil
}

// checkOwners looks for tables and functions that have a wrong owner, or that others may use.
func (v *validation) checkOwners(ctx context.Context) error {
	m := v.m
	if err := checkWriters(ctx, v.pool, m.space); err != nil {
		v.wrong = append(v.wrong, err)
	}
	if relations, err := leaked(ctx, v.pool, m.space); err != nil {
		return err
	} else if len(relations) > 0 {
		v.report("others than the owner may use %s", strings.Join(relations, ", "))
	}
	owner, err := v.pool.ownerOf(ctx, m.own("settings"))
	if err != nil {
		return err
	}
	if owner != m.table.owner {
		v.report("table %s belongs to %s, and what the library installed to %s", m.table.path(), m.table.owner, owner)
	} else if err := v.checkBranches(ctx, m, v.report); err != nil { // with the rights of the owner
		return err
	}
	if err := v.checkRowSecurity(ctx, m); err != nil {
		v.wrong = append(v.wrong, err)
	}
	return nil
}

// checkObjects compares what Migrate added with what there is, and looks for objects with the same names.
func (v *validation) checkObjects(ctx context.Context) error {
	m := v.m
	if behind, err := m.behind(ctx, v.pool); err != nil && !hasCode(err, codeNoPrivilege) { // a cleaner's run finds out
		return err
	} else if behind != "" {
		v.report("the numbers of %s would begin again", behind)
	}
	missing, err := v.missingObjects(ctx, m, v.set.added)
	if err != nil {
		return err
	}
	for _, what := range missing {
		v.report("%s", what)
	}
	beside, err := conflicts(ctx, v.pool, m)
	if err != nil {
		return err
	}
	for _, c := range beside {
		if c.Kind == "trigger" {
			v.cfg.Logger.WarnContext(ctx, "the "+c.Words+" writes "+m.schema.LastActivity+" too: statements wait for that; run migrate --replace to remove it")
			continue
		}
		v.report("there is a %s that this library did not make: calls may reach the wrong one; drop it, or migrate with --replace", c.Words)
	}
	return nil
}

func (v *validation) warnOfNeverDue(ctx context.Context) error {
	c, err := v.counts(ctx, v.m, sessioncleanup.CountsQuery{})
	if err != nil {
		return err
	}
	if warning := adopt.NeverDue(c.NeverDue, v.m.untracked, v.m.schema.LastActivity); warning != "" {
		v.cfg.Logger.WarnContext(ctx, warning)
	}
	return nil
}

// missingObjects looks for what Migrate added, and says in words what is missing.
func (s *Store) missingObjects(ctx context.Context, m *mapping, added []object) ([]string, error) {
	objects, err := json.Marshal(added)
	if err != nil {
		return nil, err
	}
	found, err := allRows(ctx, s.pool, "look for what was added", pgx.RowTo[*string], `
		SELECT CASE o.kind
		       WHEN 'trigger' THEN CASE WHEN to_regclass(format('%I.%I', o.space, o."table")) IS NULL
		            THEN 'the trigger ' || o.name || ' on ' || o.space || '.' || o."table" || ' is missing' ELSE `+m.statement("trigger_wrong")+` END
		       WHEN 'index' THEN CASE
		            WHEN i.indexrelid IS NULL THEN 'the index ' || o.name || ' is missing'
		            WHEN NOT i.indisvalid THEN 'the index ' || o.name || ' is unfinished' END
		       WHEN 'view' THEN CASE WHEN to_regclass(format('%I.%I', o.space, o.name)) IS NULL THEN 'the view ' || o.name || ' is missing' END
		       WHEN 'function' THEN CASE WHEN NOT EXISTS (
		            SELECT FROM pg_catalog.pg_proc f WHERE f.proname = o.name AND f.pronamespace = to_regnamespace(quote_ident(o.space))) THEN 'the function ' || o.name || ' is missing' END
		       END
		  FROM jsonb_to_recordset($1::text::jsonb) AS o (kind text, space text, "table" text, name text)
		  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = to_regclass(format('%I.%I', o.space, o.name))`,
		string(objects))
	var missing []string
	for _, what := range found {
		if what != nil {
			missing = append(missing, *what)
		}
	}
	return missing, err
}

// differs reports whether the configured schema names other tables or columns than the adopted one.
func (s *Store) differs(ctx context.Context, m *mapping) bool {
	schema := adopt.Over(s.cfg.Schema, m.schema)
	schema.AddColumns = m.schema.AddColumns // which only Migrate looks at
	wanted, err := readMapping(ctx, s.pool, schema, settings{zone: m.zone, space: m.space, untracked: m.untracked, places: places{Proposed: m.proposed}})
	if err != nil {
		return true
	}
	a, b := &plan{m: wanted}, &plan{m: m}
	return a.settingsStep().sql[0] != b.settingsStep().sql[0]
}

// Schema returns the adopted schema. Tables that the connection's search path finds have no schema in their names.
func (s *Store) Schema(ctx context.Context) (sessioncleanup.Schema, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Schema{}, err
	}
	schema := m.schema
	if schema.Table, err = s.plainName(ctx, m.table); err != nil {
		return schema, err
	}
	if m.owners != nil {
		owners := *m.schema.Owners
		if owners.Table, err = s.plainName(ctx, *m.owners); err != nil {
			return schema, err
		}
		schema.Owners = &owners
	}
	schema.Sources = nil
	for _, src := range m.sources {
		plain := src.Source
		if plain.Table, err = s.plainName(ctx, src.relation); err != nil {
			return schema, err
		}
		schema.Sources = append(schema.Sources, plain)
	}
	return schema, nil
}

// plainName is a table's name as the search path finds it.
func (s *Store) plainName(ctx context.Context, r relation) (string, error) {
	found, err := s.pool.oidOf(ctx, sqlfile.Column(r.name))
	if err != nil {
		return "", mapError("look up "+r.path(), err)
	}
	if found == r.oid {
		return sqlfile.Plain(r.name), nil
	}
	return r.path(), nil
}
