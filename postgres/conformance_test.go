package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pghosts"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// TestStore proves the backend on tables of every kind.
func TestStore(t *testing.T) {
	t.Parallel()
	for name, host := range pghosts.All() {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) storetest.Harness {
				return host.Harness(t, pgtest.Prepared(t, name, host.Adopt))
			})
		})
	}
}
