package sqlite

import (
	"context"
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
	return sqlstore.Answer(ctx, s.writingSessions, func(c *conn) (int, error) {
		p := params{"used": c.used(t, s.clock())}
		condition, _, possible := c.where(sessioncleanup.Filter{OwnerID: t.OwnerID}, "", p)
		if !possible {
			return 0, nil
		}
		if err := c.foldOf(ctx, t.IDs); err != nil {
			return 0, err
		}
		names := c.touchNames(condition)
		if t.Reactivate == nil {
			names["use_revives"] = "0"
		}
		n, err := c.exec(ctx, filled("touch", names), p)
		if err != nil || t.Reactivate == nil {
			return int(n), err
		}
		refs, err := c.refs(ctx, filled("reactivate", names), p)
		if err != nil || len(refs) == 0 {
			return int(n), err
		}
		return int(n) + len(refs), c.insertEvent(ctx, sqlstore.EventOf(time.Time{}, sessioncleanup.ActionReactivated, *t.Reactivate, refs))
	})
}

// touchNames are the names for the statements of a touch.
func (l *layout) touchNames(condition string) sqlfile.Names {
	n := with(l.names, sqlfile.Names{"condition": condition, "used_id": l.adopted.ID.listed("json_extract(value, '$[0]')")})
	n["used"], n["use_revives"] = filled("used", n), filled("use_revives", n)
	return n
}

// used is when each session of a touch was used, as the statement of that name wants it.
func (l *layout) used(t sessioncleanup.Touch, now time.Time) string {
	latest := sqlstore.Latest(t, now)
	rows := make([][3]any, 0, len(latest))
	for id, at := range latest {
		at = at.Truncate(time.Millisecond)
		for _, value := range l.adopted.ID.list([]string{id}) {
			rows = append(rows, [3]any{value, formatTime(at), formatTime(at.Add(-max(t.Interval, 0)))})
		}
	}
	return sqlstore.JSON(rows)
}
