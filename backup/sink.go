package backup

import (
	"context"
	"io"
)

// Sink stores backup files. A program that only backs up needs no right to delete or overwrite files. Neither errors
// nor String, if a sink has that method, contain credentials; String names the place in errors.
type Sink interface {
	// Put stores everything that r has as one file. When Put returns, the file is complete and durable. When Put fails,
	// as it does when r fails or ctx ends, there is no such file.
	Put(ctx context.Context, name string, r io.Reader) error
	// Open reads a file. It fails with fs.ErrNotExist when there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// List returns all files, in any order.
	List(ctx context.Context) ([]File, error)
}

// File is a file of a Sink.
type File struct {
	Name string
	Size int64 // in bytes
}
