package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// The tags of Schema.TagColumns are rows of the table of tags like the others. Triggers keep them up to date, in the
// statement that writes the columns; Migrate tags the rows that were there before. Runs refuse to work without the
// triggers, and before Migrate is done.

// columnTags are the expressions for the tags of a row, which are empty where there is none. column qualifies a column
// of the row.
func (l *layout) columnTags(column func(string) string) (all []string) {
	for i, prefix := range l.schema.TagPrefixes() {
		all = append(all, filled("column_tag", sqlfile.Names{"prefix": "'" + prefix + "'", "tag_column": column(l.schema.TagColumns[i])}))
	}
	return all
}

// prefixed is the condition for a tag to have one of the prefixes.
func prefixed(prefixes []string) string {
	var all []string
	for _, prefix := range prefixes {
		all = append(all, filled("has_prefix", sqlfile.Names{"prefix": "'" + prefix + "'", "after_prefix": "'" + strings.TrimSuffix(prefix, ":") + ";'"}))
	}
	return "(" + strings.Join(all, " OR ") + ")"
}

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
	tags := l.columnTags(of("NEW"))
	n := with(l.names, sqlfile.Names{
		"of_columns": prefixed(l.schema.TagPrefixes()), "row_tags": strings.Join(tags, ", "), "row_tag_rows": "SELECT " + strings.Join(tags, " UNION ALL SELECT "),
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

// planTags decides whether Migrate has to go through the tags of columns.
func (c *catalog) planTags(l *layout, a *adopted) {
	all := slices.Concat(a.TagColumns, l.schema.TagColumns)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 0 {
		a.TagColumns, a.Tagged = nil, false
		return
	}
	if !slices.Equal(all, slices.Sorted(slices.Values(l.schema.TagColumns))) || !slices.Equal(all, a.TagColumns) || len(c.lacking(l.columnTriggers())) > 0 {
		a.Tagged = false
	}
	a.TagColumns = all
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
			if err != nil || set.adopted.Tagged || len(set.adopted.TagColumns) == 0 {
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
	if err := c.row(ctx, l.sql("last_of_tagged", nil), p, &last, &next); err != nil {
		return nil, err
	}
	p["last"] = last
	tags := l.columnTags(func(name string) string { return sqlfile.Column(l.schema.Table) + "." + sqlfile.Column(name) })
	n := sqlfile.Names{"of_columns": prefixed(l.schema.TagPrefixes()), "row_tags": strings.Join(tags, ", ")}
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
	kept := set.schema.TagPrefixes()
	gone := slices.DeleteFunc(sessioncleanup.Schema{TagColumns: set.adopted.TagColumns}.TagPrefixes(), func(prefix string) bool { return slices.Contains(kept, prefix) })
	if len(gone) > 0 {
		n, err := c.exec(ctx, filled("forget_column_tags", sqlfile.Names{"of_columns": prefixed(gone)}), params{"limit": backfillBatch})
		if err != nil || n > 0 {
			return false, err
		}
	}
	set.adopted.TagColumns, set.adopted.Tagged = slices.Sorted(slices.Values(set.schema.TagColumns)), true
	return true, set.store(ctx, c)
}

// untagged is an error unless the tags of columns follow them.
func (c *catalog) untagged(set settings, n naming) error {
	if len(set.schema.TagColumns) == 0 {
		return nil
	}
	if !set.adopted.Tagged || len(c.lacking(newLayout(set.schema, set.adopted, false).columnTriggers())) > 0 {
		return fmt.Errorf("%w: the tags of schema.tag_columns may not follow their columns, because Migrate is not done or the triggers %s and %s are missing: call Migrate",
			sessioncleanup.ErrNotInstalled, n.sql("sessioncleanup_session_tagged"), n.sql("sessioncleanup_session_retagged"))
	}
	return nil
}
