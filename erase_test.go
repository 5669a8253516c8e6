package sessioncleanup_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestAnEntryThatIsHeldOutlivesThePolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, m := archiving(t, sessioncleanup.Policy{ArchiveKeep: 10 * 24 * time.Hour})
		for _, id := range []string{"anns", "bobs"} {
			if _, err := m.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		held, err := m.Hold(t.Context(), []int64{1, 1}, true, "court order 7")
		if err != nil || len(held) != 1 || !held[0].Held || !held[0].PurgeAt.IsZero() {
			t.Fatalf("Hold: %+v, %v; want one entry that is held and never purged", held, err)
		}
		expectError(t, "restoring what is held", errOf(m.Restore(t.Context(), []string{"anns"}, sessioncleanup.RestoreOptions{})), sessioncleanup.ErrHeld)
		expectError(t, "purging what is held", errOf(m.Purge(t.Context(), []int64{1})), sessioncleanup.ErrHeld)
		time.Sleep(11 * 24 * time.Hour)
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		if err != nil || result.Purged() != 1 || result.Phases[0].Skipped != 0 {
			t.Errorf("the run purged %d, %v, in the phases %+v; want the other entry, and none skipped", result.Purged(), err, result.Phases)
		}
		if left, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{Held: sessioncleanup.On}); err != nil || len(left) != 1 || left[0].ID != 1 {
			t.Errorf("held entries: %+v, %v; want the first", left, err)
		}
		if released, err := m.Hold(t.Context(), []int64{1}, false, ""); err != nil || released[0].Held || released[0].PurgeAt.IsZero() {
			t.Errorf("released: %+v, %v", released, err)
		}
		if result, err = m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Purged() != 1 {
			t.Errorf("the run after the release purged %d, %v; want 1", result.Purged(), err)
		}
	})
}

func TestOnlyAdminsHoldPurgeAndErase(t *testing.T) {
	t.Parallel()
	_, m := archiving(t, sessioncleanup.Policy{})
	ann := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"})
	bare := managerOver(t, struct{ sessioncleanup.Store }{memory.New(memory.Config{})}, sessioncleanup.Policy{})
	for what, c := range map[string]struct {
		m    *sessioncleanup.Manager
		ids  []int64
		want error
	}{
		"an owner":         {ann, []int64{1}, sessioncleanup.ErrForbidden},
		"without an entry": {m, nil, sessioncleanup.ErrInvalid},
		"too many":         {m, make([]int64, 101), sessioncleanup.ErrInvalid},
		"an absent entry":  {m, []int64{9}, sessioncleanup.ErrNotArchived},
		"no archive":       {bare, []int64{1}, errors.ErrUnsupported},
	} {
		expectError(t, what+": Hold", errOf(c.m.Hold(t.Context(), c.ids, true, "")), c.want)
		expectError(t, what+": Purge", errOf(c.m.Purge(t.Context(), c.ids)), c.want)
	}
	expectError(t, "an owner: Erase", errOf(ann.Erase(t.Context(), "ann", sessioncleanup.EraseOptions{})), sessioncleanup.ErrForbidden)
}

func TestErasingAnOwnerLeavesNothingThatNamesIt(t *testing.T) {
	t.Parallel()
	store, m := archiving(t, sessioncleanup.Policy{})
	for _, id := range []string{"anns", "bobs"} {
		if _, err := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "root"}).Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Hold(t.Context(), []int64{1}, true, ""); err != nil {
		t.Fatal(err)
	}
	found, err := m.Erase(t.Context(), "ann", sessioncleanup.EraseOptions{DryRun: true})
	if want := (sessioncleanup.Erased{OwnerID: "ann", Sessions: 1, Archived: 1, Held: 1, Events: 2}); err != nil || found != want {
		t.Errorf("a dry run finds %+v, %v; want %+v", found, err, want)
	}
	expectError(t, "erasing what is held", errOf(m.Erase(t.Context(), "ann", sessioncleanup.EraseOptions{})), sessioncleanup.ErrHeld)
	if again, err := m.Erase(t.Context(), "ann", sessioncleanup.EraseOptions{DryRun: true}); err != nil || again != found {
		t.Errorf("after an erasure that was refused there is %+v, %v; want %+v", again, err, found)
	}
	if at, err := store.ErasedAt(t.Context(), []string{"ann"}); err != nil || len(at) > 0 {
		t.Errorf("after an erasure that was refused, ErasedAt is %v, %v", at, err)
	}
	done, err := m.Erase(t.Context(), "ann", sessioncleanup.EraseOptions{IncludeHeld: true})
	if want := (sessioncleanup.Erased{OwnerID: "ann", Sessions: 1, Archived: 1, Held: 1, Events: 4}); err != nil || done != want {
		t.Errorf("Erase did %+v, %v; want %+v", done, err, want)
	}
	if left, err := m.Erase(t.Context(), "ann", sessioncleanup.EraseOptions{DryRun: true}); err != nil || left != (sessioncleanup.Erased{OwnerID: "ann"}) {
		t.Errorf("after the erasure there is %+v, %v", left, err)
	}
	if at, err := store.ErasedAt(t.Context(), []string{"ann"}); err != nil || at["ann"].IsZero() {
		t.Errorf("after the erasure, ErasedAt is %v, %v", at, err)
	}
	events, err := m.Events(t.Context(), sessioncleanup.EventQuery{Limit: 1})
	if err != nil || events[0].Action != sessioncleanup.ActionErased || strings.Contains(events[0].Reason, "ann") {
		t.Errorf("the last event is %+v, %v; want that somebody was erased, not who", events[0], err)
	}
	if bobs, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{OwnerID: "bob"}); err != nil || len(bobs) != 1 {
		t.Errorf("of bob the archive has %+v, %v; want his entry", bobs, err)
	}
}

// tied refuses to delete a session before another one, as foreign keys do.
type tied struct {
	*memory.Store
	first, second string
}

func (s *tied) Delete(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if t.ID == s.second {
		if page, err := s.List(ctx, sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: s.first}, Limit: 1}); err != nil || len(page.Sessions) > 0 {
			return sessioncleanup.Session{}, errors.Join(err, &sessioncleanup.CascadeError{SessionIDs: []string{s.first}})
		}
	}
	return s.Store.Delete(ctx, t, c)
}

func TestErasingAnOwnerDeletesNothingOfOthers(t *testing.T) {
	t.Parallel()
	for what, first := range map[string]string{"another session of the owner": "anns", "a session of somebody else": "bobs"} {
		store, _ := archiving(t, sessioncleanup.Policy{})
		m := managerOver(t, &tied{store, first, "due"}, sessioncleanup.Policy{})
		done, err := m.Erase(t.Context(), "ann", sessioncleanup.EraseOptions{})
		if first == "anns" && (err != nil || done.Sessions != 2) {
			t.Errorf("%s would be deleted along: %+v, %v; want both deleted", what, done, err)
		}
		if first == "bobs" && (!errors.Is(err, sessioncleanup.ErrCascade) || done.Sessions != 1) {
			t.Errorf("%s would be deleted along: %+v, %v; want ErrCascade, and the other session deleted", what, done, err)
		}
		if _, err := m.Get(t.Context(), "bobs"); err != nil {
			t.Errorf("%s: bob's session: %v", what, err)
		}
	}
}
