package postgres_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// due fills the guide's tables: of 500,000 sessions 94,000 are to be deactivated and 94,000 to be deleted; each has
// four activity rows.
func due(b *testing.B, pool *pgxpool.Pool) {
	b.Helper()
	count := scaled(500_000)
	mustExec(b, pool, "ALTER TABLE propositions DISABLE TRIGGER USER")
	mustExec(b, pool, `
		INSERT INTO sessions (id, name, active, created_at, last_activity)
		SELECT n, 'session ' || n, n % 1000 < 594, now() - interval '100 days',
		       now() - CASE WHEN n % 1000 < 188 THEN interval '2 days' WHEN n % 1000 >= 812 THEN interval '40 days' ELSE interval '1 hour' END
		  FROM generate_series(1, $1::int) n`, count)
	mustExec(b, pool, "INSERT INTO propositions (session_id, title) SELECT n, 'a song' FROM generate_series(1, $1::int) n, generate_series(1, 4)", count)
	mustExec(b, pool, "ALTER TABLE propositions ENABLE TRIGGER USER")
	mustExec(b, pool, "VACUUM ANALYZE")
	mustExec(b, pool, "CHECKPOINT")
}

// turns lets some work go on for a while, holds it back for as long, and so on: what slows the machine down for longer
// meets others with and without that work alike.
type turns struct {
	begun   time.Time
	worked  []span
	working bool
}

const turn = 3 * time.Second

type span struct{ from, to time.Time }

// next is called before each piece of the work. It waits while that is held back.
func (t *turns) next() {
	now := time.Now()
	if t.begun.IsZero() {
		t.begun = now
	}
	in := now.Sub(t.begun) % (2 * turn)
	if begun := now.Add(-in); t.working && t.worked[len(t.worked)-1].from.Before(begun) { // in a turn before
		t.end(begun)
	}
	if in < turn {
		time.Sleep(turn - in)
		now = time.Now()
	}
	if !t.working {
		t.worked, t.working = append(t.worked, span{from: now}), true
	}
}

func (t *turns) end(now time.Time) {
	if t.working {
		t.worked[len(t.worked)-1].to, t.working = now, false
	}
}

// tell gives how long the statements took that met the work, and those that did not.
func (t *turns) tell(statements []span) (busy, idle []time.Duration) {
	for _, s := range statements {
		if slices.ContainsFunc(t.worked, func(w span) bool { return s.from.Before(w.to) && w.from.Before(s.to) }) {
			busy = append(busy, s.to.Sub(s.from))
		} else {
			idle = append(idle, s.to.Sub(s.from))
		}
	}
	return busy, idle
}

// byTurns has a store clean up by turns, and looks how long its batches take.
type byTurns struct {
	sessioncleanup.Store
	turns   *turns
	longest time.Duration
}

func (s *byTurns) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	s.turns.next()
	out, err := s.Store.Sweep(ctx, b)
	s.longest = max(s.longest, out.Held)
	return out, err
}

// slowdown is how many times as long as without some work the slowest hundredth of statements takes that meets it.
func slowdown(b *testing.B, pool *pgxpool.Pool, work func(t *turns)) float64 {
	b.Helper()
	var t turns
	busy, idle := t.tell(foreground(b, pool, func() {
		work(&t)
		t.end(time.Now())
	}))
	return float64(percentile(busy, 0.99)) / float64(percentile(idle, 0.99))
}

// foreground has four clients use sessions that are not due, 100 times a second each, until told to stop; it gives
// when each statement began and ended.
func foreground(b *testing.B, pool *pgxpool.Pool, work func()) []span {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	var mu sync.Mutex
	var all []span
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				id := rand.IntN(scaled(500_000))/1000*1000 + 200 + rand.IntN(600)
				started := time.Now()
				if _, err := pool.Exec(context.WithoutCancel(ctx), "INSERT INTO propositions (session_id) SELECT id FROM sessions WHERE id = $1", id); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				all = append(all, span{started, time.Now()})
				mu.Unlock()
			}
		})
	}
	work()
	stop()
	wg.Wait()
	return all
}

// BenchmarkCleanup compares a run with one bare UPDATE plus DELETE of the same rows, on equal databases, and looks at
// the latency of others during the batches of a run and in between; and the same where the server counts numbers
// in place of them, which reads no table, holds no lock and writes nothing: so much is the processor's share.
func BenchmarkCleanup(b *testing.B) {
	server := benchServer(b, false)
	template := benchApp(b, server, true)
	due(b, template)
	from := template.Config().ConnConfig.Database
	template.Close()
	mustEnd(b, server, from)
	copied := func() *pgxpool.Pool {
		return connect(b, server.Database(b, from)+"&pool_max_conns=8&default_query_exec_mode=cache_statement")
	}
	storeOn := func(pool *pgxpool.Pool) sessioncleanup.Store {
		store, err := postgres.New(pool, postgres.Config{})
		if err != nil {
			b.Fatal(err)
		}
		return store
	}
	run := func(store sessioncleanup.Store) sessioncleanup.Result {
		manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BusyShare: *share}})
		if err != nil {
			b.Fatal(err)
		}
		result, err := manager.Cleanup(b.Context(), sessioncleanup.Run{})
		if err != nil {
			b.Fatal(err)
		}
		return result
	}
	var ratios, longest, cleaning, counting []float64
	var last sessioncleanup.Result
	for b.Loop() {
		for range *rounds {
			bare := timed(b, func(ctx context.Context) error { return bareCleanup(ctx, copied()) })
			last = run(storeOn(copied()))
			ratios = append(ratios, float64(last.Duration)/float64(bare))
			pool := copied()
			counting = append(counting, slowdown(b, pool, func(t *turns) {
				for started := time.Now(); time.Since(started) < 8*turn; t.next() {
					mustExec(b, pool, "SELECT count(*) FROM generate_series(1, 100000)")
				}
			}))
			cleaning = append(cleaning, slowdown(b, pool, func(t *turns) {
				store := &byTurns{Store: storeOn(pool), turns: t}
				run(store)
				longest = append(longest, float64(store.longest)/1e6)
			}))
		}
	}
	b.ReportMetric(median(ratios), "run/bare")
	b.ReportMetric(median(longest), "longest-ms")
	b.ReportMetric(median(cleaning), "p99-busy/idle")
	b.ReportMetric(median(counting), "p99-counting/idle")
	b.ReportMetric(float64(last.Deleted()+last.Deactivated()), "sessions")
	b.ReportMetric(float64(last.Deleted()+last.Deactivated())/last.Duration.Seconds(), "sessions/s")
	b.ReportMetric(0, "ns/op")
}

func wait(b *testing.B, d time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), d)
	defer cancel()
	<-ctx.Done()
}

// bareCleanup is what the cron job does that the library replaces.
func bareCleanup(ctx context.Context, pool *pgxpool.Pool) error {
	for _, sql := range []string{
		"DELETE FROM sessions WHERE NOT active AND auto_cleanup AND last_activity < now() - interval '30 days'",
		"UPDATE sessions SET active = false WHERE active AND auto_cleanup AND last_activity < now() - interval '24 hours'",
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkAdoption migrates a table of a million sessions under a load of 500 statements a second, and looks for the
// longest that one of them took.
func BenchmarkAdoption(b *testing.B) {
	server := benchServer(b, false)
	var longest, took []float64
	for b.Loop() {
		url := server.Database(b, "template0")
		if err := pgapps.All()["guide"].Make(b.Context(), url); err != nil {
			b.Fatal(err)
		}
		pool := connect(b, url+"&pool_max_conns=24&default_query_exec_mode=cache_statement")
		count := scaled(1_000_000)
		mustExec(b, pool, `INSERT INTO sessions (id, created_at, updated_at)
			SELECT n, now() - interval '100 days', now() - n % 90 * interval '1 day' FROM generate_series(1, $1::int) n`, count)
		mustExec(b, pool, "INSERT INTO propositions (session_id, created_at) SELECT n, now() - n % 50 * interval '1 day' FROM generate_series(1, $1::int) n", count)
		mustExec(b, pool, `CREATE TABLE expected AS
			SELECT s.id, greatest(s.updated_at, p.created_at) AS at FROM sessions s JOIN propositions p ON p.session_id = s.id`)
		mustExec(b, pool, "VACUUM ANALYZE")
		mustExec(b, pool, "CHECKPOINT")
		syscall.Sync() // nobody waits for a disk that is busy with what went before
		begun := time.Now()
		store := open(b, url, postgres.Config{})
		stalls := load(b, pool, count, func() {
			started := time.Now()
			migrate(b, store)
			took = append(took, time.Since(started).Seconds())
		})
		longest = append(longest, float64(percentile(stalls, 1))/1e6)
		wrong := value[int](b, pool, `SELECT count(*) FROM sessions s LEFT JOIN expected e USING (id)
			WHERE s.last_activity IS NULL OR s.last_activity < $1 AND s.last_activity IS DISTINCT FROM e.at`, begun.Add(-time.Second))
		if wrong != 0 {
			b.Errorf("%d sessions have a wrong last activity", wrong)
		}
		b.ReportMetric(float64(len(stalls))/took[len(took)-1], "statements/s")
	}
	b.ReportMetric(percentileOf(longest), "longest-stall-ms")
	b.ReportMetric(median(took), "s/migration")
	b.ReportMetric(0, "ns/op")
}

func percentileOf(values []float64) float64 {
	most := values[0]
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// load sends 500 statements a second, evenly, in turn inserts of sessions and activity and updates of both, until work
// ends. Each is timed from when it was due, so that what queues behind a stall counts too. Its clients have been at it for
// a second when work begins.
func load(b *testing.B, pool *pgxpool.Pool, count int, work func()) []time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	statements := []string{
		"INSERT INTO sessions (name) SELECT 'new' WHERE $1::int > 0",
		"INSERT INTO propositions (session_id, title) VALUES ($1, 'new')",
		"UPDATE sessions SET name = 'changed', updated_at = now() WHERE id = $1",
		"UPDATE propositions SET title = 'changed' WHERE id = $1",
	}
	mustExec(b, pool, "SELECT setval('sessions_id_seq', $1)", count)
	const clients = 20
	ready := make(chan struct{})
	connected := make(chan error, clients)
	for client := range clients {
		wg.Go(func() {
			conn, err := pool.Acquire(context.WithoutCancel(ctx))
			if err != nil {
				connected <- err
				return
			}
			defer conn.Release()
			for _, statement := range statements {
				if _, err := conn.Conn().Prepare(ctx, statement, statement); err != nil {
					connected <- err
					return
				}
			}
			connected <- nil
			select {
			case <-ready:
			case <-ctx.Done():
				return
			}
			wait(b, time.Duration(client)*2*time.Millisecond)
			tick := time.NewTicker(clients * 2 * time.Millisecond)
			defer tick.Stop()
			for n := client; ; n++ {
				var started time.Time
				select {
				case <-ctx.Done():
					return
				case started = <-tick.C:
				}
				if _, err := conn.Exec(context.WithoutCancel(ctx), statements[n%len(statements)], 1+rand.IntN(count)); err != nil {
					b.Error(err)
				}
				mu.Lock()
				all = append(all, time.Since(started))
				mu.Unlock()
			}
		})
	}
	for range clients {
		if err := <-connected; err != nil {
			b.Fatal(err)
		}
	}
	close(ready)
	wait(b, time.Second) // the first statements of a connection take long by themselves
	mu.Lock()
	all = nil
	mu.Unlock()
	work()
	stop()
	wg.Wait()
	return all
}

// mustEnd ends what is still connected to a database, so that it can be copied.
func mustEnd(b *testing.B, server *pgtest.Server, database string) {
	b.Helper()
	mustExec(b, connect(b, server.URL()), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", database)
}
