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
	closed := ms.Add(-time.Second)
	base := sessioncleanup.Session{ID: "1", AutoCleanup: true, LastActivity: used, DeactivatedAt: closed}
	with := func(change func(*sessioncleanup.Session)) sessioncleanup.Session {
		s := base
		change(&s)
		return s
	}
	expiring := func(at time.Time) sessioncleanup.Session {
		return with(func(s *sessioncleanup.Session) { s.ExpiresAt = at })
	}
	reactivated := func(expires time.Time) sessioncleanup.Session {
		return with(func(s *sessioncleanup.Session) {
			s.Active, s.LastActivity, s.ExpiresAt, s.DeactivatedAt = true, ms, expires, time.Time{}
		})
	}
	active := with(func(s *sessioncleanup.Session) { s.Active, s.ExpiresAt, s.DeactivatedAt = true, past, time.Time{} })
	unknown := with(func(s *sessioncleanup.Session) { s.DeactivatedAt = time.Time{} })
	ahead := with(func(s *sessioncleanup.Session) { s.LastActivity = future })
	for name, c := range map[string]struct {
		change sessioncleanup.Change
		s      sessioncleanup.Session
		want   sessioncleanup.Session
	}{
		"nothing":                            {sessioncleanup.Change{}, base, base},
		"deactivate keeps the expiry":        {sessioncleanup.Change{Active: sessioncleanup.Off}, active, with(func(s *sessioncleanup.Session) { s.ExpiresAt, s.DeactivatedAt = past, ms })},
		"deactivate an inactive session":     {sessioncleanup.Change{Active: sessioncleanup.Off}, base, base},
		"deactivate, unknown since when":     {sessioncleanup.Change{Active: sessioncleanup.Off}, unknown, unknown},
		"reactivate, unknown since when":     {sessioncleanup.Change{Active: sessioncleanup.On}, unknown, reactivated(time.Time{})},
		"reactivate":                         {sessioncleanup.Change{Active: sessioncleanup.On}, base, reactivated(time.Time{})},
		"reactivate an active session":       {sessioncleanup.Change{Active: sessioncleanup.On}, active, active},
		"reactivate, expired":                {sessioncleanup.Change{Active: sessioncleanup.On}, expiring(past), reactivated(time.Time{})},
		"reactivate, expires now":            {sessioncleanup.Change{Active: sessioncleanup.On}, expiring(ms), reactivated(time.Time{})},
		"reactivate, expires later":          {sessioncleanup.Change{Active: sessioncleanup.On}, expiring(future), reactivated(future)},
		"reactivate with a new expiry":       {sessioncleanup.Change{Active: sessioncleanup.On, ExpiresAt: &future}, expiring(past), reactivated(future)},
		"reactivate with a past expiry":      {sessioncleanup.Change{Active: sessioncleanup.On, ExpiresAt: &past}, base, reactivated(past)},
		"reactivate without an expiry":       {sessioncleanup.Change{Active: sessioncleanup.On, ExpiresAt: &time.Time{}}, expiring(future), reactivated(time.Time{})},
		"reactivate, used in the future":     {sessioncleanup.Change{Active: sessioncleanup.On}, ahead, with(func(s *sessioncleanup.Session) { s.Active, s.LastActivity, s.DeactivatedAt = true, future, time.Time{} })},
		"protect":                            {sessioncleanup.Change{AutoCleanup: sessioncleanup.Off}, base, with(func(s *sessioncleanup.Session) { s.AutoCleanup = false })},
		"set an expiry, cut to milliseconds": {sessioncleanup.Change{ExpiresAt: &now}, base, expiring(ms)},
		"remove the expiry":                  {sessioncleanup.Change{ExpiresAt: &time.Time{}}, expiring(future), base},
		"everything at once": {sessioncleanup.Change{Active: sessioncleanup.On, AutoCleanup: sessioncleanup.Off, ExpiresAt: &future}, base,
			with(func(s *sessioncleanup.Session) {
				s.Active, s.AutoCleanup, s.LastActivity, s.ExpiresAt, s.DeactivatedAt = true, false, ms, future, time.Time{}
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
	// Inactive sessions were deactivated ten minutes ago.
	session := func(active, protected bool, ago time.Duration) sessioncleanup.Session {
		s := sessioncleanup.Session{ID: "1", OwnerID: "ann", Active: active, AutoCleanup: !protected, LastActivity: ms.Add(-ago)}
		if !active {
			s.DeactivatedAt = ms.Add(-10 * time.Minute)
		}
		return s
	}
	expired := session(false, false, time.Hour)
	expired.ExpiresAt = ms
	for name, c := range map[string]struct {
		touch   sessioncleanup.Touch
		ago     time.Duration
		byRun   bool
		s, want sessioncleanup.Session
		written bool
	}{
		"used long ago":                   {touch: sessioncleanup.Touch{Interval: time.Minute}, s: session(true, false, time.Hour), want: session(true, false, 0), written: true},
		"used an interval ago":            {touch: sessioncleanup.Touch{Interval: time.Minute}, s: session(true, false, time.Minute), want: session(true, false, 0), written: true},
		"used less than an interval ago":  {touch: sessioncleanup.Touch{Interval: time.Minute}, s: session(true, false, time.Minute-1), want: session(true, false, time.Minute-1)},
		"used now, no interval":           {s: session(true, false, 0), want: session(true, false, 0), written: true},
		"used in the future, no interval": {s: session(true, false, -time.Hour), want: session(true, false, -time.Hour)},
		"a touch from before":             {ago: time.Hour, s: session(true, false, time.Minute), want: session(true, false, time.Minute)},
		"a touch from a while ago":        {ago: time.Minute, s: session(true, false, time.Hour), want: session(true, false, time.Minute), written: true},
		"a negative interval is none":     {touch: sessioncleanup.Touch{Interval: -2 * time.Hour}, s: session(true, false, -time.Hour), want: session(true, false, -time.Hour)},
		"the owner's own":                 {touch: sessioncleanup.Touch{OwnerID: "ann"}, s: session(true, false, time.Hour), want: session(true, false, 0), written: true},
		"another owner's":                 {touch: sessioncleanup.Touch{OwnerID: "bob", Reactivate: reactivate}, byRun: true, s: session(false, false, time.Hour), want: session(false, false, time.Hour)},
		"inactive stays inactive":         {byRun: true, s: session(false, false, time.Hour), want: session(false, false, 0), written: true},
		"inactive, reactivated":           {touch: sessioncleanup.Touch{Reactivate: reactivate}, byRun: true, s: session(false, false, time.Hour), want: session(true, false, 0), written: true},
		"closed by somebody":              {touch: sessioncleanup.Touch{Reactivate: reactivate}, s: session(false, false, time.Hour), want: session(false, false, 0), written: true},
		"used before the deactivation":    {touch: sessioncleanup.Touch{Reactivate: reactivate}, byRun: true, ago: 11 * time.Minute, s: session(false, false, time.Hour), want: session(false, false, 11*time.Minute), written: true},
		"used at the deactivation":        {touch: sessioncleanup.Touch{Reactivate: reactivate}, byRun: true, ago: 10 * time.Minute, s: session(false, false, time.Hour), want: session(false, false, 10*time.Minute), written: true},
		"used just after it":              {touch: sessioncleanup.Touch{Reactivate: reactivate}, byRun: true, ago: 10*time.Minute - time.Millisecond, s: session(false, false, time.Hour), want: session(true, false, 10*time.Minute-time.Millisecond), written: true},
		"reactivated within the interval": {touch: sessioncleanup.Touch{Interval: time.Minute, Reactivate: reactivate}, byRun: true, s: session(false, false, time.Second), want: session(true, false, 0), written: true},
		"reactivated, used in the future": {touch: sessioncleanup.Touch{Reactivate: reactivate}, byRun: true, s: session(false, false, -time.Hour), want: session(true, false, -time.Hour), written: true},
		"reactivated, expired":            {touch: sessioncleanup.Touch{Reactivate: reactivate}, byRun: true, s: expired, want: session(true, false, 0), written: true},
		"protected is only touched":       {touch: sessioncleanup.Touch{Reactivate: reactivate}, byRun: true, s: session(false, true, time.Hour), want: session(false, true, 0), written: true},
		"protected within the interval":   {touch: sessioncleanup.Touch{Interval: time.Minute, Reactivate: reactivate}, byRun: true, s: session(false, true, time.Second), want: session(false, true, time.Second)},
	} {
		got, written := c.touch.Apply(c.s, now.Add(-c.ago), c.byRun)
		if diff := cmp.Diff(c.want, got); diff != "" || written != c.written {
			t.Errorf("%s: written is %v, want %v (-want +got):\n%s", name, written, c.written, diff)
		}
	}
}

func TestTouchAt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if got := (sessioncleanup.Touch{IDs: []string{"1"}}).At(0, now); !got.Equal(now) {
		t.Errorf("without Ago: %v, want %v", got, now)
	}
	touch := sessioncleanup.Touch{IDs: []string{"1", "2", "3"}, Ago: []time.Duration{time.Hour, 0, -time.Hour}}
	for i, want := range []time.Time{now.Add(-time.Hour), now, now} {
		if got := touch.At(i, now); !got.Equal(want) {
			t.Errorf("%v ago: %v, want %v", touch.Ago[i], got, want)
		}
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)
	ms := now.Truncate(time.Millisecond)
	used, closed, other := ms.Add(-time.Hour), ms.Add(-time.Minute), ms.Add(-time.Second)
	session := func(active bool, used, deactivated time.Time) sessioncleanup.Session {
		return sessioncleanup.Session{ID: "1", Active: active, LastActivity: used, DeactivatedAt: deactivated}
	}
	active, inactive := session(true, used, time.Time{}), session(false, used, closed)
	for name, c := range map[string]struct{ was, is, want sessioncleanup.Session }{
		"closed":                            {active, session(false, used, time.Time{}), session(false, used, ms)},
		"closed, and said when":             {active, session(false, used, other), session(false, used, other)},
		"closed, used at once":              {active, session(false, other, time.Time{}), session(false, other, ms)},
		"opened":                            {inactive, session(true, used, closed), session(true, ms, time.Time{})},
		"opened, and said when it was used": {inactive, session(true, other, closed), session(true, other, time.Time{})},
		"opened, used in the future":        {session(false, ms.Add(time.Hour), closed), session(true, ms.Add(time.Hour), closed), session(true, ms.Add(time.Hour), time.Time{})},
		"stays active":                      {active, session(true, other, time.Time{}), session(true, other, time.Time{})},
		"stays inactive":                    {inactive, session(false, other, closed), session(false, other, closed)},
		"stays inactive, and said when":     {inactive, session(false, used, other), session(false, used, other)},
		"inactive since an unknown time":    {session(false, used, time.Time{}), session(false, other, time.Time{}), session(false, other, time.Time{})},
	} {
		if diff := cmp.Diff(c.want, c.is.Observe(c.was, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLeaseApply(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	until := now.Add(time.Minute)
	lease := func(holder string, epoch int64, expires time.Time) sessioncleanup.Lease {
		l := sessioncleanup.Lease{Name: "n", Holder: holder, Epoch: epoch, ExpiresAt: expires}
		if holder != "" {
			l.TTL = time.Minute
		}
		return l
	}
	from := func(l sessioncleanup.Lease, holder string) sessioncleanup.Lease {
		l.Replaced = holder
		return l
	}
	ask := func(holder string, ttl time.Duration) sessioncleanup.LeaseRequest {
		return sessioncleanup.LeaseRequest{Name: "n", Holder: holder, TTL: ttl}
	}
	for name, c := range map[string]struct {
		l    sessioncleanup.Lease
		r    sessioncleanup.LeaseRequest
		want sessioncleanup.Lease
	}{
		"first":                       {sessioncleanup.Lease{}, ask("a", time.Minute), lease("a", 1, until)},
		"renewed":                     {lease("a", 3, now.Add(time.Second)), ask("a", time.Minute), lease("a", 3, until)},
		"renewed for less":            {lease("a", 3, now.Add(time.Hour)), ask("a", time.Minute), lease("a", 3, until)},
		"renewed after it expired":    {lease("a", 3, now.Add(-time.Hour)), ask("a", time.Minute), lease("a", 3, until)},
		"taken at the moment it ends": {lease("a", 3, now), ask("b", time.Minute), from(lease("b", 4, until), "a")},
		"taken from a clock ahead":    {lease("a", 3, until.Add(2*time.Second)), ask("b", time.Minute), from(lease("b", 4, until), "a")},
		"taken from one without end": {sessioncleanup.Lease{Name: "n", Holder: "a", Epoch: 3, ExpiresAt: now.AddDate(90, 0, 0), TTL: 90 * 365 * 24 * time.Hour},
			ask("b", time.Minute), from(lease("b", 4, until), "a")},
		"kept, and once taken over":    {from(lease("a", 3, until), "z"), ask("a", time.Minute), lease("a", 3, until)},
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
	for _, r := range []sessioncleanup.LeaseRequest{{Holder: "a", TTL: 1}, {Name: "n", TTL: 1}, {Name: "n", Holder: "a", TTL: -1}, {Name: "n", Holder: "a", TTL: 2 * time.Hour}} {
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
