package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// Hold holds or releases entries of the archive.
func (s Store) Hold(ctx context.Context, r sessioncleanup.HoldRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, r.IDs, func(c Conn, found []sessioncleanup.Archived) error {
		changed := archive.Hold(found, r.Held)
		if all = found; len(changed) == 0 {
			return nil
		}
		if _, err := c.Exec(ctx, c.SQL("hold_archived", nil), Params{"ids": List(r.IDs), "held": r.Held}); err != nil {
			return err
		}
		return c.InsertEvent(ctx, EventOf(time.Time{}, r.Action(), r.Cause, changed))
	})
	return all, err
}

// PurgeEntries permanently removes entries of the archive.
func (s Store) PurgeEntries(ctx context.Context, r sessioncleanup.PurgeRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, r.IDs, func(c Conn, found []sessioncleanup.Archived) error {
		refs, err := archive.Purged(found, r.Held)
		if all = found; err != nil {
			return err
		}
		if err := Forget(ctx, c, r.IDs); err != nil {
			return err
		}
		return c.InsertEvent(ctx, EventOf(time.Time{}, sessioncleanup.ActionPurged, r.Cause, refs))
	})
	return all, err
}

// onEntries locks and changes some entries of the archive, the newest first, all of them or none.
func (s Store) onEntries(ctx context.Context, ids []int64, change func(Conn, []sessioncleanup.Archived) error) error {
	ids = archive.Distinct(ids)
	return s.b.Writing(ctx, func(c Conn) error {
		if len(ids) == 0 {
			return nil
		}
		found, err := Archived(ctx, c, sessioncleanup.ArchiveQuery{IDs: ids, Limit: len(ids)}, c.ForUpdate())
		if err == nil && len(found) < len(ids) {
			err = sessioncleanup.ErrNotArchived
		}
		if err != nil {
			return err
		}
		return change(c, found)
	})
}

// Forget removes entries of the archive.
func Forget(ctx context.Context, c Conn, entries []int64) error {
	for _, statement := range []string{"forget_archived_rows", "forget_archived"} {
		if _, err := c.Exec(ctx, c.SQL(statement, nil), Params{"ids": List(entries)}); err != nil {
			return err
		}
	}
	return nil
}

// Tombstone notes that an owner is erased.
func (s Store) Tombstone(ctx context.Context, owner string) error {
	return s.b.Writing(ctx, func(c Conn) error {
		now, err := c.Now(ctx)
		if err == nil {
			_, err = c.Exec(ctx, c.SQL("put_tombstone", nil), Params{"owner": archive.Tombstone(owner), "now": now})
		}
		return err
	})
}

// ErasedAt is when owners were erased.
func (s Store) ErasedAt(ctx context.Context, owners []string) (map[string]time.Time, error) {
	hashed := archive.Tombstones(owners)
	asked, err := json.Marshal(slices.AppendSeq([]string{}, maps.Keys(hashed)))
	if err != nil {
		return nil, err
	}
	return Answer(ctx, s.b.Reading, func(c Conn) (map[string]time.Time, error) {
		all := map[string]time.Time{}
		return all, c.Query(ctx, c.SQL("tombstones", nil), Params{"owners": string(asked)}, func(rows *sql.Rows) error {
			var hash string
			var at time.Time
			err := rows.Scan(&hash, Time(&at))
			all[hashed[hash]] = at
			return err
		})
	})
}
