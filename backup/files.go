package backup

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Files are the backup files in a Sink.
type Files struct{ sink Sink }

var _ sessioncleanup.Backups = (*Files)(nil)

// New returns the backup files in a sink. It does not use the sink yet.
func New(sink Sink) *Files { return &Files{sink} }

// String names the sink, when that is a fmt.Stringer.
func (f *Files) String() string {
	if named, ok := f.sink.(fmt.Stringer); ok {
		return named.String()
	}
	return "the place for backups"
}

// The parts of the names of files: they sort by time.
const (
	namePrefix = "sessioncleanup-"
	nameSuffix = ".jsonl.zst"
	nameTime   = "20060102T150405Z"
)

func nameOf(h sessioncleanup.BackupHeader) string {
	return fmt.Sprintf("%s%s-%s-%03d%s", namePrefix, h.At.UTC().Format(nameTime), cmp.Or(h.RunID, rand.Text()), h.Part, nameSuffix)
}

// List returns the files that Write made, oldest first. It ignores other files in the sink.
func (f *Files) List(ctx context.Context) ([]sessioncleanup.BackupFile, error) {
	found, err := f.sink.List(ctx)
	if err != nil {
		return nil, err
	}
	var all []sessioncleanup.BackupFile
	for _, file := range found {
		rest, ours := strings.CutPrefix(file.Name, namePrefix)
		stamp, _, _ := strings.Cut(rest, "-")
		if at, err := time.Parse(nameTime, stamp); ours && err == nil && strings.HasSuffix(rest, nameSuffix) {
			all = append(all, sessioncleanup.BackupFile{Name: file.Name, At: at, Size: file.Size})
		}
	}
	slices.SortFunc(all, func(a, b sessioncleanup.BackupFile) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Write makes a file. It compresses while the sink reads.
func (f *Files) Write(
	ctx context.Context, h sessioncleanup.BackupHeader, content func(add func(sessioncleanup.ArchivedCopy) error) error,
) (sessioncleanup.BackupFile, error) {
	name := nameOf(h)
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) })
	defer stop()
	put := make(chan error, 1)
	go func() {
		err := f.sink.Put(ctx, name, out)
		_ = out.CloseWithError(cmp.Or(err, io.ErrClosedPipe)) // so that nothing waits for it any longer
		put <- err
	}()
	file, err := write(in, h, content)
	if err != nil {
		// The sink must not take it for the end of the file, as some clients do with io.ErrUnexpectedEOF.
		_ = in.CloseWithError(errors.New(err.Error()))
	} else {
		_ = in.Close() // it never fails
	}
	if putErr := <-put; err == nil {
		err = putErr
	}
	if err != nil {
		return sessioncleanup.BackupFile{}, fmt.Errorf("write %s: %w", name, cmp.Or(ctx.Err(), err))
	}
	file.Name = name
	return file, nil
}

// Read reads a file and checks it.
func (f *Files) Read(ctx context.Context, name string, each func(sessioncleanup.ArchivedCopy) error) (sessioncleanup.BackupFile, error) {
	in, err := f.sink.Open(ctx, name)
	if err != nil {
		return sessioncleanup.BackupFile{}, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = in.Close() }() // only read
	file, err := read(in, each)
	if err != nil {
		return sessioncleanup.BackupFile{}, fmt.Errorf("read %s: %w", name, cmp.Or(ctx.Err(), err))
	}
	file.Name = name
	return file, nil
}
