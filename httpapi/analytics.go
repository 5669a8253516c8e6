package httpapi

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

type analyticsAnswer struct {
	Success bool                        `json:"success"`
	At      time.Time                   `json:"at"`      // when the sessions were profiled
	History []sessioncleanup.Day        `json:"history"` // oldest first
	Ages    []ageGroup                  `json:"ages"`
	Ahead   []aheadDay                  `json:"forecast"` // for each of the next days
	Hours   []sessioncleanup.HourCount  `json:"hours"`
	Owners  []sessioncleanup.OwnerCount `json:"owners"`
}

// ageGroup are the sessions last used at least so many hours ago, and less than those of the next group.
type ageGroup struct {
	Hours    float64 `json:"from_hours"`
	Active   int     `json:"active"`
	Inactive int     `json:"inactive"`
}

type aheadDay struct {
	Deactivate int `json:"deactivate"`
	Delete     int `json:"delete"`
}

// analytics serves GET /analytics.
func (c *call) analytics() error {
	tags, err := tagFilter("tags", c.values.Get("tags"))
	if err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	a, err := c.profile(ctx, tags)
	if err != nil {
		return tagFault(err)
	}
	out := analyticsAnswer{Success: true, At: a.At, History: append([]sessioncleanup.Day{}, a.History...), Hours: a.Profile.Hours, Owners: a.Profile.Owners}
	for i, bound := range append([]time.Duration{0}, sessioncleanup.AgeBounds()...) {
		out.Ages = append(out.Ages, ageGroup{bound.Hours(), a.Profile.Active[i], a.Profile.Inactive[i]})
	}
	for i, n := range a.Profile.Deactivate {
		out.Ahead = append(out.Ahead, aheadDay{n, a.Profile.Delete[i]})
	}
	return c.reply(out)
}

// profile is the profile of all sessions with the history, or that of those that tags select.
func (c *call) profile(ctx context.Context, tags string) (sessioncleanup.Analytics, error) {
	if tags == "" {
		return c.m.Analytics(ctx)
	}
	if err := c.m.PermitAll(); err != nil { // the profiles are shared: whoever asks may see all
		return sessioncleanup.Analytics{}, err
	}
	a, _, err := c.profiles.get(ctx, tags, func(ctx context.Context) (sessioncleanup.Analytics, error) { return c.m.TaggedAnalytics(ctx, tags) })
	return a, err
}
