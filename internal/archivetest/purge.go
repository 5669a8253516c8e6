package archivetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// PurgesPastWhatIsKept requires that a purge reads many old entries that are kept in batches of a bounded size, each from where
// the one before ended. Fill adds entries to an empty archive: sessions from and to a number, archived so many days ago, with
// tags and, maybe, a backup.
func PurgesPastWhatIsKept(t *testing.T, store Store, fill func(from, to, days int, tags string, backedUp bool)) {
	t.Helper()
	now := time.Now()
	fill(1, 2, 100, "", true)
	fill(3, 6002, 90, "vip", true) // kept by a rule
	fill(6003, 6003, 80, "", true)
	fill(6004, 12003, 70, "", false) // not backed up
	fill(12004, 12006, 60, "test", true)
	fill(12007, 12007, 1, "", true) // too young
	b := sessioncleanup.Batch{
		Action: sessioncleanup.ActionPurged, Limit: 2, BackedUp: true, Cause: sessioncleanup.Cause{Actor: "test"},
		PurgeRules: []sessioncleanup.PurgeRule{{Tag: "vip"}, {Tag: "test", Before: now}},
	}
	var purged []string
	passed := 0 // batches that only read
	for batches, more := 0, true; more; batches++ {
		out, err := store.Purge(t.Context(), b, now.Add(-30*24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if batches > 10 || out.Next == b.After && more && b.After != "" {
			t.Fatalf("batch %d ends at %q, and purged %v so far", batches, out.Next, purged)
		}
		if len(out.IDs) == 0 && out.Next != "" {
			passed++
		}
		purged = append(purged, out.IDs...)
		b.After, more = out.Next, out.Next != ""
	}
	if diff := cmp.Diff([]string{"1", "2", "6003", "12004", "12005", "12006"}, purged); diff != "" {
		t.Errorf("purged (-want +got):\n%s", diff)
	}
	if passed == 0 {
		t.Error("one batch read more than 5,000 entries that are kept")
	}
	b.After = "nowhere"
	if _, err := store.Purge(t.Context(), b, now); err == nil {
		t.Error("a batch that starts nowhere is purged")
	}
}
