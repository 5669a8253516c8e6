package sessioncleanup

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Profiler is implemented by stores that can read all sessions for Manager.Analytics.
type Profiler interface {
	// Profile returns ProfileOf all sessions, or of those that tags select as Filter.Tags does, by the thresholds at
	// the store's clock.
	Profile(ctx context.Context, t Thresholds, tags string) (Profile, error)
}

const (
	// ForecastDays is the number of days that a Profile looks ahead.
	ForecastDays = 30
	// ActivityDays is the number of days that Profile.Hours looks back.
	ActivityDays = 28
	// TopOwners is the largest number of owners that a Profile lists.
	TopOwners = 10

	aDay = 24 * time.Hour
)

// AgeBounds returns the lower bounds of the groups of Profile.Active and Profile.Inactive. It leaves out the bound of
// the first group, which is 0.
func AgeBounds() []time.Duration {
	return []time.Duration{time.Hour, 6 * time.Hour, aDay, 3 * aDay, 7 * aDay, 14 * aDay, 30 * aDay, 90 * aDay, 365 * aDay}
}

// Profile shows how the sessions are distributed.
type Profile struct {
	// Active and Inactive count the sessions by the time since their last activity, in the groups of AgeBounds.
	Active   []int `json:"active"`
	Inactive []int `json:"inactive"`
	// Deactivate and Delete count the sessions that runs would deactivate and delete on each of the next days, unless they
	// are used or changed before then. Overdue sessions are in the first.
	Deactivate []int `json:"deactivate"`
	Delete     []int `json:"delete"`
	// Hours count the sessions last used in each hour of the last ActivityDays, in order, without empty ones.
	Hours []HourCount `json:"hours"`
	// Owners are those with the most sessions, the most first.
	Owners []OwnerCount `json:"owners"`
}

// HourCount is a number of sessions last used in an hour.
type HourCount struct {
	Hour  time.Time `json:"hour"` // its begin, UTC
	Count int       `json:"count"`
}

// OwnerCount is an owner with the number of its sessions.
type OwnerCount struct {
	OwnerID string `json:"owner_id"`
	Count   int    `json:"count"`
}

// NewProfile returns the Profile of no sessions.
func NewProfile() Profile {
	groups := len(AgeBounds()) + 1
	return Profile{
		Active: make([]int, groups), Inactive: make([]int, groups), Deactivate: make([]int, ForecastDays), Delete: make([]int, ForecastDays),
		Hours: []HourCount{}, Owners: []OwnerCount{},
	}
}

// ProfileOf returns the Profile of the given sessions. It defines what Profiler.Profile returns.
func ProfileOf(all iter.Seq[Session], c Cutoffs) Profile {
	p := NewProfile()
	hours, owners := map[time.Time]int{}, map[string]int{}
	for s := range all {
		group := 0
		for _, bound := range AgeBounds() {
			if c.Now.Sub(s.LastActivity) >= bound {
				group++
			}
		}
		if s.Active {
			p.Active[group]++
		} else {
			p.Inactive[group]++
		}
		c.foresee(p.Deactivate, c.DeactivateAt(s))
		c.foresee(p.Delete, c.DeleteAt(s))
		if s.LastActivity.After(c.Now.Add(-ActivityDays*aDay)) && !s.LastActivity.After(c.Now) {
			hours[s.LastActivity.UTC().Truncate(time.Hour)]++
		}
		if s.OwnerID != "" {
			owners[s.OwnerID]++
		}
	}
	for hour, n := range hours {
		p.Hours = append(p.Hours, HourCount{hour, n})
	}
	slices.SortFunc(p.Hours, func(a, b HourCount) int { return a.Hour.Compare(b.Hour) })
	for owner, n := range owners {
		p.Owners = append(p.Owners, OwnerCount{owner, n})
	}
	slices.SortFunc(p.Owners, func(a, b OwnerCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.OwnerID, b.OwnerID))
	})
	p.Owners = p.Owners[:min(len(p.Owners), TopOwners)]
	return p
}

// foresee counts what happens at a time; zero is never.
func (c Cutoffs) foresee(days []int, at time.Time) {
	if at.IsZero() {
		return
	}
	if day := max(at.Sub(c.Now), 0) / aDay; day < time.Duration(len(days)) {
		days[day]++
	}
}

// Analytics shows how the sessions develop over time.
type Analytics struct {
	History []Day     // the last HistoryDays with runs that did something, oldest first
	At      time.Time // the store's clock when the sessions were profiled
	Profile Profile
}

// Analytics returns the history and the profile of all sessions. Computing the profile takes at most 5% of one core,
// however often and by however many processes it is called; Analytics.At says how old the profile is. ErrNotCounted
// means that there is no profile yet. It fails with errors.ErrUnsupported unless the store is a Profiler and has
// Values.
func (m *Manager) Analytics(ctx context.Context) (Analytics, error) { return m.analytics(ctx, "") }

// TaggedAnalytics returns the profile of the sessions that tags select, as Filter.Tags does, without a history. It
// reads every session on each call.
func (m *Manager) TaggedAnalytics(ctx context.Context, tags string) (Analytics, error) {
	return m.analytics(ctx, tags)
}

func (m *Manager) analytics(ctx context.Context, tags string) (Analytics, error) {
	const operation = "analyze sessions"
	if err := m.allowAll(operation); err != nil {
		return Analytics{}, err
	}
	profiler, err := storeAs[Profiler](m, operation, "has no profile")
	if err != nil {
		return Analytics{}, err
	}
	thresholds := m.policy.Thresholds()
	if tags != "" { // another value for each filter would fill the store
		if err := m.filterTags(operation, tags); err != nil {
			return Analytics{}, err
		}
		var a Analytics
		if a.At, err = m.store.Now(ctx); err == nil {
			a.Profile, err = profiler.Profile(ctx, thresholds, tags)
		}
		return wrapped(operation, a, err)
	}
	history, err := m.history(ctx, operation)
	if err != nil {
		return Analytics{}, err
	}
	s, err := share(ctx, m, fmt.Sprintf("profile %v %v", thresholds.Inactive, thresholds.Delete), func(ctx context.Context) (Profile, error) {
		return profiler.Profile(ctx, thresholds, "")
	})
	return wrapped(operation, Analytics{History: history, At: s.At, Profile: s.Value}, err)
}
