package postgres_test

import (
	"flag"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pghosts"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

var everyHost = flag.Bool("hosts", false, "run the conformance suite on tables of every kind, not of one kind only")

// TestStore proves the backend. The tests on other versions of the server have the other kinds of tables.
func TestStore(t *testing.T) {
	t.Parallel()
	for name, host := range pghosts.All() {
		if !*everyHost && name != "guide" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			groups := storetest.TableGroups()
			if name == "guide" {
				groups = nil // all
			}
			storetest.Run(t, func(t testing.TB) storetest.Harness {
				return host.Harness(t, pgtest.Prepared(t, name, host.Adopt))
			}, groups...)
		})
	}
}
