package integration

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pghosts"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestVersions runs what depends on the tables, of the conformance suite, on half of all kinds: two versions that are four
// apart have them all. The whole suite runs on the version that is installed.
func TestVersions(t *testing.T) {
	t.Logf("PostgreSQL %d", pgtest.Version(t))
	hosts := pghosts.All()
	for i, name := range slices.Sorted(maps.Keys(hosts)) {
		if (i+pgtest.Version(t)/4)%2 != 0 {
			continue
		}
		host := hosts[name]
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) storetest.Harness {
				return host.Harness(t, pgtest.Prepared(t, name, host.Adopt))
			}, storetest.TableGroups()...)
		})
	}
}
