package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Migrate adopts the host's tables, or makes one, without blocking their writers: each change of a table takes its
// lock for the moment of a change of the catalog and gives up within 40 ms when it cannot have it, to try again;
// indexes are built concurrently; old sessions get their last activity in batches. What an interrupted call left
// is finished by the next.
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
	lock, err := s.lock(ctx, plan.l.space)
	if err != nil {
		return err
	}
	defer lock.release(ctx)
	if err := s.migrateLibrary(ctx, plan.l); err != nil {
		return err
	}
	if plan, err = s.prepare(ctx, p); err != nil { // again: somebody else may have migrated until now
		return err
	}
	if err := s.runStep(ctx, plan.l, plan.settingsStep()); err != nil {
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
	if err := s.runStep(ctx, plan.l, completeStep(plan.l)); err != nil {
		return err
	}
	s.warn(ctx, plan.l)
	return nil
}

// MigrationSQL is what Migrate would do now, as SQL for people with their own tool. It changes nothing. Statements
// that must stand outside of a transaction say so. The backfill, which Migrate does in batches, is one statement here.
func (s *Store) MigrationSQL(ctx context.Context, p sessioncleanup.Policy) (string, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	plan, err := s.prepare(ctx, p)
	if err != nil {
		return "", err
	}
	applied := int64(-1)
	err = s.pool.QueryRow(ctx, "SELECT max(version_id) FROM "+plan.l.own("migrations")).Scan(&applied)
	if err != nil && !hasCode(err, "42P01", "3F000") {
		return "", mapError("read the version of the library's tables", err)
	}
	library, err := s.librarySQL(plan.l, applied)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	section := func(about string, statements ...string) {
		fmt.Fprintf(&out, "-- %s\n%s\n\n", about, strings.Join(statements, "\n"))
	}
	if len(library) > 0 {
		section("create the library's tables", library...)
	}
	section("say what is adopted", plan.settingsStep().sql...)
	for _, step := range append(plan.steps, completeStep(plan.l)) {
		about := step.about
		if step.alone {
			about += " (outside of a transaction)"
		}
		section(about, append(step.record(plan.l), step.sql...)...)
	}
	return out.String(), nil
}

// prepare reads the database and plans what is missing.
func (s *Store) prepare(ctx context.Context, policy sessioncleanup.Policy) (*plan, error) {
	p := &plan{q: s.pool, policy: policy.WithDefaults()}
	host, set, err := s.wanted(ctx)
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
	p.l, err = readLayout(ctx, s.pool, host, zone)
	if errors.Is(err, errNoTable) && (isOwn(host) || len(set.added) > 0 && set.added[0].Kind == "table") {
		p.create, err = true, nil
	}
	if errors.Is(err, errNoTable) {
		return nil, fmt.Errorf("%w: schema.table is %q: there is no such table; check its name, its schema and the role's search_path",
			sessioncleanup.ErrInvalid, host.Table)
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkRights(ctx, p); err != nil {
		return nil, err
	}
	return p, p.build(ctx)
}

// wanted gives the schema to adopt: the configured one, that of an earlier Migrate, or what Inspect proposes.
func (s *Store) wanted(ctx context.Context) (sessioncleanup.Schema, settings, error) {
	host := s.cfg.Schema
	space, err := s.findSpace(ctx)
	var set settings
	if err == nil {
		set, err = readSettings(ctx, s.pool, space)
	}
	switch {
	case err == nil && set.complete > adoption:
		return host, set, fmt.Errorf("%w: upgrade this program", sessioncleanup.ErrNewerSchema)
	case err == nil && host.IsZero():
		return set.host, set, nil
	case err == nil:
		was, _ := findRelation(ctx, s.pool, set.host.Table)
		is, _ := findRelation(ctx, s.pool, host.WithDefaults().Table)
		if was.oid != is.oid {
			return host, set, fmt.Errorf("%w: schema %s has adopted the table %s already; uninstall that first", sessioncleanup.ErrInvalid, space, set.host.Table)
		}
	case !errors.Is(err, sessioncleanup.ErrNotInstalled):
		return host, set, err
	case host.IsZero():
		host, err = s.Inspect(ctx)
		if err != nil {
			return host, set, err
		}
	}
	return host, set, nil
}

// zone is the configured time zone, or that of the connection.
func (s *Store) zone(ctx context.Context) (string, error) {
	var zone string
	var known bool
	err := s.pool.QueryRow(ctx, `
		SELECT z.name, EXISTS (SELECT FROM pg_catalog.pg_timezone_names n WHERE n.name = z.name)
		  FROM (SELECT coalesce($1::text, current_setting('TimeZone')) AS name) z`, orNull(s.cfg.TimeZone)).Scan(&zone, &known)
	if err != nil {
		return "", mapError("read the time zone", err)
	}
	if !known {
		return "", fmt.Errorf("%w: the time zone %q is none that the server knows; set Config.TimeZone", sessioncleanup.ErrInvalid, zone)
	}
	return zone, nil
}

// settingsStep remembers what is adopted, with every table's schema.
func (p *plan) settingsStep() step {
	host := p.l.host
	host.Table = p.l.table.path()
	if host.Owners != nil {
		owners := *host.Owners
		owners.Table = p.l.owners.path()
		host.Owners = &owners
	}
	host.Sources = nil
	for _, src := range p.l.sources {
		host.Sources = append(host.Sources, sessioncleanup.Source{Table: src.path(), Session: src.Session, At: src.At})
	}
	data, err := json.Marshal(host)
	if err != nil {
		panic(err) // strings only
	}
	return step{about: "say what is adopted", sql: []string{p.l.statement("settings_write", sqlfile.Names{
		"host_json": literal(string(data)), "zone_text": literal(p.l.zone),
	})}}
}

func completeStep(l *layout) step {
	return step{about: "note that all is done", sql: []string{l.statement("settings_complete", sqlfile.Names{"adoption": fmt.Sprint(adoption)})}}
}

// record is the SQL that notes what a step adds and drops.
func (s step) record(l *layout) []string {
	var out []string
	for _, o := range s.adds {
		out = append(out, l.statement("settings_add", sqlfile.Names{"object": text(o)}))
	}
	for _, o := range s.drops {
		out = append(out, l.statement("settings_remove", sqlfile.Names{"object": text(o)}))
	}
	return out
}

// perform does one step, whatever its kind.
func (s *Store) perform(ctx context.Context, p *plan, st step) error {
	switch {
	case st.fill:
		return s.backfill(ctx, p.l)
	case st.alone:
		if len(st.adds) > 0 {
			if err := s.runStep(ctx, p.l, step{adds: st.adds}); err != nil {
				return err
			}
		}
		return s.runAlone(ctx, p, st)
	default:
		return s.runStep(ctx, p.l, st)
	}
}

// lockPatience is how long a change of a table waits for its lock: as long as the host's statements queue behind it.
const lockPatience = 40 * time.Millisecond

// runStep does a step in one transaction and one round trip, again and again while a table is locked by others.
func (s *Store) runStep(ctx context.Context, l *layout, st step) error {
	script := "BEGIN;\nSET LOCAL lock_timeout = " + milliseconds(lockPatience) + ";\nSET LOCAL statement_timeout = 0;\n" +
		"SET LOCAL max_parallel_workers_per_gather = 0;\n" +
		strings.Join(append(st.sql, st.record(l)...), "\n") + "\nCOMMIT;"
	return s.persist(ctx, func() error { return s.script(ctx, script) })
}

// persist repeats what fails because others hold a lock, until MigrateWait is over.
func (s *Store) persist(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(s.cfg.MigrateWait)
	for {
		err := do()
		if err == nil || !hasCode(err, codeLockNotAvailable, "40P01", "40001") {
			return mapError("migrate", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: others kept the table locked for %v; end the transactions that pg_stat_activity shows, or try when it is quieter: %w",
				sessioncleanup.ErrUnavailable, s.cfg.MigrateWait, err)
		}
		if err := pause(ctx, 50*time.Millisecond+rand.N(150*time.Millisecond)); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// script sends several statements at once and leaves no transaction open.
func (s *Store) script(ctx context.Context, sql string) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // closes the connection when it is in a failed transaction
	_, err = conn.Conn().PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// runAlone does what must not be in a transaction, and sees to it that an index was finished.
func (s *Store) runAlone(ctx context.Context, p *plan, st step) error {
	if err := s.awaitIndexing(ctx, p.l.table.oid); err != nil {
		return err
	}
	for _, sql := range st.sql {
		if err := s.execSerially(ctx, sql); err != nil {
			if hasCode(err, codeQueryCanceled) && ctx.Err() == nil {
				return fmt.Errorf("%w: %w; the role's statement_timeout is too short to build an index on this table: "+
					"ALTER ROLE … SET statement_timeout = 0, or add ?statement_timeout=0 to the database URL for this call, then migrate again", sessioncleanup.ErrUnavailable, err)
			}
			return mapError("migrate", err)
		}
	}
	if st.index == "" {
		return nil
	}
	var valid bool
	err := s.pool.QueryRow(ctx, "SELECT coalesce((SELECT i.indisvalid FROM pg_catalog.pg_index i WHERE i.indexrelid = to_regclass($1::text)), false)", st.index).Scan(&valid)
	if err == nil && !valid {
		return fmt.Errorf("%w: the index %s was not finished; migrate again", sessioncleanup.ErrUnavailable, st.index)
	}
	return mapError("check the index", err)
}

// execSerially executes a statement outside of a transaction, with one process of the server: several would build an
// index sooner, and take the processors from the host's statements. That is a setting of the connection, so where a
// pooler stands between, and the connection may be anybody's with the next statement, it stays as it is.
func (s *Store) execSerially(ctx context.Context, sql string) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var process uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&process); err != nil {
		return err
	}
	if process == conn.Conn().PgConn().PID() { // a pooler invents a number of its own
		if _, err := conn.Exec(ctx, "SET max_parallel_maintenance_workers = 0", pgx.QueryExecModeExec); err != nil {
			return err
		}
		defer func() {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
			defer cancel()
			if _, err := conn.Exec(end, "RESET max_parallel_maintenance_workers", pgx.QueryExecModeExec); err != nil {
				_ = conn.Conn().Close(end)
			}
		}()
	}
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeExec)
	return err
}

// awaitIndexing waits for an index that a server process still builds for a caller that is gone.
func (s *Store) awaitIndexing(ctx context.Context, table uint32) error {
	for {
		var busy bool
		err := s.pool.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
			                WHERE p.relid IN (SELECT $1::oid UNION SELECT t.relid FROM pg_catalog.pg_partition_tree($1::oid::regclass) t))`, table).Scan(&busy)
		if err != nil || !busy {
			return mapError("look for unfinished indexes", err)
		}
		if err := pause(ctx, pollLock); err != nil {
			return err
		}
	}
}
