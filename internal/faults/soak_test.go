package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/faultnet"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
)

var (
	soakFor = flag.Duration("for", 20*time.Second, "how long TestSoak goes on")
	seed    = flag.Uint64("seed", 0, "of the faults of TestSoak; 0 takes one from the clock")
)

const (
	soakEvery   = 5 * time.Second
	longestWait = time.Second     // of a statement of the application, because of the library
	frozenWait  = 5 * time.Second // while a process is frozen
	catchUp     = 75 * time.Second
)

// soak is an application that writes and three instances that clean up, on a server with a standby.
type soak struct {
	*world
	random    *rand.Rand
	primary   *pgtest.Server
	network   []*faultnet.Proxy // one for each instance
	instances []*instance

	phase   sync.RWMutex // held for reading by each statement of the application; for writing while the server is replaced
	frozen  atomic.Int64 // when the last process was frozen, in Unix nanoseconds
	excused atomic.Int64 // until when statements may wait: a fault makes them wait that is not the library's
	waits   atomic.Int64 // the longest, in nanoseconds
	writes  atomic.Int64
	machine slowness
	longest time.Duration // that a fault lasted
}

// slowness is how long statements took lately that have nothing to do with the library: how busy the machine is.
type slowness struct {
	mu    sync.Mutex
	began []time.Time
	took  []time.Duration
}

func (l *slowness) add(began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began, l.took = append(l.began, began), append(l.took, time.Since(began))
}

// since is the longest of those that ended after a time.
func (l *slowness) since(t time.Time) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.began) - 1; i >= 0 && l.began[i].After(t.Add(-time.Minute)); i-- {
		if l.began[i].Add(l.took[i]).After(t) {
			longest = max(longest, l.took[i])
		}
	}
	return longest
}

// TestSoak: faults at random, and afterwards nothing is early, lost or done twice, and the application waited for nobody.
func TestSoak(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Printf("soak: %v with -seed %d\n", *soakFor, *seed)
	s := newSoak(t)
	stop := []func(){throughout(t.Context(), s.work), throughout(t.Context(), s.work), throughout(t.Context(), s.beside)}
	faults := s.faults()
	for ended := time.Now().Add(*soakFor); time.Now().Before(ended) && !t.Failed(); {
		fault := faults[s.random.IntN(len(faults))]
		began := time.Now()
		fault.do()
		s.longest = max(s.longest, time.Since(began))
		t.Logf("%s: %s, %v", began.Format("15:04:05"), fault.name, time.Since(began).Round(time.Millisecond))
		time.Sleep(time.Duration(s.random.Int64N(int64(2 * time.Second))))
	}
	for _, end := range stop {
		end()
	}
	s.settle()
	for _, i := range s.instances {
		i.terminate()
	}
	s.consistent()
	s.expectations()
	t.Logf("%d statements of the application, the longest waited for %v; %d runs", s.writes.Load(), time.Duration(s.waits.Load()).Round(time.Millisecond),
		s.count("SELECT count(*) FROM sessioncleanup_events WHERE action = 'run'"))
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	primary := pgtest.StartAt(t, "+0s")
	s := &soak{world: newWorld(t, primary, 5000), random: rand.New(rand.NewPCG(*seed, 0)), primary: primary}
	s.exec("ALTER TABLE sessions ADD kind text NOT NULL DEFAULT 'due'")
	s.exec("CREATE TABLE beside AS SELECT 0 AS n")
	for range 3 {
		network := faultnet.Start(t, primary.Socket(), 0)
		s.network = append(s.network, network)
		s.instances = append(s.instances, s.instance(network))
	}
	return s
}

func (s *soak) instance(network *faultnet.Proxy) *instance {
	return start(s.t, s.through(network.Addr()), "serve", "--json", "--every", soakEvery.String())
}

// work is what the application does: it makes sessions, due ones among them, and uses and changes others. It locks several rows
// in one order, so that its statements do not wait for each other in a circle.
func (s *soak) work(ctx context.Context) {
	s.phase.RLock()
	defer s.phase.RUnlock()
	statement := []string{
		"INSERT INTO sessions (kind, updated_at, last_activity) SELECT 'due', t, t FROM (SELECT $1::timestamptz - interval '2 days') AS n (t)",
		"INSERT INTO sessions (kind, is_active, deactivated_at, last_activity) SELECT 'gone', false, t, t FROM (SELECT $1::timestamptz - interval '40 days') AS n (t)",
		"INSERT INTO sessions (kind, title) VALUES ('used', 'now')",
		"INSERT INTO messages (session_id, body) SELECT id, 'x' FROM sessions WHERE kind = 'used' ORDER BY id DESC LIMIT 1",
		"UPDATE sessions SET title = 'changed' WHERE id IN (SELECT id FROM sessions WHERE kind = 'used' ORDER BY id DESC LIMIT 3 FOR NO KEY UPDATE)",
		"UPDATE sessions SET title = 'due too' WHERE id IN (SELECT id FROM sessions WHERE kind = 'due' ORDER BY id DESC LIMIT 3 FOR NO KEY UPDATE)",
	}[rand.IntN(6)]
	began := time.Now()
	var args []any
	if strings.Contains(statement, "$1") {
		args = append(args, began) // not the server's clock, which steps
	}
	_, err := s.pool.Exec(ctx, statement, args...)
	took := time.Since(began)
	s.writes.Add(1)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.t.Errorf("the application: %v in %s", err, statement)
	}
	most := longestWait
	if began.UnixNano() < s.frozen.Load()+int64(frozenWait) {
		most = frozenWait
	}
	if began.UnixNano() < s.excused.Load() {
		most = time.Minute
	} else if took > time.Duration(s.waits.Load()) {
		s.waits.Store(int64(took))
	}
	if took > most && took > most+s.machine.since(began.Add(-longestWait)) {
		s.t.Errorf("%s: the application waited for %v, want %v at most: %s", began.Format("15:04:05"), took, most, statement)
	}
	time.Sleep(2 * time.Millisecond)
}

// beside writes to a table that the library does not know.
func (s *soak) beside(ctx context.Context) {
	s.phase.RLock()
	defer s.phase.RUnlock()
	began := time.Now()
	if _, err := s.pool.Exec(ctx, "UPDATE beside SET n = n + 1"); err != nil && ctx.Err() == nil {
		s.t.Errorf("beside: %v", err)
	}
	s.machine.add(began)
	time.Sleep(5 * time.Millisecond)
}

type fault struct {
	name string
	do   func()
}

// faults are what may happen, and is over when the function returns.
func (s *soak) faults() []fault {
	pause := func(most time.Duration) { time.Sleep(most/10 + time.Duration(s.random.Int64N(int64(most)))) }
	one := func() int { return s.random.IntN(len(s.instances)) }
	return []fault{
		{"a process is frozen", func() {
			i := s.instances[one()]
			i.signal(syscall.SIGSTOP)
			s.frozen.Store(time.Now().UnixNano())
			pause(8 * time.Second)
			i.signal(syscall.SIGCONT)
		}},
		{"a network is cut off", func() {
			n := s.network[one()]
			n.Partition()
			s.frozen.Store(time.Now().UnixNano())
			pause(8 * time.Second)
			n.Heal()
		}},
		{"connections are cut", func() { s.network[one()].Cut() }},
		{"a process is killed", func() {
			i := one()
			s.instances[i].signal(syscall.SIGKILL)
			if err := <-s.instances[i].end; err == nil {
				s.t.Error("a process that was killed ended by itself")
			}
			s.instances[i] = s.instance(s.network[i])
		}},
		{"server processes are terminated", func() {
			s.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '' AND datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%sessioncleanup%'")
		}},
		{"the sessions are locked", func() {
			tx, err := s.pool.Begin(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			most := 3 * time.Second
			s.excused.Store(time.Now().Add(most + most/10 + longestWait).UnixNano())
			_, err = tx.Exec(s.t.Context(), "LOCK TABLE sessions IN SHARE MODE")
			pause(most)
			if err := errors.Join(err, tx.Rollback(s.t.Context())); err != nil {
				s.t.Fatal(err)
			}
			s.excused.Store(time.Now().Add(longestWait).UnixNano())
		}},
		{"the server's clock steps", func() {
			s.primary.SetClock(s.t, []string{"+1h", "-1h", "+3d", "+400d"}[s.random.IntN(4)])
			pause(3 * time.Second)
			s.primary.SetClock(s.t, "+0s")
			time.Sleep(1500 * time.Millisecond)
		}},
		{"the server fails, and its standby is promoted", s.replace},
	}
}

// replace ends the primary and goes on with a standby. The application waits meanwhile: that is not the library's fault.
func (s *soak) replace() {
	next := s.primary.Standby(s.t, true)
	s.phase.Lock()
	defer s.phase.Unlock()
	s.primary.Stop()
	next.Promote(s.t)
	s.primary = next
	s.pool.Close()
	s.pool = s.connect(next.URLOf(s.name))
	for _, n := range s.network {
		n.Retarget(next.Socket())
	}
	s.excused.Store(time.Now().Add(2 * longestWait).UnixNano()) // connections are new, and nothing is cached
}

// settle waits until everything that is due was done: what faults interrupted, and the leases of those that are gone.
func (s *soak) settle() {
	s.t.Helper()
	before := s.count("SELECT coalesce(max(id), 0) FROM sessioncleanup_events")
	eventually(s.t, catchUp, "everything that is due is done, and a run is recorded", func() bool {
		return s.count("SELECT count(*) FROM sessions WHERE kind = 'due' AND is_active OR kind = 'gone'") == 0 &&
			s.count(fmt.Sprintf("SELECT count(*) FROM sessioncleanup_events WHERE action = 'run' AND run ->> 'error' IS NULL AND id > %d", before)) > 0
	})
}

// expectations are about what must not have happened, and about runs that must have.
func (s *soak) expectations() {
	s.t.Helper()
	var longest float64
	err := s.pool.QueryRow(s.t.Context(), `
		SELECT coalesce(max(extract(epoch FROM started - before)), 0)::float8
		  FROM (SELECT started, lag(started) OVER (ORDER BY started) AS before
		          FROM sessioncleanup_events, LATERAL (SELECT (run ->> 'started_at')::timestamptz) AS r (started)
		         WHERE action = 'run' AND run ->> 'error' IS NULL) gaps`).Scan(&longest)
	if pause := time.Duration(longest * float64(time.Second)); err != nil || pause > catchUp+s.longest {
		s.t.Errorf("the longest time without a run was %v (%v), want at most %v more than the longest fault, %v", pause, err, catchUp, s.longest)
	}
	for what, sql := range map[string]string{
		"sessions in use were cleaned up": "SELECT count(*) FROM sessions WHERE kind = 'used' AND NOT is_active",
		"sessions in use are in the log": `SELECT count(*) FROM sessioncleanup_events e, unnest(session_ids) AS i (id) JOIN sessions s ON s.id::text = i.id
			WHERE s.kind = 'used' AND e.action IN ('deactivated', 'deleted')`,
		"runs began by a clock that was wrong": `SELECT count(*) FROM sessioncleanup_events
			WHERE action = 'run' AND abs(extract(epoch FROM (run ->> 'started_at')::timestamptz - now())) > 86400`,
	} {
		if n := s.count(sql); n != 0 {
			s.t.Errorf("%d %s", n, what)
		}
	}
}
