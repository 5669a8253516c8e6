package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Dir is a Sink in a directory. Files have mode 0600. Put syncs the file and the directory to disk before it returns.
type Dir struct{ path string }

// NewDir returns the Sink for the directory with this path. The directory must exist when it is used; it is not
// created, because that would hide a volume that is not mounted.
func NewDir(path string) (*Dir, error) {
	if path == "" {
		return nil, invalid.Errorf("path of the backup directory is empty: want a directory")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("backup directory: %w", err)
	}
	return &Dir{path}, nil
}

// String names the directory.
func (d *Dir) String() string { return "backup directory " + d.path }

// A file that is being written begins with a dot and has this suffix; what a killed process left is removed after a day.
const (
	partSuffix = ".part"
	partAge    = 24 * time.Hour
)

// Put writes a file under another name and renames it.
func (d *Dir) Put(ctx context.Context, name string, r io.Reader) error {
	return d.within(name, func(root *os.Root) (err error) {
		d.removeParts(root)
		part := "." + name + "." + rand.Text() + partSuffix
		file, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() {
			if err != nil {
				_ = root.Remove(part) // best effort: Files.List ignores it
			}
		}()
		_, err = io.Copy(file, readerFunc(func(p []byte) (int, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			return r.Read(p)
		}))
		if err == nil {
			err = file.Sync()
		}
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err == nil {
			_, err = root.Lstat(name)
			if err == nil {
				err = fs.ErrExist
			} else if errors.Is(err, fs.ErrNotExist) {
				err = root.Rename(part, name)
			}
		}
		if err != nil {
			return err
		}
		return syncDir(root)
	})
}

// syncDir makes the names of files durable.
func syncDir(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// removeParts removes old parts of killed processes, as far as it can.
func (d *Dir) removeParts(root *os.Root) {
	parts, _ := fs.Glob(root.FS(), "."+namePrefix+"*"+partSuffix)
	for _, part := range parts {
		if info, err := root.Lstat(part); err == nil && time.Since(info.ModTime()) > partAge {
			_ = root.Remove(part)
		}
	}
}

// Open opens a file.
func (d *Dir) Open(_ context.Context, name string) (io.ReadCloser, error) {
	var file *os.File
	err := d.within(name, func(root *os.Root) (err error) {
		file, err = root.Open(name)
		return err
	})
	return file, err
}

// List lists the regular files.
func (d *Dir) List(context.Context) ([]File, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("backup directory: %w", err)
	}
	var all []File
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("backup directory: %w", err)
		}
		all = append(all, File{e.Name(), info.Size()})
	}
	return all, nil
}

// within calls do with the directory, of which a name cannot lead out.
func (d *Dir) within(name string, do func(root *os.Root) error) error {
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		return invalid.Errorf("backup file %q: want the name of a file in %s", name, d.path)
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return fmt.Errorf("backup directory: %w", err)
	}
	err = do(root)
	return errors.Join(err, root.Close())
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
