package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
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
	if !create {
		return invalid.Errorf("the role %s may not create tables in schema %q; GRANT CREATE ON SCHEMA %s TO %s, or migrate as its owner",
			role, p.m.space, p.m.space, role)
	}
	if !p.m.table.mine {
		return invalid.Errorf("the role %s does not own the table %s, and so may not add columns and indexes to it; migrate as the owner",
			role, p.m.table.path())
	}
	for _, src := range p.m.sources {
		var trigger bool
		if err := s.pool.QueryRow(ctx, "SELECT has_table_privilege($1::oid, 'TRIGGER')", src.oid).Scan(&trigger); err != nil {
			return mapError("look up the role's rights", err)
		}
		if !trigger {
			return invalid.Errorf("the role %s may not create a trigger on %s; GRANT TRIGGER ON %s TO %s, or leave that table out of the schema's sources",
				role, src.path(), src.path(), role)
		}
	}
	return nil
}

// warn logs what will be slow, or cannot be deleted.
func (s *Store) warn(ctx context.Context, m *mapping) {
	var indexed bool
	err := s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		                WHERE i.indrelid = to_regclass($1::text) AND a.attname = $2::text AND i.indpred IS NULL AND i.indisvalid)`,
		m.table.sql(), m.schema.ID).Scan(&indexed)
	log := s.cfg.Logger
	if err == nil && !indexed {
		log.WarnContext(ctx, fmt.Sprintf("no index begins with %s.%s: everything that looks sessions up by id will be slow; create one", m.table.path(), m.schema.ID))
	}
	for _, src := range m.sources {
		if !src.indexed {
			log.WarnContext(ctx, fmt.Sprintf("no index begins with %s.%s: deleting sessions and counting their activity will be slow; create one", src.path(), src.Session))
		}
	}
	rows, err := s.pool.Query(ctx, `
		SELECT n.nspname || '.' || c.relname || '.' || a.attname
		  FROM pg_catalog.pg_constraint f
		  JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		  JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
		 WHERE f.contype = 'f' AND f.confrelid = to_regclass($1::text) AND f.confdeltype IN ('a', 'r') AND f.conparentid = 0
		 ORDER BY 1`, m.table.sql())
	if err != nil {
		return
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, key := range keys {
		log.WarnContext(ctx, fmt.Sprintf("the foreign key of %s has no ON DELETE CASCADE: sessions with rows there cannot be deleted, and are reported as failures of each run", key))
	}
	if err != nil {
		log.WarnContext(ctx, "foreign keys could not be checked", "error", err)
	}
}
