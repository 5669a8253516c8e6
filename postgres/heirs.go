package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// checkHeirs refuses a table of sessions from which other tables inherit: none of its keys, indexes and triggers covers their
// rows, so IDs may repeat, and changes go unnoticed. Partitions, which have all of these, are accepted.
func checkHeirs(ctx context.Context, q *guarded, sessions relation) error {
	rows, err := q.Query(ctx, `
		WITH RECURSIVE tree (oid) AS (
		    SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1::oid
		     UNION SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
		)
		SELECT n.nspname || '.' || c.relname
		  FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE NOT c.relispartition ORDER BY 1`, sessions.oid)
	if err != nil {
		return mapError("look for tables that inherit from "+sessions.path(), err)
	}
	heirs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return mapError("look for tables that inherit from "+sessions.path(), err)
	}
	if len(heirs) == 0 {
		return nil
	}
	return invalid.Errorf("the table %s has tables that inherit from it: %s; no key, index or trigger of %s covers their rows: "+
		"want partitions (PARTITION BY), or ALTER TABLE … NO INHERIT %s", sessions.path(), strings.Join(heirs, ", "), sessions.path(), sessions.sql())
}

// covered reports whether the rows of an activity table are rows of another one, from which it inherits.
func (m *mapping) covered(s source) bool {
	return slices.ContainsFunc(m.sources, func(other source) bool {
		return slices.Contains(s.above, other.oid) && other.Session == s.Session && m.reads(other.relation)
	})
}

// checkBranches reports tables that inherit from an activity table and lack its triggers. Of partitions without them it only
// warns: most applications write to the parent of partitions, whose triggers fire then.
func (s *Store) checkBranches(ctx context.Context, m *mapping, report func(format string, args ...any)) error {
	for _, src := range m.sources {
		tables, err := branches(ctx, s.pool, src.oid)
		if err != nil {
			return mapError("look for partitions of "+src.path(), err)
		}
		for _, b := range tables {
			followed := slices.ContainsFunc(m.sources, func(other source) bool { return other.oid == b.OID && other.Session == src.Session })
			if followed { // missingObjects looks at it
				continue
			}
			var partition bool
			var triggers int
			err := s.pool.QueryRow(ctx, `
				SELECT c.relispartition, (SELECT count(*) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
				                           WHERE t.tgrelid = c.oid AND f.proname = $2::text AND t.tgname = ANY ($3::text[]))
				  FROM pg_catalog.pg_class c WHERE c.oid = $1::oid`, b.OID, trackName(src),
				[]string{short(m.label(), "insert", src.Session), short(m.label(), "update", src.Session)}).Scan(&partition, &triggers)
			if err = ignoreNoRows(err); err != nil {
				return mapError("look for triggers", err)
			}
			name := relation{space: b.Space, name: b.Name}.path()
			switch {
			case triggers == 2:
			case partition:
				s.cfg.Logger.WarnContext(ctx, fmt.Sprintf("rows written directly to %s, a partition of %s, do not count as activity until the next migrate", name, src.path()))
			default:
				report("rows of table %s, which inherits from %s, do not count as activity yet", name, src.path())
			}
		}
	}
	return nil
}
