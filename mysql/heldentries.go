package mysql

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// Hold holds or releases entries of the archive.
func (s *Store) Hold(ctx context.Context, r sessioncleanup.HoldRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, r.IDs, func(c *conn, found []sessioncleanup.Archived) error {
		changed := archive.Hold(found, r.Held)
		if all = found; len(changed) == 0 {
			return nil
		}
		if _, err := c.exec(ctx, statements["hold_archived"], params{"ids": list(r.IDs), "held": r.Held}); err != nil {
			return err
		}
		return c.addEvent(ctx, eventOf(r.Action(), r.Cause, changed))
	})
	return all, err
}

// PurgeEntries permanently removes entries of the archive.
func (s *Store) PurgeEntries(ctx context.Context, r sessioncleanup.PurgeRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, r.IDs, func(c *conn, found []sessioncleanup.Archived) error {
		refs, err := archive.Purged(found, r.Held)
		if all = found; err != nil {
			return err
		}
		if err := c.forgetArchived(ctx, r.IDs); err != nil {
			return err
		}
		return c.addEvent(ctx, eventOf(sessioncleanup.ActionPurged, r.Cause, refs))
	})
	return all, err
}

// onEntries locks and changes some entries of the archive, the newest first, all of them or none.
func (s *Store) onEntries(ctx context.Context, ids []int64, change func(*conn, []sessioncleanup.Archived) error) error {
	ids = archive.Distinct(ids)
	return s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil || len(ids) == 0 {
			return err
		}
		found, err := c.archived(ctx, sessioncleanup.ArchiveQuery{IDs: ids, Limit: len(ids)}, statements["for_update"])
		if err == nil && len(found) < len(ids) {
			err = sessioncleanup.ErrNotArchived
		}
		if err != nil {
			return err
		}
		return change(c, found)
	})
}

// Tombstone notes that an owner is erased.
func (s *Store) Tombstone(ctx context.Context, owner string) error {
	return s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		_, err := c.exec(ctx, statements["put_tombstone"], params{"owner": archive.Tombstone(owner)})
		return err
	})
}

// ErasedAt is when an owner was erased.
func (s *Store) ErasedAt(ctx context.Context, owner string) (at time.Time, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		err := c.row(ctx, statements["tombstone"], params{"owner": archive.Tombstone(owner)}, &at)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return at, err
}
