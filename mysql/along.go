package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// link is a foreign key by which deleting rows of the parent deletes rows of the child.
type link struct {
	parent, child *table
	key           foreignKey
}

// back are the links through which a deletion of sessions reaches other sessions, at any depth; usually there are none.
func (c *catalog) back(s sessioncleanup.Schema) []link {
	sessions := c.tables[s.Table]
	if sessions == nil || s.SoftDelete {
		return nil
	}
	var all []link
	for _, child := range c.tables {
		for _, k := range child.keys {
			if parent := c.tables[k.table]; parent != nil && k.onDelete == "CASCADE" {
				all = append(all, link{parent, child, k})
			}
		}
	}
	reached := func(from *table, step func(l link) (a, b *table)) map[*table]bool {
		seen := map[*table]bool{}
		for next := []*table{from}; len(next) > 0; next = next[1:] {
			for _, l := range all {
				if a, b := step(l); a == next[0] && !seen[b] {
					seen[b] = true
					next = append(next, b)
				}
			}
		}
		return seen
	}
	down := reached(sessions, func(l link) (a, b *table) { return l.parent, l.child })
	up := reached(sessions, func(l link) (a, b *table) { return l.child, l.parent })
	down[sessions] = true
	back := slices.DeleteFunc(all, func(l link) bool { return !down[l.parent] || l.child != sessions && !up[l.child] })
	slices.SortFunc(back, func(a, b link) int { return strings.Compare(a.child.name+"."+a.key.name, b.child.name+"."+b.key.name) })
	return back
}

// linksFor is how long the links that were read are taken for those of the database.
const linksFor = 10 * time.Second

// reach is what a deletion of sessions reaches, read now and then.
func (s *Store) reach(ctx context.Context, c *conn) (*linksRead, error) {
	s.mu.Lock()
	known := s.back
	s.mu.Unlock()
	if known != nil && known.layout == c.layout && time.Since(known.read) < linksFor {
		return known, nil
	}
	keys, err := c.keys(ctx)
	if err != nil {
		return nil, err
	}
	known = &linksRead{layout: c.layout, read: time.Now(), going: keys.going(c.schema)}
	if known.sizes, err = c.spaces(ctx, known.going); err != nil {
		return nil, err
	}
	if len(keys.back(c.schema)) > 0 {
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return nil, err
		}
		known.links = catalog.back(c.schema)
	}
	s.mu.Lock()
	s.back = known
	s.mu.Unlock()
	return known, nil
}

// keys has the foreign keys alone. Usually they say that there are no links back to the sessions: reading the whole
// catalog takes many times as long.
func (c *conn) keys(ctx context.Context) (*catalog, error) {
	keys := &catalog{tables: map[string]*table{c.schema.Table: {name: c.schema.Table}}}
	err := c.query(ctx, statements["list_foreign_keys"], nil, func(rows *sql.Rows) error {
		var in, to string
		var rest [5]string
		if err := rows.Scan(&in, &rest[0], &rest[1], &to, &rest[2], &rest[3], &rest[4]); err != nil {
			return err
		}
		for _, name := range []string{in, to} {
			if keys.tables[name] == nil {
				keys.tables[name] = &table{name: name}
			}
		}
		return keys.addKey(rows)
	})
	return keys, err
}

type linksRead struct {
	layout *layout
	read   time.Time
	links  []link             // back to the sessions
	going  [][]link           // to rows that are deleted along
	sizes  map[string]float64 // of rows, by table
}

// along returns the ids of other sessions that are deleted along with some, in the order in which they are found.
func (c *conn) along(ctx context.Context, links []link, ids []string) ([]string, error) {
	if len(links) == 0 {
		return nil, nil
	}
	sessions := c.schema.Table
	keys := map[*table][]string{} // what tells rows apart; without a key, what others refer to
	keyed := func(t *table) bool { return t.name == sessions || len(t.rowKey()) > 0 }
	for _, l := range links {
		for _, t := range []*table{l.parent, l.child} {
			if t.name == sessions {
				keys[t] = []string{c.schema.ID}
			} else if keyed(t) {
				keys[t] = t.rowKey()
			}
		}
		for _, column := range l.key.to {
			if !keyed(l.parent) && !slices.Contains(keys[l.parent], column) {
				keys[l.parent] = append(keys[l.parent], column)
			}
		}
	}
	seen := map[string]bool{}
	frontier := map[*table][][]any{}
	for _, l := range links {
		if l.parent.name == sessions && frontier[l.parent] == nil {
			for _, id := range c.adopted.ID.list(ids) {
				frontier[l.parent] = append(frontier[l.parent], []any{id})
			}
		}
	}
	for _, id := range ids {
		seen[sessions+"\x00"+id] = true
	}
	var found []string
	for len(frontier) > 0 {
		next := map[*table][][]any{}
		for _, l := range links {
			key, parents := keys[l.parent], frontier[l.parent]
			if !keyed(l.parent) {
				key, parents = l.key.to, referred(l.key.to, key, parents)
			}
			if len(parents) == 0 {
				continue
			}
			rows, err := c.refer(ctx, l, key, keys[l.child], parents)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				name := l.child.name + "\x00" + fmt.Sprint(row...)
				if l.child.name == sessions {
					id := c.idOf(row[0])
					if name = sessions + "\x00" + id; !seen[name] {
						found = append(found, id)
					}
				}
				if !seen[name] {
					seen[name] = true
					next[l.child] = append(next[l.child], row)
				}
			}
		}
		frontier = next
	}
	return found, nil
}

// referred are some columns of rows, without rows to which nothing can refer because one of these is NULL.
func referred(columns, all []string, rows [][]any) (out [][]any) {
	for _, row := range rows {
		some := make([]any, len(columns))
		for i, column := range columns {
			some[i] = row[slices.Index(all, column)]
		}
		if !slices.Contains(some, nil) {
			out = append(out, some)
		}
	}
	return out
}

// idOf is an id, as the driver reads it, as a text.
func (c *conn) idOf(value any) string {
	if b, ok := value.([]byte); ok {
		return fmt.Sprintf("%x", b)
	}
	return fmt.Sprint(value)
}

// refer returns the keys of the rows of a child that refer to rows of the parent.
func (c *conn) refer(ctx context.Context, l link, parentKey, childKey []string, parents [][]any) (keys [][]any, err error) {
	p := params{}
	var rows, columns, refers []string
	for i, parent := range parents {
		var values []string
		for j, value := range parent {
			name := fmt.Sprintf("key%d_%d", i, j)
			p[name] = value
			values = append(values, ":"+name)
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	for _, name := range childKey {
		columns = append(columns, "c."+sqlfile.Column(name))
	}
	for i := range l.key.columns {
		refers = append(refers, "c."+sqlfile.Column(l.key.columns[i])+" = p."+sqlfile.Column(l.key.to[i]))
	}
	var parentColumns []string
	for _, name := range parentKey {
		parentColumns = append(parentColumns, "p."+sqlfile.Column(name))
	}
	err = c.query(ctx, filled("refer", sqlfile.Names{
		"columns": strings.Join(columns, ", "), "child": sqlfile.Column(l.child.name), "parent": sqlfile.Column(l.parent.name),
		"refers": strings.Join(refers, " AND "), "key": strings.Join(parentColumns, ", "), "rows": strings.Join(rows, ", "),
	}), p, func(rows *sql.Rows) error {
		key := make([]any, len(childKey))
		dest := make([]any, len(childKey))
		for i := range key {
			dest[i] = &key[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		types, err := rows.ColumnTypes()
		if err != nil {
			return err
		}
		for i, value := range key {
			if b, ok := value.([]byte); ok && !strings.Contains(types[i].DatabaseTypeName(), "B") && utf8.Valid(b) { // no BINARY or BLOB
				key[i] = string(b)
			}
		}
		keys = append(keys, key)
		return nil
	})
	return keys, err
}

// checkAlong finds out which other sessions a deletion takes along. Those that are due, and may be, count as changed. A
// session that would take another one along is skipped.
func (w *sweep) checkAlong(ctx context.Context, c *conn, links []link) error {
	if len(links) == 0 {
		return nil
	}
	along, err := c.along(ctx, links, sqlstore.IDs(w.refs))
	if err != nil || len(along) == 0 {
		return err
	}
	w.changed = nil
	going := map[string]bool{}
	for _, ref := range w.refs {
		others, err := c.along(ctx, links, []string{ref.ID})
		if err != nil {
			return err
		}
		due, kept, err := w.due(ctx, c, others)
		if err != nil {
			return err
		}
		if kept != "" {
			w.skipped = append(w.skipped, sessioncleanup.Skipped{SessionID: ref.ID, Action: w.Action, Reason: fmt.Sprintf(
				"deleting it would also delete session %q, which is not due for deletion", kept)})
			continue
		}
		for _, r := range append([]sessioncleanup.SessionRef{ref}, due...) {
			if !going[r.ID] {
				going[r.ID] = true
				w.changed = append(w.changed, r)
			}
		}
	}
	w.skipped = slices.DeleteFunc(w.skipped, func(s sessioncleanup.Skipped) bool { return going[s.SessionID] })
	return nil
}

// due locks sessions and returns them when all are due and may be deleted, or else the first that is not.
func (w *sweep) due(ctx context.Context, c *conn, ids []string) (due []sessioncleanup.SessionRef, kept string, err error) {
	if len(ids) == 0 {
		return nil, "", nil
	}
	free, err := c.lock(ctx, c.adopted.ID.list(ids), false)
	if err != nil || len(free) == 0 {
		return nil, ids[0], err
	}
	other := *w
	other.refs, other.Filter = nil, sessioncleanup.Filter{}
	if err := other.choose(ctx, c, free); err != nil {
		return nil, "", err
	}
	w.noted = w.noted || other.noted
	for _, id := range ids {
		if !slices.ContainsFunc(other.refs, func(r sessioncleanup.SessionRef) bool { return r.ID == id }) {
			return nil, id, nil
		}
	}
	return other.refs, "", nil
}
