package storetest

import (
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "delete" proves the deletion of one session; check_condition.go has deletion with a condition.
func deleteChecks() []check {
	return []check{
		{"delete", "removes one session in any state, returns it as it was and logs it", deleteAny},
		{"delete", "of a session that is not the target's is not found and changes nothing", deleteNotFound},
		{"delete", "asks whether others may be deleted along with it before anything is", deleteAlong},
		{"delete", "that the database refuses fails and changes nothing", deletePinned},
	}
}

// expectDeleted compares a deletion's result and the log with the session as it was.
func (f *fixture) expectDeleted(what string, t sessioncleanup.Target, s sessioncleanup.Session) {
	f.Helper()
	since, before, c := f.mark(), f.clock(), cause(what)
	got := must(f.Store.Delete(f.ctx, t, c))(f, "%s", what)
	if diff := difference(s, got); diff != "" {
		f.Errorf("%s: returned session %s: %s", what, s.ID, diff)
	}
	f.expectClock(what+": AsOf", got.AsOf, before)
	f.expectLog(what, since, entries(sessioncleanup.ActionDeleted, c, s)...)
}

func deleteAny(f *fixture) {
	sessions := []sessioncleanup.Session{
		f.fresh(1), f.idle(2), protected(f.fresh(3)), expiring(ownedBy(f.owner(2), f.idle(4)), f.now.Add(day)), ownedBy("", f.dueForDeletion(5)),
	}
	f.insert(sessions...)
	for i, s := range sessions {
		f.expectDeleted(fmt.Sprint("delete ", i), sessioncleanup.Target{ID: s.ID, OwnerID: s.OwnerID}, s)
		f.expectSessions("after a deletion", sessions[i+1:]...)
	}
}

func deleteNotFound(f *fixture) {
	s, gone := f.fresh(1), f.fresh(2)
	f.insert(s, gone)
	f.remove(gone.ID)
	since := f.mark()
	for _, t := range append(f.strangers(s), sessioncleanup.Target{ID: gone.ID}) {
		f.expectError(failure(f.Store.Delete(f.ctx, t, cause("stranger"))), sessioncleanup.ErrNotFound, "Delete(%+v)", t)
	}
	f.expectSessions("after deletions that found nothing", s)
	f.expectLog("after deletions that found nothing", since)
}

func deleteAlong(f *fixture) {
	s := f.idle(1)
	f.insert(s)
	refused := errors.New("not these")
	asked := 0
	t := sessioncleanup.Target{ID: s.ID, Cascade: true, Along: func(others []string) error {
		asked++
		f.expectIDs("sessions deleted along with a lonely one", others)
		return refused
	}}
	if _, err := f.Store.Delete(f.ctx, t, cause("along")); !errors.Is(err, refused) || asked != 1 {
		f.Errorf("Delete that Target.Along refuses: error %v after %d questions, want its error and one", err, asked)
	}
	f.expectSessions("after a deletion that Target.Along refused", s)
	f.expectLog("after a deletion that Target.Along refused", 0)
	t.Along = func([]string) error { return nil }
	f.expectDeleted("along", t, s)
}

func deletePinned(f *fixture) {
	due := f.pinnedDue(1, 2, 1)
	_, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: due[0].ID}, cause("pinned"))
	switch {
	case err == nil:
		f.Errorf("Delete of a pinned session succeeded")
	case errors.Is(err, sessioncleanup.ErrNotFound), errors.Is(err, sessioncleanup.ErrChanged), errors.Is(err, sessioncleanup.ErrUnavailable):
		f.Errorf("Delete of a pinned session: error %v, want one that is neither ErrNotFound, ErrChanged nor ErrUnavailable", err)
	}
	f.expectSessions("after a deletion that was refused", due...)
	f.expectLog("after a deletion that was refused", 0)
}
