package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
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

// purgedBytes is how much one batch of a purge removes at most, unless it is a single entry.
const purgedBytes = 64 << 20

// Purge permanently removes the oldest entries that were archived before a moment, but for those that somebody else has locked.
func (s Store) Purge(ctx context.Context, b sessioncleanup.Batch, before time.Time) (result sessioncleanup.BatchResult, err error) {
	if b.Limit <= 0 {
		return result, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	held, pause, err := s.b.Batch(ctx, b, func(c Conn) error {
		if err := c.Guard(ctx, b.Lease); err != nil {
			return err
		}
		var entries []int64
		var refs []sessioncleanup.SessionRef
		more, left := false, int64(purgedBytes)
		p := Params{"limit": b.Limit, "backed_up": b.BackedUp}
		names := sqlfile.Names{"due": dueBefore(c, before, b.PurgeRules, p)}
		err := c.Query(ctx, c.SQL("old_archived", names), p, func(rows *sql.Rows) error {
			var id, bytes int64
			var ref sessioncleanup.SessionRef
			err := rows.Scan(&id, &ref.ID, &ref.OwnerID, &ref.Name, &bytes)
			if left -= bytes; left < 0 && len(refs) > 0 {
				more = true
				return err
			}
			entries, refs = append(entries, id), append(refs, ref)
			return err
		})
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := Forget(ctx, c, entries); err != nil {
			return err
		}
		for _, ref := range refs {
			result.IDs = append(result.IDs, ref.ID)
		}
		if more || len(refs) == b.Limit {
			result.Next = "more"
		}
		return c.InsertEvent(ctx, EventOf(time.Time{}, sessioncleanup.ActionPurged, b.Cause, refs))
	})
	if err != nil {
		result = sessioncleanup.BatchResult{}
	}
	result.Held, result.Pause = held, pause
	return result, err
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

// ErasedAt is when an owner was erased.
func (s Store) ErasedAt(ctx context.Context, owner string) (time.Time, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) (at time.Time, err error) {
		err = row(ctx, c, c.SQL("tombstone", nil), Params{"owner": archive.Tombstone(owner)}, Time(&at))
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return at, err
	})
}
