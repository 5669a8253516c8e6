package postgres_test

import (
	stdcmp "cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

// guideStatements are the SQL statements of the guide, as they are written there.
var guideStatements = []string{
	`-- Vue d'ensemble
SELECT * FROM get_session_cleanup_stats();`,
	`-- Sessions candidates au nettoyage
SELECT * FROM sessions_cleanup_view WHERE cleanup_status != 'Actif';`,
	`-- Sessions par streamer avec activité
SELECT 
    streamer_name,
    COUNT(*) as total,
    COUNT(CASE WHEN active THEN 1 END) as active,
    AVG(EXTRACT(HOURS FROM (CURRENT_TIMESTAMP - last_activity))) as avg_hours_inactive
FROM sessions_cleanup_view 
GROUP BY streamer_name;`,
	`-- Nettoyage standard
SELECT * FROM cleanup_inactive_sessions();`,
	`-- Nettoyage personnalisé
SELECT * FROM cleanup_inactive_sessions(12, 7); -- 12h, 7 jours`,
}

// guideApps have the guide's tables, with either type of time.
var guideApps = []string{"guide", "integer"}

func TestGuideStatementsRunAsWritten(t *testing.T) {
	t.Parallel()
	for _, name := range guideApps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, pool := adopted(t, name)
			randomSessions(t, pool, 60)
			for _, sql := range guideStatements {
				rows, err := pool.Query(t.Context(), sql)
				if err != nil {
					t.Fatalf("%s\n%v", sql, err)
				}
				got, err := pgx.CollectRows(rows, pgx.RowToMap)
				if err != nil || len(got) == 0 {
					t.Errorf("%s\ngave %d rows, error %v", sql, len(got), err)
				}
			}
		})
	}
}

func TestGuideColumnsExist(t *testing.T) {
	t.Parallel()
	for _, name := range guideApps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, pool := adopted(t, name)
			for sql, want := range map[string]string{
				"SELECT last_activity, expires_at, auto_cleanup FROM sessions": "last_activity expires_at auto_cleanup",
				"SELECT * FROM get_session_cleanup_stats()":                    "total_sessions active_sessions inactive_sessions old_sessions cleanup_candidates",
				"SELECT * FROM cleanup_inactive_sessions()":                    "action session_count details",
				`SELECT id, streamer_id, name, code, active, created_at, updated_at, last_activity, expires_at, auto_cleanup,
				        streamer_name, hours_inactive, days_old, cleanup_status, status, total_propositions FROM sessions_cleanup_view`: "id streamer_id name code active created_at " +
					"updated_at last_activity expires_at auto_cleanup streamer_name hours_inactive days_old cleanup_status status total_propositions",
			} {
				rows, err := pool.Query(t.Context(), sql)
				if err != nil {
					t.Fatal(err)
				}
				rows.Close()
				var names []string
				for _, f := range rows.FieldDescriptions() {
					names = append(names, f.Name)
				}
				if err := rows.Err(); err != nil || strings.Join(names, " ") != want {
					t.Errorf("%s: columns %v, error %v; want %s", sql, names, err, want)
				}
			}
		})
	}
}

// randomSessions inserts sessions of every kind around the policy's thresholds, some with activity, some with a touch
// that is only noted.
func randomSessions(t testing.TB, pool *pgxpool.Pool, count int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	mustExec(t, pool, "INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 5) n")
	for n := 1; n <= count; n++ {
		used := []time.Duration{0, 23 * time.Hour, 25 * time.Hour, 13 * time.Hour, 8 * 24 * time.Hour, 29 * 24 * time.Hour, 31 * 24 * time.Hour}[random.IntN(7)]
		ends := []string{"NULL", "now() - interval '1 hour'", "now() + interval '1 hour'", "now() - interval '40 days'"}[random.IntN(4)]
		active, since := random.IntN(2) == 0, "NULL"
		if !active {
			since = []string{"NULL", "'epoch'", "now() - interval '3 days'", "now() - interval '40 days'"}[random.IntN(4)]
		}
		mustExec(t, pool, fmt.Sprintf(`INSERT INTO sessions (id, streamer_id, name, active, auto_cleanup, created_at, last_activity, expires_at, deactivated_at)
			VALUES (%d, nullif(%d, 0), 's', %t, %t, now() - interval '50 days', now() - interval '%f seconds', %s, %s)`,
			n, random.IntN(6), active, random.IntN(6) > 0, used.Seconds(), ends, since))
		for range random.IntN(3) {
			mustExec(t, pool, "ALTER TABLE propositions DISABLE TRIGGER USER; INSERT INTO propositions (session_id) VALUES ("+fmt.Sprint(n)+"); ALTER TABLE propositions ENABLE TRIGGER USER", pgx.QueryExecModeSimpleProtocol)
		}
		if random.IntN(8) == 0 {
			mustExec(t, pool, "INSERT INTO sessioncleanup_touches (session_id, at) VALUES ($1, now() - interval '1 hour' * $2::float8)", n, 26*random.Float64())
		}
	}
}

// TestSQLAndGoAgree compares what the view, the functions and the Go code make of the same sessions.
func TestSQLAndGoAgree(t *testing.T) {
	t.Parallel()
	for _, name := range guideApps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := adopted(t, name)
			randomSessions(t, pool, 300)
			manager := manage(t, store)
			stats, err := manager.Stats(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			var inSQL [5]int
			err = pool.QueryRow(t.Context(), "SELECT * FROM get_session_cleanup_stats()").Scan(&inSQL[0], &inSQL[1], &inSQL[2], &inSQL[3], &inSQL[4])
			if err != nil {
				t.Fatal(err)
			}
			inGo := [5]int{stats.Total, stats.Active, stats.Inactive, stats.Old, stats.CleanupCandidates}
			if diff := cmp.Diff(inGo, inSQL); diff != "" {
				t.Errorf("statistics (-Go +SQL):\n%s", diff)
			}
			words := map[sessioncleanup.Status]string{sessioncleanup.StatusToDeactivate: "À désactiver", sessioncleanup.StatusToDelete: "À supprimer"}
			found := map[sessioncleanup.Status]int{}
			for id, s := range listed(t, store) {
				now := sessioncleanup.Policy{}.CutoffsAt(value[time.Time](t, pool, "SELECT now()"))
				var status, word string
				var total int64
				if err := pool.QueryRow(t.Context(), "SELECT status, cleanup_status, total_propositions FROM sessions_cleanup_view WHERE id = $1::text::bigint", id).Scan(&status, &word, &total); err != nil {
					t.Fatal(err)
				}
				want := now.Status(s)
				found[want]++
				if status != string(want) || total != s.ActivityCount {
					t.Errorf("session %s: the view says %s with %d propositions, Go says %s with %d", id, status, total, want, s.ActivityCount)
				}
				if expected := words[want]; word != stdcmp.Or(expected, "Actif") {
					t.Errorf("session %s is %s: the view calls it %q", id, want, word)
				}
			}
			if len(found) != len(sessioncleanup.Statuses()) {
				t.Errorf("the random sessions have the statuses %v, want all of them", found)
			}
		})
	}
}

// TestSQLRunEqualsGoRun cleans up two copies of the same database, one from Go and one from SQL.
func TestSQLRunEqualsGoRun(t *testing.T) {
	t.Parallel()
	for _, thresholds := range []struct {
		sql string
		run sessioncleanup.Run
	}{
		{"cleanup_inactive_sessions()", sessioncleanup.Run{Force: true}},
		{"cleanup_inactive_sessions(12, 7)", sessioncleanup.Run{InactiveAfter: 12 * time.Hour, DeleteAfter: 7 * 24 * time.Hour, Force: true}},
		{"cleanup_inactive_sessions(delete_old_days => 0.5)", sessioncleanup.Run{DeleteAfter: 12 * time.Hour, Force: true}},
	} {
		t.Run(thresholds.sql, func(t *testing.T) {
			t.Parallel()
			inGo, goPool := adopted(t, "guide")
			inSQL, sqlPool := adopted(t, "guide")
			for _, pool := range []*pgxpool.Pool{goPool, sqlPool} {
				randomSessions(t, pool, 300)
				mustExec(t, pool, "INSERT INTO propositions (session_id) SELECT id FROM sessions WHERE id % 50 = 0")
			}
			result, err := manage(t, inGo).Cleanup(t.Context(), thresholds.run)
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			rows, err := sqlPool.Query(t.Context(), "SELECT action, session_count, details FROM "+thresholds.sql)
			if err != nil {
				t.Fatal(err)
			}
			var action, details string
			var count int
			if _, err := pgx.ForEachRow(rows, []any{&action, &count, &details}, func() error { counts[action] = count; return nil }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]int{"deactivated": result.Deactivated(), "deleted": result.Deleted()}, counts); diff != "" {
				t.Errorf("counts (-Go +SQL):\n%s", diff)
			}
			if diff := cmp.Diff(states(listed(t, inGo)), states(listed(t, inSQL))); diff != "" {
				t.Errorf("sessions afterwards (-Go +SQL):\n%s", diff)
			}
			if diff := cmp.Diff(logged(t, inGo), logged(t, inSQL)); diff != "" {
				t.Errorf("events (-Go +SQL):\n%s", diff)
			}
			if diff := cmp.Diff(result.Phases, lastRun(t, inSQL).Phases); diff != "" {
				t.Errorf("phases (-Go +SQL):\n%s", diff)
			}
			run := lastRun(t, inSQL)
			if run.StartedAt.IsZero() || run.Duration <= 0 || !run.Cutoffs.Now.Equal(run.StartedAt) || run.Cutoffs.Inactive.IsZero() || run.Cutoffs.Delete.IsZero() {
				t.Errorf("the run's event is %+v, want its start, duration and cutoffs", run)
			}
		})
	}
}

// lastRun returns the summary in the event of the last run.
func lastRun(t testing.TB, store sessioncleanup.Store) sessioncleanup.RunSummary {
	t.Helper()
	events, err := store.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}, Limit: 1})
	if err != nil || len(events) == 0 || events[0].Run == nil {
		t.Fatalf("events of runs are %+v, error %v", events, err)
	}
	return *events[0].Run
}

func states(sessions map[string]sessioncleanup.Session) map[string]bool {
	out := map[string]bool{}
	for id, s := range sessions {
		out[id] = s.Active
	}
	return out
}

// logged gives the actions of the log, by session.
func logged(t testing.TB, store sessioncleanup.Store) map[string][]sessioncleanup.Action {
	t.Helper()
	events, err := store.Events(t.Context(), sessioncleanup.EventQuery{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]sessioncleanup.Action{}
	for _, e := range events {
		if e.Run != nil {
			out["run"] = append(out["run"], e.Action)
		}
		for _, s := range e.Sessions {
			out[s.ID] = append(out[s.ID], e.Action)
		}
	}
	return out
}

func listed(t testing.TB, store sessioncleanup.Store) map[string]sessioncleanup.Session {
	t.Helper()
	page, err := store.List(t.Context(), sessioncleanup.Query{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]sessioncleanup.Session{}
	for _, s := range page.Sessions {
		out[s.ID] = s
	}
	return out
}

func manage(t testing.TB, store sessioncleanup.Store) *sessioncleanup.Manager {
	t.Helper()
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BusyShare: 1}}) // other tests write to the server
	if err != nil {
		t.Fatal(err)
	}
	return manager
}

func TestSQLRunKeepsTheLimitsOfThePolicy(t *testing.T) {
	t.Parallel()
	for name, c := range thorough.Some(3, map[string]struct {
		policy    sessioncleanup.Policy
		call      string
		wantError string
		deleted   int
	}{
		"the limit":        {sessioncleanup.Policy{}, "cleanup_inactive_sessions()", "", 0},
		"force":            {sessioncleanup.Policy{}, "cleanup_inactive_sessions(force => true)", "", 150},
		"no limit":         {sessioncleanup.Policy{MaxDeleteFraction: 1}, "cleanup_inactive_sessions()", "", 150},
		"never":            {sessioncleanup.Policy{DeleteAfter: sessioncleanup.Never}, "cleanup_inactive_sessions()", "", 0},
		"disabled":         {sessioncleanup.Policy{Enabled: sessioncleanup.Off}, "cleanup_inactive_sessions()", "cleanup is disabled by the policy", 0},
		"a negative limit": {sessioncleanup.Policy{}, "cleanup_inactive_sessions(-1)", "want positive hours and days", 0},
		"zero":             {sessioncleanup.Policy{}, "cleanup_inactive_sessions(1, 0)", "want positive hours and days", 0},
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := adopted(t, "guide")
			if err := store.Migrate(t.Context(), c.policy); err != nil {
				t.Fatal(err)
			}
			unused(t, pool, false, 1, 150)
			_, err := pool.Exec(t.Context(), "SELECT * FROM "+c.call)
			if (err == nil) != (c.wantError == "") || err != nil && !strings.Contains(err.Error(), c.wantError) {
				t.Errorf("error %v, want %q", err, c.wantError)
			}
			if left := value[int](t, pool, "SELECT count(*) FROM sessions"); left != 150-c.deleted {
				t.Errorf("%d sessions are left, want %d", left, 150-c.deleted)
			}
		})
	}
}

func TestSQLRunRefusesWhileCleanupIsPaused(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	unused(t, pool, true, 1, 5)
	manager := manage(t, store)
	if _, err := manager.Pause(t.Context(), time.Now().Add(time.Hour), "moving house"); err != nil {
		t.Fatal(err)
	}
	if err := tries(t.Context(), pool, "SELECT cleanup_inactive_sessions()"); !hasState(err, "55000") || !strings.Contains(err.Error(), "by system: moving house") {
		t.Errorf("a run during a pause: %v, want the pause", err)
	}
	if err := manager.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, pool, "SELECT cleanup_inactive_sessions()")
	if left := value[int](t, pool, "SELECT count(*) FROM sessions WHERE active"); left != 0 {
		t.Errorf("%d sessions are active after the pause, want none", left)
	}
}

func TestSQLRunPassesOverWhatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	unused(t, pool, false, 1, 50)
	mustExec(t, pool, "INSERT INTO pins VALUES (7), (23)")
	var count int
	var details string
	if err := pool.QueryRow(t.Context(), "SELECT session_count, details FROM cleanup_inactive_sessions() WHERE action = 'deleted'").Scan(&count, &details); err != nil {
		t.Fatal(err)
	}
	if count != 48 || !strings.Contains(details, "2 could not be changed") || !strings.Contains(details, "pins") {
		t.Errorf("%d were deleted, details %q; want 48, and the 2 that pins refers to", count, details)
	}
	if left := value[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM sessions"); left != "7 23" {
		t.Errorf("sessions %q are left, want 7 and 23", left)
	}
}

func TestSQLRunWritesItsThresholdsInWords(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	for arguments, want := range map[string][]string{
		"1, 1.5":  {"unused for more than 1 hour, or expired", "inactive, and unused for more than 36 hours"},
		"36, 2.5": {"unused for more than 36 hours, or expired", "inactive, and unused for more than 2.5 days"},
	} {
		details := value[[]string](t, pool, "SELECT array_agg(details ORDER BY action) FROM cleanup_inactive_sessions("+arguments+")")
		if diff := cmp.Diff(want, details); diff != "" {
			t.Errorf("cleanup_inactive_sessions(%s) (-want +got):\n%s", arguments, diff)
		}
	}
}

func TestFunctionsPinTheirSearchPath(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	loose := value[int](t, pool, `SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE 'sessioncleanup\_track\_%' AND proname <> 'sessioncleanup_view'
		AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c LIKE 'search_path=pg_catalog,%')`)
	if loose != 0 {
		t.Errorf("%d functions have no search_path of their own", loose)
	}
	tx := begin(t, pool)
	for _, sql := range []string{"CREATE SCHEMA evil", "CREATE TABLE evil.sessions (id int)", "SET LOCAL search_path = evil"} {
		run(t, tx, sql)
	}
	if n := value[int](t, tx, "SELECT count(*) FROM public.cleanup_inactive_sessions()"); n != 2 {
		t.Errorf("a run with a foreign search path gave %d rows, want 2", n)
	}
}
