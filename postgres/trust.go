package postgres

import (
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

// This file decides which tables with the library's names are the library's. Somebody with fewer rights may have made
// them, to have an administrator's migrate or uninstall run what they name. Trusted is what belongs to the current role,
// to a superuser, or to the owner of the sessions table that was named, or that the search path leads to: by the schema
// or, where the library has a schema of its own, by the table's name.

// library is a database schema with a table of settings.
type library struct {
	Space   string
	Visible bool
	OID     uint32
	Owner   uint32
	Mine    bool // of the current role or a superuser
	Role    string
	Open    bool // the current role may read its settings
}

// trusted lists the libraries in the database that are to be trusted, those on the search path first, and those that are passed
// over. The configured table, if there is one, has the given oid.
func trusted(ctx context.Context, q *guarded, table uint32) (found, passed []library, err error) {
	path, err := q.searchPath(ctx)
	if err != nil {
		return nil, nil, mapError("read the search path", err)
	}
	all, err := allRows(ctx, q.own(), "look for the library's tables", pgx.RowToStructByPos[library], `
		SELECT n.nspname::text, coalesce(n.nspname = (
		           SELECT p.name FROM unnest($1::text[]) WITH ORDINALITY p (name, place) JOIN pg_catalog.pg_namespace pn ON pn.nspname = p.name
		             JOIN pg_catalog.pg_class pc ON pc.relnamespace = pn.oid AND pc.relname = 'sessioncleanup_settings' ORDER BY p.place LIMIT 1), false),
		       c.oid, c.relowner, r.rolsuper OR r.rolname = current_user, r.rolname::text,
		       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
		 WHERE c.relname = 'sessioncleanup_settings' AND c.relkind = 'r' AND c.relpersistence = 'p'
		 ORDER BY 2 DESC, 1`, path)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range all {
		ok := l.Mine
		if !ok {
			if ok, err = ownedByTable(ctx, q, l, table); err != nil {
				return nil, nil, err
			}
		}
		if ok {
			found = append(found, l)
		} else {
			passed = append(passed, l)
		}
	}
	return found, passed, nil
}

// passedOver is the ErrNotInstalled, and ErrInvalid, of a database with installations that the current role may not read, or that
// are not to be trusted unless their table is named.
type passedOver []library

func (p passedOver) Error() string {
	if !p[0].Open {
		return fmt.Sprintf("%v for this role, which may not read the installation of the role %[3]s in the schema %[2]s; as %[3]s, grant it the rights with migrate --cleaner-role or --app-role",
			sessioncleanup.ErrNotInstalled, p[0].Space, p[0].Role)
	}
	return fmt.Sprintf("%v, or not on the search_path; to use the installation of the role %[3]s in the schema %[2]s, name its sessions table with --table (Config.Schema.Table), or add the schema to the search_path",
		sessioncleanup.ErrNotInstalled, p[0].Space, p[0].Role)
}

func (p passedOver) Unwrap() []error {
	return []error{sessioncleanup.ErrNotInstalled, sessioncleanup.ErrInvalid}
}

// notFound is the ErrNotInstalled of a database in which these libraries were passed over.
func notFound(passed []library) error {
	if hidden := slices.DeleteFunc(passed, func(l library) bool { return l.Visible && l.Open }); len(hidden) > 0 {
		return passedOver(hidden)
	}
	return fmt.Errorf("%w; run migrate", sessioncleanup.ErrNotInstalled)
}

// isPassedOver reports whether an error says that installations were passed over, one in the schema of the table if there is one.
func isPassedOver(err error, table *relation) bool {
	var passed passedOver
	return errors.As(err, &passed) && (table == nil || slices.ContainsFunc(passed, func(l library) bool { return l.Space == table.space }))
}

// ownedByTable reports whether a library's tables belong to the owner of its table of sessions: the configured one or, if
// none is configured, the one that the settings name, when the search path leads to it.
func ownedByTable(ctx context.Context, q *guarded, l library, table uint32) (bool, error) {
	if err := checkOwnTables(ctx, q, l.Space, l.Owner); err != nil {
		return false, nil //nolint:nilerr // tables with somebody's code in them are nobody's library
	}
	var owned bool
	if table == 0 {
		set, err := readSettings(ctx, q, l.Space)
		if err != nil {
			return false, nil //nolint:nilerr // not the library's, or not adopted
		}
		r, err := findRelation(ctx, q, set.schema.Table)
		if err != nil {
			return false, nil //nolint:nilerr // gone: nothing vouches for the settings
		}
		table = r.oid
		if !l.Visible {
			found, err := q.oidOf(ctx, r.name)
			if err != nil || l.nameOf() == "" || found != r.oid {
				return false, mapError("look up the sessions", err)
			}
		}
	}
	err := q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = $1::oid AND c.relowner = $2::oid)", table, l.Owner).Scan(&owned)
	return owned, mapError("look up the owner of the sessions", err)
}

// checkWriters refuses settings that others may write: what they name is dropped, and statements in them are executed.
func checkWriters(ctx context.Context, q *guarded, space string) error {
	var path, roles string
	err := q.QueryRow(ctx, `
		SELECT coalesce(min(c.oid::regclass::text), ''), coalesce(string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', '), '')
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
		 WHERE n.nspname = $1::text AND c.relname = 'sessioncleanup_settings' AND a.privilege_type <> 'SELECT' AND a.grantee <> c.relowner
		   AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = a.grantee AND r.rolsuper)`, space).Scan(&path, &roles)
	if err == nil && roles != "" {
		return invalid.Databasef("%s may be written by %s: REVOKE ALL ON %s FROM %s, after a look at what is in it", path, roles, path, roles)
	}
	return mapError("look at who may write the settings", err)
}

// leaked lists sequences of the library, and the table of its lock, that others than their owner may use, as default
// privileges grant them: whoever may set a sequence can end it, and what is noted or logged with it.
func leaked(ctx context.Context, q *guarded, space string) (relations []string, err error) {
	err = q.QueryRow(ctx, `
		SELECT coalesce(array_agg(DISTINCT format('%I.%I', n.nspname, c.relname)), '{}')
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
		 WHERE n.nspname = $1::text AND c.relname LIKE 'sessioncleanup\_%' AND (c.relkind = 'S' OR c.relname = 'sessioncleanup_migrating') AND a.grantee <> c.relowner`,
		space).Scan(&relations)
	return relations, mapError("look at who may use the library's sequences", err)
}

// takeBack revokes what an earlier version left to others.
func (p *plan) takeBack(ctx context.Context) error {
	relations, err := leaked(ctx, p.q, p.m.space)
	if err == nil && len(relations) > 0 {
		p.add(step{about: "revoke what others may do with " + strings.Join(relations, ", "), sql: []string{give(relations, "")}})
	}
	return err
}

// warnOfCreators notes the roles that may make objects where the library's are.
func (p *plan) warnOfCreators(ctx context.Context) error {
	var roles string
	err := p.q.QueryRow(ctx, `
		SELECT coalesce(string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', '), '')
		  FROM pg_catalog.pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
		 WHERE n.nspname = $1::text AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
		   AND a.grantee NOT IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper OR r.rolname IN (current_user, $2::text))`, p.m.space, p.m.table.owner).Scan(&roles)
	if err == nil && roles != "" {
		p.warn("%s may create objects in schema %s, among those of this library: REVOKE CREATE ON SCHEMA %s FROM %s", roles, p.m.space, sqlfile.Column(p.m.space), roles)
	}
	return mapError("look at who may create objects", err)
}

// giveAway has what an earlier migration made belong to the owner of the sessions: with the rights of a role that made it
// before, or of one that owned the sessions, triggers would run longer than that one has something to do with them.
func (p *plan) giveAway(ctx context.Context) error {
	if p.create {
		return nil
	}
	owner := p.m.table.owner
	var others bool
	err := p.q.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		                WHERE n.nspname = $1::text AND c.relname = 'sessioncleanup_settings' AND pg_get_userbyid(c.relowner) <> $2::text)`, p.m.space, owner).Scan(&others)
	if err != nil || !others {
		return mapError("look up the owner of the library's tables", err)
	}
	relations := p.m.ownRelations()
	for _, view := range ownViews() {
		relations = append(relations, relation{space: p.m.space, name: view}.sql())
	}
	names := append(functions(), "sessioncleanup_view")
	for _, src := range p.m.sources {
		names = append(names, trackName(src))
	}
	p.first = append(p.first, step{about: "give what is installed to the owner of the sessions, " + owner, self: true, sql: []string{
		give(relations, owner),
		eachFunction(p.m.space, names, marked("f.oid", "pg_proc"), "ALTER FUNCTION %s OWNER TO "+strings.ReplaceAll(sqlfile.Column(owner), "%", "%%")),
	}})
	return nil
}

// checkOwnTables refuses tables with the library's names in a schema that Migrate would write to although they are not
// ordinary tables of one trusted owner, or have triggers or rules that the library does not make. Owner 0 stands for the
// current role, a superuser or the owner of the sessions.
func checkOwnTables(ctx context.Context, q *guarded, space string, owner uint32, sessions ...uint32) error {
	var wrong []string
	var names []string
	for _, name := range append(ownTables(), "migrating") {
		names = append(names, "sessioncleanup_"+name)
	}
	err := q.QueryRow(ctx, `
		SELECT coalesce(array_agg(c.relname || ' of role ' || r.rolname ORDER BY c.relname), '{}')
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
		 WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])
		   AND (c.relkind <> 'r' OR c.relrowsecurity
		        OR NOT CASE $3::oid WHEN 0 THEN r.rolsuper OR r.rolname = current_user
		                     OR r.oid IN (SELECT o.relowner FROM pg_catalog.pg_class o WHERE o.oid = ANY ($4::oid[])) ELSE r.oid = $3::oid END
		        OR EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid)
		        OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname <> 'sessioncleanup_commit' AND t.tgname NOT LIKE 'sessioncleanup\_retagged\_%'))`,
		space, names, owner, sessions).Scan(&wrong)
	if err != nil {
		return mapError("look at the library's tables", err)
	}
	if len(wrong) > 0 {
		return invalid.Databasef("schema %s has tables with this library's names that are not this library's: %s; drop or rename them, then migrate as the owner of the sessions",
			space, strings.Join(wrong, ", "))
	}
	return nil
}
