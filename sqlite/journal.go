package sqlite

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// otherJournal is the journal mode of a file that Migrate is going to change; empty when it already is write-ahead logging.
func (s *Store) otherJournal(ctx context.Context, c *conn) (string, error) {
	if s.path == "" {
		return "", nil
	}
	var mode string
	err := c.row(ctx, "PRAGMA journal_mode", nil, &mode)
	if strings.EqualFold(mode, "wal") {
		mode = ""
	}
	return mode, err
}

// useWAL switches a file to write-ahead logging, so that readers and the writer do not wait for each other.
func (s *Store) useWAL(ctx context.Context) error {
	if s.path == "" {
		return nil
	}
	return s.failed(s.setJournal(ctx, "WAL"))
}

// restoreJournal switches a file back to the journal mode that it had.
func (s *Store) restoreJournal(ctx context.Context, mode string) {
	if s.path == "" || mode == "" {
		return
	}
	s.reader.SetMaxIdleConns(0) // they would keep the file in use
	defer s.reader.SetMaxIdleConns(s.readers)
	if err := s.setJournal(ctx, mode); err != nil {
		s.log.WarnContext(ctx, fmt.Sprintf("uninstall: the journal mode stays WAL, because other connections have the database open: "+
			"close them and run PRAGMA journal_mode = %s", mode), "error", err)
	}
}

// setJournal sets the journal mode. That needs the database to itself for a moment. SQLite does not wait for it, so this
// polls.
func (s *Store) setJournal(ctx context.Context, mode string) error {
	for deadline := time.Now().Add(s.busy); ; {
		var now string
		err := s.writer.QueryRowContext(ctx, "PRAGMA journal_mode = "+mode).Scan(&now)
		if err == nil && !strings.EqualFold(now, mode) {
			err = fmt.Errorf("the journal mode is %s, not %s", now, mode)
		}
		if !isCode(err, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) || time.Now().After(deadline) {
			return err
		}
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// largeLog is the size in bytes beyond which the file of the write-ahead log is truncated after a run. A reader that stays
// keeps it growing, and when the reader has gone it keeps its size.
const largeLog = 8 << 20

// truncateLog makes a large write-ahead log empty, unless another connection uses it at that moment. No connection waits.
func (s *Store) truncateLog(ctx context.Context) {
	if s.path == "" || s.shared {
		return
	}
	if info, err := os.Stat(s.path + "-wal"); err != nil || info.Size() < largeLog {
		return
	}
	_ = s.reading(ctx, func(c *conn) error {
		defer func() {
			_, _ = c.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA busy_timeout = %d", s.busy.Milliseconds()))
		}()
		// The first moves what is in the log without a lock that writers want, so that nothing is left to do under one.
		for _, sql := range []string{"PRAGMA busy_timeout = 0", "PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(TRUNCATE)"} {
			if _, err := c.ExecContext(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}
