package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime/debug"

	"github.com/klauspost/compress/zstd"

	"github.com/sessioncleanup/sessioncleanup"
)

// formatVersion is that of the files. A higher one is that of a newer library.
const formatVersion = 1

// maxWindow is how much memory decompression takes at most, in bytes. What Write makes needs 8 MB.
const maxWindow = 128 << 20

// line is one line of a file: one of its fields is set.
type line struct {
	Header  *header                      `json:"header,omitempty"`
	Entry   *sessioncleanup.ArchivedCopy `json:"entry,omitempty"`
	Trailer *trailer                     `json:"trailer,omitempty"`
}

type header struct {
	Format  int    `json:"format"`
	Version string `json:"version"` // of the library
	sessioncleanup.BackupHeader
}

type trailer struct {
	Entries int    `json:"entries"`
	Rows    int    `json:"rows"`
	SHA256  string `json:"sha256"` // of all lines before this one, with their ends
}

// libraryVersion is that of the module, in the program that it is a part of.
func libraryVersion() string {
	const module = "github.com/sessioncleanup/sessioncleanup"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}

// writer writes the lines of a file.
type writer struct {
	out   *zstd.Encoder
	sum   hash.Hash
	count trailer
}

// write writes a file to out.
func write(
	out io.Writer, h sessioncleanup.BackupHeader, content func(add func(sessioncleanup.ArchivedCopy) error) error,
) (file sessioncleanup.BackupFile, err error) {
	compressed, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return file, err
	}
	w := writer{out: compressed, sum: sha256.New()}
	head := header{formatVersion, libraryVersion(), h}
	if err = w.add(line{Header: &head}); err == nil {
		err = content(w.addEntry)
	}
	w.count.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	if err == nil {
		err = w.add(line{Trailer: &w.count})
	}
	if closeErr := compressed.Close(); err == nil {
		err = closeErr
	}
	return w.count.file(head), err
}

func (w *writer) addEntry(e sessioncleanup.ArchivedCopy) error {
	w.count.Entries++
	w.count.Rows += len(e.Content)
	return w.add(line{Entry: &e})
}

func (w *writer) add(l line) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // for people who read it
	if err := encoder.Encode(l); err != nil {
		return err
	}
	_, _ = w.sum.Write(text.Bytes()) // it never fails
	_, err := w.out.Write(text.Bytes())
	return err
}

func (t trailer) file(h header) sessioncleanup.BackupFile {
	return sessioncleanup.BackupFile{At: h.At, Header: h.BackupHeader, Version: h.Version, Entries: t.Entries, Rows: t.Rows, SHA256: t.SHA256}
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{sessioncleanup.ErrDamaged}, args...)...)
}

// source remembers the error of what a file is read from: it is not the file that is damaged then.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// read reads a file and compares it with its trailer.
func read(in io.Reader, each func(sessioncleanup.ArchivedCopy) error) (sessioncleanup.BackupFile, error) {
	from := &source{Reader: in}
	plain, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return sessioncleanup.BackupFile{}, err
	}
	defer plain.Close()
	r := reader{in: bufio.NewReader(plain), sum: sha256.New(), each: each}
	file, err := r.read()
	if from.err != nil {
		err = from.err
	}
	return file, err
}

// reader reads the lines of a file.
type reader struct {
	in   *bufio.Reader
	sum  hash.Hash
	each func(sessioncleanup.ArchivedCopy) error
}

func (r *reader) read() (sessioncleanup.BackupFile, error) {
	none := sessioncleanup.BackupFile{}
	first, err := r.next()
	switch {
	case err != nil:
		return none, err
	case first.Header == nil:
		return none, damaged("it does not begin with a header")
	case first.Header.Format > formatVersion:
		return none, fmt.Errorf("%w: it has format %d, this version reads up to %d", sessioncleanup.ErrNewerBackup, first.Header.Format, formatVersion)
	}
	var found trailer
	for {
		found.SHA256 = hex.EncodeToString(r.sum.Sum(nil))
		l, err := r.next()
		switch {
		case err != nil:
			return none, err
		case l.Entry != nil:
			found.Entries++
			found.Rows += len(l.Entry.Content)
			if err := r.each(*l.Entry); err != nil {
				return none, err
			}
		case l.Trailer == nil:
			return none, damaged("line %d is neither an entry nor the trailer", found.Entries+2)
		case *l.Trailer != found:
			return none, damaged("it has %d entries with the checksum %s, its trailer says %d with %s", found.Entries, found.SHA256, l.Trailer.Entries, l.Trailer.SHA256)
		default:
			if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
				return none, damaged("it does not end with its trailer")
			}
			return found.file(*first.Header), nil
		}
	}
}

// next reads a line. The end of the file is damage, too.
func (r *reader) next() (l line, err error) {
	text, err := r.in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return l, damaged("it is truncated")
		}
		return l, damaged("%v", err)
	}
	_, _ = r.sum.Write(text) // it never fails
	if err := json.Unmarshal(text, &l); err != nil {
		return l, damaged("%v", err)
	}
	return l, nil
}
