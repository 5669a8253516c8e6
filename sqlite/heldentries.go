package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// Hold holds or releases entries of the archive.
func (s *Store) Hold(ctx context.Context, r sessioncleanup.HoldRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, r.IDs, func(c *conn, found []sessioncleanup.Archived) error {
		ids, err := json.Marshal(r.IDs)
		if err == nil {
			_, err = c.exec(ctx, statements["hold_archived"], params{"ids": string(ids), "held": r.Held})
		}
		changed := archive.Hold(found, r.Held)
		all = found
		if err == nil && len(changed) > 0 {
			err = c.addEvent(ctx, r.Action(), r.Cause, changed)
		}
		return err
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
		if err := c.forgetArchived(ctx, r.IDs); err != nil || len(refs) == 0 {
			return err
		}
		return c.addEvent(ctx, sessioncleanup.ActionPurged, r.Cause, refs)
	})
	return all, err
}

// onEntries changes some entries of the archive, the newest first, all of them or none.
func (s *Store) onEntries(ctx context.Context, ids []int64, change func(*conn, []sessioncleanup.Archived) error) error {
	ids = archive.Distinct(ids)
	return s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil || len(ids) == 0 {
			return err
		}
		found, err := c.archived(ctx, sessioncleanup.ArchiveQuery{IDs: ids, Limit: len(ids)})
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
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		_, err := c.exec(ctx, statements["put_tombstone"], params{"owner": archive.Tombstone(owner), "now": formatTime(c.clock())})
		return err
	})
}

// ErasedAt is when an owner was erased.
func (s *Store) ErasedAt(ctx context.Context, owner string) (at time.Time, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		var text string
		err := c.row(ctx, statements["tombstone"], params{"owner": archive.Tombstone(owner)}, &text)
		if err == nil && text != "" {
			at, err = parseTime(text)
		}
		return err
	})
	return at, err
}
