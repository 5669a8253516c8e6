package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// watch records which sessions a transaction deletes: those of its statements, and others that foreign keys and triggers
// of the application delete along with them, through whatever tables. It is a trigger and a table that only this
// connection sees.
type watch struct {
	*conn
	names sqlfile.Names // for what an event keeps of the rows of the table
	off   bool          // nothing can go along: there is neither trigger nor table
}

// deletesAlone reports whether deleting a session cannot delete others: no foreign key leads back to the sessions, and
// the application has no triggers.
func (c *catalog) deletesAlone(s sessioncleanup.Schema) bool {
	if slices.ContainsFunc(c.objects, func(o object) bool { return o.kind == "trigger" && !adopt.Own(o.name) }) {
		return false
	}
	r := c.reach(s)
	return !slices.ContainsFunc(r.sessions.keys, func(k foreignKey) bool {
		return strings.EqualFold(k.table, r.sessions.name) ||
			slices.ContainsFunc(r.links, func(l link) bool { return strings.EqualFold(k.table, l.child.name) })
	})
}

// goneSession is a session that was deleted.
type goneSession struct {
	sessioncleanup.SessionRef
	due bool // it was due for deletion
}

func (c *conn) watchDeletions(ctx context.Context) (*watch, error) {
	if c.alone {
		return &watch{off: true}, nil
	}
	w := &watch{conn: c, names: sqlfile.Names{
		"id_text": c.adopted.ID.readText(sqlfile.Column(c.schema.ID)), "owner_text": "''", "name_text": "''",
	}}
	if c.schema.Owner != "" {
		w.names["owner_text"] = c.adopted.Owner.readText(sqlfile.Column(c.schema.Owner))
	}
	if c.schema.Name != "" {
		w.names["name_text"] = readName(sqlfile.Column(c.schema.Name))
	}
	s := c.schema
	var columns, old []string
	kept := []string{s.ID, s.Owner, s.Name, s.Code, s.CreatedAt, s.Active, s.LastActivity, s.ExpiresAt, s.AutoCleanup, s.DeactivatedAt}
	for _, column := range append(kept, conditions(s)...) {
		if column != "" {
			columns, old = append(columns, sqlfile.Column(column)), append(old, "OLD."+sqlfile.Column(column))
		}
	}
	names := sqlfile.Names{
		"sessions": c.names["sessions"], "columns": strings.Join(columns, ", "), "old_columns": strings.Join(old, ", "),
		"old_id_text": c.adopted.ID.readText("OLD." + sqlfile.Column(s.ID)),
	}
	return w, c.execAll(ctx, []string{
		filled("watch_table", names), filled("watch_trigger", names), filled("watch_tags_table", names), filled("watch_tags_trigger", names),
	})
}

// layoutOfGone is the layout for the rows of the table.
func (w *watch) layoutOfGone() *layout {
	l := *w.layout
	untracked := l.adopted.untracked(l.schema)
	l.schema.Table, l.schema.Owners, l.schema.Sources, l.adopted.RowID = "sessioncleanup_gone", nil, nil, ""
	l.adopted.Untracked, l.adopted.IdleRules = untracked, !untracked
	l.adopted.Classed, l.measure, l.noted = false, nil, nil
	l.names = l.expressions(l.schema.Table)
	l.names["tags"] = "temp.sessioncleanup_gone_tags" // those in their table are gone, too
	l.names["asked_class"] = filled("asked_class", l.names)
	l.addRules(l.names, asParameter)
	return &l
}

// take returns the sessions that were deleted since the last call, the first that were deleted first, and forgets them.
// Which of them were due for deletion in a batch it finds out only when there are more than some.
func (w *watch) take(ctx context.Context, some int, b sessioncleanup.Batch) ([]goneSession, error) {
	if w.off {
		return nil, nil
	}
	var all int
	if err := w.row(ctx, statements["count_watched"], nil, &all); err != nil {
		return nil, err
	}
	names, p := sqlfile.Names{"due": "0"}, params{}
	if all > some {
		l := w.layoutOfGone()
		if len(b.Cutoffs.Rules) > 0 {
			m := measure{cut: b.Cutoffs, given: params{"ruled": sqlstore.JSON(sqlstore.RuleTags(b.Cutoffs))}}
			var err error
			if m.classes, err = w.texts(ctx, l.sql("asked_classes", nil), m.given); err != nil {
				return nil, err
			}
			l = l.measuredBy(&m)
		}
		p = l.cutoffParams(b.Cutoffs)
		condition, _, possible := l.where(b.Filter, "", p)
		if names["due"] = "(" + l.names["due_gone"] + ") AND " + condition; !possible {
			names["due"] = "0"
		}
	}
	var gone []goneSession
	err := w.query(ctx, filled("watched", with(w.names, names)), p, func(rows *sql.Rows) error {
		var s goneSession
		err := rows.Scan(&s.ID, &s.OwnerID, &s.Name, &s.due)
		gone = append(gone, s)
		return err
	})
	if err == nil {
		err = w.execAll(ctx, []string{statements["forget_watched"], statements["forget_watched_tags"]})
	}
	return gone, err
}

// end removes the trigger and the table. When the transaction failed, its rollback removes them.
func (w *watch) end(ctx context.Context) error {
	if w.off {
		return nil
	}
	return w.execAll(ctx, []string{statements["end_watch_trigger"], statements["end_watch_table"], statements["end_watch_tags_trigger"], statements["end_watch_tags_table"]})
}
