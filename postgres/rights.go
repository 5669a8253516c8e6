package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// checkRights refuses to begin a migration that the role could not finish.
func (s *Store) checkRights(ctx context.Context, p *plan) error {
	var role string
	var create bool
	err := s.pool.QueryRow(ctx, `
		SELECT current_user, coalesce((SELECT has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text), false)`,
		p.m.space).Scan(&role, &create)
	if err != nil {
		return mapError("look up the role's rights", err)
	}
	if !p.m.table.mine {
		return invalid.Databasef("the role %s does not own the table %s, and so may not add columns and indexes to it; migrate as %s, or as a member of that role",
			role, p.m.table.path(), p.m.table.owner)
	}
	if !create && !p.space {
		return invalid.Databasef("the role %s may not create tables in schema %q; GRANT CREATE ON SCHEMA %s TO %s",
			role, p.m.space, sqlfile.Column(p.m.space), sqlfile.Column(role))
	}
	for _, src := range p.m.sources {
		var may bool
		if err := s.pool.QueryRow(ctx, "SELECT has_table_privilege($1::oid, 'TRIGGER') AND has_table_privilege($1::oid, 'SELECT')", src.oid).Scan(&may); err != nil {
			return mapError("look up the role's rights", err)
		}
		if !may {
			return invalid.Databasef("the role %s may not read %s or not create a trigger on it; GRANT SELECT, TRIGGER ON %s TO %s, or leave that table out of the schema's sources",
				role, src.path(), src.sql(), sqlfile.Column(role))
		}
	}
	return nil
}

// warn logs what will be slow, or cannot be deleted.
func (s *Store) warn(ctx context.Context, m *mapping) {
	for _, src := range m.sources {
		if !src.indexed && !src.referenced { // foreign keys are looked at below
			s.cfg.Logger.WarnContext(ctx, fmt.Sprintf("no index begins with %s.%s: deleting sessions and counting their activity will be slow; run: CREATE INDEX CONCURRENTLY ON %s (%s);",
				src.path(), src.Session, src.sql(), sqlfile.Column(src.Session)))
		}
	}
	if !m.schema.SoftDelete {
		s.warnOfKeys(ctx, m)
		s.warnOfOwners(ctx, m)
	}
}

// warnOfOwners logs roles, beside the owner of the sessions, that can run something with the rights of a role that cleans up:
// whoever writes a table runs its triggers.
func (s *Store) warnOfOwners(ctx context.Context, m *mapping) {
	var others string
	err := s.pool.QueryRow(ctx, "SELECT coalesce(string_agg(r.path, ', '), '') FROM ("+strings.TrimSuffix(strings.TrimSpace(statements["foreign_tables"]), ";")+") r", m.table.oid).Scan(&others)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "the owners of tables could not be checked", "error", err)
	} else if others != "" {
		s.cfg.Logger.WarnContext(ctx, fmt.Sprintf("a deletion of sessions reaches tables of other roles than %s: %s; their triggers run with the rights of the role that cleans up",
			m.table.owner, others))
	}
}

// warnOfKeys logs foreign keys that keep sessions from being deleted, or make that slow: those of all tables that a
// deletion reaches, however many steps away.
func (s *Store) warnOfKeys(ctx context.Context, m *mapping) {
	rows, err := s.pool.Query(ctx, statements["reached_keys"], m.table.oid)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "foreign keys could not be checked", "error", err)
		return
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[reachedKey])
	for _, k := range keys {
		if k.Refuses {
			s.cfg.Logger.WarnContext(ctx, fmt.Sprintf("the foreign key of %s has no ON DELETE CASCADE: sessions with rows there cannot be deleted, and are reported as failures of each run", k.Words))
		}
		if !k.Indexed {
			s.cfg.Logger.WarnContext(ctx, fmt.Sprintf("no index begins with the foreign key of %s: each deletion of a session reads that whole table; run: CREATE INDEX CONCURRENTLY ON %s (%s);",
				k.Words, k.Table, k.Columns))
		}
	}
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "foreign keys could not be checked", "error", err)
	}
}

// reachedKey is a foreign key that a deletion of a session has to check.
type reachedKey struct {
	Words   string
	Table   string // quoted
	Columns string // quoted
	Refuses bool
	Indexed bool
}

// checkRowSecurity fails when row security hides rows from the role: a run would find nothing due and say so.
func (s *Store) checkRowSecurity(ctx context.Context, m *mapping) error {
	tables := []uint32{m.table.oid}
	for _, src := range m.sources {
		tables = append(tables, src.oid)
	}
	var role string
	var hidden []string
	err := s.pool.QueryRow(ctx, `
		SELECT current_user::text, coalesce(array_agg(t.oid::regclass::text ORDER BY t.place) FILTER (
		           WHERE row_security_active(t.oid) AND (p.restricts OR NOT p.all_rows)), '{}')
		  FROM unnest($1::oid[]) WITH ORDINALITY t (oid, place)
		 CROSS JOIN LATERAL (
		       SELECT coalesce(bool_or(NOT p.polpermissive), false) AS restricts,
		              coalesce(bool_or(p.polpermissive AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true'), false) AS all_rows
		         FROM pg_catalog.pg_policy p
		        WHERE p.polrelid = t.oid
		          AND EXISTS (SELECT FROM unnest(p.polroles) r (oid) WHERE r.oid = 0 OR pg_has_role(r.oid, 'USAGE'))) p`, tables).Scan(&role, &hidden)
	if err != nil {
		return mapError("look for row security", err)
	}
	if len(hidden) > 0 {
		return invalid.Databasef("row security of table %s applies to the role %s, so that it may not see all sessions: ALTER ROLE %s BYPASSRLS, or CREATE POLICY … TO %s USING (true)",
			strings.Join(hidden, ", "), role, role, role)
	}
	return nil
}
