package s3test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/backup/s3"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

const (
	key    = "AKIATESTTESTTEST"
	secret = "a-secret-that-nobody-may-see"
)

// server is an S3 server with the bucket "backups". The environment leads to it.
type server struct {
	*s3mem.Backend
	refuse func(*http.Request) int // the status of requests that are not served; 0 serves
}

func start(t *testing.T) *server {
	t.Helper()
	s := &server{Backend: s3mem.New(), refuse: func(*http.Request) int { return 0 }}
	if err := s.CreateBucket(t.Context(), "backups"); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(s.Backend, gofakes3.WithV4Auth(map[string]string{key: secret})).Server()
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := s.refuse(r); status != 0 {
			w.WriteHeader(status)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(listening.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3": listening.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return s
}

func bucket(t *testing.T, address string) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// managed is a Manager that backs up to a bucket, of a store with an archive of one session.
func managed(t *testing.T, sink backup.Sink) *sessioncleanup.Manager {
	t.Helper()
	store := memory.New(memory.Config{})
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}, Backups: backup.New(sink)})
	if err == nil {
		err = store.Put(sessioncleanup.Session{ID: "42", Name: "quiz"})
	}
	if err == nil {
		_, err = m.Delete(t.Context(), "42")
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestASessionComesBackFromABucket(t *testing.T) {
	start(t)
	for _, address := range []string{"s3://backups/", "s3://backups/app/sessions", "s3://backups/app"} {
		sink := bucket(t, address)
		done, err := managed(t, sink).Cleanup(t.Context(), sessioncleanup.Run{})
		if err != nil || done.Backup.Error != "" || len(done.Backup.Files) != 1 {
			t.Fatalf("%s: the backup is %+v, %v", address, done.Backup, err)
		}
		files, err := backup.New(sink).List(t.Context())
		if err != nil || len(files) != 1 || files[0].Name != done.Backup.Files[0] || files[0].Size == 0 {
			t.Errorf("%s: List: %+v, %v; want the one file below it", address, files, err)
		}
		m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.RestoreBackup(t.Context(), backup.New(sink), done.Backup.Files[0], sessioncleanup.BackupRestore{}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if s, err := m.Get(t.Context(), "42"); err != nil || s.Name != "quiz" {
			t.Errorf("%s: restored %+v, %v", address, s, err)
		}
	}
}

// noise is content that no compression makes small.
func noise(t *testing.T, n int64) io.Reader {
	t.Helper()
	return io.LimitReader(rand.NewChaCha8([32]byte{}), n)
}

func TestALargeFileIsUploadedInParts(t *testing.T) {
	start(t)
	b := bucket(t, "s3://backups/large")
	const size = 20 << 20
	if err := b.Put(t.Context(), "file", noise(t, size)); err != nil {
		t.Fatal(err)
	}
	in, err := b.Open(t.Context(), "file")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err != nil || len(got) != size {
		t.Errorf("read %d bytes, %v; want %d", len(got), err, size)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

// failing is content whose end is an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAnUploadThatFailsLeavesNoFile(t *testing.T) {
	s := start(t)
	b := bucket(t, "s3://backups")
	broken := errors.New("broken")
	if err := b.Put(t.Context(), "file", io.MultiReader(noise(t, 20<<20), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("content that fails: %v, want its error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	uploads := 0
	s.refuse = func(r *http.Request) int {
		if r.Method == http.MethodPut && strings.Contains(r.URL.RawQuery, "partNumber") {
			if uploads++; uploads == 2 {
				cancel()
			}
		}
		return 0
	}
	if err := b.Put(ctx, "file", noise(t, 20<<20)); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ends: %v, want context.Canceled", err)
	}
	// Backups do not pass on an end of the content that is none.
	_, err := backup.New(b).Write(t.Context(), sessioncleanup.BackupHeader{At: time.Now()}, func(func(sessioncleanup.ArchivedCopy) error) error { return io.ErrUnexpectedEOF })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("content that ends too early: %v", err)
	}
	if files, err := b.List(t.Context()); err != nil || len(files) > 0 {
		t.Errorf("the bucket has %+v, %v; want nothing", files, err)
	}
}

func TestProblemsOfABucketAreExplainedWithoutSecrets(t *testing.T) {
	for what, c := range map[string]struct {
		address string
		env     map[string]string
		refuse  int
		want    string
	}{
		"a missing bucket":      {"s3://missing/app", nil, 0, "bucket missing: it does not exist"},
		"a wrong secret":        {"s3://backups", map[string]string{"AWS_SECRET_ACCESS_KEY": secret + "-not"}, 0, "access denied (SignatureDoesNotMatch)"},
		"an unknown key":        {"s3://backups", map[string]string{"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, 0, "access denied (InvalidAccessKeyId)"},
		"no rights":             {"s3://backups", nil, http.StatusForbidden, "access denied (AccessDenied)"},
		"a server that is down": {"s3://backups", map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, 0, "connection refused"},
	} {
		t.Run(what, func(t *testing.T) {
			s := start(t)
			s.refuse = func(*http.Request) int { return c.refuse }
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			b := bucket(t, c.address)
			m := managed(t, b)
			began := time.Now()
			run, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
			if err != nil || run.Backup.Waiting != 1 || !strings.Contains(run.Backup.Error, c.want) {
				t.Errorf("the run has the backup %+v, %v; want that %s", run.Backup, err, c.want)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("the run took %v", took)
			}
			_, listErr := b.List(t.Context())
			_, openErr := b.Open(t.Context(), "file")
			for call, err := range map[string]error{"the run": errors.New(run.Backup.Error), "List": listErr, "Open": openErr} {
				if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), key) {
					t.Errorf("%s: %v; want an error without credentials", call, err)
				}
			}
		})
	}
}

func TestAFileThatIsMissingIsNotFound(t *testing.T) {
	start(t)
	if _, err := bucket(t, "s3://backups").Open(t.Context(), "file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v, want fs.ErrNotExist", err)
	}
}

func TestWrongAddressesAreRefusedWithoutBeingShown(t *testing.T) {
	for _, address := range []string{"", "s3://", "s3:///prefix", "file:///x", "s3://" + key + ":" + secret + "@backups/x", "s3://backups/x?secret=" + secret, "s3://back ups"} {
		if _, err := s3.Open(address); !errors.Is(err, sessioncleanup.ErrInvalid) || strings.Contains(err.Error(), secret) {
			t.Errorf("Open(%q): %v, want ErrInvalid that does not show it", address, err)
		}
	}
	for _, endpoint := range []string{"localhost:9000", "ftp://localhost", "https://" + key + ":" + secret + "@localhost", "https://"} {
		t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
		if _, err := s3.Open("s3://backups"); !errors.Is(err, sessioncleanup.ErrInvalid) || strings.Contains(err.Error(), secret) {
			t.Errorf("Open with the endpoint %q: %v, want ErrInvalid that does not show it", endpoint, err)
		}
	}
}
