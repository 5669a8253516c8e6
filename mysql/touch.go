package mysql

import (
	"context"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// touchesAtOnce is how many sessions are looked for in one statement.
const touchesAtOnce = 1000

// Touch applies a touch to each of its sessions and returns the number of those written. It locks only sessions that it
// has to write; most calls write nothing.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if len(t.IDs) == 0 {
		return 0, ctx.Err()
	}
	written := 0
	err := s.writingSessions(ctx, func(c *conn) error {
		now, err := c.now(ctx)
		if err != nil {
			return err
		}
		latest := map[string]time.Time{}
		var order []string
		for i, id := range t.IDs {
			at := t.At(i, now)
			if _, known := latest[id]; !known {
				order = append(order, id)
			}
			if at.After(latest[id]) {
				latest[id] = at
			}
		}
		slices.Sort(order) // all lock in the same order
		var stale []any
		ids := c.adopted.ID.list(order)
		for len(ids) > 0 {
			part := ids[:min(len(ids), touchesAtOnce)]
			ids = ids[len(part):]
			err := c.touched(ctx, t, latest, part, func(before row, _ sessioncleanup.Session) error {
				id, _ := c.adopted.ID.bind(before.table.ID)
				stale = append(stale, id)
				return nil
			})
			if err != nil {
				return err
			}
		}
		if len(stale) == 0 {
			return nil
		}
		lockedIDs, err := c.lock(ctx, stale, true)
		if err != nil || len(lockedIDs) == 0 {
			return err
		}
		used := map[string]time.Time{}
		var revived []sessioncleanup.SessionRef
		var noted []row
		type change struct{ before, after sessioncleanup.Session }
		var changes []change
		err = c.touched(ctx, t, latest, lockedIDs, func(before row, after sessioncleanup.Session) error {
			written++
			if !before.noted.IsZero() {
				noted = append(noted, before)
			}
			if seen := before.seen(c.layout); after.Active != seen.Active {
				changes = append(changes, change{seen, after})
				revived = append(revived, after.Ref())
			} else {
				used[after.ID] = after.LastActivity
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := c.fold(ctx, noted); err != nil {
			return err
		}
		for _, change := range changes {
			if err := c.rewrite(ctx, change.before, change.after); err != nil {
				return err
			}
		}
		if err := c.writeUse(ctx, used); err != nil || t.Reactivate == nil {
			return err
		}
		return c.reactivated(ctx, *t.Reactivate, revived)
	})
	if err != nil {
		return 0, err
	}
	return written, nil
}

// touched calls write for those of some sessions that a touch writes, with each as it is and as it is afterwards.
func (c *conn) touched(ctx context.Context, t sessioncleanup.Touch, latest map[string]time.Time, ids []any,
	write func(before row, after sessioncleanup.Session) error,
) error {
	rows, err := c.some(ctx, ids, false)
	if err != nil {
		return err
	}
	for _, r := range rows {
		at, asked := latest[r.table.ID] // a collation may take another one for equal
		if !asked {
			continue
		}
		seen := r.seen(c.layout)
		if seen.LastActivity.Equal(keptForever) && r.table.LastActivity.IsZero() {
			seen.LastActivity = time.Time{} // not known: any use is later
		}
		if after, writes := t.Apply(seen, at, r.byRun); writes {
			if err := write(r, after); err != nil {
				return err
			}
		}
	}
	return nil
}
