package storetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "values" proves a store that has Values; the checks are skipped for others.
func valueChecks() []check {
	return []check{
		{"values", "keeps the value stored last under each name", valuesKept},
		{"values", "profiles random sessions as ProfileOf does", valuesProfile},
		{"values", "counts the sessions of owners as OwnersOf does", valuesOwners},
		{"values", "loses none of many changes made at once", valuesCounted},
	}
}

func (f *fixture) values() sessioncleanup.Values { return optional[sessioncleanup.Values](f) }

// expectValue requires a value, and its version.
func (f *fixture) expectValue(name, want string, version int64) {
	f.Helper()
	data, got, err := f.values().Value(f.ctx, name)
	if err != nil || string(data) != want || got != version {
		f.Errorf("the value %q is %q, version %d, %v; want %q, version %d", name, data, got, err, want, version)
	}
}

func valuesKept(f *fixture) {
	values := f.values()
	f.expectValue("a", "", 0)
	for i, c := range []struct {
		name, data string
		version    int64
		stored     bool
	}{{"a", `1`, 0, true}, {"a", `2`, 0, false}, {"a", `"é"`, 1, true}, {"a", `4`, 1, false}, {"A", `5`, 0, true}, {"a", `6`, 3, false}} {
		stored, err := values.SetValue(f.ctx, c.name, []byte(c.data), c.version)
		if err != nil || stored != c.stored {
			f.Errorf("%d: SetValue(%q, %s, %d): %t, %v; want %t", i, c.name, c.data, c.version, stored, err, c.stored)
		}
	}
	f.expectValue("a", `"é"`, 2)
	f.expectValue("A", `5`, 1)
}

func valuesCounted(f *fixture) {
	values := f.values()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for done := 0; done < 5; {
				err := patiently(func() error {
					data, version, err := values.Value(f.ctx, "count")
					if err != nil {
						return err
					}
					n := 0
					_, _ = fmt.Sscan(string(data), &n)
					stored, err := values.SetValue(f.ctx, "count", fmt.Append(nil, n+1), version)
					if stored {
						done++
					}
					return err
				})
				if err != nil {
					f.Errorf("count: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	f.expectValue("count", "20", 20)
}

func valuesProfile(f *fixture) {
	profiler := optional[sessioncleanup.Profiler](f)
	m := f.stock(60)
	for _, t := range []sessioncleanup.Thresholds{f.pin, {Now: f.now, Delete: 40 * day}, {Now: f.now, Inactive: 30 * day, Delete: 3 * day}, {Now: f.now}} {
		got := must(profiler.Profile(f.ctx, t, ""))(f, "Profile")
		all := m.list(sessioncleanup.Query{Thresholds: t, Limit: everything})
		if diff := firstDifference(sessioncleanup.ProfileOf(slices.Values(all), t.At(f.now)), got); diff != "" {
			f.Errorf("the profile at thresholds %v and %v: %s", t.Inactive, t.Delete, diff)
		}
	}
}

// expectProfile compares the profile of the sessions that tags select with that of some sessions.
func (f *fixture) expectProfile(tags string, all []sessioncleanup.Session) {
	f.Helper()
	profiler, ok := sessioncleanup.StoreAs[sessioncleanup.Profiler](f.Store)
	if !ok {
		return
	}
	got := must(profiler.Profile(f.ctx, f.pin, tags))(f, "Profile of %q", tags)
	if diff := firstDifference(sessioncleanup.ProfileOf(slices.Values(all), f.cut), got); diff != "" {
		f.Errorf("the profile of %q: %s", tags, diff)
	}
}

func valuesOwners(f *fixture) {
	counter := optional[sessioncleanup.OwnerCounter](f)
	f.stock(25)
	all := must(f.Store.List(f.ctx, sessioncleanup.Query{Limit: everything}))(f, "List")
	for _, t := range []sessioncleanup.Thresholds{f.pin, {Now: f.now, Inactive: 30 * day, Delete: 3 * day}, {Now: f.now}} {
		for _, limit := range []int{everything, 1} {
			got := must(counter.CountOwners(f.ctx, t, limit))(f, "CountOwners")
			if diff := firstDifference(sessioncleanup.OwnersOf(slices.Values(all.Sessions), t.At(f.now), limit), got); diff != "" {
				f.Errorf("the owners at thresholds %v and %v, at most %d: %s", t.Inactive, t.Delete, limit, diff)
			}
		}
	}
}
