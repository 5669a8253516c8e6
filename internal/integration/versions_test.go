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

// TestVersions runs the conformance suite on tables of half of all kinds, the whole of it on one and what depends on the
// tables on the others: two versions that are four apart have them all.
func TestVersions(t *testing.T) {
	t.Logf("PostgreSQL %d", pgtest.Version(t))
	hosts := pghosts.All()
	var groups []string // all
	for i, name := range slices.Sorted(maps.Keys(hosts)) {
		if (i+pgtest.Version(t)/4)%2 != 0 {
			continue
		}
		host, proven := hosts[name], groups
		groups = storetest.TableGroups()
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) storetest.Harness {
				return host.Harness(t, pgtest.Prepared(t, name, host.Adopt))
			}, proven...)
		})
	}
}
