package postgres_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

var (
	sessionsScan = regexp.MustCompile(`(Seq Scan|Bitmap Heap Scan) on (public\.)?sessions|Sort Key`)
	ordered      = regexp.MustCompile(`Index (Only )?Scan using sessions_sessioncleanup_(idle|expired|gone)`)
)

// TestBatchesReadTheirIndexesInOrder looks at the plans that the server really used, at 30,000 sessions: with
// statistics, and without any, as just after a mass change.
func TestBatchesReadTheirIndexesInOrder(t *testing.T) {
	t.Parallel()
	for _, analyzed := range thorough.First(1, true, false) {
		t.Run(fmt.Sprintf("analyzed %t", analyzed), func(t *testing.T) {
			t.Parallel()
			_, pool := adopted(t, "guide")
			mustExec(t, pool, "ALTER TABLE sessions SET (autovacuum_enabled = off)")
			mustExec(t, pool, `INSERT INTO sessions (id, active, last_activity, expires_at, deactivated_at)
				SELECT n, n % 2 = 0, now() - n % 60 * interval '1 day', CASE WHEN n % 5 = 0 THEN now() + (n % 7 - 3) * interval '1 day' END,
				       CASE WHEN n % 2 = 1 THEN timestamptz 'epoch' END
				  FROM generate_series(1, 30000) n`)
			if analyzed {
				mustExec(t, pool, "ANALYZE sessions")
			}
			plans := explained(t, pool, pgx.QueryExecModeCacheDescribe)
			manager := manage(t, plans.store)
			result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
			if err != nil || result.Deleted() == 0 || result.Deactivated() == 0 {
				t.Fatalf("run: %+v, %v", result, err)
			}
			used := map[string]bool{}
			for _, plan := range plans.taken() {
				for _, name := range ordered.FindAllStringSubmatch(plan, -1) {
					used[name[2]] = true
				}
				if strings.Contains(plan, "SKIP LOCKED") || strings.Contains(plan, "WITH changed AS") {
					if bad := sessionsScan.FindString(plan); bad != "" {
						t.Errorf("a batch's plan has a %s:\n%s", bad, plan)
					}
				}
			}
			if len(used) != 3 {
				t.Errorf("the run read the indexes %v, want all three", used)
			}
		})
	}
}

// TestRunsWithNothingDueNeverReadTheTable runs more often than the server plans a prepared statement for its values.
func TestRunsWithNothingDueNeverReadTheTable(t *testing.T) {
	t.Parallel()
	for app, c := range thorough.Some(1, map[string]struct{ table, fill string }{
		"guide":  {"sessions", "INSERT INTO sessions (id, active) SELECT n, n % 3 > 0 FROM generate_series(1, 50000) n"},
		"states": {"rooms", "INSERT INTO rooms (id, state) SELECT n, CASE WHEN n % 3 > 0 THEN 'live' ELSE 'closed' END FROM generate_series(1, 50000) n"},
		"kinds": {"spaces", `INSERT INTO spaces (id, tenant_id, kind, status)
			SELECT n, 7 + n % 2, 'room', CASE WHEN n % 3 > 0 THEN 'playing' ELSE 'over' END::status FROM generate_series(1, 50000) n`},
	}) {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			_, pool := adopted(t, app)
			mustExec(t, pool, c.fill)
			mustExec(t, pool, "ANALYZE "+c.table)
			plans := explained(t, pool, pgx.QueryExecModeCacheStatement)
			for range 10 {
				if _, err := manage(t, plans.store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
					t.Fatal(err)
				}
			}
			found := 0
			for _, plan := range plans.taken() {
				if strings.Contains(plan, "Seq Scan on "+c.table) {
					t.Fatalf("a run reads the table:\n%s", plan)
				}
				if strings.Contains(plan, c.table+"_sessioncleanup_") {
					found++
				}
			}
			if found == 0 {
				t.Error("the runs read none of the indexes")
			}
		})
	}
}

// TestTouchesOfManySessionsAreFoundByTheirIndex: the table of touches is usually empty, and the server believes that it
// stays so.
func TestTouchesOfManySessionsAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, "INSERT INTO sessions (id, last_activity) SELECT n, now() - interval '1 day' FROM generate_series(1, 500) n")
	mustExec(t, pool, "VACUUM ANALYZE")
	plans := explained(t, pool, pgx.QueryExecModeCacheDescribe)
	mustExec(t, plans.pool, "INSERT INTO propositions (session_id) VALUES (500)")
	mustExec(t, plans.pool, "INSERT INTO propositions (session_id) SELECT n FROM generate_series(1, 500) n")
	if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE last_activity > now() - interval '1 hour'"); n != 500 {
		t.Errorf("%d of 500 sessions were touched", n)
	}
	found := 0
	for _, plan := range plans.taken() {
		if strings.Contains(plan, "Seq Scan on sessioncleanup_touches") {
			t.Errorf("touches are found by reading the table:\n%s", plan)
		}
		if strings.Contains(plan, "JIT:") {
			t.Errorf("a plan is compiled, which takes longer than it does:\n%s", plan)
		}
		for _, condition := range touchCondition.FindAllStringSubmatch(plan, -1) {
			if found++; !strings.Contains(condition[1], "session_id") {
				t.Errorf("notes are found by reading all of their index:\n%s", plan)
			}
		}
	}
	if found < 4 {
		t.Errorf("the index of the touches was used %d times, want for the note and for the write of both statements", found)
	}
}

// touchCondition is what an index scan of the notes looks for.
var touchCondition = regexp.MustCompile(`(?:using|on) sessioncleanup_touches_session[^\n]*\n\s*(.*)`)

// plans collects the plans of all statements of a store, those within functions too.
type plans struct {
	pool  *pgxpool.Pool
	store *postgres.Store
	mu    sync.Mutex
	texts []string
}

func (p *plans) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.texts
}

func explained(t *testing.T, pool *pgxpool.Pool, mode pgx.QueryExecMode, on ...string) *plans {
	t.Helper()
	p := &plans{}
	config := pool.Config()
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.texts = append(p.texts, n.Message)
	}
	config.AfterConnect = nil
	config.ConnConfig.DefaultQueryExecMode = mode
	for key, value := range map[string]string{
		"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on",
		"auto_explain.log_level": "notice", "client_min_messages": "notice",
	} {
		config.ConnConfig.RuntimeParams[key] = value
	}
	for _, setting := range on {
		config.ConnConfig.RuntimeParams[setting] = "on"
	}
	logged, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(logged.Close)
	p.pool = logged
	if p.store, err = postgres.New(logged, postgres.Config{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFiguresOfAllSessionsComeFromTheIndexes looks at the plan of counting 100,000 sessions, of which few are due.
func TestFiguresOfAllSessionsComeFromTheIndexes(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustRun(t, pool, `SET synchronous_commit = on; -- VACUUM takes for visible to all what is on disk
		INSERT INTO sessions (id, active, auto_cleanup, last_activity, deactivated_at)
		SELECT n, n % 3 = 0, n % 50 > 0, now() - n % 24 * interval '1 hour', CASE WHEN n % 3 > 0 THEN now() END FROM generate_series(1, 100000) n`)
	mustRun(t, pool, "DELETE FROM sessioncleanup_touches")
	mustRun(t, pool, "VACUUM ANALYZE sessions")
	plans := explained(t, pool, pgx.QueryExecModeCacheDescribe)
	counts, err := plans.store.Counts(t.Context(), sessioncleanup.CountsQuery{Thresholds: sessioncleanup.DefaultPolicy().Thresholds()})
	if err != nil || counts.Total < 100000 {
		t.Fatalf("Counts = %+v, %v", counts, err)
	}
	plan := strings.Join(plans.taken(), "\n")
	for _, index := range []string{"idle", "ended", "protected"} {
		if !strings.Contains(plan, "Index Only Scan using sessions_sessioncleanup_"+index) {
			t.Errorf("the index %s is not read alone:\n%s", index, plan)
		}
	}
	if strings.Contains(plan, "Seq Scan on sessions") {
		t.Errorf("the table is read:\n%s", plan)
	}
}

// TestADeepPageIsReadInTheOrderOfItsIndex has few sessions that were not used for long, all of them protected: more than the planner expects.
func TestADeepPageIsReadInTheOrderOfItsIndex(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, `INSERT INTO sessions (id, active, auto_cleanup, last_activity)
		SELECT n, true, n % 50 > 0, now() - CASE WHEN n % 50 = 0 THEN n * interval '5 minutes' ELSE n % 24 * interval '1 hour' END FROM generate_series(1, 100000) n`)
	mustRun(t, pool, "VACUUM ANALYZE sessions")
	plans := explained(t, pool, pgx.QueryExecModeCacheDescribe)
	o := sessioncleanup.ListOptions{Status: sessioncleanup.StatusProtected, Descending: true, Limit: 700}
	for range 2 {
		page, err := manage(t, plans.store).List(t.Context(), o)
		if err != nil || len(page.Sessions) < 700 {
			t.Fatalf("%d sessions, %v", len(page.Sessions), err)
		}
		o.Cursor = page.Next
	}
	for _, plan := range plans.taken() {
		if strings.Contains(plan, "Reads the table in the order") && !strings.Contains(plan, "Index Scan Backward using sessions_sessioncleanup_protected") {
			t.Errorf("a page does not follow its index:\n%s", plan)
		}
	}
}
