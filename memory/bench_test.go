package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// BenchmarkRun does whole runs with 1,000 sessions due, half to delete and half to deactivate. The number of sessions
// that are not due hardly matters.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			s := New(Config{})
			for i := range n {
				put(b, s, unused(strconv.Itoa(i), true, time.Duration(i)*time.Millisecond))
			}
			m, err := sessioncleanup.New(s, sessioncleanup.Config{})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				for i := range 1000 {
					put(b, s, unused("due"+strconv.Itoa(i), i%2 == 0, 60*day))
				}
				b.StartTimer()
				if result, err := m.Cleanup(context.Background(), sessioncleanup.Run{}); err != nil || result.Phases.Total().Done != 1000 {
					b.Fatalf("run returned %+v, %v; want 1,000 sessions changed", result, err)
				}
			}
		})
	}
}

// BenchmarkTouch touches one session after another, in random order.
func BenchmarkTouch(b *testing.B) {
	const n = 1_000_000
	s := New(Config{})
	for i := range n {
		put(b, s, unused(strconv.Itoa(i), true, time.Duration(i)*time.Millisecond))
	}
	for b.Loop() {
		touch(b, s, sessioncleanup.Touch{IDs: []string{strconv.Itoa(rand.IntN(n))}})
	}
}
