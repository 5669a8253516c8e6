package storetest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// flaw is one way to break the contract.
type flaw struct {
	rule     string // that is broken, as a sentence about the store
	breaks   func(h *Harness, b *broken)
	caughtBy []func(*fixture) // checks that must each notice it
}

func flaws() []flaw {
	return slices.Concat(
		dueFlaws(), listFlaws(), pageFlaws(), countsFlaws(), sweepFlaws(), updateFlaws(), conditionFlaws(), deleteFlaws(),
		touchFlaws(), deactivationFlaws(), eventFlaws(), sealFlaws(), followFlaws(), outboxFlaws(), valuesFlaws(), tagFlaws(), planFlaws(), ruleFlaws(), archiveFlaws(), backupFlaws(), leaseFlaws(), contextFlaws(), lockFlaws(),
	)
}

// recorder replaces a *testing.T and keeps the failures of a check.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	failures []string
	skipped  string // why
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// attempt runs a check on a harness and returns its failures.
func attempt(ctx context.Context, c check, h Harness) []string {
	r := &recorder{ctx: ctx}
	r.try(c, h)
	return r.failures
}

// try runs a check to its end, which may be in the middle of it.
func (r *recorder) try(c check, h Harness) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(r, h)
	}()
	<-done
}

// proofs maps the functions of checks to the checks.
func proofs() map[uintptr]check {
	all := map[uintptr]check{}
	for _, c := range checks() {
		all[reflect.ValueOf(c.prove).Pointer()] = c
	}
	return all
}

func TestMain(m *testing.M) {
	patience, lockLimit = time.Second, 200*time.Millisecond
	m.Run()
}

func TestChecksPassSoundStoreQuietly(t *testing.T) {
	t.Parallel()
	for _, c := range checks() {
		h, _ := openMemory()
		if failures := attempt(t.Context(), c, h); len(failures) > 0 {
			t.Errorf("%s %s: %s", c.group, c.name, strings.Join(failures, "\n"))
		}
	}
}

func TestChecksCatchBrokenStores(t *testing.T) {
	t.Parallel()
	all := proofs()
	for _, flaw := range flaws() {
		t.Run(flaw.rule, func(t *testing.T) {
			t.Parallel()
			for _, prove := range flaw.caughtBy {
				c := all[reflect.ValueOf(prove).Pointer()]
				h, b := breakStore()
				flaw.breaks(h, b)
				failures := attempt(t.Context(), c, *h)
				if len(failures) == 0 {
					t.Errorf("%s %s: passes a store that %s", c.group, c.name, flaw.rule)
					continue
				}
				t.Logf("%s %s:\n%s", c.group, c.name, failures[0])
			}
		})
	}
}

// A check that catches nothing proves nothing.
func TestEveryCheckCatchesSomeBrokenStore(t *testing.T) {
	t.Parallel()
	idle := proofs()
	for _, flaw := range flaws() {
		for _, prove := range flaw.caughtBy {
			delete(idle, reflect.ValueOf(prove).Pointer())
		}
	}
	for c := range maps.Values(idle) {
		t.Errorf("%s %s: no broken store is caught by it", c.group, c.name)
	}
}

// A store that makes batches of its other methods, by the right rule, passes: the checks catch what the flaws built on it
// add.
func TestChecksPassSoundStoreOfSelectedBatches(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(dueChecks(), countsChecks(), sweepChecks(), workloadChecks()) {
		h, b := breakStore()
		b.sweep = selected{broken: b, due: properly}.sweep
		if failures := attempt(t.Context(), c, *h); len(failures) > 0 {
			t.Errorf("%s %s: %s", c.group, c.name, strings.Join(failures, "\n"))
		}
	}
}

func TestHarnessWithoutItsPartsFails(t *testing.T) {
	t.Parallel()
	whole, _ := openMemory()
	for part, h := range map[string]Harness{
		"Store is nil":     {Insert: whole.Insert, Pin: whole.Pin},
		"Insert is nil":    {Store: whole.Store, Pin: whole.Pin},
		"Pin is nil":       {Store: whole.Store, Insert: whole.Insert},
		"Resolution is 1s": {Store: whole.Store, Insert: whole.Insert, Pin: whole.Pin, Resolution: time.Second},
	} {
		failures := attempt(t.Context(), checks()[0], h)
		if len(failures) != 1 || !strings.Contains(failures[0], "Harness."+part) {
			t.Errorf("%s: %q, want one failure that names it", part, failures)
		}
	}
}

func TestSeedFromEnvironment(t *testing.T) {
	draw := func(seed string) (uint64, []string) {
		t.Setenv(seedVariable, seed)
		var first uint64
		failures := attempt(t.Context(), check{prove: func(f *fixture) { first = f.generator().Uint64() }}, soundHarness())
		return first, failures
	}
	standard, _ := draw("")
	again, _ := draw("20240229")
	other, _ := draw("7")
	if standard != again || standard == other {
		t.Errorf("first numbers without a seed, with the default seed and with another: %d, %d, %d", standard, again, other)
	}
	if _, failures := draw("seven"); len(failures) != 1 || !strings.Contains(failures[0], `SESSIONCLEANUP_TEST_SEED is "seven"`) {
		t.Errorf("with a seed that is no number: %q, want a failure that names it", failures)
	}
}

func soundHarness() Harness {
	h, _ := openMemory()
	return h
}
