package storetest

import (
	"math/rand/v2"
	"os"
	"strconv"
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

// generator starts from the seed, which it notes for whoever reads a failure.
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

// pick gives one of the values.
func pick[E any](g *generator, values ...E) E { return values[g.IntN(len(values))] }

// chance holds in so many of 100 cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// names has what a list must order byte by byte, find literally, or do without.
func names() []string {
	return []string{"", "alpha", "Beta", "beta", "100 %", "100 percent", "a_b", "axb", `back\slash`, `it's "quoted"`, "Éclair", "été", "zebra 🦓"}
}

// session gives a random session with this number. Times stay away from those that pass while a check runs: an
// hour ago, where throttled touches change their mind, and the seconds to come.
func (g *generator) session(n int) sessioncleanup.Session {
	f := g.f
	s := f.session(n, g.chance(50), g.lastActivity())
	s.OwnerID = pick(g, "", f.owner(1), f.owner(2), f.owner(3))
	s.Name = pick(g, names()...)
	s.Code = pick(g, "", "A1", "a2", "B%", "c_3", s.Code)
	s.AutoCleanup = g.chance(85)
	s.CreatedAt = f.now.Add(-100*day - time.Duration(g.IntN(20))*time.Hour)
	if g.chance(40) {
		s.ExpiresAt = g.expiry()
	}
	return s
}

func (g *generator) lastActivity() time.Time {
	f := g.f
	near := time.Duration(g.IntN(5)-2) * tick
	return pick(g,
		f.now.Add(-time.Duration(2+g.IntN(40))*time.Minute),
		f.now.Add(-time.Duration(2+g.IntN(20))*time.Hour),
		f.cut.Inactive.Add(near),
		f.now.Add(-time.Duration(25+g.IntN(600))*time.Hour),
		f.cut.Delete.Add(near),
		f.now.Add(-time.Duration(31+g.IntN(60))*day-near),
	)
}

func (g *generator) expiry() time.Time {
	f := g.f
	near := time.Duration(g.IntN(5)-2) * tick
	return pick(g,
		f.now.Add(time.Duration(1+g.IntN(90))*time.Hour),
		f.now.Add(-time.Duration(g.IntN(5))*tick),
		f.now.Add(-time.Duration(1+g.IntN(700))*time.Hour),
		f.cut.Delete.Add(near),
		f.now.Add(-time.Duration(31+g.IntN(60))*day),
	)
}
