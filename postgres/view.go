package postgres

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// viewNames fills in the view: the session's own columns first, then ours, under a longer name where the application's table
// has a column of that name.
func (p *plan) viewNames() sqlfile.Names {
	m := p.m
	var own, types []string
	taken := map[string]bool{}
	for _, c := range p.viewColumns() {
		taken[c.name] = true
		own = append(own, "s."+sqlfile.Column(c.name))
		types = append(types, sqlfile.Column(c.name)+" "+c.typ)
	}
	alias := func(name, typ string) string {
		if taken[name] {
			name = short("sessioncleanup", name)
		}
		taken[name] = true
		types = append(types, sqlfile.Column(name)+" pg_catalog."+typ)
		return sqlfile.Column(name)
	}
	n := sqlfile.Names{"view_columns": strings.Join(own, ", "), "view_owner": "", "view_totals": "", "days_old_value": "NULL::numeric"}
	if m.schema.Owner != "" {
		n["view_owner"] = ",\n       " + m.names["owner_name"] + " AS " + alias(ownerNameColumn(m.schema.Owner), "text")
	}
	if m.schema.CreatedAt != "" {
		n["days_old_value"] = "round(greatest(extract(epoch FROM v_cut.now - " + m.names["created_at_out"] + "), 0)::numeric / 86400, 2)"
	}
	n["hours_inactive"], n["days_old"] = alias("hours_inactive", "numeric"), alias("days_old", "numeric")
	n["cleanup_status"], n["status_column"] = alias("cleanup_status", "text"), alias("status", "text")
	for _, src := range m.sources {
		name := "total_" + src.name
		if taken[name] {
			name = short("total", src.name, src.Session)
		}
		n["view_totals"] += ",\n       " + m.countOf(src) + " AS " + alias(name, "int8")
	}
	n["view_types"] = strings.Join(types, ", ")
	return n
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
	columns := make([]column, 0, len(p.m.table.columns))
	for _, c := range p.m.table.columns {
		columns = append(columns, c)
	}
	slices.SortFunc(columns, func(a, b column) int { return cmp.Compare(a.position, b.position) })
	for _, c := range p.m.lacks { // addColumns adds them in this order
		typ := "timestamptz"
		if c.Kind == adopt.Boolean {
			typ = "bool"
		}
		columns = append(columns, assumed(c.Column, typ))
	}
	return columns
}

// ownerNameColumn is streamer_name for streamer_id.
func ownerNameColumn(owner string) string {
	return short(strings.TrimSuffix(strings.TrimSuffix(owner, "_id"), "Id"), "name")
}
