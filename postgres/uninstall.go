package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Uninstall takes back what Migrate added, the last first, as gently as Migrate added it. A table of the library's own
// stays while there are sessions in it. What an interrupted call left is taken back by the next.
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
	l := &layout{space: space, names: sqlfile.Names{}}
	for _, table := range libraryTables() {
		l.names[table] = l.own(table)
	}
	set, err := readSettings(ctx, s.pool, space)
	if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return err
	}
	if len(set.added) > 0 { // from here on the installation is unfinished
		if err := s.runStep(ctx, l, step{sql: []string{l.statement("settings_complete", sqlfile.Names{"adoption": "0"})}}); err != nil {
			return err
		}
	}
	for _, o := range slices.Backward(set.added) {
		if err := lock.check(ctx); err != nil {
			return err
		}
		if err := s.takeBack(ctx, l, o); err != nil {
			return fmt.Errorf("take back the %s %s: %w", o.Kind, o.Name, err)
		}
	}
	drop := "DROP TABLE IF EXISTS "
	for i, table := range libraryTables() {
		if i > 0 {
			drop += ", "
		}
		drop += l.own(table)
	}
	return s.runStep(ctx, l, step{sql: []string{drop + ";"}})
}

func libraryTables() []string {
	return []string{"policy", "events", "leases", "touches", "backfill", "settings", "migrations"}
}

// takeBack drops one object. What the host dropped itself is no error.
func (s *Store) takeBack(ctx context.Context, l *layout, o object) error {
	st := step{drops: []object{o}}
	name := sqlfile.Column(l.space) + "." + sqlfile.Column(o.Name)
	var there bool
	if o.Table != "" {
		if err := s.pool.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", o.Table).Scan(&there); err != nil {
			return mapError("look for "+o.Table, err)
		}
		if !there {
			return s.runStep(ctx, l, st)
		}
	}
	switch o.Kind {
	case "index":
		return s.takeBackIndex(ctx, l, o)
	case "table":
		return s.takeBackTable(ctx, l, o)
	case "trigger":
		st.sql = []string{dropTrigger(o)}
	case "view":
		st.sql = []string{"DROP VIEW IF EXISTS " + name + ";"}
	case "function":
		st.sql = []string{"DROP FUNCTION IF EXISTS " + name + ";"}
		st.sql = append([]string{
			"DROP TRIGGER IF EXISTS sessioncleanup_apply ON " + l.own("touches") + ";",
			"DROP TRIGGER IF EXISTS sessioncleanup_keep ON " + l.own("policy") + ";",
		}, st.sql...)
	case "column":
		st.sql = []string{fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s;", o.Table, sqlfile.Column(o.Name))}
	case "default":
		st.sql = []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", o.Table, sqlfile.Column(o.Name))}
	default:
		return fmt.Errorf("%w: nobody knows how to drop it", sessioncleanup.ErrNewerSchema)
	}
	return s.runStep(ctx, l, st)
}

// takeBackIndex drops an index without blocking writers where that is possible: a partitioned table's goes at once
// with those of its partitions.
func (s *Store) takeBackIndex(ctx context.Context, l *layout, o object) error {
	var kind string
	var part bool
	err := s.pool.QueryRow(ctx, "SELECT c.relkind::text, c.relispartition FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1::text)", o.Name).Scan(&kind, &part)
	if err := ignoreNoRows(err); err != nil {
		return mapError("look for the index", err)
	}
	switch {
	case kind == "I" && !part:
		return s.runStep(ctx, l, step{drops: []object{o}, sql: []string{"DROP INDEX IF EXISTS " + o.Name + ";"}})
	case kind != "" && !part:
		err := s.persist(ctx, func() error {
			_, err := s.pool.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+o.Name)
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.runStep(ctx, l, step{drops: []object{o}})
}

func (s *Store) takeBackTable(ctx context.Context, l *layout, o object) error {
	var empty bool
	err := s.pool.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM "+o.Name+")").Scan(&empty)
	if hasCode(err, "42P01") || err == nil && !empty {
		return s.runStep(ctx, l, step{drops: []object{o}})
	}
	if err != nil {
		return mapError("see whether the table is empty", err)
	}
	// Sessions that arrive just now keep it too: the drop is for an empty table only.
	return s.runStep(ctx, l, step{drops: []object{o}, sql: []string{
		"LOCK TABLE " + o.Name + " IN ACCESS EXCLUSIVE MODE;",
		"DO $$ BEGIN IF NOT EXISTS (SELECT FROM " + o.Name + ") THEN DROP TABLE " + o.Name + "; END IF; END $$;",
	}})
}
