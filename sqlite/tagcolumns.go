package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// How tags follow columns is in internal/sqlstore/tagcolumns.go.

// columnTriggers have the tags follow the columns.
func (l *layout) columnTriggers() []object {
	if len(l.schema.TagColumns) == 0 {
		return nil
	}
	of := func(row string) func(string) string {
		return func(name string) string { return row + "." + sqlfile.Column(name) }
	}
	changed := []string{fmt.Sprintf("NEW.%[1]s IS NOT OLD.%[1]s", sqlfile.Column(l.schema.ID))}
	for _, name := range l.schema.TagColumns {
		changed = append(changed, filled("column_changed", sqlfile.Names{"tag_column": sqlfile.Column(name)}))
	}
	tags := sqlstore.ColumnTags(statements, l.schema, of("NEW"))
	n := with(l.names, sqlfile.Names{
		"of_columns": sqlstore.WithPrefix(statements, l.schema.TagPrefixes()), "row_tags": strings.Join(tags, ", "), "row_tag_rows": "SELECT " + strings.Join(tags, " UNION ALL SELECT "),
		"new_id_text": l.adopted.ID.readText("NEW." + sqlfile.Column(l.schema.ID)), "old_id_text": l.adopted.ID.readText("OLD." + sqlfile.Column(l.schema.ID)),
		"columns_changed": strings.Join(changed, " OR "),
	})
	n["follow_columns"] = filled("follow_columns", n)
	var all []object
	for _, name := range []string{"session_tagged", "session_retagged"} {
		all = append(all, object{"trigger", "sessioncleanup_" + name, l.schema.Table, filled("trigger_"+name, n)})
	}
	return all
}

// tagColumns has the tags of columns be what the rows say, for those of before the triggers, and removes those of
// columns that have none any more, in short transactions. It pauses for other writers between them.
func (s *Store) tagColumns(ctx context.Context) error {
	var from any
	for began, done := false, false; !done; {
		var h hold
		err := s.writing(ctx, func(c *conn) (err error) {
			if h, err = s.beginHold(ctx, c); err != nil {
				return err
			}
			set, err := readSettings(ctx, c)
			if err != nil || !set.adopted.TagsUnfinished() {
				done = true
				return err
			}
			l := newLayout(set.schema, set.adopted, false)
			if !began {
				err = c.row(ctx, l.sql("first_session", nil), nil, &from)
				began = true
			}
			if err == nil && from != nil {
				from, err = l.tagRows(ctx, c, from)
				return err
			}
			if err == nil {
				done, err = c.forgetColumns(ctx, set)
			}
			return err
		})
		if err != nil {
			return err
		}
		_, pause := s.endHold(ctx, h, sessioncleanup.Batch{BusyShare: backfillShare})
		if err := s.failed(wait.For(ctx, pause)); err != nil {
			return err
		}
	}
	return nil
}

// tagRows tags a batch of sessions, and returns the first one of the next batch; nil when there is none.
func (l *layout) tagRows(ctx context.Context, c *conn, from any) (next any, err error) {
	if len(l.schema.TagColumns) == 0 {
		return nil, nil
	}
	p := params{"from": from, "limit": backfillBatch}
	var last any
	if err := c.row(ctx, l.sql("last_of_sessions", nil), p, &last, &next); err != nil {
		return nil, err
	}
	p["last"] = last
	tags := sqlstore.ColumnTags(statements, l.schema, func(name string) string { return sqlfile.Column(l.schema.Table) + "." + sqlfile.Column(name) })
	n := sqlfile.Names{"of_columns": sqlstore.WithPrefix(statements, l.schema.TagPrefixes()), "row_tags": strings.Join(tags, ", ")}
	if _, err := c.exec(ctx, l.sql("untag_rows", n), p); err != nil {
		return nil, err
	}
	for _, n["row_tag"] = range tags {
		if _, err := c.exec(ctx, l.sql("tag_rows", n), p); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// forgetColumns removes some of the tags of columns that have none any more, and notes when all are as they should be.
func (c *conn) forgetColumns(ctx context.Context, set settings) (done bool, err error) {
	if gone := set.adopted.GonePrefixes(set.schema); len(gone) > 0 {
		n, err := c.exec(ctx, filled("forget_column_tags", sqlfile.Names{"of_columns": sqlstore.WithPrefix(statements, gone)}), params{"limit": backfillBatch})
		if err != nil || n > 0 {
			return false, err
		}
	}
	set.adopted.FinishTags(set.schema)
	return true, set.store(ctx, c)
}
