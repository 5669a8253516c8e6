package sessioncleanup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestChangeApply(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)
	ms := now.Truncate(time.Millisecond)
	used, past, future := ms.Add(-time.Hour), ms.Add(-time.Minute), ms.Add(time.Minute)
	base := sessioncleanup.Session{ID: "1", AutoCleanup: true, LastActivity: used}
	with := func(change func(*sessioncleanup.Session)) sessioncleanup.Session {
		s := base
		change(&s)
		return s
	}
	expiring := func(at time.Time) sessioncleanup.Session {
		return with(func(s *sessioncleanup.Session) { s.ExpiresAt = at })
	}
	reactivated := func(expires time.Time) sessioncleanup.Session {
		return with(func(s *sessioncleanup.Session) { s.Active, s.LastActivity, s.ExpiresAt = true, ms, expires })
	}
	active := with(func(s *sessioncleanup.Session) { s.Active, s.ExpiresAt = true, past })
	ahead := with(func(s *sessioncleanup.Session) { s.LastActivity = future })
	for name, c := range map[string]struct {
		change sessioncleanup.Change
		s      sessioncleanup.Session
		want   sessioncleanup.Session
	}{
		"nothing":                            {sessioncleanup.Change{}, base, base},
		"deactivate keeps the expiry":        {sessioncleanup.Change{Active: new(false)}, active, expiring(past)},
		"deactivate an inactive session":     {sessioncleanup.Change{Active: new(false)}, base, base},
		"reactivate":                         {sessioncleanup.Change{Active: new(true)}, base, reactivated(time.Time{})},
		"reactivate an active session":       {sessioncleanup.Change{Active: new(true)}, active, active},
		"reactivate, expired":                {sessioncleanup.Change{Active: new(true)}, expiring(past), reactivated(time.Time{})},
		"reactivate, expires now":            {sessioncleanup.Change{Active: new(true)}, expiring(ms), reactivated(time.Time{})},
		"reactivate, expires later":          {sessioncleanup.Change{Active: new(true)}, expiring(future), reactivated(future)},
		"reactivate with a new expiry":       {sessioncleanup.Change{Active: new(true), ExpiresAt: &future}, expiring(past), reactivated(future)},
		"reactivate with a past expiry":      {sessioncleanup.Change{Active: new(true), ExpiresAt: &past}, base, reactivated(past)},
		"reactivate without an expiry":       {sessioncleanup.Change{Active: new(true), ExpiresAt: &time.Time{}}, expiring(future), reactivated(time.Time{})},
		"reactivate, used in the future":     {sessioncleanup.Change{Active: new(true)}, ahead, with(func(s *sessioncleanup.Session) { s.Active, s.LastActivity = true, future })},
		"protect":                            {sessioncleanup.Change{AutoCleanup: new(false)}, base, with(func(s *sessioncleanup.Session) { s.AutoCleanup = false })},
		"set an expiry, cut to milliseconds": {sessioncleanup.Change{ExpiresAt: &now}, base, expiring(ms)},
		"remove the expiry":                  {sessioncleanup.Change{ExpiresAt: &time.Time{}}, expiring(future), base},
		"everything at once": {sessioncleanup.Change{Active: new(true), AutoCleanup: new(false), ExpiresAt: &future}, base,
			with(func(s *sessioncleanup.Session) {
				s.Active, s.AutoCleanup, s.LastActivity, s.ExpiresAt = true, false, ms, future
			})},
	} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("elsewhere", 3600)} {
			if diff := cmp.Diff(c.want, c.change.Apply(c.s, now.In(zone))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestTouchApply(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)
	ms := now.Truncate(time.Millisecond)
	reactivate := &sessioncleanup.Cause{Actor: "system"}
	session := func(active, protected bool, ago time.Duration) sessioncleanup.Session {
		return sessioncleanup.Session{ID: "1", OwnerID: "ann", Active: active, AutoCleanup: !protected, LastActivity: ms.Add(-ago)}
	}
	expired := session(false, false, time.Hour)
	expired.ExpiresAt = ms
	for name, c := range map[string]struct {
		touch   sessioncleanup.Touch
		s, want sessioncleanup.Session
		written bool
	}{
		"used long ago":                   {sessioncleanup.Touch{Interval: time.Minute}, session(true, false, time.Hour), session(true, false, 0), true},
		"used an interval ago":            {sessioncleanup.Touch{Interval: time.Minute}, session(true, false, time.Minute), session(true, false, 0), true},
		"used less than an interval ago":  {sessioncleanup.Touch{Interval: time.Minute}, session(true, false, time.Minute-1), session(true, false, time.Minute-1), false},
		"used now, no interval":           {sessioncleanup.Touch{}, session(true, false, 0), session(true, false, 0), true},
		"used in the future, no interval": {sessioncleanup.Touch{}, session(true, false, -time.Hour), session(true, false, -time.Hour), false},
		"a negative interval is none":     {sessioncleanup.Touch{Interval: -2 * time.Hour}, session(true, false, -time.Hour), session(true, false, -time.Hour), false},
		"the owner's own":                 {sessioncleanup.Touch{OwnerID: "ann"}, session(true, false, time.Hour), session(true, false, 0), true},
		"another owner's":                 {sessioncleanup.Touch{OwnerID: "bob", Reactivate: reactivate}, session(false, false, time.Hour), session(false, false, time.Hour), false},
		"inactive stays inactive":         {sessioncleanup.Touch{}, session(false, false, time.Hour), session(false, false, 0), true},
		"inactive, reactivated":           {sessioncleanup.Touch{Reactivate: reactivate}, session(false, false, time.Hour), session(true, false, 0), true},
		"reactivated within the interval": {sessioncleanup.Touch{Interval: time.Minute, Reactivate: reactivate}, session(false, false, time.Second), session(true, false, 0), true},
		"reactivated, used in the future": {sessioncleanup.Touch{Reactivate: reactivate}, session(false, false, -time.Hour), session(true, false, -time.Hour), true},
		"reactivated, expired":            {sessioncleanup.Touch{Reactivate: reactivate}, expired, session(true, false, 0), true},
		"protected is only touched":       {sessioncleanup.Touch{Reactivate: reactivate}, session(false, true, time.Hour), session(false, true, 0), true},
		"protected within the interval":   {sessioncleanup.Touch{Interval: time.Minute, Reactivate: reactivate}, session(false, true, time.Second), session(false, true, time.Second), false},
	} {
		got, written := c.touch.Apply(c.s, now)
		if diff := cmp.Diff(c.want, got); diff != "" || written != c.written {
			t.Errorf("%s: written is %v, want %v (-want +got):\n%s", name, written, c.written, diff)
		}
	}
}

func TestLeaseApply(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	until := now.Add(time.Minute)
	lease := func(holder string, epoch int64, expires time.Time) sessioncleanup.Lease {
		return sessioncleanup.Lease{Name: "n", Holder: holder, Epoch: epoch, ExpiresAt: expires}
	}
	ask := func(holder string, ttl time.Duration) sessioncleanup.LeaseRequest {
		return sessioncleanup.LeaseRequest{Name: "n", Holder: holder, TTL: ttl}
	}
	for name, c := range map[string]struct {
		l    sessioncleanup.Lease
		r    sessioncleanup.LeaseRequest
		want sessioncleanup.Lease
	}{
		"first":                        {sessioncleanup.Lease{}, ask("a", time.Minute), lease("a", 1, until)},
		"renewed":                      {lease("a", 3, now.Add(time.Second)), ask("a", time.Minute), lease("a", 3, until)},
		"renewed for less":             {lease("a", 3, now.Add(time.Hour)), ask("a", time.Minute), lease("a", 3, until)},
		"renewed after it expired":     {lease("a", 3, now.Add(-time.Hour)), ask("a", time.Minute), lease("a", 3, until)},
		"taken at the moment it ends":  {lease("a", 3, now), ask("b", time.Minute), lease("b", 4, until)},
		"released":                     {lease("a", 3, until), ask("a", 0), lease("", 3, time.Time{})},
		"released after it expired":    {lease("a", 3, now.Add(-time.Hour)), ask("a", 0), lease("", 3, time.Time{})},
		"released by somebody else":    {lease("a", 3, until), ask("b", 0), lease("a", 3, until)},
		"released, never taken":        {sessioncleanup.Lease{}, ask("a", 0), lease("", 0, time.Time{})},
		"taken by another after that":  {lease("", 3, time.Time{}), ask("b", time.Minute), lease("b", 4, until)},
		"taken by the same after that": {lease("", 3, time.Time{}), ask("a", time.Minute), lease("a", 4, until)},
	} {
		got, err := c.l.Apply(c.r, now.In(time.FixedZone("elsewhere", 3600)))
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	_, err := lease("a", 3, until).Apply(ask("b", time.Hour), now)
	held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err)
	want := &sessioncleanup.LeaseHeldError{Name: "n", Holder: "a", Until: until, Remaining: time.Minute}
	if diff := cmp.Diff(want, held); !ok || diff != "" || !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
		t.Errorf("held by another: %v (-want +got):\n%s", err, diff)
	}
	for _, r := range []sessioncleanup.LeaseRequest{{Holder: "a", TTL: 1}, {Name: "n", TTL: 1}, {Name: "n", Holder: "a", TTL: -1}} {
		if _, err := (sessioncleanup.Lease{}).Apply(r, now); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", r, err)
		}
	}
}

func TestLeaseGuards(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	held := sessioncleanup.Lease{Name: "n", Holder: "a", Epoch: 3, ExpiresAt: now.Add(time.Second)}
	for name, c := range map[string]struct {
		stored, batch sessioncleanup.Lease
		now           time.Time
		want          bool
	}{
		"held":             {held, held, now, true},
		"renewed since":    {sessioncleanup.Lease{Name: "n", Holder: "a", Epoch: 3, ExpiresAt: now.Add(time.Hour)}, held, now.Add(time.Minute), true},
		"at its end":       {held, held, held.ExpiresAt, false},
		"another holder":   {sessioncleanup.Lease{Name: "n", Holder: "b", Epoch: 3, ExpiresAt: held.ExpiresAt}, held, now, false},
		"another epoch":    {sessioncleanup.Lease{Name: "n", Holder: "a", Epoch: 4, ExpiresAt: held.ExpiresAt}, held, now, false},
		"released":         {sessioncleanup.Lease{Name: "n", Epoch: 3}, held, now, false},
		"never taken":      {sessioncleanup.Lease{}, held, now, false},
		"none is required": {sessioncleanup.Lease{}, sessioncleanup.Lease{}, now, true},
	} {
		if got := c.stored.Guards(c.batch, c.now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
