package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// archivedPage is how many rows are archived, or restored, at once, and archivedGroup how many of a table are kept together.
const (
	archivedPage  = 500
	archivedGroup = 100
)

// archival is how a deletion is archived: what it reaches, through the table of sessions too.
type archival struct {
	reached
	later []string // tables that Migrate did not see
}

// archival is the catalog's, for tables that Migrate knew.
func (c *catalog) archival(s sessioncleanup.Schema, known []string) archival {
	a := archival{reached: c.reachFrom(s, true)}
	for _, name := range a.names() {
		if !slices.Contains(known, name) {
			a.later = append(a.later, name)
		}
	}
	return a
}

// names are the tables that a deletion reaches, but for the sessions.
func (r reached) names() []string {
	var all []string
	for _, l := range r.links {
		if l.child != r.sessions && !slices.Contains(all, l.child.name) {
			all = append(all, l.child.name)
		}
	}
	slices.Sort(all)
	return all
}

// archiving is one deletion that is archived: the entries of its sessions, by their ids.
type archiving struct {
	*conn
	limits  sessioncleanup.Archiving
	cause   sessioncleanup.Cause
	now     time.Time
	entries map[string]*sessioncleanup.Archived
	order   []string
	pending []keptRows
}

// keptRows are rows of an entry to be written: of one table, with numbers that follow each other.
type keptRows struct {
	entry    int64
	first    int // its number
	count    int
	table    string
	unlinked bool
	rows     []byte // as JSON, separated by commas
}

// archive moves what belongs to some sessions, and to those that go along with them, into the archive; the caller then
// deletes them. It returns the ids of all these sessions.
func (c *conn) archive(ctx context.Context, limits sessioncleanup.Archiving, cause sessioncleanup.Cause, now time.Time, ids []string) (map[string]bool, error) {
	if len(c.archival.later) > 0 {
		return nil, fmt.Errorf("%w: tables made since the last migration: %s; run migrate", sessioncleanup.ErrUnarchivable, strings.Join(c.archival.later, ", "))
	}
	w := &archiving{conn: c, limits: limits, cause: cause, now: now, entries: map[string]*sessioncleanup.Archived{}}
	if err := w.find(ctx, ids); err != nil {
		return nil, err
	}
	if err := w.number(ctx); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(ids, func(id string) bool { return w.entries[id] == nil }) {
		return nil, errUnnamed
	}
	for n := range c.archival.tables {
		if err := w.keepRows(ctx, n); err != nil {
			return nil, err
		}
	}
	for _, l := range c.archival.links {
		if err := w.keepReferences(ctx, l); err != nil {
			return nil, err
		}
	}
	if err := w.keepTags(ctx); err != nil {
		return nil, err
	}
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	var entries []sessioncleanup.Archived
	for _, id := range w.order {
		kept[id] = true
		entries = append(entries, *w.entries[id])
	}
	if err := c.insertArchived(ctx, entries...); err != nil {
		return nil, err
	}
	_, err := c.ExecContext(ctx, statements["forget_found"])
	return kept, err
}

// find makes the table of the rows that the deletion reaches.
func (w *archiving) find(ctx context.Context, ids []string) error {
	a := w.archival
	columns := strings.Join(keys("k", a.width), ", ")
	var steps []string
	for _, l := range a.links {
		if l.effect() != effectDeleted {
			continue
		}
		root := "sessioncleanup_gone.root"
		if l.child == a.sessions {
			root = "c." + sqlfile.Column(w.schema.ID)
		}
		steps = append(steps, filled("find_step", sqlfile.Names{
			"root": root, "child_number": a.number(l.child), "child_key": padded(l.child.keyOf("c"), a.width),
			"parent": l.parent.quoted(), "parent_number": a.number(l.parent), "child": l.child.quoted(),
			"same_parent": equal(l.parent.keyOf("p"), keys("sessioncleanup_gone.k", a.width)), "refers": l.refers(),
		}))
	}
	find := w.sql("find_archived", sqlfile.Names{
		"columns": columns, "keys": strings.Join(a.sessions.keyOf(a.sessions.quoted()), ", "),
		"padding": strings.Repeat(", NULL", a.width-len(a.sessions.keyColumnsOrRowID())), "steps": "\n" + strings.Join(steps, "\n"),
	})
	_, err := w.exec(ctx, find, w.listOf(ids))
	if err == nil && slices.ContainsFunc(a.links, func(l link) bool { return l.effect() == effectUnlinked }) { // they ask whether a row was found
		_, err = w.ExecContext(ctx, filled("index_found", sqlfile.Names{"columns": columns}))
	}
	return err
}

// number makes the entries.
func (w *archiving) number(ctx context.Context) error {
	find := w.sql("found_sessions", sqlfile.Names{"same_session": equal(w.archival.sessions.keyOf(w.archival.sessions.quoted()), keys("f.k", w.archival.width))})
	err := w.query(ctx, find, nil, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		if err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name); err != nil {
			return err
		}
		if w.entries[ref.ID] != nil {
			return errUnnamed
		}
		short := sessioncleanup.Event{Reason: w.cause.Reason, Sessions: []sessioncleanup.SessionRef{ref}}.Shortened()
		w.order = append(w.order, ref.ID)
		w.entries[ref.ID] = &sessioncleanup.Archived{
			SessionID: ref.ID, OwnerID: ref.OwnerID, Name: short.Sessions[0].Name, At: w.now, Actor: w.cause.Actor, Reason: short.Reason, RunID: w.cause.RunID, Rows: -1,
		}
		return nil
	})
	if err != nil {
		return err
	}
	var last int64
	if err := w.row(ctx, statements["number_entries"], params{"count": len(w.order)}, &last); err != nil {
		return err
	}
	for i, id := range w.order {
		w.entries[id].ID = last - int64(len(w.order)-1-i)
	}
	return nil
}

// rootText reads the session that a row was found for.
func (w *archiving) rootText() string { return w.adopted.ID.readText("f.root") }

// keepRows archives the rows of one table that are deleted.
func (w *archiving) keepRows(ctx context.Context, n int) error {
	t := w.archival.tables[n]
	columns := t.stored()
	names := quotedNames(columns)
	find := filled("found_rows", sqlfile.Names{
		"root_text": w.rootText(), "values": strings.Join(raw("c", columns), ", "), "child": t.quoted(), "child_number": fmt.Sprint(n),
		"same_child": equal(t.keyOf("c"), keys("f.k", w.archival.width)),
	})
	for after, more := int64(0), true; more; {
		read := 0
		err := w.query(ctx, find, params{"after": after, "limit": archivedPage}, func(rows *sql.Rows) error {
			values, root, err := scanRaw(rows, &after, len(columns))
			if err != nil {
				return err
			}
			read++
			return w.add(root, t.name, false, jsonObject(names, values))
		})
		if err == nil {
			err = w.flush(ctx)
		}
		if err != nil {
			return err
		}
		more = read == archivedPage
	}
	return nil
}

// keepReferences archives what the rows that are unlinked refer to.
func (w *archiving) keepReferences(ctx context.Context, l link) error {
	if l.effect() != effectUnlinked {
		return nil
	}
	key := l.child.rowKey()
	width, parent := w.archival.width, slices.Index(w.archival.tables, l.parent)
	names := sqlfile.Names{
		"root_text": w.rootText(), "values": strings.Join(raw("c", append(slices.Clone(key), l.key.columns...)), ", "),
		"parent": l.parent.quoted(), "parent_number": fmt.Sprint(parent), "child": l.child.quoted(), "child_number": w.archival.number(l.child),
		"same_parent": equal(l.parent.keyOf("p"), keys("f.k", width)), "refers": l.refers(), "same_found": "0",
	}
	if slices.Contains(w.archival.tables, l.child) {
		names["same_found"] = equal(l.child.keyOf("c"), keys("g.k", width))
	}
	keyNames, setNames := quotedNames(key), quotedNames(l.key.columns)
	for after := int64(0); ; {
		var last int64
		if err := w.row(ctx, statements["last_found"], params{"number": parent, "after": after, "limit": archivedPage}, &last); err != nil || last == 0 {
			return err
		}
		err := w.query(ctx, filled("found_unlinked", names), params{"after": after, "limit": archivedPage}, func(rows *sql.Rows) error {
			var at int64
			values, root, err := scanRaw(rows, &at, len(key)+len(l.key.columns))
			if err != nil {
				return err
			}
			row := `{"key":` + jsonObject(keyNames, values[:len(key)]) + `,"set":` + jsonObject(setNames, values[len(key):]) + `}`
			return w.add(root, l.child.name, true, row)
		})
		if err == nil {
			err = w.flush(ctx)
		}
		if err != nil {
			return err
		}
		after = last
	}
}

// add archives one row of a table.
func (w *archiving) add(root, table string, unlinked bool, row string) error {
	e := w.entries[root]
	e.Rows++
	e.Bytes += int64(len(row))
	if err := w.limits.Check(e.Rows, e.Bytes); err != nil {
		return fmt.Errorf("session %q: %w", root, err)
	}
	w.keep(e.ID, e.Rows+1, table, unlinked, row)
	return nil
}

// keep adds a row to those to be written.
func (w *archiving) keep(entry int64, number int, table string, unlinked bool, row string) {
	if n := len(w.pending); n > 0 {
		g := &w.pending[n-1]
		if g.entry == entry && g.table == table && g.unlinked == unlinked && g.first+g.count == number && g.count < archivedGroup {
			g.count++
			g.rows = append(append(g.rows, ','), row...)
			return
		}
	}
	w.pending = append(w.pending, keptRows{entry, number, 1, table, unlinked, []byte(row)})
}

// flush writes the rows.
func (w *archiving) flush(ctx context.Context) error {
	all := make([]params, len(w.pending))
	for i, g := range w.pending {
		all[i] = params{"entry": g.entry, "number": g.first, "table": g.table, "unlinked": g.unlinked, "rows": "[" + string(g.rows) + "]"}
	}
	w.pending = nil
	return w.execEach(ctx, statements["insert_archived_rows"], all)
}

func (c *conn) insertArchived(ctx context.Context, entries ...sessioncleanup.Archived) error {
	all := make([]params, len(entries))
	for i, e := range entries {
		all[i] = params{
			"id": e.ID, "session": e.SessionID, "owner": e.OwnerID, "name": e.Name, "at": formatTime(e.At), "actor": e.Actor, "reason": e.Reason,
			"run_id": e.RunID, "row_count": e.Rows, "bytes": e.Bytes,
		}
	}
	return c.execEach(ctx, statements["insert_archived"], all)
}

// stored are the names of the columns that hold values of their own.
func (t *table) stored() []string {
	var names []string
	for _, c := range t.columns {
		if !c.generated {
			names = append(names, c.name)
		}
	}
	return names
}

// rowKey are the columns by which a row is found again after its references were removed: the primary key, a unique index
// or, without one, all columns that are no reference.
func (t *table) rowKey() []string {
	keyed := func(columns []string) bool {
		return len(columns) > 0 && !slices.ContainsFunc(columns, func(name string) bool {
			c := t.column(name)
			return c == nil || c.generated || !c.notNull && c.key == 0 || t.unlinks(name)
		})
	}
	if key := t.keyColumns(); keyed(key) {
		return key
	}
	for _, i := range t.indexes {
		if i.unique && !i.partial && keyed(i.columns) {
			return i.columns
		}
	}
	return slices.DeleteFunc(t.stored(), t.unlinks)
}

// unlinks reports whether a foreign key changes a column when what it refers to is deleted.
func (t *table) unlinks(column string) bool {
	return slices.ContainsFunc(t.keys, func(k foreignKey) bool {
		return (link{key: k}).effect() == effectUnlinked && slices.ContainsFunc(k.columns, func(c string) bool { return strings.EqualFold(c, column) })
	})
}

// raw are expressions for the values of columns as they are stored: the driver converts those of bare columns.
func raw(alias string, columns []string) []string {
	all := make([]string, len(columns))
	for i, column := range columns {
		all[i] = "+" + alias + "." + sqlfile.Column(column)
	}
	return all
}

func scanRaw(rows *sql.Rows, at *int64, n int) (values []any, root string, err error) {
	values = make([]any, n)
	dest := []any{at, &root}
	for i := range values {
		dest = append(dest, &values[i])
	}
	err = rows.Scan(dest...)
	return values, root, err
}
