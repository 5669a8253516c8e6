package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sessioncleanup/sessioncleanup"
)

// A file that was removed, or replaced under its name as when a backup is restored, stays usable for connections that have it
// open: they would clean up sessions that nobody sees any more, and report success.

// unmoved fails unless the file at the path is the one that the Store's connections have open.
func (s *Store) unmoved() error {
	if s.path == "" {
		return nil
	}
	now, err := os.Stat(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // it cannot be seen just now, which says nothing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.file == nil && err == nil:
		s.file = now
		return nil
	case err == nil && os.SameFile(s.file, now):
		return nil
	case err == nil:
		return fmt.Errorf("%w: another file has this name since the database was opened: start this program again", sessioncleanup.ErrUnavailable)
	default:
		return fmt.Errorf("%w: the file was removed since the database was opened: start this program again", sessioncleanup.ErrUnavailable)
	}
}
