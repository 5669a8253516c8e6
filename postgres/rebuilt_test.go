package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

// rebuiltTables are adopted, and then the table of sessions is made anew.
const rebuiltTables = `
	CREATE TABLE sessions (id int PRIMARY KEY, active boolean NOT NULL DEFAULT true, created_at timestamptz DEFAULT now() - interval '90 days');
	CREATE TABLE votes (session_id int REFERENCES sessions ON DELETE CASCADE);
	INSERT INTO sessions SELECT n, n % 2 = 1 FROM generate_series(1, 8) n;`

// The rows of a table that is made anew are those of before: tags, thresholds and lifecycle columns go with their IDs.
func TestATableThatIsRebuiltKeepsItsTagsAndTimes(t *testing.T) {
	t.Parallel()
	const own, added = "id, active, created_at", "last_activity, expires_at, auto_cleanup, deactivated_at"
	const rules = "vip: inactive=never delete=never; test: inactive=1h delete=1d"
	const drop = "ALTER TABLE votes DROP CONSTRAINT votes_session_id_fkey; DROP VIEW sessions_cleanup_view, sessions_archive_view; DROP TABLE sessions;"
	const name = "ALTER TABLE fresh RENAME TO sessions; ALTER TABLE votes ADD FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE"
	const swap = "ALTER TABLE votes DROP CONSTRAINT votes_session_id_fkey; ALTER TABLE sessions RENAME TO old;" + name
	for what, c := range map[string]struct {
		rebuild string
		lost    bool // the columns that Migrate adds
	}{
		"with its definition":     {rebuild: "CREATE TABLE fresh (LIKE sessions INCLUDING ALL); INSERT INTO fresh SELECT * FROM sessions;" + drop + name},
		"as a query":              {rebuild: "CREATE TABLE fresh AS SELECT * FROM sessions;" + drop + "ALTER TABLE fresh ADD PRIMARY KEY (id);" + name},
		"without a class":         {rebuild: "CREATE TABLE fresh AS SELECT " + own + ", " + added + " FROM sessions; ALTER TABLE fresh ADD PRIMARY KEY (id);" + swap},
		"by names":                {rebuild: "CREATE TABLE fresh (LIKE sessions INCLUDING ALL); INSERT INTO fresh (" + own + ", " + added + ") SELECT " + own + ", " + added + " FROM sessions;" + swap},
		"with partitions":         {rebuild: "CREATE TABLE fresh (LIKE sessions INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY HASH (id); CREATE TABLE part PARTITION OF fresh FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO fresh SELECT * FROM sessions;" + drop + name},
		"with the column id last": {rebuild: "CREATE TABLE fresh AS SELECT active, created_at, " + added + ", id FROM sessions; ALTER TABLE fresh ADD PRIMARY KEY (id);" + drop + name},
		"by its own columns only": {rebuild: "CREATE TABLE fresh AS SELECT " + own + " FROM sessions; ALTER TABLE fresh ADD PRIMARY KEY (id);" + drop + name, lost: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if !c.lost && what != "without a class" {
				thorough.Only(t, thorough.Tables)
			}
			store, url, log := shaped(t, rebuiltTables, sessioncleanup.MigrateOptions{})
			migrate(t, store)
			pool := connect(t, url)
			mustRun(t, pool, "INSERT INTO sessioncleanup_tags VALUES (1, 'vip'), (2, 'vip'), (3, 'test'), (4, 'test')")
			mustRun(t, pool, "UPDATE sessions SET auto_cleanup = false WHERE id IN (5, 6)")
			mustRun(t, pool, "UPDATE sessions SET last_activity = now()")
			ruledRun(t, store, rules) // classes the sessions, and deletes none
			const state = "SELECT string_agg(concat_ws(' ', id, active, last_activity, expires_at, auto_cleanup, deactivated_at), E'\\n' ORDER BY id) FROM sessions"
			mustRun(t, pool, "UPDATE sessions SET last_activity = now() - interval '40 days' WHERE id <> 7; UPDATE sessions SET deactivated_at = now() - interval '35 days' WHERE id IN (2, 4, 6)")
			before := value[string](t, pool, state)
			mustRun(t, pool, c.rebuild+"; INSERT INTO sessions (id, active) VALUES (9, true)") // it may have no defaults
			if err := runOnce(t, store); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
				t.Errorf("a run before Migrate gave %v, want an ErrNotInstalled", err)
			}
			migrate(t, store)
			if unknown := value[int](t, pool, "SELECT count(*) FROM sessions WHERE last_activity IS NULL"); unknown > 0 {
				t.Errorf("of %d sessions the last activity is not known", unknown)
			}
			mustRun(t, pool, "DELETE FROM sessions WHERE id = 9")
			if now := value[string](t, pool, state); now != before && !c.lost {
				t.Errorf("after Migrate:\n%s\nwant\n%s", now, before)
			}
			ruledRun(t, store, rules)
			if got, want := value[string](t, pool, classes), "vip, vip, test, -, -, -"; !c.lost && got != want { // 4 and 8 are deleted
				t.Errorf("classes: %s, want %s", got, want)
			}
			left, want := value[string](t, pool, "SELECT string_agg(id || CASE WHEN active THEN '+' ELSE '-' END, ' ' ORDER BY id) FROM sessions"), "1+ 2- 3- 5+ 6- 7+"
			if c.lost {
				want = "1+ 2- 3+ 4- 5+ 6- 7+ 8-"
				for _, column := range strings.Split(added, ", ") {
					if !strings.Contains(log.String(), "has lost the column "+column+" with its values") {
						t.Errorf("Migrate did not warn of the lost column %s", column)
					}
				}
			}
			if left != want {
				t.Errorf("a run left %q, want %q", left, want)
			}
			if err := store.Validate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Of ids of another kind nobody can tell which tags are theirs.
func TestMigrateRefusesNewIDsWhileThereAreTagsOfTheOldOnes(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, "CREATE TABLE sessions (id int PRIMARY KEY, updated_at timestamptz); INSERT INTO sessions VALUES (1)", sessioncleanup.MigrateOptions{})
	migrate(t, store)
	pool := connect(t, url)
	mustRun(t, pool, `INSERT INTO sessioncleanup_tags VALUES (1, 'vip'); DROP VIEW sessions_cleanup_view, sessions_archive_view;
		CREATE TABLE fresh AS SELECT gen_random_uuid() AS id, id AS nr, updated_at, active, last_activity, expires_at, auto_cleanup, deactivated_at FROM sessions;
		ALTER TABLE fresh ADD PRIMARY KEY (id); DROP TABLE sessions; ALTER TABLE fresh RENAME TO sessions`)
	mustRun(t, pool, "CREATE TABLE kept AS SELECT s.id, t.tag FROM sessions s JOIN sessioncleanup_tags t ON t.session_id = s.nr")
	for _, table := range []string{"tags", "retagged"} {
		err := store.Migrate(t.Context(), sessioncleanup.Policy{})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), `TRUNCATE "public"."sessioncleanup_`+table) || !strings.Contains(err.Error(), `"1"`) {
			t.Fatalf("Migrate gave %v, want an ErrInvalid that names the ids in %s", err, table)
		}
		mustRun(t, pool, "TRUNCATE sessioncleanup_"+table)
	}
	migrate(t, store)
	mustRun(t, pool, "INSERT INTO sessioncleanup_tags SELECT id, tag FROM kept")
	ruledRun(t, store, "vip: delete=never")
	if got := value[string](t, pool, classes); got != "vip" {
		t.Errorf("classes: %s, want vip", got)
	}
}
