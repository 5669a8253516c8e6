package storetest

import (
	"context"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// forgetful is a sound Values of which some methods are replaced.
type forgetful struct {
	sessioncleanup.Values
	value func(ctx context.Context, name string) ([]byte, int64, error)
	set   func(ctx context.Context, name string, data []byte, version int64) (bool, error)
}

func (v *forgetful) Value(ctx context.Context, name string) ([]byte, int64, error) {
	return v.value(ctx, name)
}

func (v *forgetful) SetValue(ctx context.Context, name string, data []byte, version int64) (bool, error) {
	return v.set(ctx, name, data, version)
}

// keepsValues replaces methods of the Values.
func keepsValues(change func(v *forgetful)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		v := &forgetful{Values: b.Values, value: b.Value, set: b.SetValue}
		change(v)
		b.Values = v
	}
}

// skewed is a sound Profiler whose answers are changed.
type skewed struct {
	sessioncleanup.Profiler
	change func(*sessioncleanup.Thresholds, *sessioncleanup.Profile)
}

func (p skewed) Profile(ctx context.Context, t sessioncleanup.Thresholds, tags string) (sessioncleanup.Profile, error) {
	p.change(&t, nil)
	profile, err := p.Profiler.Profile(ctx, t, tags)
	p.change(&t, &profile)
	return profile, err
}

// asksProfile and showsProfile change what is asked of the Profiler, and what it answers.
func asksProfile(change func(*sessioncleanup.Thresholds)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.Profiler = skewed{b.Profiler, func(t *sessioncleanup.Thresholds, p *sessioncleanup.Profile) {
			if p == nil {
				change(t)
			}
		}}
	}
}

func showsProfile(change func(*sessioncleanup.Profile)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.Profiler = skewed{b.Profiler, func(_ *sessioncleanup.Thresholds, p *sessioncleanup.Profile) {
			if p != nil {
				change(p)
			}
		}}
	}
}

// miscounting is a sound OwnerCounter whose answers are changed.
type miscounting struct {
	sessioncleanup.OwnerCounter
	change func(*sessioncleanup.OwnerCounts)
}

func (c miscounting) CountOwners(ctx context.Context, t sessioncleanup.Thresholds, limit int) (sessioncleanup.OwnerCounts, error) {
	counts, err := c.OwnerCounter.CountOwners(ctx, t, limit)
	c.change(&counts)
	return counts, err
}

func showsOwners(change func(*sessioncleanup.OwnerCounts)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) { b.OwnerCounter = miscounting{b.OwnerCounter, change} }
}

func valuesFlaws() []flaw {
	kept, counted := []func(*fixture){valuesKept}, []func(*fixture){valuesCounted}
	profiled, owners := []func(*fixture){valuesProfile}, []func(*fixture){valuesOwners}
	return []flaw{
		{"stores a value whatever was stored since it was read", keepsValues(func(v *forgetful) {
			v.set = func(ctx context.Context, name string, data []byte, _ int64) (bool, error) {
				_, version, err := v.Values.Value(ctx, name)
				if err != nil {
					return false, err
				}
				return v.Values.SetValue(ctx, name, data, version)
			}
		}), kept},
		{"takes names that differ in case for one", keepsValues(func(v *forgetful) {
			v.value = func(ctx context.Context, name string) ([]byte, int64, error) {
				return v.Values.Value(ctx, strings.ToLower(name))
			}
			v.set = func(ctx context.Context, name string, data []byte, version int64) (bool, error) {
				return v.Values.SetValue(ctx, strings.ToLower(name), data, version)
			}
		}), kept},
		{"says that a value was stored which was not", keepsValues(func(v *forgetful) {
			v.set = func(ctx context.Context, name string, data []byte, version int64) (bool, error) {
				_, err := v.Values.SetValue(ctx, name, data, version)
				return true, err
			}
		}), kept},
		{"looks at the version before it stores a value, not while it does", keepsValues(func(v *forgetful) {
			v.set = func(ctx context.Context, name string, data []byte, version int64) (bool, error) {
				_, now, err := v.Values.Value(ctx, name)
				if err != nil || now != version {
					return false, err
				}
				time.Sleep(time.Millisecond) // others look, too
				if _, now, err = v.Values.Value(ctx, name); err != nil {
					return false, err
				}
				return v.Values.SetValue(ctx, name, data, now)
			}
		}), counted},
		{"profiles by another time of deactivation", asksProfile(func(t *sessioncleanup.Thresholds) { t.Inactive += 3 * day }), profiled},
		{"profiles by another time of deletion", asksProfile(func(t *sessioncleanup.Thresholds) { t.Delete += 3 * day }), profiled},
		{"leaves out an hour of use", showsProfile(func(p *sessioncleanup.Profile) { p.Hours = p.Hours[1:] }), profiled},
		{"names the owners with the fewest sessions first", showsProfile(func(p *sessioncleanup.Profile) {
			for i, j := 0, len(p.Owners)-1; i < j; i, j = i+1, j-1 {
				p.Owners[i], p.Owners[j] = p.Owners[j], p.Owners[i]
			}
		}), profiled},
		{"counts only owners that it shows", showsOwners(func(c *sessioncleanup.OwnerCounts) { c.Count = len(c.Owners) }), owners},
		{"takes protected sessions for due", showsOwners(func(c *sessioncleanup.OwnerCounts) { c.Owners[0].DueForDeletion += c.Owners[0].Protected }), owners},
		{"shows the first use of an owner in place of the last", showsOwners(func(c *sessioncleanup.OwnerCounts) { c.Owners[0].LastActivity = c.Owners[0].LastActivity.Add(-day) }), owners},
		{"has no group for sessions that were just used", showsProfile(func(p *sessioncleanup.Profile) { p.Active = p.Active[1:] }), profiled},
	}
}
