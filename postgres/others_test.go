package postgres_test

import (
	"context"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pghosts"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestABatchSeesThatOthersWrite needs a server of its own, on which nobody else does.
func TestABatchSeesThatOthersWrite(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, map[string]string{"autovacuum": "off"})
	url := server.Database(t, "template0")
	if err := pghosts.All()["guide"].Adopt(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	store, pool := open(t, url, postgres.Config{}), connect(t, url)
	half(t, pool, 100)
	mustExec(t, pool, "CREATE TABLE others (n int)")
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	busy := func(phase func(context.Context, sessioncleanup.Batch) (sessioncleanup.Outcome, error)) bool {
		t.Helper()
		out, err := phase(t.Context(), sessioncleanup.Batch{Cause: sessioncleanup.Cause{Actor: "test"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now), Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.IDs) != 5 || out.Took <= 0 {
			t.Errorf("the batch changed %d sessions in %v, want 5 in some time", len(out.IDs), out.Took)
		}
		return out.Busy
	}
	if busy(store.DeleteDue) {
		t.Error("others are seen before it was looked for them")
	}
	for range 3 {
		if busy(store.DeleteDue) || busy(store.DeactivateDue) {
			t.Error("the store's own batches are taken for others'")
		}
	}
	if _, err := store.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "test", Holder: "test", TTL: 1e9}); err != nil {
		t.Fatal(err)
	}
	if busy(store.DeleteDue) {
		t.Error("the store's own lease is taken for others' work")
	}
	mustExec(t, pool, "SELECT count(*) FROM sessions")
	if busy(store.DeleteDue) {
		t.Error("who only reads is seen")
	}
	// Many transactions in no time: each block is a subtransaction, as it would undo what it did on an error.
	mustExec(t, pool, `DO $$ BEGIN FOR n IN 1..2000 LOOP BEGIN INSERT INTO others VALUES (n); EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$`)
	if _, err := store.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "test", Holder: "test", TTL: 1e9}); err != nil {
		t.Fatal(err)
	}
	if !busy(store.DeactivateDue) {
		t.Error("who writes is not seen, or forgotten when a lease is renewed")
	}
	if busy(store.DeactivateDue) {
		t.Error("others are still seen after they stopped")
	}
}
