package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds where the objects of an installation are. Those of one without a name are in the database schema of its table
// of sessions; those of one with a name, which are called the same, are in a schema of their own.

// namedSpace begins the name of the schema of an installation with a name.
const namedSpace = "sessioncleanup_"

// spaceOf is the schema of an installation with a name; empty without one.
func spaceOf(name string) string {
	if name == "" {
		return ""
	}
	return namedSpace + name
}

// nameOf is the name of the installation in a library's schema. A schema on the search path is the application's, whatever it
// is called.
func (l library) nameOf() string {
	name, cut := strings.CutPrefix(l.Space, namedSpace)
	if !cut || l.Visible || adopt.CheckName(name) != nil {
		return ""
	}
	return name
}

// called keeps the libraries of a name. Without one, that in the schema of the configured table is as good as any.
func called(all []library, name, tableSpace string) []library {
	return slices.DeleteFunc(slices.Clone(all), func(l library) bool {
		if name != "" {
			return l.Space != spaceOf(name)
		}
		return l.nameOf() != "" && l.Space != tableSpace
	})
}

// label is what sets apart the settings and triggers of an installation on tables that it may share with others.
func (m *mapping) label() string {
	if strings.HasPrefix(m.space, namedSpace) {
		return m.space
	}
	return ownMark
}

// Installations lists the trusted installations in the database, with their tables of sessions.
func (s *Store) Installations(ctx context.Context) ([]sessioncleanup.Installation, error) {
	q := s.pool.own()
	found, _, err := trusted(ctx, q, 0)
	if err != nil {
		return nil, err
	}
	var all []sessioncleanup.Installation
	for _, l := range found {
		name := l.nameOf()
		if name == "" && !l.Visible && slices.ContainsFunc(found, func(o library) bool { return o.Visible }) {
			continue // found only by its table
		}
		set, err := readSettings(ctx, q, l.Space)
		if err != nil {
			continue // an unfinished Migrate, or another version's: Validate says more
		}
		all = append(all, sessioncleanup.Installation{Name: name, Table: set.schema.Table})
	}
	adopt.SortInstallations(all)
	return all, nil
}

// lacksSpace reports whether the schema of an installation with a name is still to be made, and refuses one that somebody else
// made: who owns a schema decides what is in it.
func (s *Store) lacksSpace(ctx context.Context, m *mapping) (bool, error) {
	if s.cfg.Name == "" {
		return false, nil
	}
	var owner string
	var trusted bool
	err := s.pool.own().QueryRow(ctx, `
		SELECT r.rolname::text, r.rolsuper OR r.rolname IN (current_user, $2::text) OR r.oid = (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = current_database())
		  FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE n.nspname = $1::text`, m.space, m.table.owner).Scan(&owner, &trusted)
	if err := ignoreNoRows(err); err != nil {
		return false, mapError("look for the schema "+m.space, err)
	}
	if owner != "" && !trusted {
		return false, invalid.Databasef("schema %s, for what Migrate makes, belongs to the role %s: ALTER SCHEMA %s OWNER TO the owner of the sessions, after a look at what is in it",
			m.space, owner, sqlfile.Column(m.space))
	}
	if owner != "" {
		return false, nil
	}
	var role, database string
	var may bool
	err = s.pool.own().QueryRow(ctx, "SELECT current_user::text, current_database()::text, has_database_privilege(current_database(), 'CREATE')").Scan(&role, &database, &may)
	if err == nil && !may {
		return false, invalid.Databasef("the role %[1]s may not create the schema %[2]s: have somebody CREATE SCHEMA %[3]s AUTHORIZATION %[1]s, or GRANT CREATE ON DATABASE %[4]s TO %[1]s",
			role, m.space, sqlfile.Column(m.space), sqlfile.Column(database))
	}
	return true, mapError("look up the role's rights", err)
}

// makeSpaceSQL makes the schema, for the owner of the sessions.
func makeSpaceSQL(m *mapping) string {
	space, authorization := sqlfile.Column(m.space), ""
	if m.role != "" {
		authorization = " AUTHORIZATION " + sqlfile.Column(m.role)
	}
	return fmt.Sprintf("CREATE SCHEMA %s%s;\nCOMMENT ON SCHEMA %s IS %s;", space, authorization, space, literal(ownMark))
}

// makeSpace makes the schema unless another process just did.
func (s *Store) makeSpace(ctx context.Context, m *mapping) error {
	err := s.runStep(ctx, m, step{self: true, sql: []string{makeSpaceSQL(m)}})
	if hasCode(err, "42P06", "23505") {
		return nil
	}
	return err
}

// dropSpace removes the schema that Migrate made, when nothing is left in it.
func (s *Store) dropSpace(ctx context.Context, m *mapping) error {
	if s.cfg.Name == "" {
		return nil
	}
	space := spaceOf(s.cfg.Name)
	return s.runStep(ctx, m, step{sql: []string{"DO " + literal(fmt.Sprintf(
		"BEGIN IF obj_description(to_regnamespace(%s), 'pg_namespace') = %s AND pg_has_role((SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = %s), 'USAGE') THEN DROP SCHEMA %s; END IF;\n"+
			"EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END",
		literal(sqlfile.Column(space)), literal(ownMark), literal(space), sqlfile.Column(space))) + ";"}})
}

// notOthers refuses the table of sessions of another installation.
func (s *Store) notOthers(ctx context.Context, m *mapping) error {
	var space string
	var visible bool
	err := s.pool.QueryRow(ctx, `
		SELECT n.nspname::text, n.nspname = ANY ($4::text[]) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
		 WHERE t.tgrelid = $1::oid AND t.tgname = $2::text AND f.proname = 'sessioncleanup_observe' AND n.nspname <> $3::text`,
		m.table.oid, observeTrigger, m.space, m.pathNames).Scan(&space, &visible)
	if err := ignoreNoRows(err); err != nil {
		return mapError("look for other installations", err)
	}
	if space == "" {
		return nil
	}
	return adopt.Taken(m.table.path(), library{Space: space, Visible: visible}.nameOf())
}
