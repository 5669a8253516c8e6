package tokens

import (
	"io"
	"os"
	"strings"

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

// Lines returns the trimmed lines of a file of secrets, "" for a comment, which begins with #. A file that others can
// read or write, or that is larger than a megabyte, is an ErrInvalid.
func Lines(path string) ([]string, error) {
	file, err := OpenPrivate(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	content, err := io.ReadAll(io.LimitReader(file, largest+1))
	if err != nil {
		return nil, err
	}
	if len(content) > largest {
		return nil, invalid.Errorf("larger than %d bytes", largest)
	}
	lines := strings.Split(string(content), "\n")
	for i, line := range lines {
		if lines[i] = strings.TrimSpace(line); strings.HasPrefix(lines[i], "#") {
			lines[i] = ""
		}
	}
	return lines, nil
}
