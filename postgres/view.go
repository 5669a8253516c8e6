package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// addView makes the view again when its text changed, as its comment tells, which holds the text's hash. The application's
// views on it stay while it only gets more columns: they come last then.
func (p *plan) addView(ctx context.Context) error {
	view := object{Kind: "view", Space: p.m.space, Name: "sessions_cleanup_view"}
	function := object{Kind: "function", Space: p.m.space, Name: "sessioncleanup_view"}
	names, columns := p.viewNames()
	text := p.m.statement(function.Name, names)
	var comment string
	var readers []string
	err := p.q.QueryRow(ctx, `
		SELECT coalesce(obj_description(to_regclass($1::text), 'pg_class'), ''),
		       ARRAY(SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
		               FROM pg_catalog.pg_class c CROSS JOIN aclexplode(c.relacl) a
		              WHERE c.oid = to_regclass($1::text) AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner)`, view.path()).Scan(&comment, &readers)
	if err != nil || comment == markOf(text) {
		return mapError("look for the view", err)
	}
	was := relation{}
	if strings.HasPrefix(comment, ownMark) { // an application's view is taken over before
		if was, err = findRelation(ctx, p.q, view.path()); err != nil && !errors.Is(err, errNoRelation) {
			return mapError("look for the view", err)
		}
	}
	s := step{about: "create the view " + view.Name, adds: []object{function, view}}
	list, grows := viewList(was.inOrder(), columns)
	doomed, stays := []object{function}, view.path()
	if !grows {
		doomed, stays = append(doomed, view), ""
		s.sql = append(s.sql, dropMarkedView(view))
	}
	if err := refuseBlocked(ctx, p.q, "migrate", doomed, nil, stays); err != nil {
		return err
	}
	const old = "sessioncleanup_view_was"
	s.sql = append(s.sql,
		eachFunction(p.m.space, []string{function.Name}, marked("f.oid", "pg_proc"), "ALTER FUNCTION %s RENAME TO "+old),
		text, p.m.statement("view", sqlfile.Names{"view_list": list}), dropFunctions(p.m.space, old),
		markFunctions(p.m.space, function.Name), revokeExecute(p.m.space, function.Name),
		"COMMENT ON VIEW "+view.path()+" IS "+literal(markOf(text))+";")
	if !grows || was.oid == 0 {
		s.sql = append(s.sql, give([]string{view.path()}, "")) // what default privileges granted
	}
	for _, role := range readers {
		s.sql = append(s.sql, fmt.Sprintf("GRANT SELECT ON %s TO %s; GRANT EXECUTE ON FUNCTION %s() TO %s;", view.path(), role, function.path(), role))
	}
	p.add(s)
	return nil
}

// addArchiveView makes the view of the archive, which only reads tables of the library's own, when its text changed.
func (p *plan) addArchiveView(ctx context.Context) error {
	view := object{Kind: "view", Space: p.m.space, Name: "sessions_archive_view"}
	text := p.m.statement("archive_view")
	var comment string
	err := p.q.QueryRow(ctx, "SELECT coalesce(obj_description(to_regclass($1::text), 'pg_class'), '')", view.path()).Scan(&comment)
	if err != nil || comment == markOf(text) {
		return mapError("look for the view of the archive", err)
	}
	s := step{about: "create the view " + view.Name, adds: []object{view}, sql: []string{text, "COMMENT ON VIEW " + view.path() + " IS " + literal(markOf(text)) + ";"}}
	if comment == "" {
		s.sql = append(s.sql, give([]string{view.path()}, "")) // what default privileges granted
	}
	p.add(s)
	return nil
}

// viewList lists the view's columns, in the order in which it has them, then the new ones, and reports whether it keeps all
// that it has.
func viewList(has, wanted []column) (list string, grows bool) {
	same := func(a column) func(column) bool {
		return func(b column) bool { return a.name == b.name && a.typ == b.typ }
	}
	grows = true
	for _, c := range has {
		grows = grows && slices.ContainsFunc(wanted, same(c))
	}
	if !grows {
		has = nil
	}
	var names []string
	for _, c := range has {
		names = append(names, sqlfile.Column(c.name))
	}
	for _, c := range wanted {
		if !slices.ContainsFunc(has, same(c)) {
			names = append(names, sqlfile.Column(c.name))
		}
	}
	return strings.Join(names, ", "), grows
}

// viewNames fills in the view's function, and lists its columns: the session's own first, then ours, under a longer name where
// the application's table has a column of that name.
func (p *plan) viewNames() (sqlfile.Names, []column) {
	m := p.m
	all := p.viewColumns()
	var own []string
	taken := map[string]bool{}
	for _, c := range all {
		taken[c.name] = true
		own = append(own, "s."+sqlfile.Column(c.name))
	}
	const numeric = `"numeric"` // as the catalog writes it
	alias := func(name, typ string) string {
		if taken[name] {
			name = short("sessioncleanup", name)
		}
		taken[name] = true
		all = append(all, column{name: name, typ: "pg_catalog." + typ})
		return sqlfile.Column(name)
	}
	n := sqlfile.Names{"view_columns": strings.Join(own, ", "), "view_owner": "", "view_totals": "", "days_old_value": "NULL::numeric"}
	if m.schema.Owner != "" {
		n["view_owner"] = ",\n       " + m.names["owner_name"] + " AS " + alias(ownerNameColumn(m.schema.Owner), "text")
	}
	if m.schema.CreatedAt != "" {
		n["days_old_value"] = "round(greatest(extract(epoch FROM v_cut.now - " + m.names["created_at_out"] + "), 0)::numeric / 86400, 2)"
	}
	n["hours_inactive"], n["days_old"] = alias("hours_inactive", numeric), alias("days_old", numeric)
	n["cleanup_status"], n["status_column"] = alias("cleanup_status", "text"), alias("status", "text")
	for _, src := range m.sources {
		name := "total_" + src.name
		if taken[name] {
			name = short("total", src.name, src.Session)
		}
		n["view_totals"] += ",\n       " + m.countOf(src) + " AS " + alias(name, "int8")
	}
	var types []string
	for _, c := range all {
		types = append(types, sqlfile.Column(c.name)+" "+c.typ)
	}
	n["view_types"] = strings.Join(types, ", ")
	return n, all
}

// viewColumns are the columns of the sessions' table, with those that Migrate adds, in their order.
func (p *plan) viewColumns() []column {
	h := p.m.schema
	if p.create {
		var all []column
		for _, name := range []string{h.ID, h.Owner, h.Name, h.Code, h.Active, h.CreatedAt, h.UpdatedAt, h.LastActivity, h.ExpiresAt, h.AutoCleanup, h.DeactivatedAt} {
			all = append(all, p.m.table.columns[name])
		}
		return all
	}
	columns := p.m.table.inOrder()
	for _, c := range p.m.lacks { // addColumns adds them in this order
		typ := "timestamptz"
		if c.Kind == adopt.Boolean {
			typ = "bool"
		}
		columns = append(columns, assumed(c.Column, typ))
	}
	return columns
}

// inOrder lists the columns of a relation in their order.
func (r relation) inOrder() []column {
	return slices.SortedFunc(maps.Values(r.columns), func(a, b column) int { return cmp.Compare(a.position, b.position) })
}

// ownerNameColumn is streamer_name for streamer_id.
func ownerNameColumn(owner string) string {
	return short(strings.TrimSuffix(strings.TrimSuffix(owner, "_id"), "Id"), "name")
}
