package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// How tags follow columns is in internal/sqlstore/tagcolumns.go.

const (
	columnInserted = prefix + "column_inserted"
	columnUpdated  = prefix + "column_updated"
)

// columnNames fill in the triggers that have the tags follow the columns.
func (l *layout) columnNames(side func(string) func(string) string) sqlfile.Names {
	id := sqlfile.Column(l.schema.ID)
	changed := []string{fmt.Sprintf("NOT (NEW.%[1]s <=> OLD.%[1]s)", id)}
	for _, name := range l.schema.TagColumns {
		changed = append(changed, filled("column_changed", sqlfile.Names{"tag_column": sqlfile.Column(name)}))
	}
	var follow, refollow []string
	tags, were := sqlstore.ColumnTags(statements, l.schema, side("NEW")), sqlstore.ColumnTags(statements, l.schema, side("OLD"))
	for i, tag := range tags {
		n := sqlfile.Names{"row_tag": tag, "old_tag": were[i], "id_column": id, "since_column": sqlfile.Column(sinceColumn)}
		n["follow"] = filled("follow_column", n)
		follow, refollow = append(follow, n["follow"]), append(refollow, filled("refollow_column", n))
	}
	return sqlfile.Names{
		"id_column": id, "of_columns": sqlstore.WithPrefix(statements, l.schema.TagPrefixes()), "columns_changed": strings.Join(changed, " OR "), "follow_columns": strings.Join(follow, "\n  "),
		"refollow_columns": strings.Join(refollow, "\n    "),
	}
}

// checkTagColumns refuses columns that a foreign key changes: that runs no trigger.
func (c *catalog) checkTagColumns(s sessioncleanup.Schema) error {
	var errs []error
	for i, name := range s.TagColumns {
		for _, k := range c.tables[s.Table].keys {
			changes := k.onDelete == "SET NULL" || k.onUpdate == "SET NULL" || k.onUpdate == "CASCADE"
			if changes && slices.ContainsFunc(k.columns, func(column string) bool { return strings.EqualFold(column, name) }) {
				errs = append(errs, invalid.Errorf("schema.tag_columns[%d] is %q: the foreign key %s changes that column without running triggers, ON DELETE %s, ON UPDATE %s; want RESTRICT there, or another column",
					i, name, k.name, k.onDelete, k.onUpdate))
			}
		}
	}
	return errors.Join(errs...)
}

// tagColumns has the tags of columns be what the rows say, for those of before the triggers, and removes those of
// columns that have none any more, in short transactions. Triggers note each session whose tags change.
func (s *Store) tagColumns(ctx context.Context, set *settings) error {
	if !set.adopted.TagsUnfinished() {
		return nil
	}
	l := newLayout(*set)
	if len(set.schema.TagColumns) > 0 {
		if err := s.tagRows(ctx, l); err != nil {
			return err
		}
	}
	gone := set.adopted.GonePrefixes(set.schema)
	for left := len(gone) > 0; left; {
		err := s.retagging(ctx, func(c *conn) error {
			n, err := c.exec(ctx, filled("forget_column_tags", sqlfile.Names{"of_columns": sqlstore.WithPrefix(statements, gone)}), params{"limit": backfillMost})
			left = n > 0
			return err
		})
		if err != nil {
			return err
		}
	}
	set.adopted.FinishTags(set.schema)
	return nil
}

// tagRows tags the sessions by their columns, some at a time.
func (s *Store) tagRows(ctx context.Context, l *layout) error {
	tags := sqlstore.ColumnTags(statements, l.schema, func(name string) string { return "t." + sqlfile.Column(name) })
	names := sqlfile.Names{"behind": "TRUE", "of_columns": sqlstore.WithPrefix(statements, l.schema.TagPrefixes()), "row_tags": strings.Join(tags, ", ")}
	for p := (params{"limit": backfillFirst}); ; {
		if more, err := s.nextPart(ctx, l, names, p); err != nil || !more {
			return err
		}
		err := s.retagging(ctx, func(c *conn) error {
			var locked int
			if err := c.row(ctx, l.sql("lock_tagged", names), p, &locked); err != nil {
				return err
			}
			if _, err := c.exec(ctx, l.sql("untag_rows", names), p); err != nil {
				return err
			}
			for _, names["row_tag"] = range tags {
				if _, err := c.exec(ctx, l.sql("tag_rows", names), p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// retagging is writingAgain, in which triggers note the sessions whose tags change.
func (s *Store) retagging(ctx context.Context, do func(c *conn) error) error {
	return s.writingAgain(ctx, func(c *conn) error {
		if _, err := c.exec(ctx, statements["have_tags_noted"], nil); err != nil {
			return err
		}
		err := do(c)
		_, again := c.exec(ctx, statements["have_no_tags_noted"], nil)
		return errors.Join(err, again)
	})
}
