package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// ErrHeld says that an entry of the archive is held, so it is neither purged nor restored; nothing was changed. See
// Manager.Hold.
var ErrHeld = errors.New("held: release it first")

// HoldRequest asks for entries of the archive to be held, or released.
type HoldRequest struct {
	IDs   []int64 // of the entries; duplicates count once
	Held  bool
	Cause Cause
}

// Action returns the action of the event: ActionHeld or ActionReleased.
func (r HoldRequest) Action() Action {
	if r.Held {
		return ActionHeld
	}
	return ActionReleased
}

// PurgeRequest asks a store to remove entries of the archive permanently.
type PurgeRequest struct {
	IDs   []int64 // of the entries; duplicates count once
	Held  bool    // also those that are held
	Cause Cause
}

// Hold keeps entries of the archive for a legal hold, whatever the policy says: no run purges them and nobody restores
// them, until Hold releases them with held false. It changes all of the entries or none, and returns them as they are
// afterwards. The reason is in the audit log. ErrNotArchived means that one of the entries does not exist.
func (m *Manager) Hold(ctx context.Context, entries []int64, held bool, reason string) ([]Archived, error) {
	operation := "release archive entries"
	if held {
		operation = "hold archive entries"
	}
	return m.onEntries(ctx, operation, entries, func(ctx context.Context, archiver Archiver, ids []int64) ([]Archived, error) {
		return archiver.Hold(ctx, HoldRequest{IDs: ids, Held: held, Cause: m.cause(reason)})
	})
}

// Purge permanently removes entries of the archive before they are due, and returns them. It removes all of them or
// none: ErrNotArchived means that one does not exist, ErrHeld that one is held.
func (m *Manager) Purge(ctx context.Context, entries []int64) ([]Archived, error) {
	return m.onEntries(ctx, "purge archive entries", entries, func(ctx context.Context, archiver Archiver, ids []int64) ([]Archived, error) {
		return archiver.PurgeEntries(ctx, PurgeRequest{IDs: ids, Cause: m.cause("")})
	})
}

// onEntries does something with some entries of the archive, for those who may see every session.
func (m *Manager) onEntries(ctx context.Context, operation string, entries []int64,
	do func(context.Context, Archiver, []int64) ([]Archived, error),
) ([]Archived, error) {
	archiver, err := m.wholeArchive(operation)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 || len(entries) > maxRestored {
		return nil, invalid.Errorf("%s: %d entries: want 1 to %d", operation, len(entries), maxRestored)
	}
	ids := distinct(entries)
	all, err := within(ctx, sweepTimeout, func(ctx context.Context) ([]Archived, error) { return do(ctx, archiver, ids) })
	if err != nil {
		err = m.naming(ctx, archiver, ids, "", err)
		m.log.WarnContext(ctx, operation+" failed", "entries", ids, "actor", m.actor(), "error", err)
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	m.dateEntries(all)
	m.log.InfoContext(ctx, operation, "entries", ids, "actor", m.actor())
	return all, nil
}

// naming adds the entries concerned to an ErrHeld or ErrNotArchived, in which a store does not name them. It sees the entries
// of one owner or, with an empty owner, all.
func (m *Manager) naming(ctx context.Context, archiver Archiver, ids []int64, owner string, err error) error {
	held := errors.Is(err, ErrHeld)
	if !held && !errors.Is(err, ErrNotArchived) {
		return err
	}
	found, lookup := m.archived(ctx, archiver, ArchiveQuery{IDs: ids, OwnerID: owner, Limit: len(ids)})
	if lookup != nil {
		return err
	}
	there := map[int64]Archived{}
	for _, a := range found {
		there[a.ID] = a
	}
	var named []string
	for _, id := range ids {
		switch a, is := there[id]; {
		case held && a.Held:
			named = append(named, fmt.Sprintf("archive:%d of session %q", id, a.SessionID))
		case !held && !is:
			named = append(named, fmt.Sprintf("archive:%d", id))
		}
	}
	switch {
	case len(named) == 0: // changed meanwhile
		return err
	case held:
		return fmt.Errorf("%w: %s", ErrHeld, strings.Join(named, ", "))
	default:
		return fmt.Errorf("%w: restored or purged since, or never there: %s", ErrNotArchived, strings.Join(named, ", "))
	}
}
