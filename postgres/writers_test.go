package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestBatchPausesWhileOthersWrite needs a server of its own, on which no other test writes.
func TestBatchPausesWhileOthersWrite(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, map[string]string{"autovacuum": "off"})
	url := server.Database(t, "template0")
	if err := pgapps.All()["guide"].Adopt(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	store, pool := open(t, url, postgres.Config{}), connect(t, url)
	half(t, pool, 100)
	mustExec(t, pool, "CREATE TABLE others (n int)")
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	busy := func(action sessioncleanup.Action) bool {
		t.Helper()
		b := sessioncleanup.Batch{
			Action: action, Cause: sessioncleanup.Cause{Actor: "test"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now), Limit: 5, BusyShare: 0.5,
		}
		out, err := store.Sweep(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.IDs) != 5 || out.Held <= 0 || out.Pause != 0 && out.Pause != b.PauseAfter(out.Held) {
			t.Errorf("the batch changed %d sessions, held locks for %v and pauses for %v, want 5 sessions and %v", len(out.IDs), out.Held, out.Pause, b.PauseAfter(out.Held))
		}
		return out.Pause > 0
	}
	if busy(sessioncleanup.ActionDeleted) {
		t.Error("others are noticed before the store watched them")
	}
	for range 3 {
		if busy(sessioncleanup.ActionDeleted) || busy(sessioncleanup.ActionDeactivated) {
			t.Error("the store's own batches count as writes of others")
		}
	}
	if _, err := store.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "test", Holder: "test", TTL: 1e9}); err != nil {
		t.Fatal(err)
	}
	if busy(sessioncleanup.ActionDeleted) {
		t.Error("the store's own lease counts as a write of others")
	}
	mustExec(t, pool, "SELECT count(*) FROM sessions")
	if busy(sessioncleanup.ActionDeleted) {
		t.Error("a reader counts as a writer")
	}
	// Many transactions in no time: each block is a subtransaction, as it would undo what it did on an error.
	mustExec(t, pool, `DO $$ BEGIN FOR n IN 1..2000 LOOP BEGIN INSERT INTO others VALUES (n); EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$`)
	if _, err := store.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "test", Holder: "test", TTL: 1e9}); err != nil {
		t.Fatal(err)
	}
	if !busy(sessioncleanup.ActionDeactivated) {
		t.Error("writers are not noticed, or forgotten when a lease is renewed")
	}
	if busy(sessioncleanup.ActionDeactivated) {
		t.Error("writers still count after they stopped")
	}
}
