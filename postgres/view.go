package postgres

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// viewNames fills in the view: the session's own columns first, then ours, under a longer name where the application's table
// has a column of that name.
func (p *plan) viewNames() sqlfile.Names {
	m := p.m
	own := p.viewColumns()
	taken := map[string]bool{}
	for i, name := range own {
		taken[name] = true
		own[i] = "s." + sqlfile.Column(name)
	}
	alias := func(name string) string {
		if taken[name] {
			name = short("sessioncleanup", name)
		}
		taken[name] = true
		return sqlfile.Column(name)
	}
	n := sqlfile.Names{"view_columns": strings.Join(own, ", "), "view_owner": "", "view_totals": "", "days_old_value": "NULL::numeric"}
	if m.schema.Owner != "" {
		n["view_owner"] = ",\n       " + m.names["owner_name"] + " AS " + alias(ownerNameColumn(m.schema.Owner))
	}
	if m.schema.CreatedAt != "" {
		n["days_old_value"] = "round(greatest(extract(epoch FROM v_cut.now - " + m.names["created_at_out"] + "), 0)::numeric / 86400, 2)"
	}
	for _, key := range []string{"hours_inactive", "days_old", "cleanup_status"} {
		n[key] = alias(key)
	}
	n["status_column"] = alias("status")
	for _, src := range m.sources {
		name := "total_" + src.name
		if taken[name] {
			name = short("total", src.name, src.Session)
		}
		n["view_totals"] += ",\n       " + m.countOf(src) + " AS " + alias(name)
	}
	return n
}

// viewColumns are the columns of the sessions' table, with those that Migrate adds, in their order.
func (p *plan) viewColumns() []string {
	h := p.m.schema
	if p.create {
		return []string{h.ID, h.Owner, h.Name, h.Code, h.Active, h.CreatedAt, h.UpdatedAt, h.LastActivity, h.ExpiresAt, h.AutoCleanup, h.DeactivatedAt}
	}
	columns := make([]column, 0, len(p.m.table.columns))
	for _, c := range p.m.table.columns {
		columns = append(columns, c)
	}
	slices.SortFunc(columns, func(a, b column) int { return cmp.Compare(a.position, b.position) })
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	for _, c := range p.m.lacks { // addColumns adds them in this order
		names = append(names, c.Column)
	}
	return names
}

// ownerNameColumn is streamer_name for streamer_id.
func ownerNameColumn(owner string) string {
	return short(strings.TrimSuffix(strings.TrimSuffix(owner, "_id"), "Id"), "name")
}
