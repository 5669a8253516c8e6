package postgres

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// guarded is a pool whose statements find the server's functions and operators only, not those that others made on the
// connection's search path: each round trip has a search path of its own. Once it is told to, each round trip also has the
// role of the sessions' owner, so that what is made belongs to the owner. That is no protection from the owner: code on the
// table can reset the role. So superusers need Config.TrustOwner.
type guarded struct {
	pool  *pgxpool.Pool
	guard atomic.Pointer[guard]
}

// guard is what a round trip or a transaction begins with.
type guard struct {
	role string // whose rights it has; empty for those of the connection
	path string // the search path, quoted
}

const serverPath = "pg_catalog, pg_temp"

// sql is the statement that sets it, until the end of the transaction. It has times, texts and arrays written and read as they are
// here, whatever the role, the database or the server set, and no expressions compiled: for what reads the catalog that takes
// seconds, and saves nothing. A database without an encoding converts nothing, and would refuse texts that are not UTF-8.
func (g guard) sql() string {
	sql := "SELECT pg_catalog.set_config('search_path', " + literal(g.path) + ", true), pg_catalog.set_config('datestyle', 'ISO', true), pg_catalog.set_config('jit', 'off', true)," +
		" pg_catalog.set_config('client_encoding', CASE pg_catalog.getdatabaseencoding() WHEN 'SQL_ASCII' THEN pg_catalog.current_setting('client_encoding') ELSE 'UTF8' END, true)," +
		" pg_catalog.set_config('standard_conforming_strings', 'on', true), pg_catalog.set_config('array_nulls', 'on', true)"
	if g.role != "" {
		sql += ", pg_catalog.set_config('role', " + literal(g.role) + ", true)"
	}
	return sql
}

func guardPool(pool *pgxpool.Pool) *guarded {
	g := &guarded{pool: pool}
	g.guard.Store(&guard{path: serverPath})
	return g
}

// use has what follows run with the rights of a role, and find the operators of the types of a mapping.
func (g *guarded) use(role string, m *mapping) { g.guard.Store(&guard{role: role, path: m.safe}) }

// own is the same pool with the rights of its connections.
func (g *guarded) own() *guarded { return guardPool(g.pool) }

// begin is the first statement of a transaction.
func (g *guarded) begin() string { return g.guard.Load().sql() }

// SendBatch sends what is queued in one round trip.
func (g *guarded) SendBatch(ctx context.Context, queued *pgx.Batch) pgx.BatchResults {
	batch := &pgx.Batch{}
	batch.Queue(g.begin())
	batch.QueuedQueries = append(batch.QueuedQueries, queued.QueuedQueries...)
	return g.pool.SendBatch(ctx, batch)
}

// Query is that of a pool.
func (g *guarded) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	batch := &pgx.Batch{}
	batch.Queue(g.begin())
	batch.Queue(sql, args...)
	results := g.pool.SendBatch(ctx, batch)
	if _, err := results.Exec(); err != nil {
		_ = results.Close()
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		_ = results.Close()
		return nil, err
	}
	return &batchRows{rows, results}, nil
}

// QueryRow is that of a pool.
func (g *guarded) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := g.Query(ctx, sql, args...)
	return row{rows, err}
}

// Exec is that of a pool.
func (g *guarded) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := g.Query(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// allRows returns the rows of a query. Its error says what was being done.
func allRows[T any](ctx context.Context, q *guarded, doing string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, mapError(doing, err)
	}
	all, err := pgx.CollectRows(rows, scan)
	return all, mapError(doing, err)
}

// batchRows are rows that end their batch.
type batchRows struct {
	pgx.Rows
	results pgx.BatchResults
}

// Close ends the batch too, so that its connection goes back to the pool.
func (r *batchRows) Close() {
	r.Rows.Close()
	_ = r.results.Close()
}

// row is the first of some rows.
type row struct {
	rows pgx.Rows
	err  error
}

// Scan is that of a pool's row.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// searchPath lists the schemas in which the connections look for names, without those of the server.
func (g *guarded) searchPath(ctx context.Context) (spaces []string, err error) {
	err = g.pool.QueryRow(ctx, "SELECT pg_catalog.current_schemas(false)").Scan(&spaces)
	return spaces, err
}

// oidOf looks a table up, through the connection's search path unless its name has a schema. Zero when there is none.
func (g *guarded) oidOf(ctx context.Context, table string) (uint32, error) {
	var oid *uint32
	err := g.pool.QueryRow(ctx, "SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid", sqlfile.Table(table)).Scan(&oid)
	if err != nil || oid == nil {
		return 0, err
	}
	return *oid, nil
}

// ownerOf is the owner of a table, which must exist.
func (g *guarded) ownerOf(ctx context.Context, table string) (owner string, err error) {
	err = g.QueryRow(ctx, "SELECT pg_get_userbyid(c.relowner)::text FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1::text)", table).Scan(&owner)
	return owner, mapError("look up the owner of "+table, err)
}

// roles are those that matter for what is to be done with a table.
type roles struct {
	current string // the connection's
	login   string // who logged in, whose rights a session can resume
	super   bool   // one of the two is a superuser
	more    string // what the login may do and the owner may not, in words
	owner   string // that of the table
	trusted bool   // the owner is a superuser
	member  bool   // the current role may act as the owner
}

func (g *guarded) rolesFor(ctx context.Context, table uint32) (r roles, err error) {
	err = g.own().QueryRow(ctx, `
		SELECT c.rolname::text, l.rolname::text, c.rolsuper OR l.rolsuper, o.rolname::text, o.rolsuper, pg_has_role(c.oid, o.oid, 'MEMBER'),
		       concat_ws(', ', CASE WHEN l.rolcreaterole AND NOT o.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN l.rolbypassrls AND NOT o.rolbypassrls THEN 'BYPASSRLS' END,
		                 CASE WHEN l.rolreplication AND NOT o.rolreplication THEN 'REPLICATION' END,
		                 (SELECT string_agg(p.rolname, ', ') FROM pg_roles p
		                   WHERE p.rolname LIKE 'pg\_%' AND pg_has_role(l.oid, p.oid, 'MEMBER') AND NOT pg_has_role(o.oid, p.oid, 'MEMBER')))
		  FROM pg_roles c, pg_roles l, pg_class t JOIN pg_roles o ON o.oid = t.relowner
		 WHERE c.rolname = current_user AND l.rolname = session_user AND t.oid = $1::oid`, table).
		Scan(&r.current, &r.login, &r.super, &r.owner, &r.trusted, &r.member, &r.more)
	return r, mapError("look up the owner of the sessions", err)
}

// actor is the role with whose rights to work: that of the owner instead of a superuser's and, to migrate, that of any
// other member of the owner's role, so that what is made belongs to the owner. Empty for the connection's own.
func (r roles) actor(migrate bool) string {
	if r.current != r.owner && (r.super && !r.trusted || migrate && r.member && !r.super) {
		return r.owner
	}
	return ""
}

// errUntrusted says that a superuser's connection works on somebody's table only when told to.
var errUntrusted = invalid.Errorf("the owner is not trusted")

// act has what follows run with the rights of the table's owner where the connection's role has more.
func (s *Store) act(ctx context.Context, m *mapping, migrate bool) error {
	m.role = ""
	if m.table.oid != 0 {
		roles, err := s.pool.rolesFor(ctx, m.table.oid)
		if err != nil {
			return err
		}
		if roles.super && !roles.trusted && !s.cfg.TrustOwner {
			return fmt.Errorf("%w: %s is a superuser, and table %s belongs to %s, who is not: triggers and functions of %s would run in this session and could use a superuser's rights; "+
				"log in as %s or as a cleaner's role, or trust %s with them by --trust-owner (Config.TrustOwner)",
				errUntrusted, roles.login, m.table.path(), roles.owner, roles.owner, roles.owner, roles.owner)
		}
		if migrate && roles.member && roles.login != roles.owner && !roles.trusted && roles.more != "" && !s.cfg.TrustOwner {
			return fmt.Errorf("%w: %s has rights that %s, who owns table %s, has not (%s): triggers of %s would run in this session and could use them; "+
				"log in as %s to migrate, or trust %s with them by --trust-owner (Config.TrustOwner)",
				errUntrusted, roles.login, roles.owner, m.table.path(), roles.more, roles.owner, roles.owner, roles.owner)
		}
		m.role = roles.actor(migrate)
	}
	s.pool.use(m.role, m)
	return nil
}

// give is the SQL that gives relations that a role made to another, and takes from all others what default privileges
// granted them, on their sequences too.
func give(relations []string, to string) string {
	body := "DECLARE v_grant record; BEGIN\n"
	if to != "" {
		for _, r := range relations {
			body += fmt.Sprintf("IF to_regclass(%s) IS NOT NULL THEN ALTER TABLE %s OWNER TO %s; END IF;\n", literal(r), r, sqlfile.Column(to))
		}
	}
	body += "FOR v_grant IN SELECT DISTINCT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || c.oid::regclass AS path, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role\n" +
		"  FROM unnest(ARRAY["
	for i, r := range relations {
		if i > 0 {
			body += ", "
		}
		body += "to_regclass(" + literal(r) + ")::oid"
	}
	body += "]) r (oid) JOIN pg_catalog.pg_class c ON c.oid = r.oid OR c.relkind = 'S' AND c.oid IN (\n" +
		"    SELECT d.objid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid AND d.deptype IN ('a', 'i'))\n" +
		"  CROSS JOIN aclexplode(c.relacl) a\n WHERE a.grantee <> c.relowner LOOP\n" +
		"    EXECUTE 'REVOKE ALL ON ' || v_grant.path || ' FROM ' || v_grant.role;\nEND LOOP; END"
	return "DO " + literal(body) + ";"
}
