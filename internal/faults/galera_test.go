package faults

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

var (
	losses = flag.Int("losses", 1, "how often TestFaultGalera loses a node in each way")
	people = flag.Bool("people", false, "TestClusterForPeople keeps a cluster until it is interrupted")
)

// TestClusterForPeople is what scripts/galera runs.
func TestClusterForPeople(t *testing.T) {
	if !*people {
		t.Skip("scripts/galera runs it")
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := mysqltest.StartCluster(t)
	if _, err := c.Nodes[0].DB.ExecContext(ctx, "CREATE DATABASE app CHARACTER SET utf8mb4"); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nthe database app on three nodes: %s\nCtrl-C ends it\n", c.URL("app", 0, 1, 2))
	<-ctx.Done()
}

// galera is a cluster with the database of an application, which uses the last node.
type galera struct {
	*testing.T
	*mysqltest.Cluster
	db *sql.DB
}

const galeraTables = `
CREATE TABLE sessions (id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id BIGINT, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE,
	created_at DATETIME(6), updated_at DATETIME(6));
CREATE TABLE messages (id BIGINT AUTO_INCREMENT PRIMARY KEY, session_id BIGINT NOT NULL, body TEXT,
	FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)`

// TestFaultGalera: what runs promise holds across the nodes of a cluster.
func TestFaultGalera(t *testing.T) {
	t.Parallel()
	g := &galera{T: t, Cluster: mysqltest.StartCluster(t)}
	g.create("app")
	g.db = g.Open(2, "app")
	g.exec(galeraTables)
	if err := g.store(0).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	t.Run("processes on all nodes migrate at once", func(t *testing.T) { g.on(t).migrateAtOnce() })
	t.Run("a batch whose lease was taken on another node is not committed", func(t *testing.T) { g.on(t).raceForLease(100) })
	t.Run("runs go on when the node in use is killed, frozen or stopped", func(t *testing.T) { g.on(t).loseNodes() })
	t.Run("what is archived and changed on several nodes is lost on none", func(t *testing.T) { g.on(t).archive(300) })
}

func (g *galera) on(t *testing.T) *galera { return &galera{t, g.Cluster, g.db} }

// create makes a database, and waits until all nodes have it: the connection to a database that is not there yet fails.
func (g *galera) create(name string) {
	g.Helper()
	if _, err := g.Nodes[0].DB.ExecContext(g.Context(), "CREATE DATABASE "+name+" CHARACTER SET utf8mb4"); err != nil {
		g.Fatal(err)
	}
	for i, node := range g.Nodes {
		eventually(g.T, time.Minute, fmt.Sprintf("node %d has the database %s", i, name), func() bool {
			found, err := mysqltest.Texts(g.Context(), node.DB, "SELECT schema_name FROM information_schema.schemata WHERE schema_name = '"+name+"'", 0)
			return err == nil && len(found) == 1
		})
	}
}

func (g *galera) exec(statements string, args ...any) {
	g.Helper()
	if _, err := g.db.ExecContext(g.Context(), statements, args...); err != nil {
		g.Fatalf("%.80s: %v", statements, err)
	}
}

// store uses the first of some nodes that it can.
func (g *galera) store(order ...int) *mysql.Store {
	g.Helper()
	store, err := mysql.Open(g.Context(), g.URL("app", order...)+"?timeout=3s", mysql.Config{})
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { _ = store.Close() })
	return store
}

// due inserts sessions that are due for deactivation, and half as many with messages that are due for deletion.
func (g *galera) due(count int) {
	g.Helper()
	g.exec(fmt.Sprintf(`SET @sessioncleanup_own = 1;
		INSERT INTO sessions (name, active, auto_cleanup, last_activity)
			SELECT 'due', TRUE, TRUE, UTC_TIMESTAMP(3) - INTERVAL 3 DAY FROM seq_1_to_%d;
		INSERT INTO sessions (name, active, auto_cleanup, last_activity, deactivated_at)
			SELECT 'gone', FALSE, TRUE, UTC_TIMESTAMP(3) - INTERVAL 90 DAY, UTC_TIMESTAMP(3) - INTERVAL 80 DAY FROM seq_1_to_%d;
		INSERT INTO messages (session_id, body) SELECT id, 'hello' FROM sessions WHERE name = 'gone';
		INSERT INTO sessions (name, active, auto_cleanup, last_activity) VALUES ('used', TRUE, TRUE, UTC_TIMESTAMP(3));
		SET @sessioncleanup_own = NULL`, count, count/2))
}

// migrateAtOnce adopts the tables of another application from all nodes.
func (g *galera) migrateAtOnce() {
	for round := range 5 {
		name := fmt.Sprintf("app_%d", round)
		g.create(name)
		if _, err := g.Open(0, name).ExecContext(g.Context(), galeraTables+"; INSERT INTO sessions (name) SELECT 'room' FROM seq_1_to_5000"); err != nil {
			g.Fatal(err)
		}
		failures := make(chan error, len(g.Nodes))
		stores := make([]*mysql.Store, len(g.Nodes))
		for i := range g.Nodes {
			store, err := mysql.Open(g.Context(), g.URL(name, i), mysql.Config{})
			if err != nil {
				g.Fatal(err)
			}
			g.Cleanup(func() { _ = store.Close() })
			stores[i] = store
			go func() { failures <- store.Migrate(g.Context(), sessioncleanup.Policy{}) }()
		}
		for range stores {
			if err := <-failures; err != nil {
				g.Error(err)
			}
		}
		for i, store := range stores {
			if err := store.Validate(g.Context()); err != nil {
				g.Errorf("on node %d: %v", i, err)
			}
		}
	}
}

// raceForLease lets a holder of a lease do a batch on one node while another one takes the lease on another node, as soon as it
// ends. The new holder then reads what is done: nothing more may be done by the old one.
func (g *galera) raceForLease(rounds int) {
	old, next := g.store(0), g.store(1)
	second := g.Open(1, "app")
	const deactivated = "SELECT COUNT(*) FROM sessions WHERE NOT active"
	count := func(db *sql.DB) (n int) {
		if err := db.QueryRowContext(g.Context(), deactivated).Scan(&n); err != nil {
			g.Error(err)
		}
		return n
	}
	g.due(60 * rounds)
	committed, refused := 0, 0
	for round := range rounds {
		name := fmt.Sprintf("race %d", round)
		lease, err := old.Lease(g.Context(), sessioncleanup.LeaseRequest{Name: name, Holder: "old", TTL: 40 * time.Millisecond})
		if err != nil {
			g.Fatal(err)
		}
		taken := make(chan int)
		go func() {
			for {
				_, err := next.Lease(g.Context(), sessioncleanup.LeaseRequest{Name: name, Holder: "new", TTL: time.Minute})
				if err == nil {
					taken <- count(second)
					return
				}
				if !errors.Is(err, sessioncleanup.ErrLeaseHeld) && !errors.Is(err, sessioncleanup.ErrUnavailable) {
					g.Error(err)
				}
			}
		}()
		now, err := old.Now(g.Context())
		if err != nil {
			g.Fatal(err)
		}
		for err == nil { // batches until the lease is lost
			_, err = old.Sweep(g.Context(), sessioncleanup.Batch{
				Action: sessioncleanup.ActionDeactivated, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now), Limit: 3, Lease: lease,
				Cause: sessioncleanup.Cause{Actor: "test", RunID: name},
			})
			if err == nil {
				committed++
			}
		}
		if errors.Is(err, sessioncleanup.ErrLeaseLost) || errors.Is(err, sessioncleanup.ErrUnavailable) {
			refused++
		} else {
			g.Error(err)
		}
		atTakeover := <-taken
		if after := count(second); after != atTakeover {
			g.Errorf("round %d: %d sessions were deactivated after the lease was taken", round, after-atTakeover)
		}
	}
	if committed == 0 || refused != rounds {
		g.Errorf("%d batches were committed and %d refused in %d rounds: the test shows nothing", committed, refused, rounds)
	}
}

// loseNodes loses the node that a run uses, in three ways. The next run does what is left.
func (g *galera) loseNodes() {
	for range *losses {
		g.loseEach()
	}
}

func (g *galera) loseEach() {
	for _, fault := range []struct {
		name      string
		lose, get func()
	}{
		{"killed", func() { g.Signal(0, syscall.SIGKILL) }, func() { g.Start(0) }},
		{"frozen", func() { g.Signal(0, syscall.SIGSTOP) }, func() { g.Signal(0, syscall.SIGCONT) }},
		{"stopped", func() { g.Signal(0, syscall.SIGTERM) }, func() { g.Start(0) }},
	} {
		eventually(g.T, 2*time.Minute, "node 0 is used again", func() bool { return g.uses(0) })
		g.due(3000)
		m, err := sessioncleanup.New(g.store(0, 1, 2), sessioncleanup.Config{Policy: sessioncleanup.Policy{BusyShare: 1}})
		if err != nil {
			g.Fatal(err)
		}
		lost := false
		began := time.Now()
		_, err = m.Cleanup(g.Context(), sessioncleanup.Run{Force: true, Progress: func(p sessioncleanup.Progress) {
			if !lost && p.Done > 500 {
				lost = true
				fault.lose()
			}
		}})
		if !lost {
			g.Fatalf("%s: the run ended before: the test shows nothing; %v", fault.name, err)
		}
		g.Logf("%s: the run ended after %v: %v", fault.name, time.Since(began).Round(time.Millisecond), err)
		eventually(g.T, 2*time.Minute, "the next run ends", func() bool {
			_, err := m.Cleanup(g.Context(), sessioncleanup.Run{Force: true})
			return err == nil
		})
		fault.get()
		g.sound(fault.name)
	}
}

// uses reports whether a node is part of the cluster and answers.
func (g *galera) uses(node int) bool {
	ctx, cancel := context.WithTimeout(g.Context(), 2*time.Second)
	defer cancel()
	state, err := mysqltest.Texts(ctx, g.Nodes[node].DB, "SHOW STATUS LIKE 'wsrep_ready'", 1)
	return err == nil && len(state) == 1 && state[0] == "ON"
}

// sound checks that everything due was done once, nothing else was, and all nodes have the same.
func (g *galera) sound(fault string) {
	g.Helper()
	const figures = `SELECT CONCAT_WS(' ', COUNT(*), SUM(active), (SELECT COUNT(*) FROM messages), (SELECT COUNT(*) FROM sessioncleanup_events),
		(SELECT SUM(JSON_LENGTH(sessions)) FROM sessioncleanup_events WHERE action IN ('deleted', 'deactivated') AND actor <> 'test'),
		(SELECT COUNT(*) FROM sessions WHERE name = 'used' AND NOT active), (SELECT COUNT(*) FROM sessions WHERE name = 'due' AND active),
		(SELECT COUNT(*) FROM sessions WHERE name = 'gone')) FROM sessions`
	var all []string
	for node := range g.Nodes {
		db := g.Open(node, "app")
		eventually(g.T, 2*time.Minute, "the node is ready", func() bool {
			found, err := mysqltest.Texts(g.Context(), db, figures, 0)
			if err == nil {
				all = append(all, found[0])
			}
			return err == nil
		})
	}
	if all[0] != all[1] || all[1] != all[2] {
		g.Errorf("%s: the nodes have %q", fault, all)
	}
	if !strings.HasSuffix(all[0], " 0 0 0") {
		g.Errorf("%s: sessions, active, messages, events, sessions in events, used and deactivated, left: %s; want 0 at the end", fault, all[0])
	}
	twice, err := mysqltest.Texts(g.Context(), g.Open(1, "app"), `SELECT s.id FROM sessioncleanup_events AS e,
		JSON_TABLE(e.sessions, '$[*]' COLUMNS (id BIGINT PATH '$.id')) AS s
		WHERE e.action IN ('deleted', 'deactivated') GROUP BY e.action, s.id HAVING COUNT(*) > 1 LIMIT 5`, 0)
	if err != nil || len(twice) > 0 {
		g.Errorf("%s: the log has the sessions %v twice, %v", fault, twice, err)
	}
	kept, err := mysqltest.Texts(g.Context(), g.Open(1, "app"), `SELECT COUNT(*) FROM sessions AS t WHERE NOT active AND NOT EXISTS (
		SELECT 1 FROM sessioncleanup_events AS e WHERE e.action = 'deactivated' AND e.at = t.deactivated_at)`, 0)
	if err != nil || len(kept) != 1 || kept[0] != "0" {
		g.Errorf("%s: %v sessions were deactivated without an event, %v", fault, kept, err)
	}
}
