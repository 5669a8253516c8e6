package postgres_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// classes are those that the column has, in the order of the sessions.
const classes = `SELECT string_agg(coalesce(sessioncleanup_class, '-'), ', ' ORDER BY id) FROM sessions`

// ruledRun is a run by rules.
func ruledRun(t *testing.T, store sessioncleanup.Store, rules string) sessioncleanup.Result {
	t.Helper()
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Rules: rules}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestWritingTagsWaitsForNobodyAndRunsFollowThem(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	mustExec(t, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 6) n")
	mustExec(t, pool, "INSERT INTO sessioncleanup_tags VALUES (1, 'vip'), (2, 'other')") // before there are rules
	ruledRun(t, store, "vip: delete=never")
	tagging, err := pool.Begin(t.Context())
	if err == nil {
		defer func() { _ = tagging.Rollback(t.Context()) }()
		_, err = tagging.Exec(t.Context(), "INSERT INTO sessioncleanup_tags SELECT id, 'test' FROM sessions; UPDATE sessioncleanup_tags SET tag = 'gold' WHERE session_id = 6; DELETE FROM sessioncleanup_tags WHERE session_id = 1 AND tag = 'vip'")
	}
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, pool, "SET lock_timeout = '1ms'; UPDATE sessions SET last_activity = now(); DELETE FROM sessions WHERE id = 5; INSERT INTO sessioncleanup_tags VALUES (3, 'more'); RESET lock_timeout")
	ruledRun(t, store, "vip: delete=never; test: inactive=400d")
	if got, want := value[string](t, pool, classes), "vip, -, -, -, -"; got != want {
		t.Errorf("before the commit the classes are %q, want %q", got, want)
	}
	if err := tagging.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	locked, err := pool.Begin(t.Context())
	if err == nil {
		defer func() { _ = locked.Rollback(t.Context()) }()
		_, err = locked.Exec(t.Context(), "SELECT FROM sessions WHERE id = 4 FOR UPDATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	ruledRun(t, store, "vip: delete=never; test: inactive=400d; gold: warn=never")
	if got, want := value[string](t, pool, classes), "test, test, test, -, gold"; got != want {
		t.Errorf("after the commit, with session 4 locked, the classes are %q, want %q", got, want)
	}
	if err := locked.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	ruledRun(t, store, "vip: delete=never; test: inactive=400d; gold: warn=never")
	if got, want := value[string](t, pool, classes), "test, test, test, test, gold"; got != want {
		t.Errorf("at the end the classes are %q, want %q", got, want)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_retagged"); n != 0 {
		t.Errorf("%d notes are left, want none", n)
	}
}

func TestSessionsAreClassedWhereverTheConnectionCameToBefore(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 600) n; INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM sessions WHERE id % 2 = 0")
	for i, came := range []string{"300", "1000000", "no number", ""} {
		tag := []string{"gold", "vip"}[i%2]
		mustExec(t, pool, "UPDATE sessioncleanup_tags SET tag = '"+tag+"'")
		mustExec(t, pool, fmt.Sprintf(`DO $$ BEGIN
				PERFORM set_config('sessioncleanup.classified', 'sessioncleanup_tags'::regclass::oid || ':%s', false);
				WHILE sessioncleanup_classify('[{"tag": "vip"}, {"tag": "gold"}]', 200) LOOP END LOOP;
			END $$`, came))
		if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE sessioncleanup_class = '"+tag+"'"); n != 300 {
			t.Errorf("after one came to %q, %d sessions have the class %s, want 300", came, n, tag)
		}
		if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_retagged"); n != 0 {
			t.Errorf("after one came to %q, %d notes are left", came, n)
		}
	}
}

func TestClassingASessionChangesNothingElseOfIt(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	mustExec(t, pool, `CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.id = 3 THEN RAISE 'no'; END IF; NEW.updated_at := now(); NEW.last_activity := now(); RETURN NEW; END $$;
		INSERT INTO sessions (id, updated_at, last_activity) SELECT n, '2020-01-01', now() - interval '1 hour' FROM generate_series(1, 4) n;
		CREATE TRIGGER stamp BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION stamp();
		INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM sessions`)
	ruledRun(t, store, "vip: delete=never")
	if got, want := value[string](t, pool, classes), "vip, vip, -, vip"; got != want {
		t.Errorf("the classes are %q, want %q: a trigger refuses session 3", got, want)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE updated_at = '2020-01-01' AND last_activity < now() - interval '59 minutes'"); n != 4 {
		t.Errorf("%d of 4 sessions are as they were apart from their class", n)
	}
}

func TestRunsInSQLFollowTheStoredRules(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	store := open(t, pool.Config().ConnString(), postgres.Config{})
	policy := sessioncleanup.Policy{Rules: "vip: inactive=never delete=never; test: inactive=1h delete=2d; half: delete=1d12h"}
	if err := store.Migrate(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	if stored, err := store.Policy(t.Context()); err != nil || stored.Rules != "half: delete=1d12h; test: inactive=1h delete=2d; vip: inactive=never delete=never" {
		t.Errorf("the stored policy has the rules %q, %v", stored.Rules, err)
	}
	for rules, valid := range map[string]bool{
		"": true, "none": true, "vip: delete=never;": true, "a:b: inactive=1h30m warn=1.5d; c: archive=never": true,
		"vip delete=never": false, "vip: delete": false, "vip: keep=1d": false, "Vip: delete=1d": false, "vip: delete=1 day": false,
	} {
		_, err := pool.Exec(t.Context(), "BEGIN; UPDATE sessioncleanup_policy SET rules = '"+rules+"'; ROLLBACK")
		if (err == nil) != valid {
			t.Errorf("the rules %q in SQL: %v, want valid %t", rules, err, valid)
		}
		_, _ = pool.Exec(t.Context(), "ROLLBACK")
	}
	mustExec(t, pool, `INSERT INTO sessions (id, active, last_activity, deactivated_at)
			SELECT n, n % 2 = 0, now() - interval '3 days' * (1 + n / 10), CASE WHEN n % 2 = 1 THEN timestamptz 'epoch' END FROM generate_series(1, 200) n;
		INSERT INTO sessioncleanup_tags SELECT id, (ARRAY['vip', 'test', 'half', 'other'])[1 + id % 4] FROM sessions WHERE id % 3 > 0;
		INSERT INTO sessioncleanup_tags SELECT id, 'test' FROM sessions WHERE id % 5 = 0 ON CONFLICT DO NOTHING`)
	manager := manage(t, store)
	if manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy}); err != nil {
		t.Fatal(err)
	} else if want, err := manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); err != nil {
		t.Fatal(err)
	} else {
		if got := value[int](t, pool, "SELECT count(*) FROM sessions_cleanup_view WHERE status = 'to_delete'"); got != want.Deleted() || got == 0 {
			t.Errorf("the view has %d sessions to delete, want %d", got, want.Deleted())
		}
		if got := value[int](t, pool, "SELECT cleanup_candidates FROM get_session_cleanup_stats()"); got != want.Deleted()+want.Deactivated() {
			t.Errorf("the figures have %d candidates, want %d", got, want.Deleted()+want.Deactivated())
		}
		for range 2 { // the second finds the classes
			got := value[string](t, pool, "SELECT string_agg(session_count::text, ' ' ORDER BY action) FROM cleanup_inactive_sessions(force => true)")
			if expected := fmt.Sprint(want.Deactivated(), " ", want.Deleted()); got != expected {
				t.Errorf("the run in SQL deactivated and deleted %s, want %s", got, expected)
			}
			if want, err = manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	events, err := manager.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}, Limit: 1})
	if err != nil || len(events) != 1 || events[0].Run == nil || len(events[0].Run.Cutoffs.Rules) != 3 {
		t.Errorf("the log has the run %+v, %v; want its three rules", events, err)
	}
}

// TestARunReadsNothingOfSessionsThatRulesKeep looks at the plans of a run in which nothing is due.
func TestARunReadsNothingOfSessionsThatRulesKeep(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, `ALTER TABLE sessions SET (autovacuum_enabled = off);
		INSERT INTO sessions (id, active, last_activity, deactivated_at)
			SELECT n, n % 2 = 0, now() - interval '300 days', CASE WHEN n % 2 = 1 THEN timestamptz 'epoch' END FROM generate_series(1, 5000) n;
		INSERT INTO sessioncleanup_tags SELECT id, CASE WHEN id % 9 = 0 THEN 'long' ELSE 'vip' END FROM sessions`)
	const rules = "vip: inactive=never delete=never; long: inactive=400d delete=400d"
	ruledRun(t, open(t, pool.Config().ConnString(), postgres.Config{}), rules)
	mustExec(t, pool, "VACUUM ANALYZE sessions")
	plans := explained(t, pool, pgx.QueryExecModeCacheDescribe, "auto_explain.log_analyze")
	if result := ruledRun(t, plans.store, rules); result.Deleted()+result.Deactivated() > 0 {
		t.Fatalf("run: %+v, want nothing due", result)
	}
	many := regexp.MustCompile(`on (public\.)?sessions\b[^\n]*actual[^\n]*rows=[1-9]\d\d+|on (public\.)?sessions\b[^\n]*\n( +(Index Cond|Filter|Recheck Cond):[^\n]*\n)*[^\n]*Rows Removed by[^\n]*: [1-9]\d\d+`)
	for _, plan := range plans.taken() {
		if bad := many.FindString(plan); bad != "" {
			t.Errorf("the run reads many sessions: %s\n%s", bad, plan)
		}
	}
}

// The setting by which a connection remembers how far it came is anybody's to set, and may be of before the type of ids changed.
func TestARunPassesOverASettingThatIsNoIDOfASession(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, "CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TABLE rooms (id positive PRIMARY KEY, plan text, active boolean DEFAULT true)")
	store := open(t, url, tagsBy("plan"))
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{Rules: "plan:gold: inactive=never"}); err != nil {
		t.Fatal(err)
	}
	mustRun(t, pool, "INSERT INTO rooms (id, plan) VALUES (1, 'gold'), (2, 'free')")
	for _, as := range []string{"-5", "none", "", "7"} {
		mustRun(t, pool, fmt.Sprintf(`UPDATE rooms SET last_activity = now() - interval '2 days', active = true;
			SELECT set_config('sessioncleanup.classified', 'sessioncleanup_tags'::regclass::oid || ':%s', false); SELECT * FROM cleanup_inactive_sessions()`, as))
		if got := value[string](t, pool, "SELECT string_agg(concat_ws(' ', id, active, sessioncleanup_class), ', ' ORDER BY id) FROM rooms"); got != "1 t plan:gold, 2 f" {
			t.Errorf("after a run with the setting %q the sessions are %s", as, got)
		}
	}
}
