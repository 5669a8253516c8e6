package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

const perOwner = 20 // sessions of each owner in the benchmarks

// populated is a store with n sessions, none of them due: nine of ten in use, one inactive for a week.
func populated(b *testing.B, n int) *Store {
	b.Helper()
	r := rand.New(rand.NewPCG(1, uint64(n)))
	s := New(Config{})
	now := time.Now()
	for i := range n {
		session := benchSession(i, now.Add(-time.Duration(r.Int64N(int64(20*time.Hour)))))
		session.CreatedAt = now.Add(-time.Duration(r.Int64N(int64(90 * day))))
		if i%10 == 0 {
			session.Active, session.LastActivity = false, session.LastActivity.Add(-7*day)
		}
		put(b, s, session)
	}
	runtime.GC() // what was garbage then is not to be paid for later
	return s
}

func benchSession(i int, lastActivity time.Time) sessioncleanup.Session {
	return sessioncleanup.Session{
		ID: strconv.Itoa(i), OwnerID: "owner" + strconv.Itoa(i/perOwner), Name: fmt.Sprintf("room %x", i*7919%1000003),
		Active: true, AutoCleanup: true, LastActivity: lastActivity, CreatedAt: lastActivity,
	}
}

// BenchmarkTouch touches one session after another, any of them, as a service does that just read the ID from a
// request. index-ns/touch is what bringing all indexes up to date afterwards costs, for each touch; a run does so only
// for sessions that would have been due without the touch.
func BenchmarkTouch(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		for name, interval := range map[string]time.Duration{"written": 0, "throttled": 30 * day} {
			b.Run(fmt.Sprintf("sessions=%d/%s", n, name), func(b *testing.B) {
				s := populated(b, n)
				r := rand.New(rand.NewPCG(3, 4))
				ctx, touches := context.Background(), 0
				touch := sessioncleanup.Touch{IDs: make([]string, 1), Interval: interval}
				for b.Loop() {
					touch.IDs[0] = strconv.Itoa(r.IntN(n))
					if _, err := s.Touch(ctx, touch); err != nil {
						b.Fatal(err)
					}
					touches++
				}
				started := time.Now()
				list(b, s, sessioncleanup.Query{Limit: 1, Descending: true})
				b.ReportMetric(float64(time.Since(started))/float64(touches), "index-ns/touch")
			})
		}
	}
}

// BenchmarkRun does whole runs with 1,000 due, half to delete and half to deactivate, on 10,000 and on 1,000,000
// sessions by turns, and reports the median of each and how many times as long the second one takes.
func BenchmarkRun(b *testing.B) {
	const due = 1000
	sizes := []int{10_000, 1_000_000}
	var stores [2]*Store
	for i, n := range sizes {
		stores[i] = populated(b, n)
	}
	var took [2][]time.Duration
	for b.Loop() {
		for i, s := range stores {
			makeDue(b, s, sizes[i], due)
			m, err := sessioncleanup.New(s, sessioncleanup.Config{})
			if err != nil {
				b.Fatal(err)
			}
			started := time.Now()
			result, err := m.Cleanup(context.Background(), sessioncleanup.Run{})
			took[i] = append(took[i], time.Since(started))
			if err != nil || result.Deleted+result.Deactivated != due {
				b.Fatalf("run gave %+v, %v; want %d sessions changed", result, err, due)
			}
		}
	}
	b.ReportMetric(0, "ns/op") // it would hold the preparations
	small, large := median(took[0]), median(took[1])
	b.ReportMetric(small.Seconds()*1000, "ms/run-of-10k")
	b.ReportMetric(large.Seconds()*1000, "ms/run-of-1M")
	b.ReportMetric(float64(large)/float64(small), "ratio")
}

// makeDue lets random sessions be unused for long.
func makeDue(b *testing.B, s *Store, n, due int) {
	b.Helper()
	now := time.Now()
	for i, id := range rand.Perm(n)[:due] {
		session := benchSession(id, now.Add(-time.Duration(i)*time.Second-2*day))
		if i%2 == 0 {
			session.Active, session.LastActivity = false, session.LastActivity.Add(-60*day)
		}
		put(b, s, session)
	}
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// BenchmarkCounts counts all sessions, of which 1,000 are due.
func BenchmarkCounts(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			s := populated(b, n)
			makeDue(b, s, n, 1000)
			q := sessioncleanup.CountsQuery{Cutoffs: cutoffs()}
			for b.Loop() {
				if _, err := s.Counts(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkList reads a page of 50 of 1,000,000 sessions.
func BenchmarkList(b *testing.B) {
	const n = 1_000_000
	s := populated(b, n)
	makeDue(b, s, n, 1000)
	for name, q := range map[string]sessioncleanup.Query{
		"all":         {CountUpTo: all},
		"owner":       {OwnerID: "owner7", CountUpTo: all},
		"due":         {Status: sessioncleanup.StatusToDeactivate, CountUpTo: all},
		"due by name": {Status: sessioncleanup.StatusToDelete, Sort: sessioncleanup.SortName, CountUpTo: all},
		"rare text":   {Text: "room abcde", CountUpTo: all},
	} {
		b.Run(name, func(b *testing.B) {
			q.Cutoffs, q.Limit = cutoffs(), 50
			for b.Loop() {
				list(b, s, q)
			}
		})
	}
}
