package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Dependents returns the tables with rows that deleting sessions deletes or unlinks through foreign keys, at any depth,
// with the number of rows that go along with the sessions that match the query. It leaves out the table of sessions:
// sessions that would go along count as sessions. With a nil query it also works on tables that were not adopted yet,
// as Inspect understands them.
func (s *Store) Dependents(ctx context.Context, q *sessioncleanup.Query) ([]sessioncleanup.Dependent, error) {
	var all []sessioncleanup.Dependent
	err := s.reading(ctx, func(c *conn) error {
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		if q == nil {
			set, err := readSettings(ctx, c)
			if errors.Is(err, sessioncleanup.ErrNotInstalled) {
				var p adopt.Proposal
				p, err = catalog.propose(s.given)
				set.schema = p.Schema
			}
			if err == nil && catalog.find(set.schema.Table) != nil {
				all = catalog.reach(set.schema).dependents()
			}
			return err
		}
		if c.layout, err = s.currentLayout(ctx, c); err != nil {
			return err
		}
		t := catalog.reach(c.schema)
		all = t.dependents()
		cut := c.cutoffsAt(q.Thresholds)
		if err := c.ruled(ctx, cut, false); err != nil {
			return err
		}
		p := c.cutoffParams(cut)
		p["count_up_to"] = sessioncleanup.MaxDependentRows + 1
		condition, noted, possible := c.where(q.Filter, q.Status, p)
		if !possible {
			return nil
		}
		base := c.sql("matching", sqlfile.Names{
			"condition": condition, "noted_condition": noted, "noted_id": c.noted["id"], "keys": strings.Join(t.sessions.keyOf(t.sessions.quoted()), ", "),
		})
		for i := range all {
			d := &all[i]
			if err := c.row(ctx, t.count(c.names["noted"], base, *d), p, &d.Rows); err != nil {
				return err
			}
			if d.Rows > sessioncleanup.MaxDependentRows {
				d.Rows, d.More = sessioncleanup.MaxDependentRows, true
			}
		}
		return nil
	})
	return all, err
}

// reached are the tables that a deletion of sessions reaches.
type reached struct {
	sessions *table
	links    []link
	tables   []*table // with rows that are deleted, the sessions first
	width    int      // of the longest key of these and of those with rows that are unlinked
}

// number is the place of a table among those with rows that are deleted, in SQL; -1 for another table.
func (r reached) number(t *table) string { return fmt.Sprint(slices.Index(r.tables, t)) }

// link is a foreign key by which deleting rows of the parent deletes or unlinks rows of the child.
type link struct {
	parent, child *table
	key           foreignKey
}

// The effects of a deletion on the rows of another table.
const (
	effectDeleted  = "deleted"
	effectUnlinked = "unlinked"
)

func (l link) effect() string {
	switch l.key.onDelete {
	case "CASCADE":
		return effectDeleted
	case "SET NULL", "SET DEFAULT":
		return effectUnlinked
	default: // it keeps its parent from being deleted
		return ""
	}
}

func (c *catalog) reach(s sessioncleanup.Schema) reached { return c.reachFrom(s, false) }

// reachFrom is reach, with back also for the foreign keys of the sessions themselves.
func (c *catalog) reachFrom(s sessioncleanup.Schema, back bool) reached {
	r := reached{sessions: c.find(s.Table)}
	if s.SoftDelete { // the row stays
		return r
	}
	r.tables, r.width = []*table{r.sessions}, len(r.sessions.keyColumnsOrRowID())
	for i := 0; i < len(r.tables); i++ { // which grow
		for _, child := range c.ordinary() {
			for _, k := range child.keys {
				l := link{r.tables[i], child, k}
				if !strings.EqualFold(k.table, l.parent.name) || l.effect() == "" || child == r.sessions && !back {
					continue
				}
				r.links, r.width = append(r.links, l), max(r.width, len(child.keyColumnsOrRowID()))
				if l.effect() == effectDeleted && !slices.Contains(r.tables, child) {
					r.tables = append(r.tables, child)
				}
			}
		}
	}
	return r
}

// dependents are the tables without counts, in the order of their names.
func (r reached) dependents() []sessioncleanup.Dependent {
	var all []sessioncleanup.Dependent
	for _, l := range r.links {
		d := sessioncleanup.Dependent{Table: l.child.name, Effect: l.effect()}
		if !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b sessioncleanup.Dependent) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Effect, b.Effect))
	})
	return all
}

// count is the statement that counts one table's rows, up to a limit. Base selects the keys of the sessions. The rows of
// the tables on the way are found first, in one recursion; those that are counted are then read until the limit.
func (r reached) count(noted, base string, d sessioncleanup.Dependent) string {
	var steps, last []string
	for _, l := range r.links {
		names := sqlfile.Names{
			"child_number": r.number(l.child), "child_key": padded(l.child.keyOf("c"), r.width),
			"parent": l.parent.quoted(), "parent_number": r.number(l.parent), "child": l.child.quoted(),
			"same_parent": equal(l.parent.keyOf("p"), keys("sessioncleanup_gone.k", r.width)), "refers": l.refers(),
		}
		if l.effect() == effectDeleted && r.leadsTo(l.child, d) {
			steps = append(steps, filled("dependents_step", names))
		}
		if l.child.name == d.Table && l.effect() == d.Effect {
			last = append(last, filled("dependents_last", names))
		}
	}
	return filled("count_dependents", sqlfile.Names{
		"noted": noted, "columns": strings.Join(keys("k", r.width), ", "), "base": base, "padding": strings.Repeat(", NULL", r.width-len(r.sessions.keyColumnsOrRowID())),
		"steps": "\n" + strings.Join(steps, "\n"), "last": strings.Join(last, " UNION "),
	})
}

// leadsTo reports whether rows of a table are on the way to those that are counted.
func (r reached) leadsTo(t *table, d sessioncleanup.Dependent) bool {
	seen := map[*table]bool{t: true}
	for next := []*table{t}; len(next) > 0; next = next[1:] {
		for _, l := range r.links {
			if l.parent != next[0] {
				continue
			}
			if l.child.name == d.Table && l.effect() == d.Effect {
				return true
			}
			if l.effect() == effectDeleted && !seen[l.child] {
				seen[l.child] = true
				next = append(next, l.child)
			}
		}
	}
	return false
}

// refers is the condition for a row c of the child that refers to a row p of the parent, compared as SQLite does: with
// the affinity and the collation of the parent's column.
func (l link) refers() string {
	to := l.key.to
	if len(to) == 0 {
		to = l.parent.keyColumns()
	}
	var conditions []string
	for i, column := range l.key.columns {
		if i < len(to) {
			conditions = append(conditions, "p."+sqlfile.Column(to[i])+" = c."+sqlfile.Column(column))
		}
	}
	return strings.Join(conditions, " AND ")
}

func (t *table) quoted() string { return sqlfile.Column(t.name) }

// keyColumnsOrRowID are the columns that identify a row.
func (t *table) keyColumnsOrRowID() []string {
	if t.rowid != "" {
		return []string{t.rowid}
	}
	return t.keyColumns()
}

// keyOf are the columns that identify a row of a table that is called so in a statement.
func (t *table) keyOf(alias string) []string {
	var all []string
	for _, column := range t.keyColumnsOrRowID() {
		all = append(all, alias+"."+sqlfile.Column(column))
	}
	return all
}

func keys(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i+1)
	}
	return all
}

func padded(columns []string, width int) string {
	return strings.Join(columns, ", ") + strings.Repeat(", NULL", width-len(columns))
}

func equal(a, b []string) string {
	var all []string
	for i := range a {
		all = append(all, a[i]+" = "+b[i])
	}
	return strings.Join(all, " AND ")
}
