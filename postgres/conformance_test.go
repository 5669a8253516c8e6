package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// TestStore proves the backend on the tables of the guide. internal/integration proves what depends on tables on further kinds.
func TestStore(t *testing.T) {
	t.Parallel()
	guide := pgapps.All()["guide"]
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		return guide.Harness(t, pgtest.Prepared(t, "guide", guide.Adopt))
	})
}
