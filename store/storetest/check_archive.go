package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "archive" proves a store that is an Archiver; the checks are skipped for others. What else belongs to a session
// differs from backend to backend, and is up to the backends' own tests, but for the rows of Harness.Activity.
func archiveChecks() []check {
	return []check{
		{"archive", "has what runs and people delete, and restores it as it was, used just now", archiveRestores},
		{"archive", "has nothing of a deletion that did not ask for it, or that failed", archiveUnasked},
		{"archive", "lists entries by session, owner and time, newest first", archiveLists},
		{"archive", "restores all entries or none", archiveAllOrNone},
		{"archive", "keeps an entry whose id is in use again, and says so", archiveTaken},
		{"archive", "restores a session under a new id, or says that it has none", archiveNewID},
		{"archive", "is purged from the oldest entry on, under the lease", archivePurges},
		{"archive", "neither purges nor restores what is held, until it is released", archiveHolds},
		{"archive", "purges single entries, all or none", archivePurgesEntries},
		{"archive", "remembers which owners were erased, and when", archiveTombstones},
	}
}

// archiving has no limits that matter.
func archiving() *sessioncleanup.Archiving {
	return &sessioncleanup.Archiving{MaxRows: 1000, MaxBytes: 1 << 20}
}

func (f *fixture) archiver() sessioncleanup.Archiver {
	f.Helper()
	if f.KeepsRows {
		f.Skipf("Harness.KeepsRows: a deletion keeps the row, so there is nothing to archive")
	}
	return optional[sessioncleanup.Archiver](f)
}

// archives skips the check for a store that is no Archiver. Tables that the harness made since it migrated must be known
// to the store.
func (f *fixture) archives() {
	f.Helper()
	f.archiver()
	if installer, ok := sessioncleanup.StoreAs[sessioncleanup.Installer](f.Store); ok {
		f.must(installer.Migrate(f.ctx, sessioncleanup.Policy{}), "Migrate")
	}
}

// archived returns what the query asks for, by default without a limit, and requires that the count agrees.
func (f *fixture) archived(q sessioncleanup.ArchiveQuery) []sessioncleanup.Archived {
	f.Helper()
	if q.Limit == 0 {
		q.Limit = everything
	}
	all := must(f.archiver().Archived(f.ctx, q))(f, "Archived(%+v)", q)
	if len(all) > q.Limit {
		f.Errorf("Archived(%+v) returned %d entries, more than its limit", q, len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b sessioncleanup.Archived) int { return int(b.ID - a.ID) }) {
		f.Errorf("Archived(%+v) is not newest first", q)
	}
	n, err := f.archiver().CountArchived(f.ctx, q)
	if err != nil || q.Before == 0 && q.Limit == everything && n != len(all) {
		f.Errorf("CountArchived(%+v) = %d, %v; want %d", q, n, err, len(all))
	}
	f.expectArchiveSize()
	return all
}

// expectArchiveSize requires that the archive is as large as all of its entries.
func (f *fixture) expectArchiveSize() {
	f.Helper()
	all := must(f.archiver().Archived(f.ctx, sessioncleanup.ArchiveQuery{Limit: everything}))(f, "Archived")
	want := sessioncleanup.ArchiveSize{Entries: len(all)}
	for _, a := range all {
		want.Bytes += a.Bytes
	}
	if size, err := f.archiver().ArchiveSize(f.ctx); err != nil || size != want {
		f.Errorf("ArchiveSize = %+v, %v; want %+v", size, err, want)
	}
}

// expectArchived requires that the archive has these sessions, in any order.
func (f *fixture) expectArchived(what string, want ...string) []sessioncleanup.Archived {
	f.Helper()
	all := f.archived(sessioncleanup.ArchiveQuery{})
	f.expectIDs(what+": the archive", sessionsOf(all), want...)
	return all
}

func sessionsOf(entries []sessioncleanup.Archived) []string {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.SessionID)
	}
	return ids
}

func entriesOf(entries []sessioncleanup.Archived) []int64 {
	var ids []int64
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// archive deletes one session into the archive and returns its entry.
func (f *fixture) archive(id string) sessioncleanup.Archived {
	f.Helper()
	f.must(failure(f.Store.Delete(f.ctx, sessioncleanup.Target{ID: id, Archive: archiving()}, cause("archive"))), "Delete %s", id)
	entries := f.archived(sessioncleanup.ArchiveQuery{SessionID: id, Limit: 1})
	if len(entries) != 1 {
		f.Fatalf("session %s was deleted and is not in the archive", id)
	}
	return entries[0]
}

// archivedMany deletes n sessions into the archive, one after the other.
func (f *fixture) archivedMany(n int) (sessions []sessioncleanup.Session, entries []sessioncleanup.Archived) {
	f.Helper()
	f.archives()
	sessions = many(1, n, f.fresh)
	f.insert(sessions...)
	for _, s := range sessions {
		entries = append(entries, f.archive(s.ID))
	}
	return sessions, entries
}

// purge purges what was archived before a moment, in batches, and returns its sessions.
func (f *fixture) purge(b sessioncleanup.Batch, before time.Time) (ids []string) {
	f.Helper()
	b.Action = sessioncleanup.ActionPurged
	for range maxSteps {
		out := must(f.archiver().Purge(f.ctx, b, before))(f, "Purge")
		if ids = append(ids, out.IDs...); out.Next == "" {
			return ids
		}
		b.After = out.Next
	}
	f.Fatalf("Purge in batches of %d does not end", b.Limit)
	return nil
}

// expectRestored requires that the store has exactly these sessions, restored between two moments.
func (f *fixture) expectRestored(was []sessioncleanup.Session, early, late time.Time) {
	f.Helper()
	for i, got := range f.all() {
		if len(was) <= i || got.ID != was[i].ID {
			f.Fatalf("restored sessions are %v, want %v", idsOf(f.all()), idsOf(was))
		}
		f.expectApplied("restored", was[i].Restored(early), was[i].Restored(late), got)
		if got.ActivityCount != was[i].ActivityCount {
			f.Errorf("session %s has %d rows of activity, want %d", got.ID, got.ActivityCount, was[i].ActivityCount)
		}
	}
}

// expectTaken requires that a restore, and a dry run of it, do nothing because the ID of an entry's session is in use.
func (f *fixture) expectTaken(r sessioncleanup.RestoreRequest, of sessioncleanup.Archived) {
	f.Helper()
	for _, r.DryRun = range []bool{true, false} {
		out, err := f.archiver().Restore(f.ctx, r)
		if err != nil || len(out.Entries) != 0 || len(out.Obstacles) != 1 {
			f.Errorf("Restore over a session with the same id: %+v, %v; want one obstacle", out, err)
			continue
		}
		if o := out.Obstacles[0]; o.Entry != of.ID || o.SessionID != of.SessionID || o.Kind != sessioncleanup.ObstacleTaken || o.Text == "" {
			f.Errorf("the obstacle is %+v, want one of kind %q for entry %d", o, sessioncleanup.ObstacleTaken, of.ID)
		}
	}
}

// restore makes a request and requires that it is done, or would be.
func (f *fixture) restore(r sessioncleanup.RestoreRequest) sessioncleanup.Restored {
	f.Helper()
	out, err := f.archiver().Restore(f.ctx, r)
	if err != nil || len(out.Obstacles) > 0 {
		f.Fatalf("Restore(%+v): %v, obstacles %v", r, err, out.Obstacles)
	}
	return out
}

func archiveRestores(f *fixture) {
	f.archives()
	sessions := []sessioncleanup.Session{
		f.dueForDeletion(1), ownedBy(f.owner(2), f.dueForDeletion(2)), ownedBy("", f.dueForDeletion(3)),
		expiring(f.dueForDeletion(4), f.now.Add(-35*day)), named("", f.dueForDeletion(5)),
		f.fresh(6), protected(f.idle(7)), expiring(f.fresh(8), f.now.Add(-time.Hour)), expiring(f.idle(9), f.now.Add(-time.Hour)),
	}
	f.insert(sessions...)
	f.used(sessions[5].ID, 3)
	was := f.all()
	before := f.clock()
	b := f.batchOf("archived", 2)
	b.Archive = archiving()
	f.expectIDs("the run", f.sweep(deletion, b, nil), idsOf(sessions[:5])...)
	for _, s := range sessions[5:] {
		f.archive(s.ID)
	}
	f.expectSessions("after the deletions")
	all := f.expectArchived("after the deletions", idsOf(was)...)
	for _, e := range all {
		s := was[slices.IndexFunc(was, func(s sessioncleanup.Session) bool { return s.ID == e.SessionID })]
		if e.OwnerID != s.OwnerID || e.Name != s.Name {
			f.Errorf("entry %d is of session %+v, want %+v", e.ID, e.Ref(), s.Ref())
		}
		f.expectClock("Archived.At", e.At, before)
		want := cause("archive")
		if slices.Contains(idsOf(sessions[:5]), e.SessionID) {
			want = b.Cause
		}
		if got := (sessioncleanup.Cause{Actor: e.Actor, Reason: e.Reason, RunID: e.RunID}); got != want {
			f.Errorf("entry of session %s has the cause %+v, want %+v", e.SessionID, got, want)
		}
		rows, err := f.archiver().ArchivedRows(f.ctx, e.ID, 0, everything)
		if err != nil || len(rows) != 1+e.Rows || rows[0].Number != 1 {
			f.Errorf("ArchivedRows of session %s: %d, %v; want the session's and %d more", e.SessionID, len(rows), err, e.Rows)
		}
	}
	since := f.mark()
	dry := f.restore(sessioncleanup.RestoreRequest{IDs: entriesOf(all), Cause: person("try"), DryRun: true})
	f.expectSessions("after a dry run")
	f.expectArchived("after a dry run", idsOf(was)...)
	f.expectLog("after a dry run", since)
	early := f.clock()
	done := f.restore(sessioncleanup.RestoreRequest{IDs: append(entriesOf(all), all[0].ID), Cause: person("back")})
	late := f.clock()
	if len(done.Entries) != len(was) || done.Rows != dry.Rows || len(dry.Entries) != len(was) {
		f.Errorf("Restore says that it restored %d sessions and %d rows, and a dry run %d and %d; want %d sessions",
			len(done.Entries), done.Rows, len(dry.Entries), dry.Rows, len(was))
	}
	f.expectArchived("after restoring")
	f.expectLog("after restoring", since, entries(sessioncleanup.ActionRestored, person("back"), was...)...)
	f.expectRestored(was, early, late)
	for _, p := range phases() {
		f.expectIDs("the run after restoring", f.sweep(p, f.batchOf("next", everything), nil))
	}
}

func archiveUnasked(f *fixture) {
	f.archiver()
	due := f.pinnedDue(3, 3, 3) // before Migrate sees the table of the pins, whose rows may show activity
	f.archives()
	f.insert(f.dueForDeletion(1), f.fresh(2))
	plain := f.batchOf("plain", 10)
	plain.Filter = byID(f.id(1))
	f.sweep(deletion, plain, nil)
	f.remove(f.id(2))
	f.expectArchived("after deletions that did not ask")
	b := f.batchOf("pinned", 10)
	b.Archive, b.Filter = archiving(), byID(due[0].ID)
	_, err := f.batch(deletion, b)
	if bad := f.expectBatchError(err); bad == nil {
		return
	}
	if _, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: due[0].ID, Archive: archiving()}, cause("pinned")); err == nil {
		f.Errorf("Delete of a pinned session succeeded")
	}
	never := sessioncleanup.Target{ID: due[0].ID, Archive: archiving(), If: func(sessioncleanup.Session) bool { return false }}
	f.expectError(failure(f.Store.Delete(f.ctx, never, cause("changed"))), sessioncleanup.ErrChanged, "Delete under a condition that does not hold")
	f.expectArchived("after deletions that failed")
	f.expectSessions("after deletions that failed", due...)
}

func archiveLists(f *fixture) {
	f.archives()
	sessions := []sessioncleanup.Session{f.fresh(1), ownedBy(f.owner(2), f.fresh(2)), f.fresh(3), f.fresh(4)}
	f.insert(sessions...)
	var all []sessioncleanup.Archived
	for _, s := range sessions {
		all = append(all, f.archive(s.ID))
	}
	f.insert(sessions[0])
	all = append(all, f.archive(sessions[0].ID))
	slices.Reverse(all)
	for _, c := range []struct {
		what string
		q    sessioncleanup.ArchiveQuery
		want []int64
	}{
		{"all", sessioncleanup.ArchiveQuery{}, entriesOf(all)},
		{"the newest", sessioncleanup.ArchiveQuery{Limit: 2}, entriesOf(all[:2])},
		{"those after a page", sessioncleanup.ArchiveQuery{Before: all[1].ID, Limit: 2}, entriesOf(all[2:4])},
		{"one session's", sessioncleanup.ArchiveQuery{SessionID: sessions[0].ID}, []int64{all[0].ID, all[4].ID}},
		{"one owner's", sessioncleanup.ArchiveQuery{OwnerID: f.owner(2)}, []int64{all[3].ID}},
		{"a session of another owner", sessioncleanup.ArchiveQuery{SessionID: sessions[0].ID, OwnerID: f.owner(2)}, nil},
		{"some", sessioncleanup.ArchiveQuery{IDs: []int64{all[4].ID, all[2].ID}}, []int64{all[2].ID, all[4].ID}},
		{"old ones", sessioncleanup.ArchiveQuery{Until: all[4].At}, nil},
		{"those until now", sessioncleanup.ArchiveQuery{Until: all[0].At.Add(time.Second)}, entriesOf(all)},
	} {
		if got := entriesOf(f.archived(c.q)); !slices.Equal(got, c.want) {
			f.Errorf("%s: entries %v, want %v", c.what, got, c.want)
		}
	}
	first, err := f.archiver().ArchivedRows(f.ctx, all[0].ID, 0, 1)
	if err != nil || len(first) != 1 {
		f.Errorf("the first of an entry's rows: %v, %v", first, err)
	}
	if rows, err := f.archiver().ArchivedRows(f.ctx, all[0].ID, 1+all[0].Rows, 10); err != nil || len(rows) > 0 {
		f.Errorf("rows after the last: %v, %v", rows, err)
	}
	if rows, err := f.archiver().ArchivedRows(f.ctx, all[0].ID+1000, 0, 10); err != nil || len(rows) > 0 {
		f.Errorf("rows of an entry that is not there: %v, %v", rows, err)
	}
}

func archiveAllOrNone(f *fixture) {
	f.archives()
	s, other := f.fresh(1), ownedBy(f.owner(2), f.fresh(2))
	f.insert(s, other)
	a, b := f.archive(s.ID), f.archive(other.ID)
	since := f.mark()
	for what, r := range map[string]sessioncleanup.RestoreRequest{
		"one that is not there":   {IDs: []int64{a.ID, b.ID + 1000}},
		"one of another owner":    {IDs: []int64{a.ID, b.ID}, OwnerID: s.OwnerID},
		"a dry run of one absent": {IDs: []int64{b.ID + 1000}, DryRun: true},
	} {
		r.Cause = person(what)
		f.expectError(failure(f.archiver().Restore(f.ctx, r)), sessioncleanup.ErrNotArchived, "Restore with %s", what)
	}
	f.expectSessions("after failing")
	f.expectArchived("after failing", s.ID, other.ID)
	f.expectLog("after failing", since)
	f.restore(sessioncleanup.RestoreRequest{IDs: []int64{b.ID}, OwnerID: other.OwnerID, Cause: person("own")})
	f.expectArchived("after an owner restored its own", s.ID)
}

func archiveTaken(f *fixture) {
	f.archives()
	s, other := f.fresh(1), f.fresh(2)
	f.insert(s, other)
	a, b := f.archive(s.ID), f.archive(other.ID)
	again := named("again", f.fresh(1))
	f.insert(again)
	since := f.mark()
	f.expectTaken(sessioncleanup.RestoreRequest{IDs: []int64{a.ID, b.ID}, Cause: person("taken")}, a)
	f.expectSessions("after failing", again)
	f.expectArchived("after failing", s.ID, other.ID)
	f.expectLog("after failing", since)
}

func archiveNewID(f *fixture) {
	f.archives()
	s, other := f.fresh(1), f.fresh(2)
	f.insert(s, other)
	f.used(s.ID, 1)
	was := f.get(s.ID)
	a, b := f.archive(s.ID), f.archive(other.ID)
	again := named("again", f.fresh(1))
	f.insert(again)
	since := f.mark()
	r := sessioncleanup.RestoreRequest{IDs: []int64{a.ID, b.ID}, NewIDs: []int64{a.ID}, Cause: person("new"), DryRun: true}
	dry, err := f.archiver().Restore(f.ctx, r)
	if errors.Is(err, sessioncleanup.ErrInvalid) {
		f.expectSessions("without new ids", again)
		f.expectArchived("without new ids", s.ID, other.ID)
		return
	}
	if err != nil || len(dry.Obstacles) > 0 || dry.NewIDs[a.ID] == "" {
		f.Fatalf("Restore under a new id, as a dry run: %+v, %v", dry, err)
	}
	f.expectSessions("after a dry run", again)
	f.expectLog("after a dry run", since)
	r.DryRun = false
	early := f.clock()
	done := f.restore(r)
	late := f.clock()
	id := done.NewIDs[a.ID]
	if id == "" || id == s.ID || len(done.NewIDs) != 1 || done.Rows != dry.Rows {
		f.Fatalf("Restore under a new id: %+v; want one new id for entry %d, and %d rows", done, a.ID, dry.Rows)
	}
	was.ID = id
	got := f.get(id)
	f.expectApplied("restored under a new id", was.Restored(early), was.Restored(late), got)
	if got.ActivityCount != was.ActivityCount {
		f.Errorf("the session has %d rows of activity under its new id, want %d", got.ActivityCount, was.ActivityCount)
	}
	f.expectArchived("after restoring")
	f.expectLog("after restoring", since, entries(sessioncleanup.ActionRestored, person("new"), was, other)...)
	if got := f.get(s.ID); got.Name != again.Name {
		f.Errorf("the session that has the old id is %+v, want %+v", got, again)
	}
}

func archivePurges(f *fixture) {
	sessions, all := f.archivedMany(5)
	lease := f.lease(job, "a", long)
	since := f.mark()
	purge := func(limit int, before time.Time) (sessioncleanup.BatchResult, error) {
		b := f.batchOf("purge", limit)
		b.Action, b.Lease, b.Filter = sessioncleanup.ActionPurged, lease, byID("none")
		return f.archiver().Purge(f.ctx, b, before)
	}
	if out, err := purge(10, all[0].At); err != nil || len(out.IDs) > 0 || out.Next != "" {
		f.Errorf("Purge before the first entry: %+v, %v; want nothing", out, err)
	}
	after := all[4].At.Add(time.Second)
	out, err := purge(2, after)
	if err != nil || out.Next == "" {
		f.Errorf("Purge of two of five: %+v, %v; want that there are more", out, err)
	}
	f.expectIDs("the first batch", out.IDs, sessions[0].ID, sessions[1].ID)
	since = f.expectLog("the first batch", since, entries(sessioncleanup.ActionPurged, cause("purge"), sessions[:2]...)...)
	f.expectArchived("after the first batch", idsOf(sessions[2:])...)
	lease.Epoch++
	f.expectError(failure(purge(10, after)), sessioncleanup.ErrLeaseLost, "Purge with a lease that was lost")
	f.expectArchived("after a lease was lost", idsOf(sessions[2:])...)
	lease.Epoch--
	if out, err = purge(10, after); err != nil || out.Next != "" {
		f.Errorf("Purge of the others: %+v, %v; want that there are no more", out, err)
	}
	f.expectLog("the last batch", since, entries(sessioncleanup.ActionPurged, cause("purge"), sessions[2:]...)...)
	f.expectArchived("after purging")
	if rows, err := f.archiver().ArchivedRows(f.ctx, all[0].ID, 0, 10); err != nil || len(rows) > 0 {
		f.Errorf("rows of a purged entry: %v, %v", rows, err)
	}
}
