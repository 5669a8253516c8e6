package mysql

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

var _ sessioncleanup.Tagger = (*Store)(nil)

// sinceColumn is the invisible column of the sessions with the time at which a trigger saw the row inserted. A tag
// belongs to the row that its session had then: rows that a foreign key deletes fire no trigger that could delete tags,
// nor does TRUNCATE.
const sinceColumn = prefix + "since"

// tieTagsAgain has the tags of a table that was rebuilt belong to its rows, and classes follow them.
func (s *Store) tieTagsAgain(ctx context.Context, catalog *catalog, set settings) error {
	if tags := catalog.tables[prefix+"tags"]; tags.column("since") == nil {
		return nil
	}
	l := newLayout(set)
	return s.writingAgain(ctx, func(c *conn) error {
		_, err := c.exec(ctx, l.sql("tie_tags_again", nil), nil)
		if err == nil {
			_, err = c.exec(ctx, statements["walk_rule_tags"], nil)
		}
		return err
	})
}

// ownColumns are the library's columns of the sessions, which are not the application's.
var ownColumns = []string{sinceColumn, classColumn}

// Tags counts the sessions of each tag.
func (s *Store) Tags(ctx context.Context, owner string) (all []sessioncleanup.TagCount, err error) {
	err = s.readingSessions(ctx, func(c *conn) error {
		names, p, possible := c.where(sessioncleanup.Filter{OwnerID: owner}, "", sessioncleanup.Cutoffs{})
		if !possible {
			return nil
		}
		return c.query(ctx, c.sql("count_tags", names), p, func(rows *sql.Rows) error {
			var t sessioncleanup.TagCount
			err := rows.Scan(&t.Tag, &t.Sessions)
			all = append(all, t)
			return err
		})
	})
	return all, err
}

// tagged are the conditions for a word of Filter.Tags, for sessions as they are seen and for rows of their table.
func (l *layout) tagged(word, tags string) (seen, inTable string) {
	not := ""
	if strings.HasPrefix(word, "-") {
		not = "NOT "
	}
	return not + filled("has_tag", sqlfile.Names{"its_id": "t.id", "its_since": "t.since", "tags": tags}),
		not + filled("has_tag", sqlfile.Names{"its_id": l.names["id"], "its_since": l.names["born"], "tags": tags})
}

// tagsOf are the tags in a word of Filter.Tags.
func tagsOf(word string) []any {
	return sqlstore.List(strings.Split(strings.TrimPrefix(word, "-"), "|"))
}

// writeTags changes the tags of a session that is locked.
func (c *conn) writeTags(ctx context.Context, id string, change sessioncleanup.TagChange) error {
	value, ok := c.adopted.ID.bind(id)
	if !ok {
		return sessioncleanup.ErrNotFound
	}
	for _, tag := range change.Add {
		if _, err := c.exec(ctx, statements["add_tag"], params{"id": value, "tag": tag}); err != nil {
			return err
		}
	}
	if len(change.Remove) > 0 {
		if _, err := c.exec(ctx, statements["remove_tags"], params{"id": value, "tags": sqlstore.List(change.Remove)}); err != nil {
			return err
		}
	}
	if len(change.Add)+len(change.Remove) == 0 {
		return nil
	}
	_, err := c.class(ctx, []any{value})
	return err
}

// removeTagsOf removes the tags of sessions that are deleted.
func (c *conn) removeTagsOf(ctx context.Context, ids []any) error {
	_, err := c.exec(ctx, statements["remove_tags_of"], params{"ids": ids})
	return err
}

// tagsTable has the tags of sessions.
const tagsTable = prefix + "tags"

// keepTags archives the tags of the sessions, as rows of their table and with the entries.
func (w *archiving) keepTags(ctx context.Context) error {
	names := sqlfile.Names{"found": w.foundTable(w.sessions)}
	n, err := w.exec(ctx, w.sql("keep_tags", names), params{"table": tagsTable})
	if err == nil && n > 0 {
		_, err = w.exec(ctx, w.sql("note_tags", names), nil)
	}
	return err
}

// tagsAtOnce is how many tags a run looks at: those whose sessions others deleted do not count, and only take room.
const tagsAtOnce = 10_000

// tagsPosition is the name of the position of the tag that a run looked at last. No consumer of the log has a name like that.
const tagsPosition = "\x00tags"

// forgetTags removes some of the tags whose session's row is gone. Each call goes on where the last one ended.
func (s *Store) forgetTags(ctx context.Context, lease sessioncleanup.Lease) error {
	return s.writingSessions(ctx, func(c *conn) error {
		p := params{"consumer": []byte(tagsPosition), "limit": tagsAtOnce}
		var position int64
		if err := c.row(ctx, statements["read_position"], p, &position); err != nil {
			return err
		}
		start := position
		var found int
		var gone []any
		p["position"] = position
		err := c.query(ctx, c.sql("find_old_tags", nil), p, func(rows *sql.Rows) error {
			var orphan bool
			err := rows.Scan(&position, &orphan)
			if found++; orphan {
				gone = append(gone, position)
			}
			return err
		})
		if err != nil {
			return err
		}
		if found < tagsAtOnce {
			position = 0
		}
		if len(gone) == 0 && position == start {
			return nil
		}
		if err := c.guard(ctx, lease); err != nil {
			return err
		}
		if len(gone) > 0 {
			if _, err := c.exec(ctx, statements["forget_tags"], params{"tags": gone}); err != nil {
				return err
			}
		}
		p["position"] = position
		_, err = c.exec(ctx, statements["write_position"], p)
		return err
	})
}
