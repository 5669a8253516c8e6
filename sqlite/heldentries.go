package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Hold holds or releases entries of the archive.
func (s *Store) Hold(ctx context.Context, r sessioncleanup.HoldRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, r.IDs, func(c *conn, found []sessioncleanup.Archived) error {
		ids, err := json.Marshal(r.IDs)
		if err == nil {
			_, err = c.exec(ctx, statements["hold_archived"], params{"ids": string(ids), "held": r.Held})
		}
		var changed []sessioncleanup.SessionRef
		for i := range found {
			if found[i].Held != r.Held {
				found[i].Held, changed = r.Held, append(changed, found[i].Ref())
			}
		}
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
		var refs []sessioncleanup.SessionRef
		for _, a := range found {
			if a.Held && !r.Held {
				return sessioncleanup.ErrHeld
			}
			refs = append(refs, a.Ref())
		}
		all = found
		if err := c.forgetArchived(ctx, r.IDs); err != nil || len(refs) == 0 {
			return err
		}
		return c.addEvent(ctx, sessioncleanup.ActionPurged, r.Cause, refs)
	})
	return all, err
}

// onEntries changes some entries of the archive, the newest first, all of them or none.
func (s *Store) onEntries(ctx context.Context, ids []int64, change func(*conn, []sessioncleanup.Archived) error) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
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
		_, err := c.exec(ctx, statements["put_tombstone"], params{"owner": tombstone(owner), "now": formatTime(c.clock())})
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
		err := c.row(ctx, statements["tombstone"], params{"owner": tombstone(owner)}, &text)
		if err == nil && text != "" {
			at, err = parseTime(text)
		}
		return err
	})
	return at, err
}

func tombstone(owner string) []byte {
	sum := sha256.Sum256([]byte(owner))
	return sum[:]
}
