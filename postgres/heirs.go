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
	heirs, err := allRows(ctx, q, "look for tables that inherit from "+sessions.path(), pgx.RowTo[string], `
		WITH RECURSIVE tree (oid) AS (
		    SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1::oid
		     UNION SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
		)
		SELECT n.nspname || '.' || c.relname
		  FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE NOT c.relispartition ORDER BY 1`, sessions.oid)
	if err != nil || len(heirs) == 0 {
		return err
	}
	return invalid.Databasef("the table %s has tables that inherit from it: %s; no key, index or trigger of %s covers their rows: "+
		"want partitions (PARTITION BY), or ALTER TABLE … NO INHERIT %s", sessions.path(), strings.Join(heirs, ", "), sessions.path(), sessions.sql())
}

// covered reports whether the rows of an activity table are rows of another one, from which it inherits.
func (m *mapping) covered(s source) bool {
	return slices.ContainsFunc(m.sources, func(other source) bool {
		return slices.Contains(s.above, other.oid) && other.Session == s.Session && m.reads(other.relation)
	})
}

// branchLater is a table whose rows count as those of an activity table, as soon as Migrate adds triggers to it.
type branchLater struct {
	Source, Name string
	Partition    bool
}

// checkBranches reports tables that inherit from an activity table and lack its triggers. Of partitions without them it only
// warns: most applications write to the parent of partitions, whose triggers fire then.
func (s *Store) checkBranches(ctx context.Context, m *mapping, report func(format string, args ...any)) error {
	later, err := allRows(ctx, s.pool, "look for partitions of activity tables", pgx.RowToStructByPos[branchLater], m.statement("branches_later_of_all"))
	for _, b := range later {
		if b.Partition {
			s.cfg.Logger.WarnContext(ctx, fmt.Sprintf("rows written directly to %s, a partition of %s, do not count as activity until the next migrate", b.Name, b.Source))
		} else {
			report("rows of table %s, which inherits from %s, do not count as activity yet", b.Name, b.Source)
		}
	}
	return err
}
