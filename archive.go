package sessioncleanup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Archiver is implemented by stores that can keep what a deletion removes, and bring it back.
//
// With Batch.Archive or Target.Archive set, Sweep and Delete move each session that they delete into the archive, as one
// entry, together with the rows of other tables that its foreign keys delete or unlink, at any depth. That happens in the
// transaction of the deletion: a session is in its table or in the archive, never in both and never in neither. A row that
// belongs to two sessions of one transaction is in the entry of one of them. Rows that the application's triggers delete are
// not archived.
//
// A session that exceeds a limit of Archiving is not deleted: Delete fails with ErrTooLarge, Sweep with a BatchError.
type Archiver interface {
	// Archived returns the entries that match the query, newest first.
	Archived(ctx context.Context, q ArchiveQuery) ([]Archived, error)

	// CountArchived counts the entries that match the query, whatever its Before and Limit.
	CountArchived(ctx context.Context, q ArchiveQuery) (int, error)

	// ArchiveSize measures the whole archive.
	ArchiveSize(ctx context.Context) (ArchiveSize, error)

	// ArchivedRows returns at most limit rows of an entry, with numbers above after, in the order of their numbers.
	// Number 1 is the row of the session itself. It returns none for an entry that does not exist.
	ArchivedRows(ctx context.Context, id int64, after, limit int) ([]ArchivedRow, error)

	// Restore brings entries back and removes them from the archive, all of them or none, in one transaction with their
	// event. Session.Restored defines what becomes of each session; every other value is exactly as it was. Rows that
	// were unlinked are linked again if they still exist and are still unlinked. A column that was added since gets its
	// default. The application's triggers run.
	//
	// With r.Copies it also restores entries that are not in the archive.
	//
	// Restored.Obstacles lists what prevents the restore. With obstacles, or with r.DryRun, nothing is changed. It
	// fails with ErrNotArchived when one of the entries does not exist or does not belong to r.OwnerID, and with
	// ErrHeld when one is held.
	Restore(ctx context.Context, r RestoreRequest) (Restored, error)

	// Purge permanently removes the oldest entries, at most b.Limit, that were archived before the given moment and are
	// not held, with their event. It is a batch of a run like Sweep, under b.Lease, but ignores b.Filter. With
	// b.BackedUp it leaves entries that are not backed up. With b.PurgeRules, PurgeBefore replaces the moment for each
	// entry. BatchResult.Next is not empty when there may be more; it is the After of the next batch.
	Purge(ctx context.Context, b Batch, before time.Time) (BatchResult, error)

	// NotBackedUp returns at most limit entries that are not marked as backed up, with IDs above after, in the order of
	// their IDs.
	NotBackedUp(ctx context.Context, after int64, limit int) ([]Archived, error)

	// ArchivedContents returns all rows of the entries, by entry, in the order of their numbers. Entries that do not
	// exist have none.
	ArchivedContents(ctx context.Context, ids []int64) (map[int64][]ArchivedRow, error)

	// MarkBackedUp sets Archived.BackedUpAt to the store's clock. It ignores entries that do not exist.
	MarkBackedUp(ctx context.Context, ids []int64) error

	// ArchiveForm names the encoding of ArchivedRow.Row. A store restores only copies of its own form.
	ArchiveForm() string

	// Hold sets Archived.Held of entries, all of them or none, with an ActionHeld or ActionReleased event for those
	// that it changes. It returns all of them, newest first, and fails with ErrNotArchived when one does not exist.
	Hold(ctx context.Context, r HoldRequest) ([]Archived, error)

	// PurgeEntries permanently removes entries, all of them or none, with their ActionPurged event. It returns them as
	// they were, newest first. It fails with ErrNotArchived when one does not exist, and with ErrHeld when one is held,
	// unless r.Held is set.
	PurgeEntries(ctx context.Context, r PurgeRequest) ([]Archived, error)

	// Tombstone permanently records that an owner was erased now, under the SHA-256 of its ID. A later call replaces
	// the time.
	Tombstone(ctx context.Context, owner string) error

	// ErasedAt returns when owners were erased, by their IDs, without those that were not. A copy of an entry from before
	// that time must not be restored.
	ErasedAt(ctx context.Context, owners []string) (map[string]time.Time, error)
}

// Archiving limits what a deletion may archive for one session. A session with more is not deleted.
type Archiving struct {
	MaxRows  int   // rows of other tables
	MaxBytes int64 // of the archived rows, as the store keeps them
}

// Check returns an ErrTooLarge when an entry exceeds a limit.
func (a Archiving) Check(rows int, bytes int64) error {
	switch {
	case rows > a.MaxRows:
		return fmt.Errorf("%w: more than %d rows belong to it", ErrTooLarge, a.MaxRows)
	case bytes > a.MaxBytes:
		return fmt.Errorf("%w: its rows have more than %d bytes", ErrTooLarge, a.MaxBytes)
	default:
		return nil
	}
}

// Archived is an entry of the archive: a session that was deleted.
type Archived struct {
	ID        int64     `json:"id"` // of the entry; rises with time
	SessionID string    `json:"session_id"`
	OwnerID   string    `json:"owner_id,omitempty"`
	Name      string    `json:"name,omitempty"` // its first MaxEventText characters
	At        time.Time `json:"archived_at"`
	Actor     string    `json:"actor"`
	Reason    string    `json:"reason,omitempty"`
	RunID     string    `json:"run_id,omitempty"`
	Rows      int       `json:"rows"`           // of other tables
	Bytes     int64     `json:"bytes"`          // of all rows, as the store keeps them
	Held      bool      `json:"held,omitempty"` // see Manager.Hold
	// BackedUpAt is when a file of Backups with the entry was read back and found intact; zero when no file has it.
	BackedUpAt time.Time `json:"backed_up_at,omitzero"`
	// Tags are the session's when it was deleted, in their order, where the store is a RuleFollower.
	Tags []string `json:"tags,omitempty"`
	// PurgeAt is the moment from which a run permanently removes the entry. A Manager fills it in; zero means never.
	PurgeAt time.Time `json:"purge_at,omitzero"`
}

// ArchiveSize is how large the archive is.
type ArchiveSize struct {
	Entries int
	Bytes   int64 // the sum of Archived.Bytes
	Due     int   // entries that a run would purge now; a Manager fills it in
}

// Ref returns what an Event keeps of the session.
func (a Archived) Ref() SessionRef {
	return SessionRef{ID: a.SessionID, OwnerID: a.OwnerID, Name: a.Name}
}

// ArchivedRow is a row that is archived with a session.
type ArchivedRow struct {
	Number   int             `json:"number"` // within its entry, from 1
	Table    string          `json:"table"`
	Unlinked bool            `json:"unlinked,omitempty"` // the row is still in its table: only its reference was removed
	Row      json.RawMessage `json:"row"`                // an object: the values by column, in a form of the store's own
}

// ArchiveQuery selects entries of the archive. The zero value of a filter does not filter.
type ArchiveQuery struct {
	IDs       []int64
	SessionID string
	OwnerID   string
	Held      Switch    // On: only entries that are held; Off: only others
	Until     time.Time // only entries archived before it
	// Rules, unless empty, replace Until by PurgeBefore for each entry: those whose moment is zero do not match.
	Rules    []PurgeRule
	BackedUp Switch // On: only entries with BackedUpAt; Off: only those without
	Before   int64  // only entries with a smaller ID: the last one of the page before
	Limit    int    // at most this many; above 0
}

// Matches reports whether the query asks for the entry, whatever its Limit.
func (q ArchiveQuery) Matches(a Archived) bool {
	return (len(q.IDs) == 0 || slices.Contains(q.IDs, a.ID)) &&
		(q.SessionID == "" || q.SessionID == a.SessionID) && (q.OwnerID == "" || q.OwnerID == a.OwnerID) &&
		(q.Held == Default || q.Held == SwitchOf(a.Held)) && (q.BackedUp == Default || q.BackedUp == SwitchOf(!a.BackedUpAt.IsZero())) &&
		(len(q.Rules) == 0 && q.Until.IsZero() || a.At.Before(PurgeBefore(q.Until, q.Rules, a.Tags))) && (q.Before == 0 || a.ID < q.Before)
}

// RestoreRequest asks for entries of the archive to be restored.
type RestoreRequest struct {
	IDs     []int64 // of the entries; duplicates count once
	OwnerID string  // only this owner's, when set
	Cause   Cause
	DryRun  bool // find the obstacles, change nothing
	// Copies are further entries to restore, from a backup. Their IDs are none of IDs.
	Copies []ArchivedCopy
	// NewIDs are those of IDs whose sessions get a new ID, which the store generates. All references to them in the
	// restored rows follow. ErrInvalid where the store generates none.
	NewIDs []int64
}

// Restored is the result of a restore.
type Restored struct {
	Entries  []Archived `json:"entries"`            // restored, in the order in which they were archived
	Rows     int        `json:"rows"`               // of other tables, inserted again
	Relinked int        `json:"relinked,omitempty"` // rows of other tables, linked again
	Skipped  []Archived `json:"skipped,omitempty"`  // left in the archive, because of ConflictSkip
	Erased   int        `json:"erased,omitempty"`   // sessions of a backup file that are left out: their owners were erased since
	// NewIDs are the IDs that sessions have since, because of ConflictNewID, by Archived.ID.
	NewIDs map[int64]string `json:"new_ids,omitempty"`
	// Obstacles keep entries from being restored: the first 100.
	Obstacles []Obstacle `json:"obstacles,omitempty"`
}

// Rename records that the session of an entry got a new ID.
func (r *Restored) Rename(entry int64, id string) {
	if r.NewIDs == nil {
		r.NewIDs = map[int64]string{}
	}
	r.NewIDs[entry] = id
}

// MaxObstacles is the largest number of obstacles that a restore reports.
const MaxObstacles = 100

// ObstacleKind classifies obstacles.
type ObstacleKind string

// The kinds of obstacles.
const (
	ObstacleTaken   ObstacleKind = "taken"   // a value that must be unique, such as an ID, is in use
	ObstacleParent  ObstacleKind = "parent"  // a row that it refers to is gone
	ObstacleTable   ObstacleKind = "table"   // a table is gone, or is not the application's any more
	ObstacleColumn  ObstacleKind = "column"  // a column is gone, cannot hold the value any more, or needs one that is not archived
	ObstacleRefused ObstacleKind = "refused" // a constraint or a trigger refuses a row
)

// Obstacle keeps an entry from being restored.
type Obstacle struct {
	Entry     int64        `json:"entry"`
	SessionID string       `json:"session_id"`
	Kind      ObstacleKind `json:"kind"`
	Table     string       `json:"table"`
	Text      string       `json:"text"` // describes the obstacle, in English
}

// String names the session and the table, and describes the obstacle.
func (o Obstacle) String() string {
	return fmt.Sprintf("session %q: %s: %s", o.SessionID, o.Table, o.Text)
}

// Errors of the archive.
var (
	// ErrNotArchived: the archive has no such entry, or it is not the caller's to see: nothing was archived, or it was restored
	// or purged.
	ErrNotArchived = errors.New("not in the archive")
	// ErrErased: the owner of a session in a backup was erased after the session was archived; it is not restored.
	ErrErased = errors.New("owner was erased since")
	// ErrObstructed: entries of the archive cannot be restored as things are; nothing was changed.
	ErrObstructed = errors.New("cannot be restored")
	// ErrUnarchivable: rows of tables that the last Migrate did not see, or that the store may not read, would be deleted or
	// unlinked along with a session, so it was not deleted. The error names the tables.
	ErrUnarchivable = errors.New("what would be deleted along with the sessions cannot be archived")
	// ErrTooLarge: a session has more rows than may be archived, so it was not deleted. See Policy.ArchiveMaxRows.
	ErrTooLarge = errors.New("session is too large for the archive")
)

// ObstructedError is the ErrObstructed that a restore returns.
type ObstructedError struct{ Obstacles []Obstacle }

// Error names the first obstacles.
func (e *ObstructedError) Error() string {
	const most = 5
	var texts []string
	for _, o := range e.Obstacles[:min(len(e.Obstacles), most)] {
		texts = append(texts, o.String())
	}
	if more := len(e.Obstacles) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%v: %s", ErrObstructed, strings.Join(texts, "; "))
}

// Is makes errors.Is(err, ErrObstructed) hold.
func (e *ObstructedError) Is(target error) bool { return target == ErrObstructed }
