package sqlite

import (
	"context"
	"database/sql"
	"iter"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Profile reads every session, and of each only the values that it counts.
func (s *Store) Profile(ctx context.Context, t sessioncleanup.Thresholds, tags string) (profile sessioncleanup.Profile, err error) {
	err = s.overAll(ctx, t, tags, sqlfile.Names{"owner_name": "''"}, func(all iter.Seq[sessioncleanup.Session], cut sessioncleanup.Cutoffs) {
		profile = sessioncleanup.ProfileOf(all, cut)
	})
	return profile, err
}

// CountOwners looks at every session.
func (s *Store) CountOwners(ctx context.Context, t sessioncleanup.Thresholds, limit int) (owners sessioncleanup.OwnerCounts, err error) {
	err = s.overAll(ctx, t, "", nil, func(all iter.Seq[sessioncleanup.Session], cut sessioncleanup.Cutoffs) {
		owners = sessioncleanup.OwnersOf(all, cut, limit)
	})
	return owners, err
}

// overAll has look see the owner, the times and the states of every session that tags select, once. Sessions that
// cannot be read for other reasons are in unread.
func (s *Store) overAll(ctx context.Context, t sessioncleanup.Thresholds, tags string, unread sqlfile.Names, look func(iter.Seq[sessioncleanup.Session], sessioncleanup.Cutoffs)) error {
	return s.readingSessions(ctx, func(c *conn) error {
		cut := c.cutoffsAt(t)
		n := with(with(c.names, unread), sqlfile.Names{
			"id_text": "''", "name_text": "''", "code_text": "''", "created_at_time": "NULL", "updated_at_time": "NULL", "activity_count": "0",
		})
		of := sessioncleanup.Filter{Tags: tags}
		if len(cut.Rules) == 0 && tags == "" {
			n["tags_of"] = "'[]'"
		}
		if !cut.Warns() {
			n["warning_of"] = "NULL"
		}
		n["session_columns"] = filled("session_columns", n)
		var failed error
		look(func(yield func(sessioncleanup.Session) bool) {
			failed = c.query(ctx, filled("every", n), nil, func(rows *sql.Rows) error {
				session, err := scanSession(rows, cut.Now)
				if err == nil && of.Matches(session) {
					yield(session)
				}
				return err
			})
		}, cut)
		return failed
	})
}
