package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Touch applies a touch, as sessioncleanup.Touch.Apply does, with two exceptions. It overwrites a last activity that
// cannot be read. It leaves one in year 9000 or later, which means that the session is kept.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if len(t.IDs) == 0 {
		return 0, ctx.Err()
	}
	written := 0
	err := s.writingSessions(ctx, func(c *conn) error {
		p := params{"used": c.used(t, s.clock())}
		condition, _, possible := c.where(sessioncleanup.Filter{OwnerID: t.OwnerID}, "", p)
		if !possible {
			return nil
		}
		if err := c.foldOf(ctx, t.IDs); err != nil {
			return err
		}
		names := c.touchNames(condition)
		if t.Reactivate == nil {
			names["use_revives"] = "0"
		}
		n, err := c.exec(ctx, filled("touch", names), p)
		written = int(n)
		if err != nil || t.Reactivate == nil {
			return err
		}
		var refs []sessioncleanup.SessionRef
		err = c.query(ctx, filled("reactivate", names), p, func(rows *sql.Rows) error {
			var ref sessioncleanup.SessionRef
			err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name)
			refs = append(refs, ref)
			return err
		})
		if err != nil || len(refs) == 0 {
			return err
		}
		written += len(refs)
		return c.insertEvent(ctx, sqlstore.EventOf(time.Time{}, sessioncleanup.ActionReactivated, *t.Reactivate, refs))
	})
	if err != nil {
		return 0, err
	}
	return written, nil
}

// touchNames are the names for the statements of a touch.
func (l *layout) touchNames(condition string) sqlfile.Names {
	n := with(l.names, sqlfile.Names{"condition": condition, "used_id": l.adopted.ID.listed("json_extract(value, '$[0]')")})
	n["used"], n["use_revives"] = filled("used", n), filled("use_revives", n)
	return n
}

// used is when each session of a touch was used, as the statement of that name wants it.
func (l *layout) used(t sessioncleanup.Touch, now time.Time) string {
	latest := map[string]time.Time{}
	for i, id := range t.IDs {
		if at := t.At(i, now); at.After(latest[id]) {
			latest[id] = at
		}
	}
	rows := make([][3]any, 0, len(latest))
	for id, at := range latest {
		at = at.Truncate(time.Millisecond)
		for _, value := range l.adopted.ID.list([]string{id}) {
			rows = append(rows, [3]any{value, formatTime(at), formatTime(at.Add(-max(t.Interval, 0)))})
		}
	}
	return sqlstore.JSON(rows)
}
