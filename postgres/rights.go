package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// checkRights refuses to begin a migration that the role could not finish.
func (s *Store) checkRights(ctx context.Context, p *plan) error {
	var role string
	var create bool
	err := s.pool.QueryRow(ctx, `
		SELECT current_user, coalesce((SELECT has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text), false)`,
		p.l.space).Scan(&role, &create)
	if err != nil {
		return mapError("look up the role's rights", err)
	}
	if !create {
		return fmt.Errorf("%w: the role %s may not create tables in schema %q; GRANT CREATE ON SCHEMA %s TO %s, or migrate as its owner",
			sessioncleanup.ErrInvalid, role, p.l.space, p.l.space, role)
	}
	if !p.l.table.mine {
		return fmt.Errorf("%w: the role %s does not own the table %s, and so may not add columns and indexes to it; migrate as the owner",
			sessioncleanup.ErrInvalid, role, p.l.table.path())
	}
	for _, src := range p.l.sources {
		var trigger bool
		if err := s.pool.QueryRow(ctx, "SELECT has_table_privilege($1::oid, 'TRIGGER')", src.oid).Scan(&trigger); err != nil {
			return mapError("look up the role's rights", err)
		}
		if !trigger {
			return fmt.Errorf("%w: the role %s may not create a trigger on %s; GRANT TRIGGER ON %s TO %s, or leave that table out of the schema's sources",
				sessioncleanup.ErrInvalid, role, src.path(), src.path(), role)
		}
	}
	return nil
}

// warn says what will work, but not well.
func (s *Store) warn(ctx context.Context, l *layout) {
	var indexed bool
	err := s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		                WHERE i.indrelid = to_regclass($1::text) AND a.attname = $2::text AND i.indpred IS NULL AND i.indisvalid)`,
		l.table.sql(), l.host.ID).Scan(&indexed)
	log := s.cfg.Logger
	if err == nil && !indexed {
		log.WarnContext(ctx, fmt.Sprintf("no index begins with %s.%s: everything that looks sessions up by id will be slow; create one", l.table.path(), l.host.ID))
	}
	for _, src := range l.sources {
		if !src.indexed {
			log.WarnContext(ctx, fmt.Sprintf("no index begins with %s.%s: deleting sessions and counting their activity will be slow; create one", src.path(), src.Session))
		}
		if src.onDelete == "a" || src.onDelete == "r" { // no action, restrict
			log.WarnContext(ctx, fmt.Sprintf("the foreign key of %s.%s has no ON DELETE CASCADE: sessions with rows there cannot be deleted, and are reported as failures of each run", src.path(), src.Session))
		}
	}
	rows, err := s.pool.Query(ctx, `
		SELECT f.conrelid::regclass::text FROM pg_catalog.pg_constraint f
		 WHERE f.contype = 'f' AND f.confrelid = to_regclass($1::text) AND f.confdeltype IN ('a', 'r') AND f.conparentid = 0
		 ORDER BY 1`, l.table.sql())
	if err != nil {
		return
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	known := map[string]bool{}
	for _, src := range l.sources {
		known[src.name], known[src.path()] = true, true
	}
	for _, table := range tables {
		if !known[table] {
			log.WarnContext(ctx, fmt.Sprintf("the foreign key of %s has no ON DELETE CASCADE: sessions with rows there cannot be deleted, and are reported as failures of each run", table))
		}
	}
}
