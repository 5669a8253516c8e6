package bench

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Sizes say how much is measured.
type Sizes struct {
	Sessions int           `json:"sessions"` // in each table
	Rounds   int           `json:"rounds"`   // of which medians are taken; in each, all contenders take turns
	Period   time.Duration `json:"period"`   // of one throughput or latency
}

// Full and Quick are the sizes of scripts/bench and of the module's test. Six rounds are the fewest whose median has an
// interval at 95 %. Full takes about 9 minutes on 2 cores that are busy with other work, and less on quiet ones.
var (
	Full  = Sizes{Sessions: 30_000, Rounds: 6, Period: 500 * time.Millisecond}
	Quick = Sizes{Sessions: 2_000, Rounds: 2, Period: 40 * time.Millisecond}
)

// Options say what is measured and where the results go.
type Options struct {
	Sizes
	Policy sessioncleanup.Policy // of the runs
	Docs   string                // the folder to write to
}

// bench is one measurement of everything.
type bench struct {
	Options
	results *Results
}

// Run measures everything, and writes results and page.
func Run(t *testing.T, o Options) {
	started := time.Now()
	engines := []*engine{newPostgres(t, o), newSQLite(t, o)}
	b := &bench{o, &Results{Setting: Setting{
		Machine: machine(t, engines), Sizes: o.Sizes, Share: o.Policy.WithDefaults().BusyShare, Started: started.UTC().Truncate(time.Second),
	}}}
	for _, e := range engines {
		step(t, e.name, func(t *testing.T) {
			step(t, "cleanup", func(t *testing.T) { b.cleanup(t, e) })
			step(t, "tracking", func(t *testing.T) { b.tracking(t, e) })
			step(t, "queries", func(t *testing.T) { b.queries(t, e) })
			step(t, "http", func(t *testing.T) { b.http(t, e) })
		})
	}
	b.results.Setting.Took = time.Since(started).Round(time.Second)
	check(t, b.results.write(filepath.Join(o.Docs, resultsFile)))
	Render(t, o.Docs)
}

// step runs a part whose databases end with it, and stops the whole run when it fails.
func step(t *testing.T, name string, work func(t *testing.T)) {
	t.Helper()
	if !t.Run(name, work) {
		t.FailNow()
	}
}

// rotated are the same values, begun with another one in each round, so that none always comes first.
func rotated[T any](values []T, round int) []T {
	at := round % len(values)
	return append(append([]T{}, values[at:]...), values[:at]...)
}
