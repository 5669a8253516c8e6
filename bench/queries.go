package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// sessionQuery is one that a service with sessions asks all day.
type sessionQuery struct {
	name   string
	weight float64 // in the mix; 1 in all
	sql    string
	arg    func(s Sizes, n int) any // nil for a query without
}

// sessionQueries are the mix: most look for one session, some show lists.
var sessionQueries = []sessionQuery{
	{"by code", 0.50, "SELECT * FROM sessions WHERE code = $1 AND active", func(s Sizes, n int) any { return fmt.Sprintf("%X", 7919*s.alive(n)) }},
	{"by owner", 0.20, "SELECT * FROM sessions WHERE streamer_id = $1 ORDER BY created_at DESC", func(s Sizes, n int) any { return n % (s.Sessions/20 + 1) }},
	{"active, newest first", 0.20, "SELECT * FROM sessions WHERE active ORDER BY created_at DESC LIMIT 20", nil},
	{"count of active", 0.05, "SELECT count(*) FROM sessions WHERE active", nil},
	{"active with their activity", 0.05, `SELECT s.id, s.name, count(p.id), max(p.created_at) FROM sessions s
		LEFT JOIN propositions p ON p.session_id = s.id WHERE s.active GROUP BY s.id, s.name ORDER BY max(p.created_at) DESC LIMIT 20`, nil},
}

// The stages of a database's life, and the figure of both.
const (
	before = "before"
	after  = "after"
	meanMS = "ms"
	mix    = "mix" // of all queries, by their weights
)

// queries asks a service's own queries before and after a cleanup.
func (b *bench) queries(t *testing.T, e *engine) {
	beds := map[string]*bed{before: e.fresh(t, library), after: e.fresh(t, library)}
	_, err := beds[after].manager.Cleanup(t.Context(), sessioncleanup.Run{})
	check(t, err)
	beds[after].exec(t, e.vacuum)
	for round := range b.Rounds {
		total := map[string]float64{}
		for _, q := range sessionQueries {
			for _, stage := range rotated([]string{before, after}, round) {
				mean := q.mean(t, beds[stage])
				total[stage] += q.weight * mean
				b.results.add("queries, "+q.name, e.name, stage, meanMS, mean)
			}
		}
		for _, stage := range []string{before, after} {
			b.results.add("queries, "+mix, e.name, stage, meanMS, total[stage])
		}
	}
}

// mean is how long the query takes for one client that asks it again and again, in milliseconds.
func (q sessionQuery) mean(t *testing.T, b *bed) float64 {
	q.ask(t, b, 0) // the plan, and what is read for the first time
	started, asked := time.Now(), 0
	for random := rand.New(rand.NewPCG(1, 2)); asked == 0 || time.Since(started) < b.sizes.Period/4; asked++ {
		q.ask(t, b, random.Int()) // for the same sessions in both stages
	}
	return ms(time.Since(started)) / float64(asked)
}

func (q sessionQuery) ask(t *testing.T, b *bed, n int) {
	var args []any
	if q.arg != nil {
		args = []any{q.arg(b.sizes, n)}
	}
	rows, err := b.db.QueryContext(t.Context(), q.sql, args...)
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		// Rows are read as an application reads them; none is needed.
	}
	check(t, rows.Err())
}
