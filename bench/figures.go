package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// median is the middle value, or the mean of the two in the middle; NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// percentile is the value that a part p of all values does not exceed; 0 of none.
func percentile[T cmp.Ordered](values []T, p float64) T {
	var zero T
	if len(values) == 0 {
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(float64(len(sorted))*p))-1, 0)]
}

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rotated are the same values, begun with another one in each round, so that none always comes first.
func rotated[T any](values []T, round int) []T {
	at := round % len(values)
	return append(slices.Clone(values[at:]), values[:at]...)
}

// values collects a figure of those samples that are wanted.
func values[T any](samples []T, want func(T) bool, figure func(T) float64) []float64 {
	var out []float64
	for _, s := range samples {
		if want(s) {
			out = append(out, figure(s))
		}
	}
	return out
}
