package sessioncleanup_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// archiving is a store in memory with sessions of two owners, due or not, and a Manager that archives what it deletes.
func archiving(t *testing.T, p sessioncleanup.Policy) (*memory.Store, *sessioncleanup.Manager) {
	t.Helper()
	store := memory.New(memory.Config{})
	used := time.Now().Add(-40 * 24 * time.Hour)
	for _, s := range []sessioncleanup.Session{
		{ID: "due", OwnerID: "ann", Name: "of ann", AutoCleanup: true, LastActivity: used, DeactivatedAt: used},
		{ID: "bobs", OwnerID: "bob", Active: true, AutoCleanup: true},
		{ID: "anns", OwnerID: "ann", Active: true, AutoCleanup: true},
	} {
		if err := store.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	p.Archive = sessioncleanup.On
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	return store, m
}

func TestARunArchivesAndALaterOnePurges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, m := archiving(t, sessioncleanup.Policy{ArchiveKeep: 10 * 24 * time.Hour})
		run := func(r sessioncleanup.Run) sessioncleanup.Result {
			t.Helper()
			result, err := m.Cleanup(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			return result
		}
		first := run(sessioncleanup.Run{})
		if first.Deleted() != 1 || first.Purged() != 0 || first.Phases[0].Action != sessioncleanup.ActionPurged {
			t.Errorf("the run deleted %d and purged %d, in the phases %+v; want one, none, and purging first", first.Deleted(), first.Purged(), first.Phases)
		}
		archived, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
		if err != nil || len(archived) != 1 || archived[0].SessionID != "due" || archived[0].RunID != first.RunID {
			t.Fatalf("the archive has %+v, %v; want what the run deleted", archived, err)
		}
		if want := archived[0].At.Add(10 * 24 * time.Hour); !archived[0].PurgeAt.Equal(want) {
			t.Errorf("PurgeAt is %v, want %v", archived[0].PurgeAt, want)
		}
		time.Sleep(9 * 24 * time.Hour)
		if n := run(sessioncleanup.Run{InactiveAfter: sessioncleanup.Never}).Purged(); n != 0 {
			t.Errorf("a run purged %d entries before their time", n)
		}
		time.Sleep(25 * time.Hour)
		never := sessioncleanup.Never
		if dry := run(sessioncleanup.Run{DryRun: true, InactiveAfter: never, DeleteAfter: never}); dry.Purged() != 1 {
			t.Errorf("a dry run would purge %d entries, want 1", dry.Purged())
		}
		if limited := run(sessioncleanup.Run{Filter: sessioncleanup.Filter{OwnerID: "bob"}, InactiveAfter: never}); len(limited.Phases) != 1 || limited.Purged() != 0 {
			t.Errorf("a run limited to an owner has the phases %+v, want no purge", limited.Phases)
		}
		last := run(sessioncleanup.Run{InactiveAfter: never})
		events, err := m.Events(t.Context(), sessioncleanup.EventQuery{RunID: last.RunID, Actions: []sessioncleanup.Action{sessioncleanup.ActionPurged}})
		if last.Purged() != 1 || err != nil || len(events) != 1 || events[0].Sessions[0].ID != "due" {
			t.Errorf("the run purged %d entries, with the events %+v, %v; want one", last.Purged(), events, err)
		}
	})
}

func TestARunPurgesWhatIsOldAlsoWithTheArchiveOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := archiving(t, sessioncleanup.Policy{})
		if _, err := m.Delete(t.Context(), "anns"); err != nil {
			t.Fatal(err)
		}
		off, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{DeleteAfter: sessioncleanup.Never, InactiveAfter: sessioncleanup.Never}})
		if err != nil {
			t.Fatal(err)
		}
		result, err := off.Cleanup(t.Context(), sessioncleanup.Run{})
		if err != nil || len(result.Phases) != 0 {
			t.Errorf("a run with nothing due in the archive has the phases %+v, %v; want none", result.Phases, err)
		}
		time.Sleep(31 * 24 * time.Hour)
		if result, err = off.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Purged() != 1 {
			t.Errorf("a run purged %d entries, %v; want 1", result.Purged(), err)
		}
	})
}

func TestOwnersRestoreTheirOwn(t *testing.T) {
	t.Parallel()
	_, m := archiving(t, sessioncleanup.Policy{})
	for _, id := range []string{"anns", "bobs"} {
		if _, err := m.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	ann := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"})
	seen, err := ann.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
	if err != nil || len(seen) != 1 || seen[0].SessionID != "anns" {
		t.Errorf("an owner sees %+v, %v; want its own session", seen, err)
	}
	all, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{SessionID: "bobs"})
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	for what, refused := range map[string]error{
		"another's list":  second(ann.Archived(t.Context(), sessioncleanup.ArchiveOptions{OwnerID: "bob"})),
		"the rows":        second(ann.ArchivedRows(t.Context(), seen[0].ID, 0, 10)),
		"a viewer's list": second(m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleViewer}).Archived(t.Context(), sessioncleanup.ArchiveOptions{})),
		"a viewer's restore": second(m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleViewer}).Restore(t.Context(), []string{"anns"},
			sessioncleanup.RestoreOptions{})),
	} {
		if !errors.Is(refused, sessioncleanup.ErrForbidden) {
			t.Errorf("%s: %v, want ErrForbidden", what, refused)
		}
	}
	for what, missing := range map[string]error{
		"another's session":   second(ann.Restore(t.Context(), []string{"anns", "bobs"}, sessioncleanup.RestoreOptions{})),
		"another's entry":     second(ann.RestoreEntries(t.Context(), []int64{all[0].ID}, sessioncleanup.RestoreOptions{})),
		"another's entry too": second(ann.ArchivedEntry(t.Context(), all[0].ID)),
		"a live session":      second(m.Restore(t.Context(), []string{"due"}, sessioncleanup.RestoreOptions{})),
		"nothing":             second(m.Restore(t.Context(), []string{"nothing"}, sessioncleanup.RestoreOptions{})),
	} {
		if !errors.Is(missing, sessioncleanup.ErrNotArchived) {
			t.Errorf("%s: %v, want ErrNotArchived", what, missing)
		}
	}
	restored, err := ann.Restore(t.Context(), []string{"anns"}, sessioncleanup.RestoreOptions{})
	if err != nil || len(restored.Entries) != 1 {
		t.Errorf("an owner restores its own: %+v, %v", restored, err)
	}
	events, err := m.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRestored}})
	if err != nil || len(events) != 1 || events[0].Actor != "owner:ann" {
		t.Errorf("the log has %+v, %v; want one restore by the owner", events, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestARestoreSaysWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	store, m := archiving(t, sessioncleanup.Policy{})
	for _, id := range []string{"anns", "bobs"} {
		if _, err := m.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Put(sessioncleanup.Session{ID: "anns", OwnerID: "eve", Active: true}); err != nil {
		t.Fatal(err)
	}
	both := []string{"bobs", "anns"}
	dry, err := m.Restore(t.Context(), both, sessioncleanup.RestoreOptions{DryRun: true})
	if err != nil || len(dry.Obstacles) != 1 || dry.Obstacles[0].SessionID != "anns" {
		t.Errorf("a dry run finds %+v, %v; want one obstacle", dry.Obstacles, err)
	}
	_, err = m.Restore(t.Context(), both, sessioncleanup.RestoreOptions{})
	blocked, ok := errors.AsType[*sessioncleanup.ObstructedError](err)
	if !ok || !errors.Is(err, sessioncleanup.ErrObstructed) || cmp.Diff(dry.Obstacles, blocked.Obstacles) != "" {
		t.Errorf("Restore: %v, want what the dry run found", err)
	}
	if _, err := m.Get(t.Context(), "bobs"); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("after a restore that failed, the other session is there: %v", err)
	}
	done, err := m.Restore(t.Context(), both, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictSkip})
	if err != nil || len(done.Entries) != 1 || done.Entries[0].SessionID != "bobs" || len(done.Skipped) != 1 || done.Skipped[0].SessionID != "anns" {
		t.Errorf("Restore that skips: %+v, %v; want bobs restored and anns skipped", done, err)
	}
	if s, err := m.Get(t.Context(), "anns"); err != nil || s.OwnerID != "eve" {
		t.Errorf("the session in the way is %+v, %v", s, err)
	}
}

// plain hides everything optional of a store.
type plain struct{ sessioncleanup.Store }

func TestAStoreWithoutAnArchiveIsNotAskedForOne(t *testing.T) {
	t.Parallel()
	store := plain{memory.New(memory.Config{})}
	if _, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("New with the archive on: %v, want ErrInvalid", err)
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Archived: %v, want ErrUnsupported", err)
	}
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
		t.Errorf("a run: %v", err)
	}
}

func TestWrongArchiveOptionsAreRefused(t *testing.T) {
	t.Parallel()
	_, m := archiving(t, sessioncleanup.Policy{})
	ctx := t.Context()
	for what, err := range map[string]error{
		"no session":       second(m.Restore(ctx, nil, sessioncleanup.RestoreOptions{})),
		"an empty id":      second(m.Restore(ctx, []string{""}, sessioncleanup.RestoreOptions{})),
		"too many":         second(m.RestoreEntries(ctx, slices.Repeat([]int64{1}, 101), sessioncleanup.RestoreOptions{})),
		"another conflict": second(m.RestoreEntries(ctx, []int64{1}, sessioncleanup.RestoreOptions{OnConflict: "replace"})),
		"a negative limit": second(m.Archived(ctx, sessioncleanup.ArchiveOptions{Limit: -1})),
		"no rows":          second(m.ArchivedRows(ctx, 1, 0, 0)),
	} {
		if !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", what, err)
		}
	}
}

// stale is an archive that meets a table that Migrate did not see.
type stale struct{ *memory.Store }

func (s stale) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if b.Action == sessioncleanup.ActionDeleted {
		return sessioncleanup.BatchResult{}, sessioncleanup.ErrUnarchivable
	}
	return s.Store.Sweep(ctx, b)
}

func TestARunThatCannotArchiveDeactivatesNevertheless(t *testing.T) {
	t.Parallel()
	store, _ := archiving(t, sessioncleanup.Policy{})
	if err := store.Put(sessioncleanup.Session{ID: "idle", Active: true, AutoCleanup: true, LastActivity: time.Now().Add(-48 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	m, err := sessioncleanup.New(stale{store}, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if !errors.Is(err, sessioncleanup.ErrUnarchivable) || result.Deleted() != 0 || result.Deactivated() != 1 {
		t.Errorf("the run deleted %d and deactivated %d, %v; want none, one and ErrUnarchivable", result.Deleted(), result.Deactivated(), err)
	}
}
