package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// going are the tables with rows that a deletion of sessions deletes along with them, and the ways to each.
func (c *catalog) going(s sessioncleanup.Schema) [][]link {
	var all [][]link
	dependents, paths := c.dependents(s)
	for _, d := range dependents {
		if d.Effect == effectDeleted {
			all = append(all, paths[d]...)
		}
	}
	return all
}

// spaces are about how many bytes a row takes, with its part of the indexes, by table.
func (c *conn) spaces(ctx context.Context, going [][]link) (map[string]float64, error) {
	tables := []any{c.schema.Table}
	for _, path := range going {
		tables = append(tables, path[len(path)-1].child.name)
	}
	sizes := map[string]float64{}
	err := c.query(ctx, statements["row_sizes"], params{"tables": tables}, func(rows *sql.Rows) error {
		var table string
		var size float64
		err := rows.Scan(&table, &size)
		sizes[table] = size
		return err
	})
	return sizes, err
}

// measure counts the rows that the deletion of some sessions removes, and what that frees. A row that is reached in two ways counts twice.
func (w *sweep) measure(ctx context.Context, c *conn, ids []any) error {
	w.rows = len(ids)
	freed := float64(len(ids)) * w.reach.sizes[c.schema.Table]
	for _, path := range w.reach.going {
		var count int
		if err := c.row(ctx, c.sql("count_going", sqlfile.Names{"joins": joins(path, "t")}), params{"chosen": chosen(ids)}, &count); err != nil {
			return err
		}
		w.rows += count
		freed += float64(count) * w.reach.sizes[path[len(path)-1].child.name]
	}
	if w.Archive == nil { // the archive keeps them
		w.freed = int64(freed)
	}
	return nil
}

// joins are the tables of a way, r1 and so on, behind that of the sessions.
func joins(path []link, sessions string) string {
	text, parent := "", sessions
	for i, l := range path {
		var refers []string
		child := fmt.Sprintf("r%d", i+1)
		for j := range l.key.columns {
			refers = append(refers, fmt.Sprintf("%s.%s = %s.%s", child, sqlfile.Column(l.key.columns[j]), parent, sqlfile.Column(l.key.to[j])))
		}
		text += fmt.Sprintf(" JOIN %s AS %s ON %s", sqlfile.Column(l.child.name), child, strings.Join(refers, " AND "))
		parent = child
	}
	return text
}
