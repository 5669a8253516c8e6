package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// cleanerFunctions are those that only roles which run cleanups may execute.
var cleanerFunctions = []string{"cleanup_inactive_sessions", "sessioncleanup_sweep", "sessioncleanup_phase", "sessioncleanup_forget", "sessioncleanup_seal", "sessioncleanup_purge", "sessioncleanup_warn", "sessioncleanup_classify"}

// grant is a privilege on a table, or some of its columns, or, without a table, on a database schema.
type grant struct{ Privilege, Space, Table string }

// archivedColumns are the columns of the archive that say what is in it. Its others, and its rows, have columns of the application's
// tables that a role may not see.
const archivedColumns = "id,session_id,owner_id,name,archived_at,actor,reason,run_id,held,row_count,bytes,backed_up_at,tags"

// addGrants gives the roles that MigrateOptions names what they lack. What they get on the application's tables is
// recorded, for Uninstall to revoke.
func (p *plan) addGrants(ctx context.Context) error {
	for _, r := range []struct {
		field, role string
		runs        bool
	}{{"CleanerRole", p.opts.CleanerRole, true}, {"AppRole", p.opts.AppRole, false}} {
		if r.role == "" {
			continue
		}
		grants, err := p.grantsFor(ctx, r.runs)
		if err != nil {
			return err
		}
		var known bool
		if err := p.q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = $1::text)", r.role).Scan(&known); err != nil {
			return mapError("look up the role "+r.role, err)
		}
		if !known {
			return invalid.Errorf("MigrateOptions.%s is %q: there is no such role", r.field, r.role)
		}
		lacks, err := p.lacking(ctx, r.role, grants)
		if err != nil {
			return err
		}
		names := append(functions(), "sessioncleanup_view")
		if !r.runs {
			names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(cleanerFunctions, name) })
		}
		var executes bool
		if err := p.q.QueryRow(ctx, statements["has_functions"], r.role, p.m.space, names).Scan(&executes); err != nil {
			return mapError("look up the privileges of "+r.role, err)
		}
		if executes && len(lacks)+len(p.steps) == 0 { // a step may make a function again, without its grants
			continue
		}
		s := step{about: "grant the role " + r.role + " what it needs"}
		for _, g := range lacks {
			o := object{Kind: "grant", Space: g.Space, Table: g.Table, Name: g.Privilege + " " + r.role}
			if g.Space != p.m.space || !slices.Contains(ownRelations(), g.Table) {
				s.adds = append(s.adds, o)
			}
			s.sql = append(s.sql, "GRANT "+o.granted(" TO ")+";")
		}
		s.sql = append(s.sql, eachFunction(p.m.space, names, marked("f.oid", "pg_proc")+" AND f.prorettype <> 'trigger'::regtype",
			"GRANT EXECUTE ON FUNCTION %s TO "+strings.ReplaceAll(sqlfile.Column(r.role), "%", "%%")))
		p.add(s)
	}
	return nil
}

// granted is the object, which is a grant, in SQL.
func (o object) granted(to string) string {
	privilege, role, _ := strings.Cut(o.Name, " ")
	on := "SCHEMA " + sqlfile.Column(o.Space)
	if o.Table != "" {
		on = o.on()
	}
	return privilege + " ON " + on + to + sqlfile.Column(role)
}

// revoke is the SQL that reverts a grant, unless its role or its table is gone.
func revoke(o object) string {
	_, role, _ := strings.Cut(o.Name, " ")
	return "DO " + literal(fmt.Sprintf("BEGIN IF to_regrole(%s) IS NOT NULL AND to_regnamespace(%s) IS NOT NULL THEN REVOKE %s; END IF; END",
		literal(sqlfile.Column(role)), literal(sqlfile.Column(o.Space)), o.granted(" FROM "))) + ";"
}

// ownRelations are the library's tables and its views.
func ownRelations() []string {
	names := ownViews()
	for _, table := range ownTables() {
		names = append(names, "sessioncleanup_"+table)
	}
	return names
}

// grantsFor lists what a role needs that lists, touches and changes sessions and, if it runs cleanups, for those too.
func (p *plan) grantsFor(ctx context.Context, runs bool) ([]grant, error) {
	var all []grant
	give := func(space, table string, privileges ...string) {
		for _, privilege := range privileges {
			if g := (grant{privilege, space, table}); !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	give(p.m.space, "", "USAGE")
	give(p.m.table.space, "", "USAGE")
	give(p.m.table.space, p.m.table.name, "SELECT", "UPDATE")
	if !p.m.schema.SoftDelete {
		give(p.m.table.space, p.m.table.name, "DELETE")
	}
	reads, err := p.keyTables(ctx, "reached_tables")
	if err != nil {
		return nil, err
	}
	cycle, err := p.keyTables(ctx, "cycle_tables")
	if err != nil {
		return nil, err
	}
	for _, b := range cycle { // their rows are locked on the way to other sessions
		give(b.Space, b.Name, "UPDATE")
	}
	for _, src := range p.m.sources {
		reads = append(reads, branch{Space: src.space, Name: src.name})
	}
	if p.m.owners != nil {
		reads = append(reads, branch{Space: p.m.owners.space, Name: p.m.owners.name})
	}
	for _, b := range reads {
		give(b.Space, "", "USAGE")
		give(b.Space, b.Name, "SELECT")
	}
	for _, name := range append(ownViews(), "sessioncleanup_settings", "sessioncleanup_policy", "sessioncleanup_migrations") {
		give(p.m.space, name, "SELECT")
	}
	give(p.m.space, "sessioncleanup_seals", "SELECT")
	give(p.m.space, "sessioncleanup_events", "SELECT") // they add to the log, and to the touches, by functions only
	give(p.m.space, "sessioncleanup_touches", "SELECT")
	give(p.m.space, "sessioncleanup_notices", "SELECT")
	give(p.m.space, "sessioncleanup_tags", "SELECT", "INSERT", "DELETE")
	give(p.m.space, "sessioncleanup_rule_tags", "SELECT")
	give(p.m.space, "sessioncleanup_retagged", "SELECT")
	give(p.m.space, "sessioncleanup_archive", "SELECT("+archivedColumns+")")
	give(p.m.space, "sessioncleanup_values", "SELECT", "INSERT", "UPDATE") // figures, which all processes count for each other
	if runs {
		give(p.m.space, "sessioncleanup_leases", "SELECT", "INSERT", "UPDATE")
		give(p.m.space, "sessioncleanup_positions", "SELECT", "INSERT", "UPDATE")
		give(p.m.space, "sessioncleanup_notices", "INSERT", "UPDATE", "DELETE")
	}
	return all, nil
}

// keyTables lists tables that foreign keys tie to the sessions, where a deletion concerns them.
func (p *plan) keyTables(ctx context.Context, statement string) ([]branch, error) {
	if p.m.schema.SoftDelete {
		return nil, nil
	}
	return allRows(ctx, p.q, "look up the foreign keys", pgx.RowToStructByPos[branch], statements[statement], p.m.table.oid)
}

// lacking returns those of the grants that a role does not have, by itself or through another role.
func (p *plan) lacking(ctx context.Context, role string, grants []grant) ([]grant, error) {
	var privileges, spaces, tables []string
	for _, g := range grants {
		privileges, spaces, tables = append(privileges, g.Privilege), append(spaces, g.Space), append(tables, g.Table)
	}
	return allRows(ctx, p.q, "look up the privileges of "+role, pgx.RowToStructByPos[grant], statements["lacking_grants"], role, privileges, spaces, tables)
}
