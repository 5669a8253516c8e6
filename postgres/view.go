package postgres

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// viewNames fills in the view: the session's own columns first, then ours, under a longer name where the host's table
// has a column of that name.
func (p *plan) viewNames() sqlfile.Names {
	l := p.l
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
	if l.host.Owner != "" {
		n["view_owner"] = ",\n       " + l.names["owner_name"] + " AS " + alias(ownerNameColumn(l.host.Owner))
	}
	if l.host.CreatedAt != "" {
		n["days_old_value"] = "round(greatest(extract(epoch FROM v_cut.now - " + l.names["created_at_out"] + "), 0)::numeric / 86400, 2)"
	}
	for _, key := range []string{"hours_inactive", "days_old", "cleanup_status"} {
		n[key] = alias(key)
	}
	n["status_column"] = alias("status")
	for _, src := range l.sources {
		name := "total_" + src.name
		if taken[name] {
			name = short("total", src.name, src.Session)
		}
		n["view_totals"] += ",\n       " + l.countOf(src) + " AS " + alias(name)
	}
	return n
}

// viewColumns are the columns of the sessions' table, with those that Migrate adds, in their order.
func (p *plan) viewColumns() []string {
	h := p.l.host
	if p.create {
		return []string{h.ID, h.Owner, h.Name, h.Code, h.Active, h.CreatedAt, h.UpdatedAt, h.LastActivity, h.ExpiresAt, h.AutoCleanup}
	}
	columns := make([]column, 0, len(p.l.table.columns))
	for _, c := range p.l.table.columns {
		columns = append(columns, c)
	}
	slices.SortFunc(columns, func(a, b column) int { return cmp.Compare(a.position, b.position) })
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	for _, name := range []string{h.Active, h.AutoCleanup, h.ExpiresAt, h.LastActivity} { // as addColumns adds them
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// ownerNameColumn is streamer_name for streamer_id.
func ownerNameColumn(owner string) string {
	return short(strings.TrimSuffix(strings.TrimSuffix(owner, "_id"), "Id"), "name")
}
