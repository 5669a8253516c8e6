package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sessioncleanup/sessioncleanup"
)

// Touch applies a touch, as sessioncleanup.Touch.Apply does, but for one case: a last activity that cannot be read is
// written.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if len(t.IDs) == 0 {
		return 0, ctx.Err()
	}
	written := 0
	err := s.writingSessions(ctx, func(c *conn) error {
		ids, err := json.Marshal(c.adopted.ID.list(t.IDs))
		if err != nil {
			return err
		}
		now := clock()
		p := params{
			"ids": string(ids), "reactivate": t.Reactivate != nil,
			"now": formatTime(now), "touched_before": formatTime(now.Add(-max(t.Interval, 0))),
		}
		condition, possible := c.where(sessioncleanup.Filter{OwnerID: t.OwnerID}, "", p)
		if !possible {
			return nil
		}
		names := map[string]string{"condition": condition}
		n, err := c.exec(ctx, c.sql("touch", names), p)
		written = int(n)
		if err != nil || t.Reactivate == nil {
			return err
		}
		var refs []sessioncleanup.SessionRef
		err = c.query(ctx, c.sql("reactivate", names), p, func(rows *sql.Rows) error {
			var ref sessioncleanup.SessionRef
			err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name)
			refs = append(refs, ref)
			return err
		})
		if err != nil || len(refs) == 0 {
			return err
		}
		written += len(refs)
		return c.addEvent(ctx, sessioncleanup.ActionReactivated, *t.Reactivate, refs)
	})
	if err != nil {
		return 0, err
	}
	return written, nil
}
