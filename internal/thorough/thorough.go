// Package thorough marks the tests that prove much and take long, and those of which a few cases are enough before a change is
// merged. scripts/test, which passes -short to go test, skips them and prints their names; .ci/run, and go test without -short,
// run them.
package thorough

import (
	"iter"
	"maps"
	"slices"
	"testing"
)

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

// Some ranges over the cases of a test: with -short over the first n, by their names, and otherwise over all.
func Some[C any](n int, cases map[string]C) iter.Seq2[string, C] {
	names := slices.Sorted(maps.Keys(cases))
	if testing.Short() {
		names = names[:min(n, len(names))]
	}
	return func(yield func(string, C) bool) {
		for _, name := range names {
			if !yield(name, cases[name]) {
				return
			}
		}
	}
}

// First is Some for cases that have no names: with -short the first n, and otherwise all.
func First[C any](n int, cases ...C) []C {
	if testing.Short() {
		cases = cases[:min(n, len(cases))]
	}
	return cases
}
