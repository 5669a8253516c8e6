package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Uninstall removes what Migrate added, in reverse order, and blocks writers no more than Migrate does. A table that
// Migrate created stays while it has sessions. The next call finishes what an interrupted one began.
func (s *Store) Uninstall(ctx context.Context) error {
	defer s.forget()
	space, err := s.findSpace(ctx)
	if err != nil {
		if errors.Is(err, sessioncleanup.ErrNotInstalled) && !isPassedOver(err, nil) {
			return s.dropBarest(ctx)
		}
		return err
	}
	m := &mapping{space: space, names: sqlfile.Names{}, safe: serverPath}
	for _, table := range ownTables() {
		m.names[table] = m.own(table)
	}
	if m.table.oid, err = s.pool.oidOf(ctx, m.own("settings")); err != nil {
		return mapError("look for the library's tables", err)
	}
	if err := s.act(ctx, m, true); err != nil {
		return err
	}
	lock, err := s.lock(ctx, m)
	if err != nil {
		return err
	}
	defer lock.release(ctx)
	if err := checkWriters(ctx, s.pool, space); err != nil {
		return err
	}
	set, err := readSettings(ctx, s.pool, space)
	if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return err
	}
	found, err := findOwn(ctx, s.pool, space)
	if err != nil {
		return err
	}
	added, was, is, err := set.renamed(ctx, s.pool)
	if err != nil {
		return err
	}
	all := inOrder(merged(added, found))
	if err := errors.Join(s.checkRestored(ctx, m), s.checkRemovable(ctx, space, all), s.checkRestorable(ctx, set.replaced)); err != nil {
		return err
	}
	if len(set.added) > 0 { // from here on the installation is unfinished
		if err := s.runStep(ctx, m, step{drops: was, adds: is, sql: []string{m.statement("settings_complete", sqlfile.Names{"adoption": "0"})}}); err != nil {
			return err
		}
	}
	for _, o := range all {
		if err := lock.check(ctx); err != nil {
			return err
		}
		if err := s.remove(ctx, m, o, len(set.added) > 0); err != nil {
			return fmt.Errorf("remove the %s: %w", o.words(), err)
		}
	}
	if err := s.restore(ctx, m, set.replaced); err != nil {
		return fmt.Errorf("restore what was there before: %w", err)
	}
	most := slices.DeleteFunc(m.ownRelations(), func(table string) bool { return table == m.own("settings") })
	if err := s.runStep(ctx, m, step{sql: []string{"DROP TABLE IF EXISTS " + strings.Join(most, ", ") + ";"}}); err != nil {
		return err
	}
	return errors.Join(lock.drop(ctx, m.own("settings")), s.dropSpace(ctx, m))
}

// checkRestored refuses to drop an archive with entries.
func (s *Store) checkRestored(ctx context.Context, m *mapping) error {
	there, err := s.pool.oidOf(ctx, m.own("archive"))
	if err != nil || there == 0 {
		return mapError("look for the archive", err)
	}
	var n int
	if err := s.pool.QueryRow(ctx, "SELECT count(*) FROM "+m.own("archive")).Scan(&n); err != nil {
		return mapError("look into the archive", err)
	}
	if n > 0 {
		return invalid.Databasef("the archive holds %d sessions that were deleted: restore or purge them first", n)
	}
	return nil
}

// barest finds the tables that Migrate makes before the settings, its lock and the versions, where it was interrupted between
// them, or where the server created the second after an Uninstall that did not see it yet.
const barest = `
	SELECT c.oid, n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	 WHERE CASE $1::text WHEN '' THEN n.nspname NOT LIKE 'sessioncleanup\_%' OR pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $1::text END
	   AND c.relname IN ('sessioncleanup_migrating', 'sessioncleanup_migrations') AND c.relkind = 'r' AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
	   AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relnamespace = c.relnamespace AND o.relname = 'sessioncleanup_settings')
	 ORDER BY pg_catalog.pg_table_is_visible(c.oid) DESC LIMIT 1`

// dropBarest removes those tables, unless another process is migrating there.
func (s *Store) dropBarest(ctx context.Context) error {
	m := &mapping{names: sqlfile.Names{}, safe: serverPath}
	err := s.pool.QueryRow(ctx, barest, spaceOf(s.cfg.Name)).Scan(&m.table.oid, &m.space)
	if errors.Is(err, pgx.ErrNoRows) {
		return s.dropSpace(ctx, m)
	}
	if err != nil {
		return mapError("look for what an interrupted migration left", err)
	}
	if err := s.act(ctx, m, true); err != nil {
		return err
	}
	lock, err := s.lock(ctx, m)
	if err != nil {
		return err
	}
	defer lock.release(ctx)
	settings, err := s.pool.oidOf(ctx, m.own("settings"))
	if err != nil || settings != 0 {
		return mapError("look for the library's tables", err)
	}
	return errors.Join(lock.drop(ctx, m.own("migrations")), s.dropSpace(ctx, m))
}

// checkRemovable fails, before anything is removed, when something of the application's depends on it.
func (s *Store) checkRemovable(ctx context.Context, space string, all []object) error {
	var doomed []object
	for _, o := range all {
		if o.Kind == "table" {
			if empty, err := s.isEmpty(ctx, o); err != nil {
				return err
			} else if !empty { // it stays
				continue
			}
		}
		doomed = append(doomed, o)
	}
	for _, table := range ownTables() {
		doomed = append(doomed, object{Kind: "table", Space: space, Name: "sessioncleanup_" + table})
	}
	return refuseBlocked(ctx, s.pool, "uninstall", doomed, nil, "")
}

// inOrder sorts objects into the order of their removal: what depends on others comes first.
func inOrder(all []object) []object {
	rank := func(o object) int {
		return slices.Index([]string{"grant", "trigger", "view", "function", "index", "default", "column", "table"}, o.Kind)
	}
	slices.SortStableFunc(all, func(a, b object) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// remove drops one object. It is no error if the application dropped it already, and what it made under the same name is
// left alone.
func (s *Store) remove(ctx context.Context, m *mapping, o object, recorded bool) error {
	st := step{}
	if recorded {
		st.drops = []object{o}
	}
	if o.Table != "" {
		var there bool
		if err := s.pool.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", o.on()).Scan(&there); err != nil {
			return mapError("look for "+o.on(), err)
		}
		if !there {
			return s.runStep(ctx, m, st)
		}
	}
	switch o.Kind {
	case "index":
		return s.removeIndex(ctx, m, o, st)
	case "table":
		return s.removeTable(ctx, m, o, st)
	case "trigger":
		st.sql = []string{dropTrigger(o)}
	case "grant":
		st.sql = []string{revoke(o)}
	case "view":
		st.sql = []string{dropMarkedView(o)}
	case "function":
		st.sql = []string{dropFunctions(o.Space, o.Name)}
	case "column":
		st.sql = []string{fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s;", o.on(), sqlfile.Column(o.Name))}
	case "default":
		var there bool
		if err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass($1::text) AND a.attname = $2::text AND NOT a.attisdropped)",
			o.on(), o.Name).Scan(&there); err != nil {
			return mapError("look for the column "+o.Name, err)
		}
		if there {
			st.sql = []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", o.on(), sqlfile.Column(o.Name))}
		}
	default:
		return fmt.Errorf("%w: this version does not know how to drop it", sessioncleanup.ErrNewerSchema)
	}
	return s.runStep(ctx, m, st)
}

// dropMarkedView drops the view unless the application made one of its name in its place.
func dropMarkedView(o object) string {
	return "DO " + literal(fmt.Sprintf("BEGIN IF coalesce(obj_description(to_regclass(%s), 'pg_class') LIKE '%s%%', false) THEN DROP VIEW %s; END IF; END",
		literal(o.path()), ownMark, o.path())) + ";"
}

// removeIndex drops an index without blocking writers where that is possible: that of a partitioned table is dropped
// at once, with those of its partitions.
func (s *Store) removeIndex(ctx context.Context, m *mapping, o object, st step) error {
	var kind string
	var part bool
	// The statement below runs with the rights of the connection's role: only on what belongs to the owner of the settings.
	err := s.pool.QueryRow(ctx, `
		SELECT c.relkind::text, c.relispartition FROM pg_catalog.pg_class c JOIN pg_catalog.pg_class o ON o.relowner = c.relowner
		 WHERE c.oid = to_regclass($1::text) AND o.oid = $2::oid`, o.path(), m.table.oid).Scan(&kind, &part)
	if err := ignoreNoRows(err); err != nil {
		return mapError("look for the index", err)
	}
	switch {
	case kind == "I" && !part:
		return s.runStep(ctx, m, step{drops: st.drops, sql: []string{"DROP INDEX IF EXISTS " + o.path() + ";"}})
	case kind != "" && !part:
		err := s.persist(ctx, func() error {
			_, err := s.pool.pool.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+o.path())
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.runStep(ctx, m, st)
}

func (s *Store) removeTable(ctx context.Context, m *mapping, o object, st step) error {
	empty, err := s.isEmpty(ctx, o)
	if err != nil {
		return err
	}
	if empty { // sessions inserted since then keep the table, too
		st.sql = []string{
			"LOCK TABLE " + o.path() + " IN ACCESS EXCLUSIVE MODE;",
			"DO " + literal("BEGIN IF NOT EXISTS (SELECT FROM "+o.path()+") THEN DROP TABLE "+o.path()+"; END IF; END") + ";",
		}
	}
	return s.runStep(ctx, m, st)
}

// isEmpty reports whether a table exists and has no rows.
func (s *Store) isEmpty(ctx context.Context, o object) (empty bool, err error) {
	err = s.pool.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM "+o.path()+")").Scan(&empty)
	if hasCode(err, "42P01") {
		return false, nil
	}
	return empty, mapError("check whether the table is empty", err)
}
