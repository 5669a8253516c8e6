package sessioncleanup

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// EraseOptions say how an owner is erased.
type EraseOptions struct {
	// DryRun counts what would be erased and changes nothing. Default: false.
	DryRun bool
	// IncludeHeld also erases entries of the archive that are held; without it they keep everything from being erased.
	// Default: false.
	IncludeHeld bool
}

// Erased is what Manager.Erase removed, or would remove.
type Erased struct {
	OwnerID  string `json:"owner_id"`
	Sessions int    `json:"sessions"` // deleted, with the rows of other tables that belong to them
	Archived int    `json:"archived"` // entries of the archive
	Held     int    `json:"held"`     // of these
	Events   int    `json:"events"`   // entries of the audit log that named the owner; of a dry run, those with its sessions
}

// erasePage is how many sessions or entries are read at once.
const erasePage = 100

// errStillThere says that sessions of an owner keep appearing while it is erased.
var errStillThere = errors.New("the owner keeps getting sessions; stop the application from making or restoring them, and repeat")

// Erase permanently removes an owner: its sessions, without archiving them, its entries of the archive, and its ID and
// the names of its sessions from the audit log, as Event.WithoutOwner does. Two things stay: an event with the numbers
// of what was erased, and a hash of the owner's ID, which keeps backups from restoring the owner's sessions.
//
// With Schema.SoftDelete it only marks the rows as deleted; the application has to remove them.
//
// It works session by session and may be repeated: what it erased before an error stays erased. It fails with ErrHeld,
// and changes nothing, when entries are held; see EraseOptions. ErrCascade means that foreign keys would delete
// sessions of other owners along with one, ErrKept that Config.BeforeDelete keeps one.
func (m *Manager) Erase(ctx context.Context, owner string, o EraseOptions) (Erased, error) {
	const operation = "erase owner"
	sealer, err := m.sealer(operation)
	if err != nil {
		return Erased{}, err
	}
	if owner == "" {
		return Erased{}, invalid.Errorf("%s: its ID is empty: want the ID of an owner", operation)
	}
	e := erasure{m: m, sealer: sealer, owner: owner}
	e.archiver, _ = StoreAs[Archiver](m.store)
	if err := e.removes(ctx); err != nil {
		return Erased{}, failed(operation, owner, err)
	}
	found, err := e.count(ctx)
	if err == nil && found.Held > 0 && !o.IncludeHeld && !o.DryRun {
		err = fmt.Errorf("%d entries of the archive are %w", found.Held, ErrHeld)
	}
	if err != nil {
		return Erased{}, failed(operation, owner, err)
	}
	if o.DryRun {
		return found, nil
	}
	e.done.OwnerID = owner
	if err := e.all(ctx, o); err != nil {
		m.log.WarnContext(ctx, operation+" failed", "actor", m.actor(), "sessions", e.done.Sessions, "archived", e.done.Archived, "error", err)
		return e.done, failed(operation, owner, err)
	}
	m.log.InfoContext(ctx, operation, "actor", m.actor(), "sessions", e.done.Sessions, "archived", e.done.Archived, "events", e.done.Events)
	return e.done, nil
}

// erasure is an owner being erased.
type erasure struct {
	m        *Manager
	sealer   Sealer
	archiver Archiver // nil when the store has none
	owner    string
	done     Erased
}

// removes fails with errors.ErrUnsupported where a deletion keeps the row.
func (e *erasure) removes(ctx context.Context) error {
	installer, ok := InstallerOf(e.m.store)
	if !ok {
		return nil
	}
	schema, err := installer.Schema(ctx)
	if err == nil && schema.SoftDelete {
		err = fmt.Errorf("the schema has soft deletion, which keeps the rows; erase them in the application: %w", errors.ErrUnsupported)
	}
	return err
}

// count counts the sessions, the entries of the archive and the events of the owner.
func (e *erasure) count(ctx context.Context) (Erased, error) {
	found := Erased{OwnerID: e.owner}
	for _, err := range e.m.eachEvent(ctx, EventQuery{OwnerID: e.owner, Limit: MaxPage}, readTimeout) {
		if err != nil {
			return found, err
		}
		found.Events++
	}
	counts, err := e.m.store.Counts(ctx, CountsQuery{Filter: Filter{OwnerID: e.owner}, Thresholds: e.m.policy.Thresholds()})
	found.Sessions = counts.Total
	if err == nil && e.archiver != nil {
		found.Archived, err = countArchived(ctx, e.archiver, ArchiveQuery{OwnerID: e.owner})
	}
	if err == nil && e.archiver != nil {
		found.Held, err = countArchived(ctx, e.archiver, ArchiveQuery{OwnerID: e.owner, Held: On})
	}
	return found, err
}

// all erases everything. The tombstone comes first: from then on no backup restores the owner's sessions.
func (e *erasure) all(ctx context.Context, o EraseOptions) error {
	if e.archiver != nil {
		if err := doWithin(ctx, readTimeout, func(ctx context.Context) error { return e.archiver.Tombstone(ctx, e.owner) }); err != nil {
			return err
		}
	}
	for range 3 { // somebody may restore an entry meanwhile
		before := e.done
		if err := e.sessions(ctx); err != nil {
			return err
		}
		if err := e.entries(ctx, o.IncludeHeld); err != nil {
			return err
		}
		if e.done == before {
			return e.events(ctx)
		}
	}
	left, err := e.count(ctx)
	if err == nil && left.Sessions+left.Archived > 0 {
		err = errStillThere
	}
	if err != nil {
		return err
	}
	return e.events(ctx)
}

// sessions deletes the owner's sessions. One whose foreign keys would delete others of the owner along waits until those are
// gone.
func (e *erasure) sessions(ctx context.Context) error {
	for {
		deleted, blocked := 0, error(nil)
		q := Query{Filter: Filter{OwnerID: e.owner}, Thresholds: e.m.policy.Thresholds(), Limit: erasePage}
		for more := true; more; more = q.After != nil {
			page, err := e.m.store.List(ctx, q)
			if err != nil {
				return err
			}
			for _, s := range page.Sessions {
				switch err := e.delete(ctx, s.ID); {
				case err == nil:
					deleted++
				case errors.Is(err, ErrCascade):
					blocked = err
				case !errors.Is(err, ErrNotFound):
					return err
				}
			}
			q.After = page.Next
		}
		e.done.Sessions += deleted
		if blocked == nil || deleted == 0 {
			return blocked
		}
	}
}

func (e *erasure) delete(ctx context.Context, id string) error {
	if _, err := e.m.remove(ctx, Target{ID: id, OwnerID: e.owner}, e.m.cause("")); err != nil {
		return fmt.Errorf("session %q: %w", id, err)
	}
	return nil
}

// entries removes the owner's entries from the archive.
func (e *erasure) entries(ctx context.Context, held bool) error {
	for e.archiver != nil {
		all, err := within(ctx, readTimeout, func(ctx context.Context) ([]Archived, error) {
			return e.archiver.Archived(ctx, ArchiveQuery{OwnerID: e.owner, Limit: erasePage})
		})
		if err != nil || len(all) == 0 {
			return err
		}
		var ids []int64
		for _, a := range all {
			ids = append(ids, a.ID)
		}
		gone, err := within(ctx, sweepTimeout, func(ctx context.Context) ([]Archived, error) {
			return e.archiver.PurgeEntries(ctx, PurgeRequest{IDs: ids, Held: held, Cause: e.m.cause("")})
		})
		if errors.Is(err, ErrNotArchived) { // a run, or somebody else, has removed one
			continue
		}
		if err != nil {
			return err
		}
		for _, a := range gone {
			e.done.Archived++
			if a.Held {
				e.done.Held++
			}
		}
	}
	return nil
}

// events removes the owner from the audit log, and notes how much was erased.
func (e *erasure) events(ctx context.Context) error {
	n, err := within(ctx, readTimeout, func(ctx context.Context) (int, error) { return e.sealer.EraseOwner(ctx, e.owner) })
	if e.done.Events = n; err != nil {
		return err
	}
	reason := fmt.Sprintf("sessions: %d, archive: %d, events: %d", e.done.Sessions, e.done.Archived, e.done.Events)
	_, err = e.m.store.Record(ctx, Record{Event: Event{Action: ActionErased, Actor: e.m.actor(), Reason: e.m.cause(reason).Reason}})
	return err
}
