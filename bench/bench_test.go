package bench

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// The flags of scripts/bench.
var (
	docs   = flag.String("docs", "", "the folder to write to; empty measures at the quick size and keeps nothing")
	quick  = flag.Bool("quick", false, "measure at a small size, in seconds: figures mean nothing")
	render = flag.Bool("page", false, "measure nothing: write page and pictures from the results that are there")
	share  = flag.Float64("busy-share", 0, "Policy.BusyShare of the cleanups; 0: its default")
)

func TestBenchmarks(t *testing.T) {
	o := Options{Sizes: Full, Policy: sessioncleanup.Policy{BusyShare: *share}, Docs: *docs}
	switch {
	case *docs == "":
		o.Sizes, o.Docs, o.Policy.BusyShare = Quick, t.TempDir(), 1 // without pauses
		Run(t, o)
		checkPage(t, o.Docs)
	case *render:
		Render(t, o.Docs)
	default:
		if *quick {
			o.Sizes = Quick
		}
		Run(t, o)
	}
}

// checkPage fails when a page or a picture lacks a figure.
func checkPage(t *testing.T, docs string) {
	t.Helper()
	for name, parts := range map[string][]string{
		"benchmarks.md":           {"trial run", "cores of", "PostgreSQL 1", "SQLite 3", ours, cronJob, loop, "row trigger", "40 to 60%", "GET /stats"},
		"benchmarks/cleanup.svg":  {"longest transaction", cronJob},
		"benchmarks/tracking.svg": {manySessions, "row trigger"},
		"benchmarks/queries.svg":  {"by code", mix},
	} {
		text, err := os.ReadFile(filepath.Join(docs, name))
		check(t, err)
		for _, part := range parts {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q", name, part)
			}
		}
		if strings.Contains(string(text), "NaN") || strings.Contains(string(text), "Inf") {
			t.Errorf("%s shows a figure that is none:\n%s", name, text)
		}
	}
	results, err := readResults(filepath.Join(docs, resultsFile))
	check(t, err)
	for _, f := range results.Figures {
		if len(f.Values) != Quick.Rounds {
			t.Errorf("%s, %s, %s, %s: %d values, want one per round", f.Part, f.Engine, f.Contender, f.Name, len(f.Values))
		}
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{0: "0", 0.01234: "0.0123", 1.234: "1.23", 56.78: "56.8", 999.6: "1,000", 1234567: "1,234,567"} {
		if got := number(value); got != want {
			t.Errorf("number(%v) is %q, want %q", value, got, want)
		}
	}
}

func TestIntervalTakesSixRounds(t *testing.T) {
	t.Parallel()
	if e := estimateOf([]float64{1, 2, 3, 4, 5}); e.known() || e.String() != "3.00" {
		t.Errorf("five rounds have the interval %v", e)
	}
	if got, want := estimateOf([]float64{6, 1, 3, 2, 5, 4}).String(), "3.50 (1.00 to 6.00)"; got != want {
		t.Errorf("six rounds: %s, want %s", got, want)
	}
}
