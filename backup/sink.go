package backup

import (
	"context"
	"io"
)

// Sink is where backup files are kept. A program that only backs up needs no right to delete or overwrite files. Errors hold
// no credentials, and neither does what String returns, if a sink has that method: it names the place in errors.
type Sink interface {
	// Put stores all that r has as a file, which is there as a whole and durably once Put returns. When it fails, as it does
	// when r fails or ctx ends, there is no such file.
	Put(ctx context.Context, name string, r io.Reader) error
	// Open reads a file; fs.ErrNotExist when there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// List returns all files, in any order.
	List(ctx context.Context) ([]File, error)
}

// File is a file of a Sink.
type File struct {
	Name string
	Size int64 // in bytes
}
