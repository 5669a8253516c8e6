// Package thorough marks the tests that prove much and take long. scripts/test, which passes -short to go test, skips them and
// prints their names; .ci/run, and go test without -short, run them.
package thorough

import "testing"

// Kind is a kind of such tests.
type Kind string

// The kinds.
const (
	Tables      Kind = "further kinds of tables"
	Interrupted Kind = "interruptions of a migration at many places"
	Random      Kind = "random schemas and schedules"
	Killed      Kind = "processes that are killed"
	Attacks     Kind = "further attacks"
	Frameworks  Kind = "further frameworks of pages"
	Suites      Kind = "suites that another module runs with more checks"
)

// Only skips the test, unless all tests run.
func Only(t testing.TB, kind Kind) {
	t.Helper()
	if testing.Short() {
		t.Skipf("with -short: %s are left out", kind)
	}
}
