package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// backedUp is a shelf with a file of these sessions, deleted in this order, and their entries.
func backedUp(t *testing.T, ids ...string) (m *sessioncleanup.Manager, store *memory.Store, from *backup.Files, file string) {
	t.Helper()
	store, s, m := backed(t, ids...)
	deleted(t, m, ids...)
	done, err := m.BackUp(t.Context())
	if err != nil || len(done.Files) != 1 {
		t.Fatalf("BackUp: %+v, %v", done, err)
	}
	return m, store, backup.New(s), done.Files[0]
}

// empty is a Manager of a database that has nothing.
func empty(t *testing.T) *sessioncleanup.Manager {
	t.Helper()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func names(entries []sessioncleanup.Archived) (ids []string) {
	for _, e := range entries {
		ids = append(ids, e.SessionID)
	}
	return ids
}

func restoring(ids ...string) sessioncleanup.BackupRestore {
	return sessioncleanup.BackupRestore{SessionIDs: ids}
}

func TestSessionsOfABackupAreRestoredToAnotherDatabase(t *testing.T) {
	t.Parallel()
	_, _, from, file := backedUp(t, "a", "b", "c")
	m := empty(t)
	dry, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{RestoreOptions: sessioncleanup.RestoreOptions{DryRun: true}})
	if err != nil || !slices.Equal(names(dry.Entries), []string{"a", "b", "c"}) {
		t.Errorf("a dry run: %v, %v; want all three", names(dry.Entries), err)
	}
	if _, err := m.Get(t.Context(), "b"); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("after a dry run: %v, want ErrNotFound", err)
	}
	one, err := m.RestoreBackup(t.Context(), from, file, restoring("b"))
	if err != nil || !slices.Equal(names(one.Entries), []string{"b"}) {
		t.Errorf("one session: %v, %v", names(one.Entries), err)
	}
	if s, err := m.Get(t.Context(), "b"); err != nil || s.Name != "of b" || s.OwnerID != "ann" || !s.Active {
		t.Errorf("the session is %+v, %v", s, err)
	}
	if entry, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{Entries: []int64{3}}); err != nil || !slices.Equal(names(entry.Entries), []string{"c"}) {
		t.Errorf("one entry: %v, %v", names(entry.Entries), err)
	}
	_, err = m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{})
	if blocked, ok := errors.AsType[*sessioncleanup.ObstructedError](err); !ok || len(blocked.Obstacles) != 2 {
		t.Errorf("all, with two in the way: %v, want two obstacles", err)
	}
	rest, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{RestoreOptions: sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictSkip}})
	if err != nil || !slices.Equal(names(rest.Entries), []string{"a"}) || !slices.Equal(names(rest.Skipped), []string{"b", "c"}) {
		t.Errorf("all but those in the way: %v, skipped %v, %v; want a", names(rest.Entries), names(rest.Skipped), err)
	}
	events, err := m.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRestored}})
	if err != nil || len(events) != 3 || events[0].Reason != "from "+file {
		t.Errorf("the log has %+v, %v; want three restores from the file", events, err)
	}
}

func TestTheLatestStateInABackupIsRestored(t *testing.T) {
	t.Parallel()
	store, s, m := backed(t, "a")
	deleted(t, m, "a")
	if err := store.Put(sessioncleanup.Session{ID: "a", Name: "later"}); err != nil {
		t.Fatal(err)
	}
	deleted(t, m, "a")
	done, err := m.BackUp(t.Context())
	if err != nil || done.Entries != 2 {
		t.Fatalf("BackUp: %+v, %v", done, err)
	}
	for what, c := range map[string]struct {
		o    sessioncleanup.BackupRestore
		want string
	}{"by its ID": {restoring("a"), "later"}, "with all": {sessioncleanup.BackupRestore{}, "later"}, "by the earlier entry": {sessioncleanup.BackupRestore{Entries: []int64{1}}, "of a"}} {
		m := empty(t)
		if _, err := m.RestoreBackup(t.Context(), backup.New(s), done.Files[0], c.o); err != nil {
			t.Error(err)
		}
		if s, err := m.Get(t.Context(), "a"); err != nil || s.Name != c.want {
			t.Errorf("%s: the session is %q, %v; want %q", what, s.Name, err, c.want)
		}
	}
}

func TestASessionIsNotRestoredTwice(t *testing.T) {
	t.Parallel()
	m, _, from, file := backedUp(t, "a", "b")
	restored, err := m.RestoreBackup(t.Context(), from, file, restoring("a"))
	if err != nil || len(restored.Entries) != 1 {
		t.Fatalf("RestoreBackup: %+v, %v", restored, err)
	}
	left, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
	if err != nil || !slices.Equal(names(left), []string{"b"}) {
		t.Errorf("the archive still has %v, %v; want b alone", names(left), err)
	}
	if _, err := m.RestoreBackup(t.Context(), from, file, restoring("a")); !errors.Is(err, sessioncleanup.ErrObstructed) {
		t.Errorf("a second time: %v, want ErrObstructed", err)
	}
}

func TestALargeBackupIsRestoredInGroups(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 250 {
		ids = append(ids, fmt.Sprint(i))
	}
	_, _, from, file := backedUp(t, ids...)
	m := empty(t)
	if _, err := m.RestoreBackup(t.Context(), from, file, restoring("120")); err != nil {
		t.Fatal(err)
	}
	some, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{})
	if !errors.Is(err, sessioncleanup.ErrObstructed) || !slices.Equal(names(some.Entries), ids[:100]) {
		t.Errorf("with session 120 in the way: %d restored, %v; want the first 100 and ErrObstructed", len(some.Entries), err)
	}
	rest, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{RestoreOptions: sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictSkip}})
	if err != nil || len(rest.Entries) != 149 || len(rest.Skipped) != 101 {
		t.Errorf("the others: %d restored, %d skipped, %v; want 149 and 101", len(rest.Entries), len(rest.Skipped), err)
	}
}

// foreign is a store of another kind.
type foreign struct{ *memory.Store }

func (foreign) ArchiveForm() string { return "foreign" }

func TestAWrongBackupChangesNothing(t *testing.T) {
	t.Parallel()
	_, _, from, file := backedUp(t, "a", "b")
	spoiled := &shelf{spoil: true}
	bad, err := backup.New(spoiled).Write(t.Context(), sessioncleanup.BackupHeader{Form: "memory"}, func(add func(sessioncleanup.ArchivedCopy) error) error {
		_, err := from.Read(t.Context(), file, add)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := sessioncleanup.New(foreign{memory.New(memory.Config{})}, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m := empty(t)
	all := sessioncleanup.BackupRestore{}
	ann := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"})
	for what, c := range map[string]struct {
		m    *sessioncleanup.Manager
		from sessioncleanup.Backups
		file string
		o    sessioncleanup.BackupRestore
		want error
	}{
		"no such file":                {m, from, "none", all, fs.ErrNotExist},
		"a damaged file":              {m, backup.New(spoiled), bad.Name, all, sessioncleanup.ErrDamaged},
		"a session of a damaged file": {m, backup.New(spoiled), bad.Name, restoring("a"), sessioncleanup.ErrDamaged},
		"a file of another kind":      {other, from, file, all, sessioncleanup.ErrInvalid},
		"a session of another kind":   {other, from, file, restoring("a"), sessioncleanup.ErrInvalid},
		"a session that is not in it": {m, from, file, restoring("a", "c"), sessioncleanup.ErrNotArchived},
		"an entry that is not in it":  {m, from, file, sessioncleanup.BackupRestore{Entries: []int64{1, 9}}, sessioncleanup.ErrNotArchived},
		"sessions and entries":        {m, from, file, sessioncleanup.BackupRestore{SessionIDs: []string{"a"}, Entries: []int64{1}}, sessioncleanup.ErrInvalid},
		"too many":                    {m, from, file, restoring(slices.Repeat([]string{"a"}, 101)...), sessioncleanup.ErrInvalid},
		"another conflict":            {m, from, file, sessioncleanup.BackupRestore{RestoreOptions: sessioncleanup.RestoreOptions{OnConflict: "replace"}}, sessioncleanup.ErrInvalid},
		"no place":                    {m, nil, file, all, sessioncleanup.ErrInvalid},
		"an owner":                    {ann, from, file, restoring("a"), sessioncleanup.ErrForbidden},
	} {
		if out, err := c.m.RestoreBackup(t.Context(), c.from, c.file, c.o); !errors.Is(err, c.want) || len(out.Entries) > 0 {
			t.Errorf("%s: %d restored, %v; want none and %v", what, len(out.Entries), err, c.want)
		}
		page, err := c.m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}).List(context.WithoutCancel(t.Context()), sessioncleanup.ListOptions{})
		if err != nil || len(page.Sessions) > 0 {
			t.Fatalf("%s: there are the sessions %+v, %v", what, page.Sessions, err)
		}
	}
	if _, err := ann.BackUp(t.Context()); !errors.Is(err, sessioncleanup.ErrForbidden) {
		t.Errorf("BackUp by an owner: %v, want ErrForbidden", err)
	}
}

func TestACopyIsTheSameAsWhatWasArchived(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Config{})
	was := sessioncleanup.Session{ID: "a", OwnerID: "ann", Name: "<quiz> \u2028", Code: "X1", AutoCleanup: true, ActivityCount: 7}
	if err := store.Put(was); err != nil {
		t.Fatal(err)
	}
	s := &shelf{}
	m := backingTo(t, store, s)
	before, err := m.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	deleted(t, m, "a")
	done, err := m.BackUp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := empty(t)
	if _, err := other.RestoreBackup(t.Context(), backup.New(s), done.Files[0], sessioncleanup.BackupRestore{}); err != nil {
		t.Fatal(err)
	}
	after, err := other.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	after.LastActivity, after.AsOf, after.Status = before.LastActivity, before.AsOf, before.Status // it was used just now
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("restored (-before +after):\n%s", diff)
	}
}

// strict is a store that knows that ann was erased, at a time.
type strict struct {
	*memory.Store
	at time.Time
}

func (s strict) ErasedAt(_ context.Context, owners []string) (map[string]time.Time, error) {
	if !slices.Contains(owners, "ann") {
		return nil, nil
	}
	return map[string]time.Time{"ann": s.at}, nil
}

func TestSessionsOfAnErasedOwnerStayInTheBackup(t *testing.T) {
	t.Parallel()
	store, s, m := backed(t, "a")
	if err := store.Put(sessioncleanup.Session{ID: "b", OwnerID: "bob"}); err != nil {
		t.Fatal(err)
	}
	deleted(t, m, "a", "b")
	done, err := m.BackUp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		at       time.Time
		restored []string
		erased   int
	}{
		"since":  {time.Now().Add(time.Second), []string{"b"}, 1},
		"before": {time.Now().Add(-time.Hour), []string{"a", "b"}, 0},
	} {
		m, err := sessioncleanup.New(strict{memory.New(memory.Config{}), c.at}, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.RestoreBackup(t.Context(), backup.New(s), done.Files[0], restoring("a", "b")); errors.Is(err, sessioncleanup.ErrErased) != (c.erased > 0) {
			t.Errorf("an owner erased %s, its session by name: %v", what, err)
		}
		out, err := m.RestoreBackup(t.Context(), backup.New(s), done.Files[0], sessioncleanup.BackupRestore{RestoreOptions: sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictSkip}})
		if got := append(names(out.Entries), names(out.Skipped)...); err != nil || !slices.Equal(got, c.restored) || out.Erased != c.erased {
			t.Errorf("an owner erased %s, the whole file: %v and %d left out, %v; want %v and %d", what, got, out.Erased, err, c.restored, c.erased)
		}
	}
}
