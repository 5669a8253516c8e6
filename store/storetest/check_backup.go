package storetest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "backup" proves what an Archiver does for backups; the checks are skipped for other stores.
func backupChecks() []check {
	return []check{
		{"backup", "marks what is backed up, and lists what is not, oldest first", backupMarks},
		{"backup", "leaves what is not backed up out of a purge that asks for it", backupPurges},
		{"backup", "restores copies of what was purged, as it was", backupRestores},
		{"backup", "restores all copies or none, and leaves none behind", backupAllOrNone},
	}
}

// notBackedUp returns what is not marked.
func (f *fixture) notBackedUp(after int64, limit int) []int64 {
	f.Helper()
	all, err := f.archiver().NotBackedUp(f.ctx, after, limit)
	if err != nil {
		f.Fatalf("NotBackedUp(%d, %d): %v", after, limit, err)
	}
	return entriesOf(all)
}

func (f *fixture) markBackedUp(ids ...int64) {
	f.Helper()
	if err := f.archiver().MarkBackedUp(f.ctx, ids); err != nil {
		f.Fatalf("MarkBackedUp(%v): %v", ids, err)
	}
}

// archiveFour deletes four sessions into the archive.
func (f *fixture) archiveFour() (sessions []sessioncleanup.Session, entries []sessioncleanup.Archived) {
	f.Helper()
	f.archives()
	sessions = many(1, 4, f.fresh)
	f.insert(sessions...)
	for _, s := range sessions {
		entries = append(entries, f.archive(s.ID))
	}
	return sessions, entries
}

func backupMarks(f *fixture) {
	_, all := f.archiveFour()
	ids := entriesOf(all)
	expect := func(what string, got []int64, want ...int64) {
		f.Helper()
		if !slices.Equal(got, want) {
			f.Errorf("%s: entries %v, want %v", what, got, want)
		}
	}
	expect("before anything is marked", f.notBackedUp(0, everything), ids...)
	expect("two of them", f.notBackedUp(0, 2), ids[:2]...)
	expect("those after the first", f.notBackedUp(ids[0], everything), ids[1:]...)
	before := f.clock()
	f.markBackedUp(ids[0], ids[2], ids[3]+1000)
	expect("after marking two", f.notBackedUp(0, everything), ids[1], ids[3])
	f.markBackedUp()
	expect("after marking none", f.notBackedUp(0, everything), ids[1], ids[3])
	for _, c := range []struct {
		backedUp sessioncleanup.Switch
		want     []int64
	}{
		{sessioncleanup.On, []int64{ids[2], ids[0]}}, {sessioncleanup.Off, []int64{ids[3], ids[1]}}, {sessioncleanup.Default, []int64{ids[3], ids[2], ids[1], ids[0]}},
	} {
		got := f.archived(sessioncleanup.ArchiveQuery{BackedUp: c.backedUp})
		expect("Archived", entriesOf(got), c.want...)
		for _, e := range got {
			if marked := e.ID == ids[0] || e.ID == ids[2]; marked {
				f.expectClock("Archived.BackedUpAt", e.BackedUpAt, before)
			} else if !e.BackedUpAt.IsZero() {
				f.Errorf("entry %d, which is not marked, has BackedUpAt %v", e.ID, e.BackedUpAt)
			}
		}
	}
}

func backupPurges(f *fixture) {
	sessions, all := f.archiveFour()
	lease, err := f.Store.Lease(f.ctx, sessioncleanup.LeaseRequest{Name: job, Holder: "a", TTL: long})
	if err != nil {
		f.Fatalf("Lease: %v", err)
	}
	f.markBackedUp(all[1].ID, all[2].ID)
	b := f.batchOf("purge", 10)
	b.Action, b.Lease, b.BackedUp = sessioncleanup.ActionPurged, lease, true
	out, err := f.archiver().Purge(f.ctx, b, all[3].At.Add(time.Second))
	if err != nil {
		f.Fatalf("Purge: %v", err)
	}
	f.expectIDs("the purge", out.IDs, sessions[1].ID, sessions[2].ID)
	f.expectArchived("after the purge", sessions[0].ID, sessions[3].ID)
	b.BackedUp = false
	if out, err = f.archiver().Purge(f.ctx, b, all[3].At.Add(time.Second)); err != nil {
		f.Fatalf("Purge: %v", err)
	}
	f.expectIDs("a purge of everything", out.IDs, sessions[0].ID, sessions[3].ID)
}

// copies reads entries with all of their rows, which are those that ArchivedRows has, and takes them through a file.
func (f *fixture) copies(all ...sessioncleanup.Archived) []sessioncleanup.ArchivedCopy {
	f.Helper()
	if f.archiver().ArchiveForm() == "" {
		f.Errorf("ArchiveForm is empty")
	}
	content, err := f.archiver().ArchivedContents(f.ctx, append(entriesOf(all), 1<<40))
	if err != nil || len(content) != len(all) {
		f.Fatalf("ArchivedContents has %d entries, %v; want %d", len(content), err, len(all))
	}
	var out []sessioncleanup.ArchivedCopy
	for _, e := range all {
		rows, err := f.archiver().ArchivedRows(f.ctx, e.ID, 0, everything)
		if err != nil || !reflect.DeepEqual(rows, content[e.ID]) {
			f.Errorf("ArchivedContents of entry %d has %v, ArchivedRows %v, %v", e.ID, content[e.ID], rows, err)
		}
		out = append(out, sessioncleanup.ArchivedCopy{Archived: e, Content: content[e.ID]})
	}
	var file bytes.Buffer
	var read []sessioncleanup.ArchivedCopy
	if err := json.NewEncoder(&file).Encode(out); err != nil {
		f.Fatalf("encode copies: %v", err)
	}
	if err := json.NewDecoder(&file).Decode(&read); err != nil {
		f.Fatalf("decode copies: %v", err)
	}
	return read
}

// purgeAll removes everything from the archive.
func (f *fixture) purgeAll() {
	f.Helper()
	b := f.batchOf("purge", everything)
	b.Action = sessioncleanup.ActionPurged
	if _, err := f.archiver().Purge(f.ctx, b, f.clock().Add(day)); err != nil {
		f.Fatalf("Purge: %v", err)
	}
	f.expectArchived("after purging everything")
}

func backupRestores(f *fixture) {
	f.archives()
	sessions := []sessioncleanup.Session{
		f.dueForDeletion(1), ownedBy(f.owner(2), f.fresh(2)), ownedBy("", f.idle(3)), expiring(f.idle(4), f.now.Add(-time.Hour)), protected(f.fresh(5)),
	}
	f.insert(sessions...)
	if f.Activity != nil {
		for range 3 {
			if err := f.Activity(f.ctx, sessions[1].ID); err != nil {
				f.Fatalf("Harness.Activity: %v", err)
			}
		}
	}
	was := f.all()
	var entries []sessioncleanup.Archived
	for _, s := range was {
		entries = append(entries, f.archive(s.ID))
	}
	copies := f.copies(entries...)
	f.purgeAll()
	again := f.fresh(9) // so that the numbers of entries go on
	f.insert(again)
	kept := f.archive(again.ID)
	since := f.mark()
	dry := f.restore(sessioncleanup.RestoreRequest{Copies: copies, Cause: person("try"), DryRun: true})
	f.expectSessions("after a dry run")
	f.expectArchived("after a dry run", again.ID)
	f.expectLog("after a dry run", since)
	early := f.clock()
	done := f.restore(sessioncleanup.RestoreRequest{IDs: []int64{kept.ID}, Copies: copies, Cause: person("back")})
	late := f.clock()
	if len(done.Entries) != len(was)+1 || len(dry.Entries) != len(was) || done.Rows != dry.Rows {
		f.Errorf("Restore says that it restored %d sessions and %d rows, and a dry run of one less %d and %d; want %d sessions",
			len(done.Entries), done.Rows, len(dry.Entries), dry.Rows, len(was)+1)
	}
	for _, e := range entries {
		if !slices.Contains(entriesOf(done.Entries), e.ID) {
			f.Errorf("Restored.Entries has %v, want the IDs of the copies, %d too", entriesOf(done.Entries), e.ID)
		}
	}
	f.expectArchived("after restoring")
	f.remove(again.ID)
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

func backupAllOrNone(f *fixture) {
	sessions, all := f.archiveFour()
	copies := f.copies(all...)
	f.purgeAll()
	f.insert(sessions[2])
	since := f.mark()
	for _, dry := range []bool{true, false} {
		out, err := f.archiver().Restore(f.ctx, sessioncleanup.RestoreRequest{Copies: copies, Cause: person("taken"), DryRun: dry})
		if err != nil || len(out.Entries) != 0 || len(out.Obstacles) != 1 {
			f.Errorf("Restore of copies over a session with the same id: %+v, %v; want one obstacle", out, err)
			continue
		}
		if o := out.Obstacles[0]; o.Entry != all[2].ID || o.SessionID != sessions[2].ID || o.Kind != sessioncleanup.ObstacleTaken {
			f.Errorf("the obstacle is %+v, want one of kind %q for entry %d", o, sessioncleanup.ObstacleTaken, all[2].ID)
		}
	}
	f.expectSessions("after failing", sessions[2])
	f.expectArchived("after failing")
	f.expectLog("after failing", since)
}
