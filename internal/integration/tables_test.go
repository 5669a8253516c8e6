package integration

import (
	"os"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestTables runs what depends on the tables, of the conformance suite, on all kinds of them. scripts/test deals the
// kinds out to the versions of PostgreSQL; the whole suite runs on the version that is installed.
func TestTables(t *testing.T) {
	thorough.Only(t, thorough.Tables)
	t.Logf("PostgreSQL %d", pgtest.Version(t))
	for name, app := range pgapps.All() {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) storetest.Harness {
				return app.Harness(t, pgtest.Prepared(t, name, app.Adopt))
			}, storetest.TableGroups()...)
		})
	}
}
