package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/alexedwards/scs/v2/memstore"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// The operations of stores in memory.
const (
	opInsert  = "insert"
	opTouch   = "touch"
	opCleanup = "cleanup of 1 %"
	opKeep    = "kept per session"
)

// memoryDue is the part that is due in percent.
const memoryDue = 1

// Stores in memory hold more sessions than the largest size says: filling them takes seconds, not minutes.
const (
	memoryFactor = 10
	memoryMost   = 1_000_000
)

// measureMemory compares the stores in memory.
func measureMemory(b *bench, s *scope) error {
	b.results.Memory = nil
	size := min(memoryFactor*slices.Max(b.sizes), max(memoryMost, slices.Max(b.sizes)))
	return b.untilKnown(fmt.Sprintf("memory: %d sessions", size), func(round int) error {
		for _, measure := range rotated([]func(*scope, layout) []MemorySample{memoryOurs, memoryScs}, round) {
			err := within(s.ctx, func(s *scope) error {
				for _, sample := range measure(s, layout{size, memoryDue}) {
					sample.Size, sample.Round = size, round
					b.results.Memory = append(b.results.Memory, sample)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}, func() [][]float64 { return page{b.results}.memoryRatios() })
}

// cost times work and counts what it allocates, for each of n operations.
func cost(store, operation string, n int, work func()) MemorySample {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	started := time.Now()
	work()
	took := time.Since(started)
	runtime.ReadMemStats(&after)
	return MemorySample{
		Store: store, Operation: operation, NS: float64(took) / float64(n),
		Allocs: float64(after.Mallocs-before.Mallocs) / float64(n), Bytes: float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}

// kept is how much memory stays in use for each of n sessions that fill makes.
func kept(store string, n int, fill func()) MemorySample {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	fill()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return MemorySample{Store: store, Operation: opKeep, Bytes: float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / float64(n)}
}

func memoryOurs(s *scope, l layout) []MemorySample {
	sessions := make([]sessioncleanup.Session, l.size)
	ids := make([]string, l.size)
	for n := range sessions {
		sessions[n] = l.session(n + 1)
		ids[n] = sessions[n].ID
	}
	store := memory.New(memory.Config{})
	check := func(err error) {
		if err != nil {
			s.Fatal(err)
		}
	}
	var insert MemorySample
	keep := kept(ours, l.size, func() {
		insert = cost(ours, opInsert, l.size, func() {
			for n := range sessions {
				check(store.Put(sessions[n]))
			}
		})
	})
	order := rand.Perm(l.size - l.dueCount())
	touch := cost(ours, opTouch, len(order), func() {
		one := sessioncleanup.Touch{IDs: make([]string, 1)}
		for _, n := range order {
			one.IDs[0] = ids[l.dueCount()+n]
			_, err := store.Touch(s.ctx, one)
			check(err)
		}
	})
	m := s.manager(store)
	clean := cost(ours, opCleanup, l.dueCount(), func() {
		done, err := cleanUp(s.ctx, m)
		check(err)
		if done.rows != l.dueCount() {
			s.Fatalf("the run changed %d sessions, and %d were due", done.rows, l.dueCount())
		}
	})
	return []MemorySample{insert, keep, touch, clean}
}

func memoryScs(s *scope, l layout) []MemorySample {
	tokens := make([]string, l.size)
	for n := range tokens {
		tokens[n] = token(n + 1)
	}
	expiry := time.Now().Add(24 * time.Hour)
	commit := func(store *memstore.MemStore, n int, expiry time.Time) {
		if err := store.Commit(tokens[n], payload, expiry); err != nil {
			s.Fatal(err)
		}
	}
	store := memstore.NewWithCleanupInterval(0)
	var insert MemorySample
	keep := kept(scsStore, l.size, func() {
		insert = cost(scsStore, opInsert, l.size, func() {
			for n := range tokens {
				commit(store, n, expiry)
			}
		})
	})
	order := rand.Perm(l.size)
	touch := cost(scsStore, opTouch, len(order), func() {
		for _, n := range order {
			commit(store, n, expiry)
		}
	})
	bed := openMemstore(s, &templates{}, l.size, l.due)
	var took time.Duration
	clean := cost(scsStore, opCleanup, l.dueCount(), func() {
		done, err := bed.clean(context.WithoutCancel(s.ctx))
		if err != nil {
			s.Fatal(err)
		}
		took = done.took()
	})
	bed.bytes()                                      // checks
	clean.NS = float64(took) / float64(l.dueCount()) // without the wait for the store's own schedule
	return []MemorySample{insert, keep, touch, clean}
}
