package tokens

import (
	"os"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// OpenPrivate opens a file of secrets for reading. One that others can read or write is an ErrInvalid; see Open.
func OpenPrivate(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, invalid.Errorf("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat() // of the open file, which cannot be replaced anymore
	if err == nil {
		if owner, known := ownerOf(info); known {
			err = private(path, info.Mode().Perm(), owner, os.Geteuid())
		}
	}
	if err != nil {
		_ = file.Close() // only read
		return nil, err
	}
	return file, nil
}
