package storetest

import (
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// holdEntries requires that entries are held, or released, and returned as they are then.
func (f *fixture) holdEntries(held bool, c sessioncleanup.Cause, entries ...sessioncleanup.Archived) {
	f.Helper()
	ids := entriesOf(entries)
	got, err := f.archiver().Hold(f.ctx, sessioncleanup.HoldRequest{IDs: append(slices.Clone(ids), ids[0]), Held: held, Cause: c})
	if err != nil || !slices.Equal(entriesOf(got), ids) {
		f.Fatalf("Hold of %v, %v: %v, %v", ids, held, entriesOf(got), err)
	}
	for i, e := range got {
		want := entries[i]
		if want.Held = held; firstDifference(want, e) != "" {
			f.Errorf("Hold of %v, %v returned %+v, want %+v", ids, held, e, want)
		}
	}
}

func archiveHolds(f *fixture) {
	sessions, all := f.archivedMany(3)
	slices.Reverse(all) // as the archive lists them
	slices.Reverse(sessions)
	since := f.mark()
	f.holdEntries(true, person("hold"), all[:2]...)
	since = f.expectLog("after holding two", since, entries(sessioncleanup.ActionHeld, person("hold"), sessions[:2]...)...)
	f.holdEntries(true, person("again"), all[1:2]...)
	since = f.expectLog("after holding one again", since)
	for held, want := range map[sessioncleanup.Switch][]sessioncleanup.Archived{sessioncleanup.On: all[:2], sessioncleanup.Off: all[2:], sessioncleanup.Default: all} {
		if got := entriesOf(f.archived(sessioncleanup.ArchiveQuery{Held: held})); !slices.Equal(got, entriesOf(want)) {
			f.Errorf("entries with Held %v are %v, want %v", held, got, entriesOf(want))
		}
	}
	absent := sessioncleanup.HoldRequest{IDs: []int64{all[2].ID, all[0].ID + 1000}, Held: true, Cause: person("absent")}
	f.expectError(failure(f.archiver().Hold(f.ctx, absent)), sessioncleanup.ErrNotArchived, "Hold with an entry that is not there")
	for _, dry := range []bool{true, false} {
		r := sessioncleanup.RestoreRequest{IDs: []int64{all[2].ID, all[0].ID}, Cause: person("restore"), DryRun: dry}
		f.expectError(failure(f.archiver().Restore(f.ctx, r)), sessioncleanup.ErrHeld, "Restore of an entry that is held")
	}
	f.expectArchived("after holding", idsOf(sessions)...)
	since = f.expectLog("after restoring what is held", since)
	b := f.batchOf("purge", 1)
	f.purge(b, all[0].At.Add(time.Second))
	f.expectArchived("after purging", idsOf(sessions[:2])...)
	since = f.expectLog("after purging", since, entries(sessioncleanup.ActionPurged, b.Cause, sessions[2])...)
	f.holdEntries(false, person("release"), all[:2]...)
	f.expectLog("after releasing them", since, entries(sessioncleanup.ActionReleased, person("release"), sessions[:2]...)...)
	f.restore(sessioncleanup.RestoreRequest{IDs: entriesOf(all[:2]), Cause: person("restore")})
	f.expectArchived("after releasing and restoring")
}

func archivePurgesEntries(f *fixture) {
	sessions, all := f.archivedMany(4)
	slices.Reverse(all)
	slices.Reverse(sessions)
	f.holdEntries(true, person("hold"), all[3])
	since := f.mark()
	purge := func(held bool, ids ...int64) ([]sessioncleanup.Archived, error) {
		return f.archiver().PurgeEntries(f.ctx, sessioncleanup.PurgeRequest{IDs: ids, Held: held, Cause: person("purge")})
	}
	f.expectError(failure(purge(false, all[1].ID, all[0].ID+1000)), sessioncleanup.ErrNotArchived, "PurgeEntries with one that is not there")
	f.expectError(failure(purge(false, all[1].ID, all[3].ID)), sessioncleanup.ErrHeld, "PurgeEntries with one that is held")
	f.expectArchived("after failing", idsOf(sessions)...)
	since = f.expectLog("after failing", since)
	gone, err := purge(false, all[2].ID, all[1].ID, all[2].ID)
	if err != nil || firstDifference(all[1:3], gone) != "" {
		f.Errorf("PurgeEntries returned %+v, %v; want %+v", gone, err, all[1:3])
	}
	f.expectArchived("after purging two", sessions[0].ID, sessions[3].ID)
	since = f.expectLog("after purging two", since, entries(sessioncleanup.ActionPurged, person("purge"), sessions[1:3]...)...)
	if gone, err = purge(true, all[3].ID, all[0].ID); err != nil || len(gone) != 2 || !gone[1].Held {
		f.Errorf("PurgeEntries of one that is held, too: %+v, %v", gone, err)
	}
	f.expectArchived("after purging all")
	f.expectLog("after purging all", since, entries(sessioncleanup.ActionPurged, person("purge"), sessions[0], sessions[3])...)
	if rows, err := f.archiver().ArchivedRows(f.ctx, all[0].ID, 0, 10); err != nil || len(rows) > 0 {
		f.Errorf("rows of a purged entry: %v, %v", rows, err)
	}
}

func archiveTombstones(f *fixture) {
	f.archives()
	erasedAt := func(owners ...int) map[string]time.Time {
		var ids []string
		for _, n := range owners {
			ids = append(ids, f.owner(n))
		}
		return must(f.archiver().ErasedAt(f.ctx, ids))(f, "ErasedAt %s", ids)
	}
	if at := erasedAt(1, 2); len(at) > 0 {
		f.Errorf("owners were erased at %v before they were", at)
	}
	before := f.clock()
	for range 2 {
		f.must(f.archiver().Tombstone(f.ctx, f.owner(1)), "Tombstone")
	}
	f.must(f.archiver().Tombstone(f.ctx, f.owner(3)), "Tombstone")
	found := erasedAt(2, 1, 3)
	f.expectClock("ErasedAt", found[f.owner(1)], before)
	f.expectClock("ErasedAt", found[f.owner(3)], before)
	if at, wrong := found[f.owner(2)]; wrong || len(found) != 2 {
		f.Errorf("another owner was erased at %v; all that were: %v", at, found)
	}
	if none := erasedAt(); len(none) > 0 {
		f.Errorf("of no owners some were erased: %v", none)
	}
}
