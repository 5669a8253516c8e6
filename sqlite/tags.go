package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

var _ sessioncleanup.Tagger = (*Store)(nil)

// tagsTable has the tags of sessions.
const tagsTable = "sessioncleanup_tags"

// Tags counts the sessions of each tag.
func (s *Store) Tags(ctx context.Context, owner string) (all []sessioncleanup.TagCount, err error) {
	err = s.readingSessions(ctx, func(c *conn) error {
		p := params{}
		condition, _, possible := c.where(sessioncleanup.Filter{OwnerID: owner}, "", p)
		if !possible {
			return nil
		}
		count := c.sql("count_tags", sqlfile.Names{"condition": condition, "tagged_id": c.adopted.ID.fromText("t.session_id")})
		return c.query(ctx, count, p, func(rows *sql.Rows) error {
			var t sessioncleanup.TagCount
			err := rows.Scan(&t.Tag, &t.Sessions)
			all = append(all, t)
			return err
		})
	})
	return all, err
}

// writeTags changes the tags of a session.
func (c *conn) writeTags(ctx context.Context, id string, change sessioncleanup.TagChange) error {
	for statement, tags := range map[string][]string{"add_tags": change.Add, "remove_tags": change.Remove} {
		if len(tags) == 0 {
			continue
		}
		if _, err := c.exec(ctx, statements[statement], params{"session": id, "tags": sqlstore.JSON(tags)}); err != nil {
			return err
		}
	}
	return nil
}

// parseTags reads what a session has of its tags.
func parseTags(list string) (tags []string, err error) {
	if list != "[]" {
		err = json.Unmarshal([]byte(list), &tags)
	}
	return tags, err
}

// keepTags archives the tags of the sessions, as rows of their table.
func (w *archiving) keepTags(ctx context.Context) error {
	return w.query(ctx, statements["archived_tags"], params{"sessions": sqlstore.JSON(w.order)}, func(rows *sql.Rows) error {
		var id, tag string
		if err := rows.Scan(&id, &tag); err != nil {
			return err
		}
		return w.add(id, tagsTable, false, jsonObject([]string{`"session_id"`, `"tag"`}, []any{id, tag}))
	})
}
