package sessioncleanup

import (
	"context"
	"errors"
	"time"
)

// Backups stores copies of archived sessions in files outside of the database. Package backup implements it for a
// directory and for S3-compatible storage.
//
// With Config.Backups set, each run writes the entries that are in no file yet into a new file, reads the file back,
// and marks the entries; see Archived.BackedUpAt. Entries that are not marked are not purged.
type Backups interface {
	// Write makes a file of the entries that content adds, and returns what is in it. When content or Write fails,
	// there is no such file. Write keeps at most one entry in memory, and does not call content's add after it has
	// returned.
	Write(ctx context.Context, h BackupHeader, content func(add func(ArchivedCopy) error) error) (BackupFile, error)

	// Read calls each for the entries of a file in their order, and returns what is in the file. An error of each ends
	// it. Only a nil error means that the file is intact. ErrDamaged means that it is not, ErrNewerBackup that this
	// version cannot read it, fs.ErrNotExist that there is no such file.
	Read(ctx context.Context, name string, each func(ArchivedCopy) error) (BackupFile, error)

	// List returns the files, oldest first, with their names, sizes and times.
	List(ctx context.Context) ([]BackupFile, error)
}

// BackupHeader says where a backup file comes from.
type BackupHeader struct {
	At     time.Time `json:"at"` // the store's clock
	RunID  string    `json:"run_id,omitempty"`
	Part   int       `json:"part"`            // of the files that were written at once, from 1
	Form   string    `json:"form"`            // of the rows: Archiver.ArchiveForm
	Schema Schema    `json:"schema,omitzero"` // of the sessions, where the store has one
}

// BackupFile is a file of Backups.
type BackupFile struct {
	Name    string       `json:"name"`
	At      time.Time    `json:"at,omitzero"`
	Size    int64        `json:"size,omitempty"` // in bytes, compressed; from Backups.List only
	Header  BackupHeader `json:"header,omitzero"`
	Version string       `json:"version,omitempty"` // of this library, that wrote it
	Entries int          `json:"entries,omitempty"`
	Rows    int          `json:"rows,omitempty"`   // of the sessions too
	SHA256  string       `json:"sha256,omitempty"` // of all before the trailer, in hexadecimal digits
}

// ArchivedCopy is an entry of the archive with all of its rows.
type ArchivedCopy struct {
	Archived
	Content []ArchivedRow `json:"content"`
}

// BackupResult is the result of a backup.
type BackupResult struct {
	Files   []string `json:"files,omitempty"` // that were written and verified
	Entries int      `json:"entries"`         // in them
	// Waiting is how many entries of the archive are in no file yet, and not purged; in a run without Config.Backups, how many of
	// those that are due.
	Waiting int `json:"waiting"`
	// Error says why Waiting is not 0, in a run: that is an alert, and does not make the run fail.
	Error string `json:"error,omitempty"`
}

// Errors of backups.
var (
	// ErrDamaged: a backup file is not as it was written: it is truncated, was modified, or is no backup file.
	ErrDamaged = errors.New("backup file is damaged")
	// ErrNewerBackup: a newer version of this library wrote the backup file.
	ErrNewerBackup = errors.New("backup file was written by a newer version of sessioncleanup")
)
