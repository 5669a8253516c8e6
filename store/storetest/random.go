package storetest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// seedVariable names the environment variable that changes the random data.
const seedVariable = "SESSIONCLEANUP_TEST_SEED"

const defaultSeed = 20240229

// generator makes random sessions, most of them close to a moment at which their status changes.
type generator struct {
	f *fixture
	*rand.Rand
}

// generator starts from the seed, and logs it for the reader of a failure.
func (f *fixture) generator() *generator {
	f.Helper()
	seed := uint64(defaultSeed)
	if value := os.Getenv(seedVariable); value != "" {
		var err error
		if seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			f.Fatalf("%s is %q: want a whole number", seedVariable, value)
		}
	}
	f.Logf("random data with %s=%d", seedVariable, seed)
	return &generator{f, rand.New(rand.NewPCG(seed, 0))}
}

// stock inserts n random sessions and returns the model of them.
func (f *fixture) stock(n int) *model {
	f.Helper()
	return f.hold(many(1, n, f.generator().session)...)
}

// fewer is how many random cases a check tries: all, or some with -short. The flaws of this package's own tests must be noticed
// by either.
func fewer(all, some int) int {
	if testing.Short() {
		return some
	}
	return all
}

// pick returns one of the values.
func pick[E any](g *generator, values ...E) E { return values[g.IntN(len(values))] }

// chance is true in this many of 100 cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// names are difficult to order byte by byte, to find literally, or to do without.
func names() []string {
	return []string{"", "alpha", "Beta", "beta", "100 %", "100 percent", "a_b", "axb", `back\slash`, `it's "quoted"`, "Éclair", "été", "zebra 🦓"}
}

// session returns a random session with this number. Its times keep away from those that pass while a check runs: an hour
// ago, where throttled touches start to be written, and the seconds to come.
func (g *generator) session(n int) sessioncleanup.Session {
	f := g.f
	s := f.session(n, g.chance(50), g.lastActivity())
	s.OwnerID = pick(g, "", f.owner(1), f.owner(2), f.owner(3))
	s.Name = pick(g, names()...)
	s.Code = pick(g, "", "A1", "a2", "B%", "c_3", s.Code)
	s.AutoCleanup = g.chance(85)
	s.CreatedAt = f.now.Add(-100*day - time.Duration(g.IntN(20))*time.Hour)
	if g.chance(55) {
		s.ExpiresAt = g.expiry()
	}
	if !s.Active {
		s.DeactivatedAt = g.deactivation(s.LastActivity)
	}
	return s
}

// deactivation is when a session was deactivated that was last used at the given time; often before the table was
// adopted, now and then unknown.
func (g *generator) deactivation(lastActivity time.Time) time.Time {
	f := g.f
	return pick(g,
		time.Time{}, time.Unix(0, 0), time.Unix(0, 0), time.Unix(0, 0), time.Unix(0, 0), lastActivity, lastActivity,
		f.cut.Delete.Add(g.near()),
		f.now.Add(-time.Duration(1+g.IntN(700))*time.Hour),
		f.now.Add(-time.Duration(31+g.IntN(60))*day),
	)
}

func (g *generator) lastActivity() time.Time {
	f := g.f
	if g.chance(3) { // somebody wants to keep it
		return f.Latest
	}
	if g.chance(5) { // the clock was moved back, or the application sets what it likes
		return f.now.Add(time.Duration(1+g.IntN(50)) * time.Hour)
	}
	return pick(g,
		f.now.Add(-time.Duration(2+g.IntN(40))*time.Minute),
		f.now.Add(-time.Duration(2+g.IntN(20))*time.Hour),
		f.cut.Inactive.Add(g.near()),
		f.now.Add(-time.Duration(25+g.IntN(600))*time.Hour),
		f.cut.Delete.Add(g.near()),
		f.now.Add(-time.Duration(31+g.IntN(60))*day-g.near()),
	)
}

func (g *generator) expiry() time.Time {
	f := g.f
	return pick(g,
		f.now.Add(time.Duration(1+g.IntN(90))*time.Hour),
		f.now.Add(-time.Duration(g.IntN(5))*tick),
		f.now.Add(-time.Duration(1+g.IntN(700))*time.Hour),
		f.cut.Delete.Add(g.near()),
		f.now.Add(-time.Duration(31+g.IntN(60))*day),
	)
}

// near is a difference of a few ticks, or none.
func (g *generator) near() time.Duration { return time.Duration(g.IntN(5)-2) * tick }

// change returns a random change of a session, most of them such that something changes.
func (g *generator) change(s sessioncleanup.Session) sessioncleanup.Change {
	c := sessioncleanup.Change{Cause: person("random"), Action: pick(g, sessioncleanup.Actions()...)}
	if g.chance(70) {
		c.Active = sessioncleanup.SwitchOf(s.Active != g.chance(75))
	}
	if g.chance(30) {
		c.AutoCleanup = sessioncleanup.SwitchOf(s.AutoCleanup != g.chance(75))
	}
	if g.chance(40) {
		fine := g.expiry().Add(time.Duration(g.IntN(1000)) * time.Microsecond)
		c.ExpiresAt = new(pick(g, time.Time{}, s.ExpiresAt, fine, fine).In(time.FixedZone("elsewhere", 7*3600)))
	}
	return c
}
