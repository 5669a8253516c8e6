package postgres_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// onlyReads is a URL whose transactions cannot write.
func onlyReads(url string) string { return url + "&default_transaction_read_only=on" }

func TestMigrateWithNothingToDoOnlyReadsAndWaitsForNobody(t *testing.T) {
	t.Parallel()
	for name, app := range pgapps.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !slices.Contains([]string{"guide", "own", "partitioned"}, name) {
				thorough.Only(t, thorough.Tables)
			}
			url := pgtest.Prepared(t, name, app.Adopt)
			pool := connect(t, url)
			options := sessioncleanup.MigrateOptions{CleanerRole: roleOf(t, asRole(t, pool)), AppRole: roleOf(t, asRole(t, pool))}
			migrate(t, open(t, url, postgres.Config{Migrate: options})) // the first one notes the columns that Adopt's added
			other := begin(t, pool)
			run(t, other, "LOCK TABLE "+value[string](t, pool, "SELECT oid::regclass::text FROM pg_class WHERE relname = 'sessioncleanup_migrating'"))
			migrate(t, open(t, onlyReads(url), postgres.Config{Migrate: options, MigrateWait: time.Second}))
		})
	}
}

func TestMigrateMakesAgainWhatWasAltered(t *testing.T) {
	t.Parallel()
	const state = `
		SELECT string_agg(f.oid::regprocedure || ' ' || md5(pg_get_functiondef(f.oid)) || f.proowner::regrole || f.proacl::text, E'\n' ORDER BY f.oid::regprocedure::text)
		       || (SELECT E'\n' || p::text FROM sessioncleanup_policy p) || (SELECT concat_ws(E'\n', m.schema, m.zone, m.complete, m.places) FROM sessioncleanup_settings m)
		       || (SELECT string_agg(o ->> 'kind' || (o ->> 'name'), E'\n' ORDER BY o) FROM sessioncleanup_settings m, jsonb_array_elements(m.added) o)
		       || (SELECT max(version_id) FROM sessioncleanup_migrations)
		  FROM pg_proc f WHERE f.pronamespace = 'public'::regnamespace`
	for name, damage := range map[string]string{
		"the body of a function":     "CREATE OR REPLACE FUNCTION sessioncleanup_forget(p_before timestamptz, p_limit int) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
		"where a function looks":     "ALTER FUNCTION sessioncleanup_sweep RESET search_path",
		"whose rights it has":        "ALTER FUNCTION sessioncleanup_note SECURITY INVOKER",
		"who may execute it":         "GRANT EXECUTE ON FUNCTION cleanup_inactive_sessions TO PUBLIC",
		"a function is gone":         "DROP FUNCTION get_session_cleanup_stats",
		"a tracking function":        "ALTER FUNCTION sessioncleanup_track_public_propositions_session_id() COST 1",
		"the policy":                 "UPDATE sessioncleanup_policy SET delete_after = '1 hour'",
		"there is no policy":         "DELETE FROM sessioncleanup_policy",
		"where the tables are":       "UPDATE sessioncleanup_settings SET places = places - 'table'",
		"an unfinished migration":    "UPDATE sessioncleanup_settings SET complete = 0",
		"what is known of functions": "UPDATE sessioncleanup_settings SET places = places - 'functions'",
		"what was added":             "UPDATE sessioncleanup_settings SET added = '[]'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !slices.Contains([]string{"the body of a function", "who may execute it", "the policy"}, name) {
				thorough.Only(t, thorough.Interrupted)
			}
			store, pool := adopted(t, "guide")
			migrate(t, store)
			before := value[string](t, pool, state)
			mustRun(t, pool, damage)
			if err := open(t, onlyReads(pool.Config().ConnString()), postgres.Config{}).Migrate(t.Context(), sessioncleanup.Policy{}); err == nil {
				t.Error("a Migrate that cannot write did not notice")
			}
			migrate(t, store)
			if diff := cmp.Diff(before, value[string](t, pool, state)); diff != "" {
				t.Errorf("after Migrate (-before +after):\n%s", diff)
			}
		})
	}
}

func TestMigrateSeesThatADeletionReachesANewTable(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	migrate(t, store)
	mustExec(t, pool, "CREATE TABLE notes (proposition bigint REFERENCES propositions ON DELETE CASCADE)")
	migrate(t, store)
	if got := value[string](t, pool, "SELECT reached::text FROM sessioncleanup_settings"); !strings.Contains(got, "public.notes") {
		t.Errorf("a deletion reaches %s, want notes too", got)
	}
}
