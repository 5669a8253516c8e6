package main

import (
	"context"
	"math"
	"slices"
	"time"

	"golang.org/x/perf/benchmath"
)

// A median is known when that of ever more rounds would lie within nearEnough of it, with this confidence.
const (
	confidence = 0.95
	nearEnough = 0.07
)

// untilKnown makes rounds until the medians of all ratios are known: as many as asked at least, and then more while
// patience lasts. One round stays one: it is a look, not a measurement. Who waits is told how many there were of what.
func (b *bench) untilKnown(what string, round func(n int) error, ratios func() [][]float64) error {
	var asked time.Time // when as many were made as asked
	n := 0
	for ; n < b.rounds || b.rounds > 1 && time.Since(asked) < b.patience && slices.ContainsFunc(ratios(), unknown); n++ {
		if err := round(n); err != nil {
			return err
		}
		if n+1 == b.rounds {
			asked = time.Now()
		}
	}
	b.say("%s: %d rounds", what, n)
	return nil
}

func unknown(values []float64) bool {
	if len(values) < 2 {
		return true
	}
	low, high := interval(values)
	return high-low > 2*nearEnough*median(values)
}

// interval is in which the median of ever more rounds would lie; infinite when there are too few to say.
func interval(values []float64) (low, high float64) {
	if len(values) < 2 {
		return math.Inf(-1), math.Inf(1)
	}
	summary := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), confidence)
	return summary.Lo, summary.Hi
}

// What ran while the host gave more of the processors to other machines than this, in percent, is run again.
const tooMuchStolen = 5

// quietest runs something until it was not disturbed, and gives what the least disturbed run gave, whatever that is. A run
// says which part of the processors' time was stolen from it.
func quietest[T any](ctx context.Context, tries int, run func() (T, float64, error)) (T, float64, error) {
	var best T
	least := math.Inf(1)
	for try := 0; try < tries && least > tooMuchStolen && ctx.Err() == nil; try++ {
		got, stolen, err := run()
		if err != nil {
			return got, stolen, err
		}
		if stolen < least {
			best, least = got, stolen
		}
	}
	return best, least, ctx.Err()
}
