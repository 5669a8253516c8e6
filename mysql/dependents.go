package mysql

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

// The effects of a deletion on the rows of another table.
const (
	effectDeleted  = "deleted"
	effectUnlinked = "unlinked"
)

func (l link) effect() string {
	switch l.key.onDelete {
	case "CASCADE":
		return effectDeleted
	case "SET NULL":
		return effectUnlinked
	default: // it keeps its parent from being deleted
		return ""
	}
}

// Dependents returns the tables that deleting sessions reaches through foreign keys, at any depth, with the rows that go
// along with the sessions that match the query. The table of sessions is left out: sessions that would go along count as
// sessions. Rows that are reached only through rows of their own table are not counted. With a nil query it also answers
// for tables that were not adopted yet, as Inspect understands them.
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
			if err == nil {
				all, _ = catalog.dependents(set.schema)
			}
			return err
		}
		if c.layout, err = s.currentLayout(ctx, c); err != nil {
			return err
		}
		now, err := c.now(ctx)
		if err != nil {
			return err
		}
		cut := c.cutoffsAt(q.Thresholds, now)
		if err := c.ruled(ctx, cut); err != nil {
			return err
		}
		names, p, possible := c.where(q.Filter, q.Status, cut)
		var paths map[sessioncleanup.Dependent][][]link
		all, paths = catalog.dependents(c.schema)
		if !possible {
			return nil
		}
		if dues := duesOf[q.Status]; len(dues) > 0 && q.ID == "" {
			if _, err := c.narrow(ctx, names, dues, cut, p); err != nil {
				return err
			}
		}
		p["count_up_to"] = sessioncleanup.MaxDependentRows + 1
		for i := range all {
			d := &all[i]
			names["rows"] = c.rowsOn(paths[*d], names)
			if err := c.row(ctx, c.sql("count_dependents", names), p, &d.Rows); err != nil {
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

// dependents are the tables that a deletion of sessions reaches, without counts, in the order of their names, and the
// ways to each, which meet no table twice.
func (c *catalog) dependents(s sessioncleanup.Schema) ([]sessioncleanup.Dependent, map[sessioncleanup.Dependent][][]link) {
	var all []sessioncleanup.Dependent
	paths := map[sessioncleanup.Dependent][][]link{}
	sessions := c.tables[s.Table]
	if sessions == nil || s.SoftDelete { // the row stays
		return nil, nil
	}
	var walk func(from *table, path []link)
	walk = func(from *table, path []link) {
		for _, child := range c.children(from.name) {
			met := child == sessions || slices.ContainsFunc(path, func(l link) bool { return l.child == child })
			for _, k := range child.keys {
				l := link{from, child, k}
				if k.table != from.name || l.effect() == "" || met {
					continue
				}
				d := sessioncleanup.Dependent{Table: child.name, Effect: l.effect()}
				if paths[d] == nil {
					all = append(all, d)
				}
				longer := append(slices.Clone(path), l)
				paths[d] = append(paths[d], longer)
				if l.effect() == effectDeleted {
					walk(child, longer)
				}
			}
		}
	}
	walk(sessions, nil)
	slices.SortFunc(all, func(a, b sessioncleanup.Dependent) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Effect, b.Effect))
	})
	return all, paths
}

// rowsOn selects the rows at the ends of some ways, each row once.
func (c *conn) rowsOn(paths [][]link, names sqlfile.Names) string {
	var parts []string
	for _, path := range paths {
		last := path[len(path)-1].child
		key := []string{fmt.Sprintf("r%d.*", len(path))}
		if columns := last.indexes[primary]; len(columns) > 0 {
			key = nil
			for _, column := range columns {
				key = append(key, fmt.Sprintf("r%d.%s", len(path), sqlfile.Column(column)))
			}
		}
		parts = append(parts, c.sql("dependent_rows", with(names, sqlfile.Names{"key": strings.Join(key, ", "), "joins": joins(path, "r0")})))
	}
	return strings.Join(parts, " UNION ")
}
