package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// Restoration is a restore in progress, within a transaction in which a backend puts rows back:
//
//	w := &restoration{conn: c, Restoration: sqlstore.Restoration{Conn: ownConn{c}, …}}
//	out, err = w.Restore(ctx, request, w.insertCopies, w.putBack)
type Restoration struct {
	Conn   Conn
	Schema sessioncleanup.Schema
	Now    time.Time
	// Value reads a value of an archived row.
	Value func(json.RawMessage) (any, error)
	// Obstacle says what an error of the database is, if the row itself is at fault; else the kind is empty.
	Obstacle func(error) (kind sessioncleanup.ObstacleKind, text string)

	Out       sessioncleanup.Restored
	Obstacles archive.Obstacles
	NewIDs    archive.NewIDs
	IDColumns archive.IDColumns
}

// Restore brings entries of the archive back. An archive.ErrUndo ends what is only tried, or met an obstacle: archive.Restored makes
// the answer.
//
// insertCopies puts copies into the archive, and returns their IDs there. putBack inserts and links the rows of entries, of which
// some are renewed: their sessions get new IDs.
func (w *Restoration) Restore(ctx context.Context, r sessioncleanup.RestoreRequest,
	insertCopies func(context.Context, []sessioncleanup.ArchivedCopy) (archive.Copies, error),
	putBack func(ctx context.Context, entries []sessioncleanup.Archived, renewed []int64) error,
) (sessioncleanup.Restored, error) {
	copies, err := insertCopies(ctx, r.Copies)
	if err != nil {
		return sessioncleanup.Restored{}, err
	}
	if len(w.Obstacles.Found) == 0 {
		err = w.restore(ctx, copies.Asked(r), putBack)
	}
	w.Out.Obstacles = w.Obstacles.Found
	if err == nil && (r.DryRun || len(w.Out.Obstacles) > 0) {
		err = archive.ErrUndo
	}
	return copies.Answer(w.Out), err
}

func (w *Restoration) restore(ctx context.Context, r sessioncleanup.RestoreRequest, putBack func(context.Context, []sessioncleanup.Archived, []int64) error) error {
	var entries []sessioncleanup.Archived
	if len(r.IDs) > 0 {
		found, err := Archived(ctx, w.Conn, sessioncleanup.ArchiveQuery{IDs: r.IDs, OwnerID: r.OwnerID, Limit: len(r.IDs)}, w.Conn.ForUpdate())
		if err == nil {
			entries, err = archive.Requested(found, r.IDs)
		}
		if err != nil {
			return err
		}
	}
	if err := putBack(ctx, entries, r.NewIDs); err != nil {
		return err
	}
	if w.Out.Entries = entries; len(w.Obstacles.Found) > 0 {
		return nil
	}
	ids, refs := w.NewIDs.Refs(entries)
	if err := Forget(ctx, w.Conn, ids); err != nil {
		return err
	}
	return w.Conn.InsertEvent(ctx, EventOf(w.Now, sessioncleanup.ActionRestored, r.Cause, refs))
}

// Renew sets new IDs for the sessions of some entries, as next makes them; taken is as in archive.Renewal.
func (w *Restoration) Renew(ctx context.Context, entries []sessioncleanup.Archived, asked []int64, next func() (any, error), taken func(id any) (string, bool, error)) (err error) {
	old := func(entry int64) (id any, found bool, err error) {
		var number int64
		var table, content string
		var unlinked bool
		err = row(ctx, w.Conn, w.Conn.SQL("archived_rows", nil), Params{"entry": entry, "after": 0, "limit": 1}, &number, &table, &unlinked, &content)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		values, err := archive.Row(json.RawMessage(content), w.Value)
		return values[w.Schema.ID], true, err
	}
	w.NewIDs, err = archive.Renewal{Table: w.Schema.Table, Next: next, Taken: taken, Old: old}.Renew(entries, asked)
	for entry, id := range w.NewIDs {
		w.Out.Rename(entry, id.Text)
	}
	return err
}

// Values are those of a row of an entry, or of a part of one, by column, with new IDs of sessions in them.
func (w *Restoration) Values(e sessioncleanup.Archived, table string, data json.RawMessage) (map[string]any, error) {
	values, err := archive.Row(data, w.Value)
	w.NewIDs.Replace(e, table, w.IDColumns, values)
	return values, err
}

// Reference reads an unlinked row: the key of the row that is still there, and the values that link it again.
func (w *Restoration) Reference(e sessioncleanup.Archived, table string, data json.RawMessage) (key, set map[string]any, err error) {
	var parts struct{ Key, Set json.RawMessage }
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, nil, fmt.Errorf("a row of the archive cannot be read: %w", err)
	}
	if key, err = archive.Row(parts.Key, w.Value); err != nil {
		return nil, nil, err
	}
	set, err = w.Values(e, table, parts.Set)
	return key, set, err
}

// RestoreTag adds a tag to the session that was restored, whatever session the row names: a forged file must not tag others.
func (w *Restoration) RestoreTag(ctx context.Context, e sessioncleanup.Archived, row sessioncleanup.ArchivedRow,
	write func(ctx context.Context, id string, change sessioncleanup.TagChange) error,
) error {
	values, err := archive.Row(row.Row, w.Value)
	if err != nil {
		return err
	}
	tag, _ := values["tag"].(string)
	change := sessioncleanup.TagChange{Add: []string{tag}}
	if w.Schema.CheckTags(change) == nil { // else the session's row has made it
		err = write(ctx, cmp.Or(w.NewIDs[e.ID].Text, e.SessionID), change)
	}
	if w.Refused(e, row.Table, err) {
		return nil
	}
	if err == nil {
		w.Out.Rows++
	}
	return err
}

// Refused notes an error of the database that is an obstacle, and reports whether it is one.
func (w *Restoration) Refused(e sessioncleanup.Archived, table string, err error) bool {
	if err == nil {
		return false
	}
	kind, text := w.Obstacle(err)
	if kind == "" {
		return false
	}
	w.Obstacles.Add(kind, e, table, text)
	return true
}

// TableGone notes that the table of a row is not there.
func (w *Restoration) TableGone(e sessioncleanup.Archived, table string) {
	w.Obstacles.Add(sessioncleanup.ObstacleTable, e, table, "the table is gone")
}

// TableForeign notes that the table of a row is none that may have rows in an entry: a forged file must not fill others.
func (w *Restoration) TableForeign(e sessioncleanup.Archived, table string) {
	w.Obstacles.Add(sessioncleanup.ObstacleTable, e, table, "the table is none that the deletion of a session reaches")
}

// ColumnsGone notes the columns of a row that are not there any more, but for those that were NULL.
func (w *Restoration) ColumnsGone(e sessioncleanup.Archived, table string, left map[string]any, there func(column string) bool) {
	for _, name := range slices.Sorted(maps.Keys(left)) {
		if left[name] != nil && !there(name) {
			w.Obstacles.Add(sessioncleanup.ObstacleColumn, e, table, fmt.Sprintf("the column %q is gone", name))
		}
	}
}

// ParentGone notes that a row that was inserted refers to one that is not there.
func (w *Restoration) ParentGone(e sessioncleanup.Archived, table, parent string) {
	w.Obstacles.Add(sessioncleanup.ObstacleParent, e, table, fmt.Sprintf("a row of table %q that it refers to is gone", parent))
}
