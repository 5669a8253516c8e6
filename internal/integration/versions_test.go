package integration

import (
	"os"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pghosts"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestVersions runs the conformance suite on every kind of host.
func TestVersions(t *testing.T) {
	t.Logf("PostgreSQL %d", pgtest.Version(t))
	for name, host := range pghosts.All() {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) storetest.Harness {
				return host.Harness(t, pgtest.Prepared(t, name, host.Adopt))
			})
		})
	}
}
