package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
)

var head = sessioncleanup.BackupHeader{
	At: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC), RunID: "RUN", Part: 1, Form: "test", Schema: sessioncleanup.Schema{Table: "rooms"},
}

// some are entries with rows and values that are easily lost.
func some() []sessioncleanup.ArchivedCopy {
	row := func(number int, table, json string) sessioncleanup.ArchivedRow {
		return sessioncleanup.ArchivedRow{Number: number, Table: table, Unlinked: number == 3, Row: []byte(json)}
	}
	return []sessioncleanup.ArchivedCopy{
		{
			Archived: sessioncleanup.Archived{ID: 7, SessionID: "a<b>&\u2028\"", OwnerID: "ann", Name: "日本 🎉", At: head.At.Add(-time.Millisecond), Actor: "system", RunID: "RUN", Rows: 2, Bytes: 99},
			Content: []sessioncleanup.ArchivedRow{
				row(1, "rooms", `{"id":9007199254740993,"x":"<&>\n\u0000","n":12345678901234567890.10}`), row(2, "messages", `{"real":{"real":"0.1"}}`), row(3, "links", `{"key":{},"set":{"id":1}}`),
			},
		},
		{Archived: sessioncleanup.Archived{ID: 8, SessionID: "b", At: head.At, Actor: "admin:eve"}, Content: []sessioncleanup.ArchivedRow{row(1, "rooms", `{}`)}},
	}
}

// dir is a directory of backups, and its path.
func dir(t testing.TB) (*backup.Dir, string) {
	t.Helper()
	path := t.TempDir()
	d, err := backup.NewDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d, path
}

func adding(all ...sessioncleanup.ArchivedCopy) func(add func(sessioncleanup.ArchivedCopy) error) error {
	return func(add func(sessioncleanup.ArchivedCopy) error) error {
		for _, c := range all {
			if err := add(c); err != nil {
				return err
			}
		}
		return nil
	}
}

// ignore is for reads that only verify.
func ignore(sessioncleanup.ArchivedCopy) error { return nil }

func written(t testing.TB, sink backup.Sink, all ...sessioncleanup.ArchivedCopy) sessioncleanup.BackupFile {
	t.Helper()
	file, err := backup.New(sink).Write(t.Context(), head, adding(all...))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAFileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	d, path := dir(t)
	want := some()
	file := written(t, d, want...)
	var got []sessioncleanup.ArchivedCopy
	read, err := backup.New(d).Read(t.Context(), file.Name, func(c sessioncleanup.ArchivedCopy) error {
		got = append(got, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-written +read):\n%s", diff)
	}
	if diff := cmp.Diff(file, read); diff != "" {
		t.Errorf("what Write and Read say is in it:\n%s", diff)
	}
	if read.Entries != 2 || read.Rows != 4 || read.Header.Form != "test" || read.Header.Schema.Table != "rooms" {
		t.Errorf("the file has %+v", read)
	}
	info, err := os.Stat(filepath.Join(path, file.Name))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has the mode %v, %v; want 0600", info.Mode(), err)
	}
	listed, err := backup.New(d).List(t.Context())
	if err != nil || len(listed) != 1 || listed[0].Name != file.Name || listed[0].Size != info.Size() || !listed[0].At.Equal(head.At) {
		t.Errorf("List: %+v, %v", listed, err)
	}
}

func TestListHasTheOldestFileFirstAndOnlyBackups(t *testing.T) {
	t.Parallel()
	d, path := dir(t)
	var want []string
	for i := range 3 {
		h := head
		h.At = h.At.Add(time.Duration(i) * time.Hour)
		for h.Part = 1; h.Part <= 2; h.Part++ {
			file, err := backup.New(d).Write(t.Context(), h, adding())
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, file.Name)
		}
	}
	for _, other := range []string{"README", "sessioncleanup-notes.jsonl.zst", ".sessioncleanup-20260301T030000Z-X-001.jsonl.zst.X.part"} {
		if err := os.WriteFile(filepath.Join(path, other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(path, "sessioncleanup-20260301T030000Z-X-001.jsonl.zst"), 0o700); err != nil {
		t.Fatal(err)
	}
	all, err := backup.New(d).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range all {
		got = append(got, f.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func compressed(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestADamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	d, path := dir(t)
	file := filepath.Join(path, written(t, d, some()...).Name)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(plain, []byte("\n"))
	for _, l := range lines[:4] {
		if !json.Valid(l) {
			t.Errorf("a line is not JSON: %s", l)
		}
	}
	join := func(some ...[]byte) []byte { return compressed(t, bytes.Join(some, nil)) }
	cases := map[string][]byte{
		"empty":                   {},
		"no zstd":                 plain,
		"text":                    compressed(t, []byte("hello\n")),
		"without a header":        join(lines[1], lines[2], lines[3]),
		"without an entry":        join(lines[0], lines[1], lines[3]),
		"with an entry twice":     join(lines[0], lines[1], lines[2], lines[2], lines[3]),
		"in another order":        join(lines[0], lines[2], lines[1], lines[3]),
		"with another entry":      join(lines[0], lines[1], bytes.Replace(lines[2], []byte(`"b"`), []byte(`"c"`), 1), lines[3]),
		"with another header":     join(bytes.Replace(lines[0], []byte("rooms"), []byte("users"), 1), lines[1], lines[2], lines[3]),
		"without a trailer":       join(lines[0], lines[1], lines[2]),
		"with more after its end": join(plain, []byte("{}\n")),
		"with a line of another":  join(lines[0], lines[1], lines[2], []byte("{}\n"), lines[3]),
		"twice":                   append(bytes.Clone(whole), whole...),
		"with bytes after it":     append(bytes.Clone(whole), 'x'),
	}
	for n := 0; n < len(whole); n += 7 {
		cases[fmt.Sprintf("cut after %d bytes", n)] = whole[:n]
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		cases[fmt.Sprintf("with another byte %d", n)] = flipped
	}
	for what, content := range cases {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := backup.New(d).Read(t.Context(), filepath.Base(file), ignore); !errors.Is(err, sessioncleanup.ErrDamaged) || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("a file %s: %v, want ErrDamaged with its name", what, err)
		}
	}
	newer := join(bytes.Replace(lines[0], []byte(`"format":1`), []byte(`"format":2`), 1), []byte("something else\n"))
	if err := os.WriteFile(file, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.New(d).Read(t.Context(), filepath.Base(file), ignore); !errors.Is(err, sessioncleanup.ErrNewerBackup) {
		t.Errorf("a file of a newer version: %v, want ErrNewerBackup", err)
	}
}

func TestAnErrorOfTheReaderIsNoDamage(t *testing.T) {
	t.Parallel()
	d, _ := dir(t)
	file := written(t, d, some()...)
	stop := errors.New("stop")
	if _, err := backup.New(d).Read(t.Context(), file.Name, func(sessioncleanup.ArchivedCopy) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Read that is stopped: %v", err)
	}
	if _, err := backup.New(breaking{d}).Read(t.Context(), file.Name, ignore); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sessioncleanup.ErrDamaged) {
		t.Errorf("Read over a connection that breaks: %v, want its error", err)
	}
	if _, err := backup.New(d).Read(t.Context(), "sessioncleanup-none.jsonl.zst", ignore); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of no file: %v, want fs.ErrNotExist", err)
	}
}

// breaking is a sink whose connection breaks.
type breaking struct{ backup.Sink }

func (b breaking) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	in, err := b.Sink.Open(ctx, name)
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(in, 50), cut{}), in}, err
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (b breaking) Put(context.Context, string, io.Reader) error { return errors.New("unreachable") }

func TestAFileThatCannotBeWrittenIsNotThere(t *testing.T) {
	t.Parallel()
	d, path := dir(t)
	large := sessioncleanup.ArchivedCopy{Content: []sessioncleanup.ArchivedRow{{Row: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)}}}
	ending, cancel := context.WithCancel(t.Context())
	broken := errors.New("broken")
	for what, c := range map[string]struct {
		sink    backup.Sink
		content func(add func(sessioncleanup.ArchivedCopy) error) error
		want    error
	}{
		"content that fails": {d, func(add func(sessioncleanup.ArchivedCopy) error) error { return errors.Join(add(large), broken) }, broken},
		"content that ends": {d, func(add func(sessioncleanup.ArchivedCopy) error) error {
			return errors.Join(add(large), io.ErrUnexpectedEOF)
		}, io.ErrUnexpectedEOF},
		"a context that ends": {d, func(add func(sessioncleanup.ArchivedCopy) error) error {
			err := add(large)
			cancel()
			return err
		}, context.Canceled},
	} {
		ctx := t.Context()
		if errors.Is(c.want, context.Canceled) {
			ctx = ending
		}
		if _, err := backup.New(c.sink).Write(ctx, head, c.content); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	_, err := backup.New(breaking{d}).Write(t.Context(), head, func(add func(sessioncleanup.ArchivedCopy) error) error {
		for {
			if err := add(large); err != nil { // the sink takes nothing, and nothing waits for it
				return err
			}
		}
	})
	if err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("a sink that fails: %v", err)
	}
	left, err := os.ReadDir(path)
	if err != nil || len(left) > 0 {
		t.Errorf("the directory has %v, %v; want nothing", left, err)
	}
}
