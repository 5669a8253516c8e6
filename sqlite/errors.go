package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// failed adds the name of the database, and the sentinel that fits, to an error of the driver or of this package.
func (s *Store) failed(err error) error {
	if err == nil {
		return nil
	}
	for _, plain := range []error{
		sessioncleanup.ErrNotFound, sessioncleanup.ErrChanged, sessioncleanup.ErrCascade, sessioncleanup.ErrLeaseHeld, sessioncleanup.ErrLeaseLost,
		sessioncleanup.ErrNotArchived,
	} {
		if errors.Is(err, plain) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", s.name, s.explained(err))
}

// explained says in words what a result code of SQLite means here, and adds the sentinel.
func (s *Store) explained(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	code := resultCode(err)
	if code == sqlite3.SQLITE_IOERR_SHMSIZE { // the log's index cannot grow
		code = sqlite3.SQLITE_FULL
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: other connections held the lock for %v: %w", sessioncleanup.ErrUnavailable, s.busy, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: no space left on the disk, or the database has reached its largest size: %w; make room for it", sessioncleanup.ErrUnavailable, err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%w: the file cannot be read or written: %w", sessioncleanup.ErrUnavailable, err)
	case sqlite3.SQLITE_READONLY:
		return invalid.Databasef("the file or its folder is read-only: %w", err)
	case sqlite3.SQLITE_NOTADB:
		return invalid.Errorf("the file is not a SQLite database: %w", err)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the database is damaged: run PRAGMA integrity_check for details: %w", err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return s.cannotOpen(err)
	case sqlite3.SQLITE_ERROR:
		if missingObject.MatchString(err.Error()) {
			return fmt.Errorf("%w: %w; run migrate", sessioncleanup.ErrNotInstalled, err)
		}
		if unregistered.MatchString(err.Error()) {
			return invalid.Databasef("%w; %s", err, ownObjects)
		}
	}
	return err
}

var (
	missingObject = regexp.MustCompile(`no such (table|column|index|view)`)
	unregistered  = regexp.MustCompile(`no such (function|collation sequence)`)
)

// cannotOpen finds out why a file cannot be opened.
func (s *Store) cannotOpen(err error) error {
	if s.path == "" {
		return err
	}
	info, statErr := os.Stat(s.path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no such file; Migrate creates it: %w", sessioncleanup.ErrNotInstalled, withoutPath(statErr))
	case statErr != nil:
		return invalid.Errorf("the file cannot be opened: %w", withoutPath(statErr))
	case info.IsDir():
		return invalid.Errorf("it is a folder: want a file")
	}
	f, openErr := os.Open(s.path)
	if openErr == nil {
		return invalid.Errorf("the file cannot be opened: its write-ahead log needs a writable folder: %w", errors.Join(err, f.Close()))
	}
	return invalid.Errorf("the file cannot be opened: %w", withoutPath(openErr))
}

// withoutPath is an error of the operating system without the path, with which failed begins the message.
func withoutPath(err error) error {
	if failure, ok := errors.AsType[*fs.PathError](err); ok {
		return failure.Err
	}
	return err
}

// resultCode is SQLite's extended result code, from any driver that reports it as modernc.org/sqlite does; 0 for another error.
func resultCode(err error) int {
	coded, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	if !ok {
		return 0
	}
	return coded.Code()
}

// isCode reports whether an error has one of some primary result codes.
func isCode(err error, codes ...int) bool { return slices.Contains(codes, resultCode(err)&0xff) }

// kindOfFailure is the same for rows that are refused for the same reason: by the same constraint, or by triggers that
// say the same.
func kindOfFailure(err error) string {
	if code := resultCode(err); code != 0 && code != sqlite3.SQLITE_CONSTRAINT_TRIGGER {
		return fmt.Sprint("SQLite ", code)
	}
	return err.Error()
}

// constraint reports whether the rows themselves are at fault: a foreign key without cascade, a check, a trigger that
// raises an error.
func constraint(err error) bool { return isCode(err, sqlite3.SQLITE_CONSTRAINT) }

// obstacle says what kind of constraint keeps a row from being inserted, and what SQLite says, without the driver's words around it.
func obstacle(err error) (kind sessioncleanup.ObstacleKind, text string) {
	if !constraint(err) {
		return "", ""
	}
	text = strings.TrimPrefix(err.Error(), "constraint failed: ")
	text, _, _ = strings.Cut(text, " (")
	switch resultCode(err) {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return sessioncleanup.ObstacleTaken, text
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_CONSTRAINT_DATATYPE:
		return sessioncleanup.ObstacleColumn, text
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return sessioncleanup.ObstacleParent, text
	default:
		return sessioncleanup.ObstacleRefused, text
	}
}
