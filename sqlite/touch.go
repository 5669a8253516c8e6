package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sessioncleanup/sessioncleanup"
)

// Touch sets the last activity of sessions to now and gives the number of those written. A last activity in the future
// stays; one that cannot be read is written.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if len(t.IDs) == 0 {
		return 0, ctx.Err()
	}
	written := 0
	err := s.writingSessions(ctx, func(w *work) error {
		ids, err := json.Marshal(w.adopted.ID.list(t.IDs))
		if err != nil {
			return err
		}
		v := values{"ids": string(ids), "interval": modifier(-max(t.Interval, 0)), "reactivate": t.Reactivate != nil}
		conditions, ok := w.filter(sessioncleanup.Query{OwnerID: t.OwnerID}, v)
		if !ok {
			return nil
		}
		n, err := w.exec(ctx, w.sql("touch", conditions...), v)
		if err != nil {
			return err
		}
		written = int(n)
		if t.Reactivate == nil {
			return nil
		}
		var refs []sessioncleanup.SessionRef
		err = w.query(ctx, w.sql("reactivate", conditions...), v, func(rows *sql.Rows) error {
			var ref sessioncleanup.SessionRef
			err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name)
			refs = append(refs, ref)
			return err
		})
		if err != nil || len(refs) == 0 {
			return err
		}
		written += len(refs)
		return w.log(ctx, sessioncleanup.ActionReactivated, *t.Reactivate, refs)
	})
	if err != nil {
		return 0, err
	}
	return written, nil
}
