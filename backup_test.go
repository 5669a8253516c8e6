package sessioncleanup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// shelf is a sink in memory that can fail.
type shelf struct {
	mu    sync.Mutex
	files map[string][]byte
	down  error
	spoil bool // files are damaged once they are stored
	stall bool // nothing is ever taken
}

func (s *shelf) Put(ctx context.Context, name string, r io.Reader) error {
	if s.stall {
		<-ctx.Done()
		return ctx.Err()
	}
	content, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.down
	}
	if err != nil {
		return err
	}
	if s.spoil {
		content = content[:len(content)-1]
	}
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[name] = content
	return nil
}

func (s *shelf) Open(_ context.Context, name string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, there := s.files[name]
	if !there {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (s *shelf) List(context.Context) ([]backup.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []backup.File
	for name, content := range s.files {
		all = append(all, backup.File{Name: name, Size: int64(len(content))})
	}
	return all, nil
}

// backed is a store with some sessions in use, a shelf, and a Manager that backs up to it.
func backed(t *testing.T, ids ...string) (*memory.Store, *shelf, *sessioncleanup.Manager) {
	t.Helper()
	store := memory.New(memory.Config{})
	for _, id := range ids {
		if err := store.Put(sessioncleanup.Session{ID: id, OwnerID: "ann", Name: "of " + id, Active: true, AutoCleanup: true, LastActivity: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	s := &shelf{}
	return store, s, backingTo(t, store, s)
}

func backingTo(t *testing.T, store sessioncleanup.Store, sink backup.Sink) *sessioncleanup.Manager {
	t.Helper()
	m, err := sessioncleanup.New(store, sessioncleanup.Config{
		Policy: sessioncleanup.Policy{Archive: sessioncleanup.On, InactiveAfter: sessioncleanup.Never}, Backups: backup.New(sink),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func deleted(t *testing.T, m *sessioncleanup.Manager, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := m.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

func cleaned(t *testing.T, m *sessioncleanup.Manager) sessioncleanup.Result {
	t.Helper()
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Backup == nil {
		t.Fatal("the run has no backup in its result")
	}
	return result
}

// inFile are the sessions in a file.
func inFile(t *testing.T, s *shelf, name string) (ids []string) {
	t.Helper()
	_, err := backup.New(s).Read(t.Context(), name, func(c sessioncleanup.ArchivedCopy) error {
		ids = append(ids, c.SessionID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestARunBacksUpWhatWasDeletedSinceTheLastOne(t *testing.T) {
	t.Parallel()
	store, s, m := backed(t, "a", "b", "c")
	used := time.Now().Add(-40 * 24 * time.Hour)
	if err := store.Put(sessioncleanup.Session{ID: "due", AutoCleanup: true, LastActivity: used, DeactivatedAt: used}); err != nil {
		t.Fatal(err)
	}
	deleted(t, m, "a")
	first := cleaned(t, m)
	if len(first.Backup.Files) != 1 || first.Backup.Entries != 2 || first.Backup.Waiting != 0 || first.Backup.Error != "" {
		t.Fatalf("the backup is %+v, want one file with what a person and the run deleted", first.Backup)
	}
	if got := inFile(t, s, first.Backup.Files[0]); !slices.Equal(got, []string{"a", "due"}) {
		t.Errorf("the file has %v", got)
	}
	if !strings.Contains(first.Backup.Files[0], first.RunID) {
		t.Errorf("the file is %s, want the run %s in its name", first.Backup.Files[0], first.RunID)
	}
	marked, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
	if err != nil || len(marked) != 2 || marked[0].BackedUpAt.IsZero() || marked[1].BackedUpAt.IsZero() {
		t.Errorf("the archive has %+v, %v; want both marked", marked, err)
	}
	if again := cleaned(t, m); len(again.Backup.Files) != 0 || len(s.files) != 1 {
		t.Errorf("a run with nothing new wrote %+v", again.Backup)
	}
	deleted(t, m, "b")
	if next := cleaned(t, m); len(next.Backup.Files) != 1 || !slices.Equal(inFile(t, s, next.Backup.Files[0]), []string{"b"}) {
		t.Errorf("the next run wrote %+v, want one file with b", next.Backup)
	}
	run, found, err := m.LastRun(t.Context())
	if err != nil || !found || run.Run.Backup == nil || run.Run.Backup.Entries != 1 {
		t.Errorf("the log has the run %+v, %v; want its backup", run.Run, err)
	}
	deleted(t, m, "c")
	if out, err := m.BackUp(t.Context()); err != nil || out.Entries != 1 || len(s.files) != 3 {
		t.Errorf("BackUp: %+v, %v; want one entry", out, err)
	}
	if dry, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); err != nil || dry.Backup != nil {
		t.Errorf("a dry run has the backup %+v, %v", dry.Backup, err)
	}
}

func TestAnUnreachableSinkDelaysThePurgeAndNothingElse(t *testing.T) {
	t.Parallel()
	for what, broken := range map[string]*shelf{"unreachable": {down: errors.New("no route to host")}, "spoiling": {spoil: true}, "stalling": {stall: true}} {
		synctest.Test(t, func(t *testing.T) {
			store, _, _ := backed(t, "a", "b")
			m := backingTo(t, store, broken)
			deleted(t, m, "a")
			started := time.Now()
			first := cleaned(t, m)
			if first.Backup.Error == "" || first.Backup.Waiting != 1 || first.Backup.Entries != 0 {
				t.Errorf("%s: the backup is %+v, want an error and one entry that waits", what, first.Backup)
			}
			if took := time.Since(started); took > 3*time.Minute {
				t.Errorf("%s: the run took %v", what, took)
			}
			stats, err := m.Stats(t.Context(), "")
			if err != nil || !slices.ContainsFunc(stats.Alerts, func(a sessioncleanup.Alert) bool {
				return a.Code == sessioncleanup.AlertBackupFailed && strings.Contains(a.Message, first.Backup.Error)
			}) {
				t.Errorf("%s: the alerts are %+v, %v; want that the backup failed", what, stats.Alerts, err)
			}
			time.Sleep(40 * 24 * time.Hour)
			if late := cleaned(t, m); late.Purged() != 0 || late.Phases[0].Due != 0 {
				t.Errorf("%s: %d of %d entries were purged without a backup", what, late.Purged(), late.Phases[0].Due)
			}
			broken.down, broken.spoil, broken.stall = nil, false, false
			back := cleaned(t, m)
			if back.Backup.Error != "" || back.Backup.Entries != 1 || back.Purged() != 0 {
				t.Errorf("%s: once the sink is back, the run has %+v", what, back)
			}
			if last := cleaned(t, m); last.Purged() != 1 {
				t.Errorf("%s: the next run purged %d entries, want 1", what, last.Purged())
			}
			if stats, err = m.Stats(t.Context(), ""); err != nil || slices.ContainsFunc(stats.Alerts, func(a sessioncleanup.Alert) bool { return a.Code == sessioncleanup.AlertBackupFailed }) {
				t.Errorf("%s: the alerts are still %+v, %v", what, stats.Alerts, err)
			}
		})
	}
}

// deaf is a sink that ignores its context, as a network file system does whose server is gone.
type deaf struct {
	shelf
	answers chan struct{}
}

func (s *deaf) Put(ctx context.Context, name string, r io.Reader) error {
	<-s.answers
	return s.shelf.Put(ctx, name, r)
}

func (s *deaf) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	<-s.answers
	return s.shelf.Open(ctx, name)
}

func (s *deaf) List(ctx context.Context) ([]backup.File, error) {
	<-s.answers
	return s.shelf.List(ctx)
}

func (s *deaf) String() string { return "backup directory /gone" }

func TestEveryCallOfASinkThatIgnoresItsContextEndsAndNamesThePlace(t *testing.T) {
	t.Parallel()
	calls := map[string]func(ctx context.Context, m *sessioncleanup.Manager, b sessioncleanup.Backups) error{
		"BackUp": func(ctx context.Context, m *sessioncleanup.Manager, _ sessioncleanup.Backups) error {
			_, err := m.BackUp(ctx)
			return err
		},
		"RestoreBackup": func(ctx context.Context, m *sessioncleanup.Manager, b sessioncleanup.Backups) error {
			_, err := m.RestoreBackup(ctx, b, "a file", sessioncleanup.BackupRestore{})
			return err
		},
		"List": func(ctx context.Context, _ *sessioncleanup.Manager, b sessioncleanup.Backups) error {
			_, err := sessioncleanup.BackupsOf(b).List(ctx)
			return err
		},
		"Read": func(ctx context.Context, _ *sessioncleanup.Manager, b sessioncleanup.Backups) error {
			_, err := sessioncleanup.BackupsOf(b).Read(ctx, "a file", func(sessioncleanup.ArchivedCopy) error { return nil })
			return err
		},
	}
	for what, call := range calls {
		for _, stopAfter := range []time.Duration{time.Hour, 20 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				store, _, _ := backed(t, "a")
				sink := &deaf{answers: make(chan struct{})}
				m := backingTo(t, store, sink)
				deleted(t, m, "a")
				ctx, cancel := context.WithTimeout(t.Context(), stopAfter)
				defer cancel()
				started := time.Now()
				err := call(ctx, m, backup.New(sink))
				if took, most := time.Since(started), min(stopAfter, 2*time.Minute)+5*time.Second; took > most || err == nil || !strings.Contains(err.Error(), "backup directory /gone does not answer") {
					t.Errorf("%s, stopped after %v: %v after %v; want an error that names the place, within %v", what, stopAfter, err, took, most)
				}
				close(sink.answers)
				synctest.Wait()
			})
		}
	}
}

func TestTheCallersPartOfABackupMayTakeLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := sessioncleanup.BackupsOf(backup.New(&shelf{}))
		slow := func(sessioncleanup.ArchivedCopy) error {
			time.Sleep(10 * time.Minute)
			return nil
		}
		entry := sessioncleanup.ArchivedCopy{Archived: sessioncleanup.Archived{ID: 1, SessionID: "a"}, Content: []sessioncleanup.ArchivedRow{{Number: 1, Table: "sessions", Row: []byte("{}")}}}
		file, err := files.Write(t.Context(), sessioncleanup.BackupHeader{At: time.Now(), Part: 1}, func(add func(sessioncleanup.ArchivedCopy) error) error {
			return errors.Join(slow(entry), add(entry), slow(entry))
		})
		if err != nil {
			t.Fatalf("Write with a slow source: %v", err)
		}
		if _, err := files.Read(t.Context(), file.Name, slow); err != nil {
			t.Errorf("Read with a slow reader: %v", err)
		}
	})
}

func TestASinkThatIgnoresItsContextHoldsUpNoRun(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ stopAfter, most time.Duration }{
		"left alone": {time.Hour, 2*time.Minute + 5*time.Second}, "stopped": {20 * time.Second, 24 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			store, _, _ := backed(t, "a")
			sink := &deaf{answers: make(chan struct{})}
			m := backingTo(t, store, sink)
			deleted(t, m, "a")
			ctx, cancel := context.WithTimeout(t.Context(), c.stopAfter)
			defer cancel()
			started := time.Now()
			first, err := m.Cleanup(ctx, sessioncleanup.Run{})
			if took := time.Since(started); err != nil || first.Backup.Entries != 0 || took > c.most {
				t.Errorf("%s: a run took %v, and has %+v, %v; want %v at most, and no backup", what, took, first.Backup, err, c.most)
			}
			started = time.Now()
			if next := cleaned(t, m); next.Backup.Error == "" || time.Since(started) > 5*time.Second {
				t.Errorf("%s: the next run took %v, and has %+v; want an error at once", what, time.Since(started), next.Backup)
			}
			close(sink.answers)
			synctest.Wait()
			if last := cleaned(t, m); last.Backup.Error != "" || last.Backup.Entries != 1 {
				t.Errorf("%s: once the sink answers, a run has %+v; want the entry", what, last.Backup)
			}
		})
	}
}

func TestWithoutASinkThePolicyKeepsWhatIsNotBackedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, _, m := backed(t, "a")
		deleted(t, m, "a")
		without, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: m.Policy()})
		if err != nil {
			t.Fatal(err)
		}
		if run := cleaned(t, without); run.Backup.Waiting != 0 || run.Backup.Error != "" {
			t.Errorf("a run without a sink, before anything is due, has the backup %+v, want no error: another program may back up", run.Backup)
		}
		time.Sleep(40 * 24 * time.Hour)
		if run := cleaned(t, without); run.Purged() != 0 || run.Backup.Waiting != 1 || run.Backup.Error == "" {
			t.Errorf("a run without a sink purged %d, with the backup %+v; want nothing purged, and an error", run.Purged(), run.Backup)
		}
		if _, err := without.BackUp(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("BackUp without a sink: %v, want ErrInvalid", err)
		}
		cleaned(t, m)
		if run := cleaned(t, without); run.Purged() != 1 || run.Backup.Error != "" {
			t.Errorf("a run after a backup purged %d, with the backup %+v; want 1", run.Purged(), run.Backup)
		}
	})
}

func TestABackupNeedsTheArchive(t *testing.T) {
	t.Parallel()
	_, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{Backups: backup.New(&shelf{})})
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "Archive") {
		t.Errorf("New with backups and without the archive: %v, want ErrInvalid that names it", err)
	}
}

// large has entries of this size.
type large struct {
	*memory.Store
	bytes int64
}

func (l large) NotBackedUp(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
	all, err := l.Store.NotBackedUp(ctx, after, limit)
	for i := range all {
		all[i].Bytes = l.bytes
	}
	return all, err
}

func TestALargeArchiveIsBackedUpInSeveralFiles(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 600 {
		ids = append(ids, fmt.Sprintf("s%03d", i))
	}
	store, s, m := backed(t, ids...)
	deleted(t, m, ids...)
	m = backingTo(t, large{store, 4 << 20}, s) // 256 of them are 1 GiB
	done := cleaned(t, m)
	if len(done.Backup.Files) != 3 || done.Backup.Entries != 600 {
		t.Fatalf("the backup is %+v, want 600 entries in 3 files", done.Backup)
	}
	var found []string
	for _, name := range done.Backup.Files {
		found = append(found, inFile(t, s, name)...)
	}
	if !slices.Equal(found, ids) {
		t.Errorf("the files have %d sessions, want each once, in order", len(found))
	}
}

// full is a store whose archive has so many entries.
type full struct {
	*memory.Store
	entries, marked int64
}

func (f *full) NotBackedUp(_ context.Context, after int64, limit int) (all []sessioncleanup.Archived, err error) {
	for id := max(after, f.marked) + 1; id <= f.entries && len(all) < limit; id++ {
		all = append(all, sessioncleanup.Archived{ID: id})
	}
	return all, nil
}

func (f *full) ArchivedContents(_ context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	all := map[int64][]sessioncleanup.ArchivedRow{}
	for _, id := range ids {
		all[id] = []sessioncleanup.ArchivedRow{{Number: 1, Row: []byte("{}")}}
	}
	return all, nil
}

func (f *full) MarkBackedUp(_ context.Context, ids []int64) error {
	f.marked += int64(len(ids))
	return nil
}

func TestAFileHasAtMost50000Entries(t *testing.T) {
	t.Parallel()
	done, err := backingTo(t, &full{Store: memory.New(memory.Config{}), entries: 50_001}, &shelf{}).BackUp(t.Context())
	if err != nil || len(done.Files) != 2 || done.Entries != 50_001 {
		t.Errorf("the backup is %+v, %v; want 50,001 entries in 2 files", done, err)
	}
}

// meddled is a store in which others restore a session while it is backed up.
type meddled struct {
	*memory.Store
	restore func()
}

func (b meddled) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	b.restore()
	return b.Store.ArchivedContents(ctx, ids)
}

func TestASessionThatIsRestoredMeanwhileIsInNoFile(t *testing.T) {
	t.Parallel()
	store, s, m := backed(t, "a", "b")
	deleted(t, m, "a", "b")
	m = backingTo(t, meddled{store, func() {
		if _, err := m.Restore(t.Context(), []string{"a"}, sessioncleanup.RestoreOptions{}); err != nil {
			t.Error(err)
		}
	}}, s)
	done, err := m.BackUp(t.Context())
	if err != nil || done.Entries != 1 || !slices.Equal(inFile(t, s, done.Files[0]), []string{"b"}) {
		t.Errorf("the backup is %+v, %v; want b alone", done, err)
	}
}

func TestARunThatIsStoppedLeavesItsBackupToTheNext(t *testing.T) {
	t.Parallel()
	store, s, m := backed(t, "a")
	deleted(t, m, "a")
	ctx, cancel := context.WithCancel(t.Context())
	stopping := backingTo(t, meddled{store, cancel}, s)
	stopped, err := stopping.Cleanup(ctx, sessioncleanup.Run{})
	if err != nil || stopped.Backup == nil || stopped.Backup.Entries != 0 || stopped.Backup.Error != "" || len(s.files) != 0 {
		t.Errorf("the run that was stopped has %+v, %v, and %d files; want none, and no alert", stopped.Backup, err, len(s.files))
	}
	if next := cleaned(t, m); next.Backup.Entries != 1 {
		t.Errorf("the next run has the backup %+v, want the entry", next.Backup)
	}
}
