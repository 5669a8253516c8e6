package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// step is one thing that Migrate does. Its SQL is one transaction, unless it is the backfill or must run alone.
type step struct {
	about string   // for people
	sql   []string // statements
	adds  []object // recorded in the same transaction, or before a step that runs alone
	drops []object // no longer recorded afterwards
	alone bool     // not in a transaction
	self  bool     // with the rights of the connection's role, not of the owner of the sessions
	index string   // the index built, quoted with its schema, if it is one
	fill  bool     // the backfill: sql is its form for people, Migrate does it in batches
	tags  bool     // the tags of columns, in the same way
}

// lockPatience is how long a change of a table waits for its lock: the application's statements queue behind it.
const lockPatience = 40 * time.Millisecond

// record is the SQL that notes what a step adds and drops.
func (s step) record(m *mapping) []string {
	var out []string
	if len(s.adds) > 0 {
		out = append(out, m.statement("settings_add", sqlfile.Names{"objects": literalOf(s.adds...)}))
	}
	for _, o := range s.drops {
		out = append(out, m.statement("settings_remove", sqlfile.Names{"objects": literalOf(o)}))
	}
	return out
}

// perform does one step, whatever its kind.
func (s *Store) perform(ctx context.Context, p *plan, st step) error {
	switch {
	case st.fill:
		return s.backfill(ctx, p)
	case st.tags:
		return s.tagColumns(ctx, p)
	case st.alone:
		if len(st.adds) > 0 {
			if err := s.runStep(ctx, p.m, step{adds: st.adds}); err != nil {
				return err
			}
		}
		return s.runAlone(ctx, p, st)
	default:
		return s.runStep(ctx, p.m, st)
	}
}

// runStep does a step in one transaction and one round trip, repeatedly while others keep a table locked.
func (s *Store) runStep(ctx context.Context, m *mapping, st step) error {
	begin := s.pool.begin()
	if st.self {
		begin = s.pool.own().begin()
	}
	script := "BEGIN ISOLATION LEVEL READ COMMITTED;\n" + begin + ";\nSET LOCAL lock_timeout = " + milliseconds(lockPatience) + ";\nSET LOCAL statement_timeout = 0;\nSELECT " + noTransactionTimeout + ";\n" +
		"SET LOCAL max_parallel_workers_per_gather = 0;\n" +
		strings.Join(append(st.sql, st.record(m)...), "\n") + "\nCOMMIT;"
	return s.persist(ctx, func() error {
		conn, err := s.pool.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release() // closes the connection when it is in a failed transaction
		_, err = conn.Conn().PgConn().Exec(ctx, script).ReadAll()
		return err
	})
}

// persist repeats what fails because others hold a lock, until MigrateWait is over.
func (s *Store) persist(ctx context.Context, do func() error) error {
	deadline, reports := time.Now().Add(s.cfg.MigrateWait), s.reports()
	for {
		err := do()
		if err == nil || !hasCode(err, codeLockNotAvailable, "40P01", "40001") {
			return mapError("migrate", err)
		}
		if time.Now().After(deadline) {
			holders, _ := s.oldest(ctx)
			return fmt.Errorf("%w: others kept a table locked for %v; end their transactions, or try when it is quieter; the oldest ones that hold locks: %s: %w",
				sessioncleanup.ErrUnavailable, s.cfg.MigrateWait, cmp.Or(holders, "none any more, see pg_stat_activity"), err)
		}
		reports.locked(ctx)
		if err := wait.For(ctx, 50*time.Millisecond+rand.N(150*time.Millisecond)); err != nil {
			return err
		}
	}
}

// runAlone does what must not be in a transaction, and checks that an index was finished.
func (s *Store) runAlone(ctx context.Context, p *plan, st step) error {
	if err := s.awaitIndexing(ctx, p.m.table.oid); err != nil {
		return err
	}
	for _, sql := range st.sql {
		if err := s.execSerially(ctx, sql); err != nil {
			if hasCode(err, codeQueryCanceled) && ctx.Err() == nil {
				return fmt.Errorf("%w: %w; the role's statement_timeout is too short to build an index on this table: "+
					"ALTER ROLE … SET statement_timeout = 0, or add ?statement_timeout=0 to the database URL for this call, then migrate again", sessioncleanup.ErrUnavailable, err)
			}
			s.dropUnfinished(ctx, p.m, st)
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

// dropUnfinished drops an index that could not be finished, unless its table is locked just then: the next call does that.
func (s *Store) dropUnfinished(ctx context.Context, m *mapping, st step) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	if st.index != "" {
		_ = s.runStep(end, m, step{sql: []string{"DROP INDEX IF EXISTS " + st.index + ";"}})
	}
}

// execSerially executes a statement outside of a transaction, with one process of the server: several would build an
// index sooner, and take the processors from the application's statements. That is a setting of the connection. Where a
// pooler shares connections between clients, it stays as it is.
func (s *Store) execSerially(ctx context.Context, sql string) error {
	conn, err := s.pool.pool.Acquire(ctx)
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
	return s.watched(ctx, process, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeExec)
		return err
	})
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
		if err := wait.For(ctx, pollLock); err != nil {
			return err
		}
	}
}
