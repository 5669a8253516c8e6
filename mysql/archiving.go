package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// archiving is one deletion that is archived.
type archiving struct {
	*conn
	*archival
	limits   sessioncleanup.Archiving
	refs     []sessioncleanup.SessionRef
	entries  []any  // of the sessions, in their order
	patience string // a prefix of statements that may not wait for locks
}

// archive moves sessions, which are locked, into the archive with all that their deletion reaches; the caller then
// deletes them. Rows are locked as they are read. Unless it may wait for that, a row that another transaction has locked
// is an error.
func (s *Store) archive(ctx context.Context, c *conn, limits sessioncleanup.Archiving, cause sessioncleanup.Cause, now time.Time, refs []sessioncleanup.SessionRef, wait bool) error {
	a, err := s.archivalOf(ctx, c)
	if err != nil {
		return err
	}
	if err := a.obstacle(c.schema); err != nil {
		return err
	}
	w := &archiving{conn: c, archival: a, limits: limits, refs: refs}
	if !wait {
		w.patience = statements["without_waiting"]
	}
	if err := w.insertEntries(ctx, cause, now); err != nil {
		return err
	}
	if err := w.each(ctx, w.dropFound, w.createFound); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		w.findSessions, w.findRows, w.keepRows, w.keepTags, w.checkSizes, func(ctx context.Context) error { return s.unchanged(ctx, c, a) },
	} {
		if err := step(ctx); err != nil {
			return w.explained(err)
		}
	}
	return w.each(ctx, w.dropFound)
}

// explained says what an error of the server means for an archive.
func (w *archiving) explained(err error) error {
	switch errorNumber(err) {
	case 1142, 1143:
		return fmt.Errorf("%w: %w", sessioncleanup.ErrUnarchivable, err)
	case 1048, 1301: // the form of a row is NULL
		return w.tooLarge(rowTooLarge)
	}
	return err
}

const rowTooLarge = "a row, written as JSON, is larger than the server's max_allowed_packet"

func (w *archiving) tooLarge(what string) error {
	if len(w.refs) > 1 {
		return fmt.Errorf("%w: %s", sessioncleanup.ErrTooLarge, what)
	}
	return fmt.Errorf("session %q: %w: %s", w.refs[0].ID, sessioncleanup.ErrTooLarge, what)
}

// entriesAtOnce is how many entries one statement inserts.
const entriesAtOnce = 200

// insertEntries makes the entries, with their sizes to be filled in. The server numbers the rows of a statement with
// VALUES in a row.
func (w *archiving) insertEntries(ctx context.Context, cause sessioncleanup.Cause, now time.Time) error {
	for part := range slices.Chunk(w.refs, entriesAtOnce) {
		var made []sessioncleanup.Archived
		for _, ref := range part {
			short := sessioncleanup.Event{Reason: cause.Reason, Sessions: []sessioncleanup.SessionRef{ref}}.Shortened()
			made = append(made, sessioncleanup.Archived{
				SessionID: ref.ID, OwnerID: ref.OwnerID, Name: short.Sessions[0].Name, At: now, Actor: cause.Actor, Reason: short.Reason, RunID: cause.RunID,
			})
		}
		ids, err := w.insertArchived(ctx, made)
		if err != nil {
			return err
		}
		for _, id := range ids {
			w.entries = append(w.entries, id)
		}
	}
	return nil
}

// insertArchived inserts entries and returns their ids.
func (c *conn) insertArchived(ctx context.Context, entries []sessioncleanup.Archived) ([]int64, error) {
	p := params{}
	var rows []string
	for i, e := range entries {
		var places []string
		for j, value := range []any{[]byte(e.SessionID), []byte(e.OwnerID), e.Name, e.At, e.Actor, e.Reason, e.RunID, e.Rows, e.Bytes, strings.Join(e.Tags, " ")} {
			place := fmt.Sprintf("value%d_%d", i, j)
			p[place] = value
			places = append(places, ":"+place)
		}
		rows = append(rows, "("+strings.Join(places, ", ")+")")
	}
	var step int64
	if err := c.row(ctx, statements["id_step"], nil, &step); err != nil {
		return nil, err
	}
	text, args := bound(filled("insert_archived", sqlfile.Names{"rows": strings.Join(rows, ", ")}), p)
	result, err := c.ExecContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	first, err := result.LastInsertId()
	ids := make([]int64, len(entries))
	for i := range ids {
		ids[i] = first + int64(i)*step
	}
	return ids, err
}

// foundTable is the temporary table of rows of a table.
func (w *archiving) foundTable(t *table) string {
	return fmt.Sprint("sessioncleanup_found_", w.found[t])
}

// each takes steps for each table to which others refer.
func (w *archiving) each(ctx context.Context, steps ...func(context.Context, *table) error) error {
	for t := range w.found {
		for _, step := range steps {
			if err := step(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *archiving) dropFound(ctx context.Context, t *table) error {
	_, err := w.ExecContext(ctx, filled("drop_found", sqlfile.Names{"found": w.foundTable(t)}))
	return err
}

func (w *archiving) createFound(ctx context.Context, t *table) error {
	_, err := w.ExecContext(ctx, filled("create_found", sqlfile.Names{
		"found": w.foundTable(t), "table": sqlfile.Column(t.name), "key": quoted(w.keyOf(t, w.schema)), "columns": quoted(w.referredTo(t, w.schema)),
	}))
	return err
}

// findSessions fills the first of these tables.
func (w *archiving) findSessions(ctx context.Context) error {
	var list [][2]any
	for i, ref := range w.refs {
		list = append(list, [2]any{ref.ID, w.entries[i]})
	}
	columns := w.referredTo(w.sessions, w.schema)
	n, err := w.exec(ctx, w.sql("find_sessions", sqlfile.Names{
		"found": w.foundTable(w.sessions), "columns": quoted(columns), "its_columns": aliased("c", columns),
	}), params{"chosen": sqlstore.JSON(list)})
	if err == nil && n != int64(len(w.refs)) {
		err = fmt.Errorf("%w: the sessions were changed meanwhile", sessioncleanup.ErrUnavailable)
	}
	return err
}

// findRows fills the others, level by level.
func (w *archiving) findRows(ctx context.Context) error {
	fresh := map[*table]bool{w.sessions: true}
	for round := 0; len(fresh) > 0; round++ {
		next := map[*table]bool{}
		for _, l := range w.deleted {
			if _, numbered := w.found[l.child]; !numbered || !fresh[l.parent] {
				continue
			}
			key := w.keyOf(l.child, w.schema)
			names := w.referring(l)
			names["found"], names["same"] = w.foundTable(l.child), equal("g", key, "c", key)
			if l.child == w.sessions {
				if err := w.findOthers(ctx, names); err != nil {
					return err
				}
				continue
			}
			columns := w.referredTo(l.child, w.schema)
			names["columns"], names["its_columns"], names["its_key"] = quoted(columns), aliased("c", columns), aliased("c", key)
			n, err := w.exec(ctx, filled("find_rows", names), params{"round": round, "most": w.most()})
			if err != nil {
				return err
			}
			if err := w.checkMost(n); err != nil {
				return err
			}
			if n > 0 {
				next[l.child] = true
			}
		}
		fresh = next
	}
	return nil
}

// findOthers fails when other sessions would be deleted along: those that the caller saw are among those that are archived.
func (w *archiving) findOthers(ctx context.Context, names sqlfile.Names) error {
	var others bool
	err := w.row(ctx, filled("finds_others", names), nil, &others)
	if err == nil && others {
		err = fmt.Errorf("%w: other sessions were added meanwhile that would be deleted along", sessioncleanup.ErrUnavailable)
	}
	return err
}

// referring are the names for rows c of a child that refer to rows f of its parent.
func (w *archiving) referring(l link) sqlfile.Names {
	return sqlfile.Names{
		"patience": w.patience, "found_parent": w.foundTable(l.parent), "child": sqlfile.Column(l.child.name), "index": l.child.forced(l.key.columns),
		"refers": equal("c", l.key.columns, "f", l.key.to),
	}
}

// most is one more than the number of rows that may belong to all of the sessions together.
func (w *archiving) most() int64 { return int64(w.limits.MaxRows)*int64(len(w.refs)) + 1 }

func (w *archiving) checkMost(n int64) error {
	if n == w.most() {
		return w.tooLarge(fmt.Sprintf("more than %d rows belong to it", w.limits.MaxRows))
	}
	return nil
}

// keepRows archives rows that are deleted, table by table, and then what unlinked rows refer to.
func (w *archiving) keepRows(ctx context.Context) error {
	if err := w.keepFound(ctx, w.sessions); err != nil {
		return err
	}
	for _, t := range w.children() {
		if _, numbered := w.found[t]; numbered {
			if err := w.keepFound(ctx, t); err != nil {
				return err
			}
			continue
		}
		var before []link
		for _, l := range w.deleted {
			if l.child == t {
				if err := w.keepReferring(ctx, l, before, "FALSE", objectOf("c", t.stored())); err != nil {
					return err
				}
				before = append(before, l)
			}
		}
	}
	for _, l := range w.unlinked {
		key, set := objectOf("c", l.child.keyOfUnlinked()), objectOf("c", l.child.named(l.key.columns))
		deleted := slices.DeleteFunc(slices.Clone(w.deleted), func(d link) bool { return d.child != l.child })
		content := `CONCAT('{"key":', ` + key + `, ',"set":', ` + set + `, '}')`
		if err := w.keepReferring(ctx, l, deleted, "TRUE", content); err != nil {
			return err
		}
	}
	return nil
}

// keepFound archives the rows of a table that are found.
func (w *archiving) keepFound(ctx context.Context, t *table) error {
	key := w.keyOf(t, w.schema)
	_, err := w.exec(ctx, filled("keep_found", sqlfile.Names{
		"patience": w.patience, "found": w.foundTable(t), "table": sqlfile.Column(t.name), "index": t.forced(key), "same": equal("c", key, "f", key),
		"content": objectOf("c", t.stored()),
	}), params{"table": t.name})
	return err
}

// keepReferring archives rows that refer to rows that are found, but for those that do so by one of some other links too.
func (w *archiving) keepReferring(ctx context.Context, l link, but []link, unlinked, content string) error {
	names := w.referring(l)
	conditions := []string{"TRUE"}
	for _, other := range but {
		conditions = append(conditions, filled("not_referring", sqlfile.Names{
			"found_parent": w.foundTable(other.parent), "refers": equal("c", other.key.columns, "g", other.key.to),
		}))
	}
	if l.child == w.sessions {
		key := w.keyOf(w.sessions, w.schema)
		conditions = append(conditions, filled("not_referring", sqlfile.Names{"found_parent": w.foundTable(w.sessions), "refers": equal("c", key, "g", key)}))
	}
	names["not_kept"], names["is_unlinked"], names["content"] = strings.Join(conditions, " AND "), unlinked, content
	n, err := w.exec(ctx, filled("keep_referring", names), params{"table": l.child.name, "most": w.most()})
	if err == nil {
		err = w.checkMost(n)
	}
	return err
}

// checkSizes fails when an entry is larger than may be archived, and writes the sizes.
func (w *archiving) checkSizes(ctx context.Context) error {
	p := params{"entries": w.entries}
	sizes, err := w.sizes(ctx, p)
	if err != nil {
		return err
	}
	for i, ref := range w.refs {
		entry, _ := w.entries[i].(int64)
		size, kept := sizes[entry]
		if !kept {
			return errors.New("a session that is deleted is not archived")
		}
		if size.TooLong {
			return fmt.Errorf("session %q: %w: %s", ref.ID, sessioncleanup.ErrTooLarge, rowTooLarge)
		}
		if err := w.limits.Check(size.Rows, size.Bytes); err != nil {
			return fmt.Errorf("session %q: %w", ref.ID, err)
		}
	}
	_, err = w.exec(ctx, statements["note_sizes"], p)
	return err
}

// equal is the condition for columns of two tables to be equal.
func equal(a string, columns []string, b string, others []string) string {
	all := make([]string, len(columns))
	for i, column := range columns {
		all[i] = a + "." + sqlfile.Column(column) + " = " + b + "." + sqlfile.Column(others[i])
	}
	return strings.Join(all, " AND ")
}

func aliased(alias string, columns []string) string {
	all := make([]string, len(columns))
	for i, column := range columns {
		all[i] = alias + "." + sqlfile.Column(column)
	}
	return strings.Join(all, ", ")
}
