package mysql

import (
	"context"
	"database/sql"
	"iter"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Profile looks at every session.
func (s *Store) Profile(ctx context.Context, t sessioncleanup.Thresholds, tags string) (profile sessioncleanup.Profile, err error) {
	err = s.readingSessions(ctx, func(c *conn) error {
		now, err := c.now(ctx)
		if err != nil {
			return err
		}
		of := sessioncleanup.Filter{Tags: tags}
		var failed error
		all := iter.Seq[sessioncleanup.Session](func(yield func(sessioncleanup.Session) bool) {
			names := sqlfile.Names{"seen": c.seen(nil)}
			if len(t.Rules) > 0 || tags != "" {
				names["profiled_tags"] = c.names["tags_of"]
			}
			failed = c.query(ctx, c.sql("profile", names), nil, func(rows *sql.Rows) error {
				var session sessioncleanup.Session
				var expires, deactivated sql.NullTime
				var its sql.NullString
				err := rows.Scan(&session.OwnerID, &session.Active, &session.AutoCleanup, &session.LastActivity, &expires, &deactivated, &its)
				session.Tags = strings.Fields(its.String)
				session.ExpiresAt, session.DeactivatedAt = expires.Time, deactivated.Time
				if err == nil && of.Matches(session) {
					yield(session)
				}
				return err
			})
		})
		profile = sessioncleanup.ProfileOf(all, c.cutoffsAt(t, now))
		return failed
	})
	return profile, err
}

// CountOwners looks at every session.
func (s *Store) CountOwners(ctx context.Context, t sessioncleanup.Thresholds, limit int) (owners sessioncleanup.OwnerCounts, err error) {
	err = s.readingSessions(ctx, func(c *conn) error {
		now, err := c.now(ctx)
		if err != nil {
			return err
		}
		names := sqlfile.Names{
			"seen": c.seen(nil), "session_columns": c.sql("session_columns", sqlfile.Names{"warning": statements["warning"], "tags_of": "NULL"}),
		}
		var failed error
		owners = sessioncleanup.OwnersOf(func(yield func(sessioncleanup.Session) bool) {
			failed = c.query(ctx, c.sql("every", names), nil, func(rows *sql.Rows) error {
				var name string
				r, err := scan(rows, &name)
				session := r.seen(c.layout)
				session.OwnerName = name
				if err == nil {
					yield(session)
				}
				return err
			})
		}, c.cutoffsAt(t, now), limit)
		return failed
	})
	return owners, err
}
