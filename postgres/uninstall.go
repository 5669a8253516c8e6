package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Uninstall removes what Migrate added, the last first, blocking writers no more than Migrate does. A table of the library's
// own stays while there are sessions in it. The next call finishes what an interrupted one left.
func (s *Store) Uninstall(ctx context.Context) error {
	defer s.forget()
	space, err := s.findSpace(ctx)
	if err != nil {
		if errors.Is(err, sessioncleanup.ErrNotInstalled) {
			return nil
		}
		return err
	}
	lock, err := s.lock(ctx, space)
	if err != nil {
		return err
	}
	defer lock.release(ctx)
	m := &mapping{space: space, names: sqlfile.Names{}}
	var tables []string
	for _, table := range ownTables() {
		m.names[table] = m.own(table)
		tables = append(tables, m.own(table))
	}
	set, err := readSettings(ctx, s.pool, space)
	if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return err
	}
	if len(set.added) > 0 { // from here on the installation is unfinished
		if err := s.runStep(ctx, m, step{sql: []string{m.statement("settings_complete", sqlfile.Names{"adoption": "0"})}}); err != nil {
			return err
		}
	}
	for _, o := range slices.Backward(set.added) {
		if err := lock.check(ctx); err != nil {
			return err
		}
		if err := s.remove(ctx, m, o); err != nil {
			return fmt.Errorf("remove the %s %s: %w", o.Kind, o.Name, err)
		}
	}
	return s.runStep(ctx, m, step{sql: []string{"DROP TABLE IF EXISTS " + strings.Join(tables, ", ") + ";"}})
}

// remove drops one object. It is no error if the application dropped it already.
func (s *Store) remove(ctx context.Context, m *mapping, o object) error {
	st := step{drops: []object{o}}
	name := sqlfile.Column(m.space) + "." + sqlfile.Column(o.Name)
	var there bool
	if o.Table != "" {
		if err := s.pool.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", o.Table).Scan(&there); err != nil {
			return mapError("look for "+o.Table, err)
		}
		if !there {
			return s.runStep(ctx, m, st)
		}
	}
	switch o.Kind {
	case "index":
		return s.removeIndex(ctx, m, o)
	case "table":
		return s.removeTable(ctx, m, o)
	case "trigger":
		st.sql = []string{dropTrigger(o)}
	case "view":
		st.sql = []string{"DROP VIEW IF EXISTS " + name + ";"}
	case "function":
		st.sql = []string{"DROP FUNCTION IF EXISTS " + name + ";"}
	case "column":
		st.sql = []string{fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s;", o.Table, sqlfile.Column(o.Name))}
	case "default":
		st.sql = []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", o.Table, sqlfile.Column(o.Name))}
	default:
		return fmt.Errorf("%w: this version does not know how to drop it", sessioncleanup.ErrNewerSchema)
	}
	return s.runStep(ctx, m, st)
}

// removeIndex drops an index without blocking writers where that is possible: that of a partitioned table is dropped
// at once, with those of its partitions.
func (s *Store) removeIndex(ctx context.Context, m *mapping, o object) error {
	var kind string
	var part bool
	err := s.pool.QueryRow(ctx, "SELECT c.relkind::text, c.relispartition FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1::text)", o.Name).Scan(&kind, &part)
	if err := ignoreNoRows(err); err != nil {
		return mapError("look for the index", err)
	}
	switch {
	case kind == "I" && !part:
		return s.runStep(ctx, m, step{drops: []object{o}, sql: []string{"DROP INDEX IF EXISTS " + o.Name + ";"}})
	case kind != "" && !part:
		err := s.persist(ctx, func() error {
			_, err := s.pool.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+o.Name)
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.runStep(ctx, m, step{drops: []object{o}})
}

func (s *Store) removeTable(ctx context.Context, m *mapping, o object) error {
	var empty bool
	err := s.pool.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM "+o.Name+")").Scan(&empty)
	if hasCode(err, "42P01") || err == nil && !empty {
		return s.runStep(ctx, m, step{drops: []object{o}})
	}
	if err != nil {
		return mapError("check whether the table is empty", err)
	}
	// Sessions inserted since then keep the table, too.
	return s.runStep(ctx, m, step{drops: []object{o}, sql: []string{
		"LOCK TABLE " + o.Name + " IN ACCESS EXCLUSIVE MODE;",
		"DO $$ BEGIN IF NOT EXISTS (SELECT FROM " + o.Name + ") THEN DROP TABLE " + o.Name + "; END IF; END $$;",
	}})
}
