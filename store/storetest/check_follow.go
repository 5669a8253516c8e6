package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "follow" proves a store that is a Follower; the checks are skipped for others.
func followChecks() []check {
	return []check{
		{"follow", "reads the log forward, in parts, each event once and whole", followForward},
		{"follow", "misses no event while many are written", followWriters},
		{"follow", "keeps the position of each consumer", followPositions},
		{"follow", "stores no position for a holder that lost its lease", followLost},
	}
}

func (f *fixture) follower(s sessioncleanup.Store) sessioncleanup.Follower {
	return optionalOf[sessioncleanup.Follower](f, s)
}

// eventsAfter reads one part of the log.
func (f *fixture) eventsAfter(after int64, limit int) []sessioncleanup.Event {
	f.Helper()
	var events []sessioncleanup.Event
	err := patiently(func() (err error) {
		events, err = f.follower(f.Store).EventsAfter(f.ctx, after, limit)
		return err
	})
	if err != nil {
		f.Fatalf("EventsAfter(%d, %d): %v", after, limit, err)
	}
	return events
}

func followForward(f *fixture) {
	if events := f.eventsAfter(0, 10); len(events) > 0 {
		f.Errorf("an empty log has the events %+v", events)
	}
	f.history()
	f.record(sessioncleanup.Record{Event: sessioncleanup.Event{
		Action: sessioncleanup.ActionRun, Actor: "admin:é", Reason: "because", RunID: "run 1", Run: &sessioncleanup.RunSummary{
			Error: "an error", Phases: sessioncleanup.Phases{{Action: sessioncleanup.ActionDeleted, Due: 1}},
		},
	}})
	want := f.events(sessioncleanup.EventQuery{})
	slices.Reverse(want)
	for _, limit := range []int{1, 3, everything} {
		var got []sessioncleanup.Event
		for after := int64(0); ; after = got[len(got)-1].ID {
			part := f.eventsAfter(after, limit)
			if len(part) > limit {
				f.Errorf("%d events, want at most %d", len(part), limit)
			}
			if got = append(got, part...); len(part) == 0 || len(got) > len(want) {
				break
			}
		}
		if len(got) != len(want) {
			f.Errorf("the log forward, %d events at a time, has %d events, want %d", limit, len(got), len(want))
			continue
		}
		for i := range want {
			if !reflect.DeepEqual(want[i], got[i]) {
				f.Errorf("the log forward, %d events at a time: event %d is %+v, want %+v", limit, i, got[i], want[i])
			}
		}
	}
}

// followWriters reads the log while several others write to it, through both stores.
func followWriters(f *fixture) {
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for n := range writers {
		store := []sessioncleanup.Store{f.Store, f.Second}[n%2]
		wg.Go(func() {
			for i := range each {
				event := sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", Reason: fmt.Sprint(n*each + i)}
				if err := patiently(func() error {
					_, err := store.Record(f.ctx, sessioncleanup.Record{Event: event})
					return err
				}); err != nil {
					f.Errorf("Record: %v", err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	seen := map[string]int{}
	var last int64
	read := func() {
		for _, e := range f.eventsAfter(last, 7) {
			if e.ID <= last {
				f.Errorf("event %d comes after event %d", e.ID, last)
			}
			last = e.ID
			seen[e.Reason]++
		}
	}
	for writing := true; writing; {
		select {
		case <-ended:
			writing = false
		default:
			read()
		}
	}
	f.eventually("the last event is read", func() error {
		read()
		if len(seen) < writers*each {
			return fmt.Errorf("%d of %d events were read", len(seen), writers*each)
		}
		return nil
	})
	for reason, n := range seen {
		if n != 1 {
			f.Errorf("event %s was read %d times", reason, n)
		}
	}
}

// consumerLease takes the lease of a consumer.
func (f *fixture) consumerLease(holder string, ttl time.Duration) sessioncleanup.Lease {
	f.Helper()
	return f.lease("follow:a", holder, ttl)
}

func (f *fixture) expectPosition(consumer string, want int64) {
	f.Helper()
	for _, store := range []sessioncleanup.Store{f.Store, f.Second} {
		if got, err := f.follower(store).Position(f.ctx, consumer); err != nil || got != want {
			f.Errorf("the position of consumer %s is %d, %v; want %d", consumer, got, err, want)
		}
	}
}

func followPositions(f *fixture) {
	follower := f.follower(f.Store)
	f.expectPosition("a", 0)
	lease := f.consumerLease("one", time.Minute)
	for _, step := range []struct {
		consumer string
		position int64
	}{{"a", 7}, {"b", 1 << 40}, {"a", 9}} {
		f.must(follower.SetPosition(f.ctx, step.consumer, step.position, lease), "SetPosition(%s, %d)", step.consumer, step.position)
		f.expectPosition(step.consumer, step.position)
	}
	f.expectPosition("b", 1<<40)
	f.expectPosition("c", 0)
}

func followLost(f *fixture) {
	follower := f.follower(f.Store)
	lost := f.consumerLease("one", time.Minute)
	f.must(follower.SetPosition(f.ctx, "a", 1, lost), "SetPosition")
	f.consumerLease("one", 0)
	held := f.consumerLease("two", time.Minute)
	f.expectError(follower.SetPosition(f.ctx, "a", 2, lost), sessioncleanup.ErrLeaseLost, "SetPosition with a lease that was lost")
	f.expectPosition("a", 1)
	if err := follower.SetPosition(f.ctx, "a", 3, held); err != nil {
		f.Errorf("SetPosition with the lease that is held: %v", err)
	}
	f.expectPosition("a", 3)
}
