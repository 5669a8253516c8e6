package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

const (
	// purgedBytes is how much one batch of a purge removes at most, unless it is a single entry.
	purgedBytes = 64 << 20
	// purgeReads is how many entries a batch reads, besides those that it removes: rules and backups may keep many.
	purgeReads = 5000
)

// place is one in the order in which entries are purged: that of the last entry before it.
type place struct {
	At time.Time `json:"at"`
	ID int64     `json:"id"`
}

// Purge permanently removes the oldest entries that were archived before a moment, but for those that somebody else has locked.
func (s Store) Purge(ctx context.Context, b sessioncleanup.Batch, before time.Time) (result sessioncleanup.BatchResult, err error) {
	if b.Limit <= 0 {
		return result, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	w := purge{Batch: b, p: Params{"limit": b.Limit, "most": b.Limit + purgeReads - 1, "backed_up": b.BackedUp, "latest": before}}
	if b.After != "" {
		var from place
		if err := json.Unmarshal([]byte(b.After), &from); err != nil {
			return result, invalid.Errorf("batch starts after %q: want what an earlier batch of the same phase returned", b.After)
		}
		w.p["from_at"], w.p["from_id"] = from.At, from.ID
	}
	held, pause, err := s.b.Batch(ctx, b, func(c Conn) error {
		if err := c.Guard(ctx, b.Lease); err != nil {
			return err
		}
		if err := w.find(ctx, c, before); err != nil || len(w.entries) == 0 {
			return err
		}
		if err := Forget(ctx, c, w.entries); err != nil {
			return err
		}
		return c.InsertEvent(ctx, EventOf(time.Time{}, sessioncleanup.ActionPurged, b.Cause, w.refs))
	})
	if err == nil {
		result.IDs = IDs(w.refs)
		if w.next != nil {
			result.Next = JSON(w.next)
		}
	}
	result.Held, result.Pause = held, pause
	return result, err
}

// purge is a batch of it.
type purge struct {
	sessioncleanup.Batch
	p Params

	entries []int64
	refs    []sessioncleanup.SessionRef
	next    *place // where the next batch starts; nil when there is none
}

// find reads the entries to remove.
func (w *purge) find(ctx context.Context, c Conn, before time.Time) error {
	names := sqlfile.Names{"due": dueBefore(c, before, w.PurgeRules, w.p), "behind": "TRUE", "up_to": "TRUE"}
	if w.After != "" {
		names["behind"] = c.SQL("behind_place", nil)
	}
	var end place
	switch err := row(ctx, c, c.SQL("end_of_purge", names), w.p, Time(&end.At), &end.ID); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		w.next, names["up_to"] = &end, c.SQL("up_to_place", nil)
		w.p["to_at"], w.p["to_id"] = end.At, end.ID
	}
	left, full := int64(purgedBytes), false
	var last place
	err := c.Query(ctx, c.SQL("old_archived", names), w.p, func(rows *sql.Rows) error {
		var at place
		var bytes int64
		var ref sessioncleanup.SessionRef
		err := rows.Scan(&at.ID, &ref.ID, &ref.OwnerID, &ref.Name, &bytes, Time(&at.At))
		if left -= bytes; left < 0 && len(w.refs) > 0 {
			full = true
			return err
		}
		w.entries, w.refs, last = append(w.entries, at.ID), append(w.refs, ref), at
		return err
	})
	if full || len(w.refs) == w.Limit {
		w.next = &last
	}
	return err
}
