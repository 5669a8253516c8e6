package httpapi

import (
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
	if _, err := c.query(); err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	a, err := c.m.Analytics(ctx)
	if err != nil {
		return err
	}
	out := analyticsAnswer{Success: true, At: a.At, History: a.History, Hours: a.Profile.Hours, Owners: a.Profile.Owners}
	for i, bound := range append([]time.Duration{0}, sessioncleanup.AgeBounds()...) {
		out.Ages = append(out.Ages, ageGroup{bound.Hours(), a.Profile.Active[i], a.Profile.Inactive[i]})
	}
	for i, n := range a.Profile.Deactivate {
		out.Ahead = append(out.Ahead, aheadDay{n, a.Profile.Delete[i]})
	}
	return c.reply(out)
}
