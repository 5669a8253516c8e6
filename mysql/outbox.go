package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

var _ sessioncleanup.Outbox = (*Store)(nil)

// Warn does one batch of a run, as Sweep does.
func (s *Store) Warn(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	b.Action = sessioncleanup.ActionNoticed
	return s.Sweep(ctx, b)
}

// Notices returns the notices that the query selects.
func (s *Store) Notices(ctx context.Context, q sessioncleanup.NoticeQuery) (all []sessioncleanup.Notice, err error) {
	err = s.readingSessions(ctx, func(c *conn) (err error) {
		p := sqlstore.Params{"session": sqlstore.ID(q.SessionID), "owner": sqlstore.ID(q.OwnerID), "failed": q.Failed, "pending": q.Pending, "limit": q.Limit}
		var tagged strings.Builder
		for i, word := range strings.Fields(q.Tags) {
			name, not := fmt.Sprint("tags", i), ""
			if strings.HasPrefix(word, "-") {
				not = "NOT "
			}
			p[name] = tagsOf(word)
			tagged.WriteString(" " + c.sql("if_tagged", sqlfile.Names{"not": not, "tags": ":" + name}))
		}
		all, err = sqlstore.Notices(ctx, ownConn{c}, filled("notices", sqlfile.Names{"if_tagged": tagged.String()}), p)
		return err
	})
	return all, err
}
