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
	return entriesOf(must(f.archiver().NotBackedUp(f.ctx, after, limit))(f, "NotBackedUp(%d, %d)", after, limit))
}

func (f *fixture) markBackedUp(ids ...int64) {
	f.Helper()
	f.must(f.archiver().MarkBackedUp(f.ctx, ids), "MarkBackedUp(%v)", ids)
}

func backupMarks(f *fixture) {
	_, all := f.archivedMany(4)
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
	sessions, all := f.archivedMany(4)
	lease := f.lease(job, "a", long)
	f.markBackedUp(all[1].ID, all[2].ID)
	b := f.batchOf("purge", 10)
	b.Action, b.Lease, b.BackedUp = sessioncleanup.ActionPurged, lease, true
	f.expectIDs("the purge", f.purge(b, all[3].At.Add(time.Second)), sessions[1].ID, sessions[2].ID)
	f.expectArchived("after the purge", sessions[0].ID, sessions[3].ID)
	b.BackedUp = false
	f.expectIDs("a purge of everything", f.purge(b, all[3].At.Add(time.Second)), sessions[0].ID, sessions[3].ID)
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
	f.must(json.NewEncoder(&file).Encode(out), "encode copies")
	f.must(json.NewDecoder(&file).Decode(&read), "decode copies")
	return read
}

// purgeAll removes everything from the archive.
func (f *fixture) purgeAll() {
	f.Helper()
	f.purge(f.batchOf("purge", everything), f.clock().Add(day))
	f.expectArchived("after purging everything")
}

func backupRestores(f *fixture) {
	f.archives()
	sessions := []sessioncleanup.Session{
		f.dueForDeletion(1), ownedBy(f.owner(2), f.fresh(2)), ownedBy("", f.idle(3)), expiring(f.idle(4), f.now.Add(-time.Hour)), protected(f.fresh(5)),
	}
	f.insert(sessions...)
	f.used(sessions[1].ID, 3)
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
	f.expectRestored(was, early, late)
}

func backupAllOrNone(f *fixture) {
	sessions, all := f.archivedMany(4)
	copies := f.copies(all...)
	f.purgeAll()
	f.insert(sessions[2])
	since := f.mark()
	f.expectTaken(sessioncleanup.RestoreRequest{Copies: copies, Cause: person("taken")}, all[2])
	f.expectSessions("after failing", sessions[2])
	f.expectArchived("after failing")
	f.expectLog("after failing", since)
}
