package mysql

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// touchesAtOnce is how many sessions are looked for in one statement.
const touchesAtOnce = 1000

// Touch applies a touch to each of its sessions and returns the number of those written. It locks only sessions that it
// has to write; most calls write nothing.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if len(t.IDs) == 0 {
		return 0, ctx.Err()
	}
	return sqlstore.Answer(ctx, s.writingSessions, func(c *conn) (int, error) { return c.touch(ctx, t) })
}

func (c *conn) touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	now, err := c.now(ctx)
	if err != nil {
		return 0, err
	}
	latest := sqlstore.Latest(t, now)
	var stale []any
	for part := range slices.Chunk(c.adopted.ID.list(slices.Sorted(maps.Keys(latest))), touchesAtOnce) { // all lock in the same order
		found, err := c.touched(ctx, t, latest, part)
		if err != nil {
			return 0, err
		}
		for _, w := range found {
			id, _ := c.adopted.ID.bind(w.before.table.ID)
			stale = append(stale, id)
		}
	}
	locked, err := c.lock(ctx, stale, true)
	if err != nil {
		return 0, err
	}
	found, err := c.touched(ctx, t, latest, locked)
	if err != nil {
		return 0, err
	}
	var noted []row
	used := map[string]time.Time{}
	for _, w := range found {
		if !w.before.noted.IsZero() {
			noted = append(noted, w.before)
		}
		if w.after.Active == w.seen.Active {
			used[w.after.ID] = w.after.LastActivity
		}
	}
	if err := c.fold(ctx, noted); err != nil {
		return 0, err
	}
	var revived []sessioncleanup.SessionRef
	for _, w := range found {
		if w.after.Active != w.seen.Active {
			if err := c.rewrite(ctx, w.seen, w.after); err != nil {
				return 0, err
			}
			revived = append(revived, w.after.Ref())
		}
	}
	if err := c.writeUse(ctx, used); err != nil || t.Reactivate == nil {
		return len(found), err
	}
	return len(found), c.reactivated(ctx, *t.Reactivate, revived)
}

// touched is a session that a touch writes: as its table has it, as its note makes it, and as it is afterwards.
type touched struct {
	before      row
	seen, after sessioncleanup.Session
}

// touched reads those of some sessions that a touch writes.
func (c *conn) touched(ctx context.Context, t sessioncleanup.Touch, latest map[string]time.Time, ids []any) (all []touched, err error) {
	rows, err := c.some(ctx, ids, false)
	if err != nil {
		return nil, err
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
			all = append(all, touched{r, seen, after})
		}
	}
	return all, nil
}
