package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// dependentObjects are what an application may build on what Migrate added, by what drops it again.
var dependentObjects = map[string]struct{ sql, words string }{
	"DROP VIEW statuses":                         {"CREATE VIEW statuses AS SELECT id, status FROM sessions_cleanup_view", "view statuses"},
	"DROP VIEW report CASCADE":                   {"CREATE VIEW report AS SELECT id FROM sessions_cleanup_view; CREATE VIEW summary AS SELECT count(*) FROM report", "view report, view summary"},
	"DROP MATERIALIZED VIEW stored":              {"CREATE MATERIALIZED VIEW stored AS SELECT id FROM sessions_cleanup_view", "materialized view stored"},
	"DROP FUNCTION listed":                       {"CREATE FUNCTION listed() RETURNS SETOF sessions_cleanup_view LANGUAGE sql AS 'SELECT * FROM sessions_cleanup_view'", "function listed()"},
	"DROP FUNCTION run":                          {"CREATE FUNCTION run() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM cleanup_inactive_sessions(); END", "function run()"},
	"DROP VIEW figures":                          {"CREATE VIEW figures AS SELECT * FROM get_session_cleanup_stats()", "view figures"},
	"DROP TRIGGER keep ON sessions_cleanup_view": {"CREATE TRIGGER keep INSTEAD OF DELETE ON sessions_cleanup_view FOR EACH ROW EXECUTE FUNCTION nothing()", "trigger keep on view sessions_cleanup_view"},
	"DROP RULE kept ON sessions_cleanup_view":    {"CREATE RULE kept AS ON UPDATE TO sessions_cleanup_view DO INSTEAD NOTHING", "rule kept on view sessions_cleanup_view"},
	"DROP VIEW expiring":                         {"CREATE VIEW expiring AS SELECT id FROM sessions WHERE expires_at < now()", "view expiring"},
	"DROP INDEX by_expiry":                       {"CREATE INDEX by_expiry ON sessions (streamer_id, expires_at)", "index by_expiry"},
	"ALTER TABLE sessions DROP CONSTRAINT c":     {"ALTER TABLE sessions ADD CONSTRAINT c CHECK (expires_at > created_at)", "constraint c on table sessions"},
	"DROP TRIGGER t ON sessions":                 {"CREATE TRIGGER t BEFORE UPDATE OF last_activity ON sessions FOR EACH ROW EXECUTE FUNCTION nothing()", "trigger t on table sessions"},
	"ALTER TABLE sessions DROP day":              {"ALTER TABLE sessions ADD day boolean GENERATED ALWAYS AS (auto_cleanup) STORED", "column day of table sessions"},
	"DROP VIEW log":                              {"CREATE VIEW log AS SELECT at, action FROM sessioncleanup_events", "view log"},
	"DROP TABLE seen":                            {"CREATE TABLE seen (event bigint REFERENCES sessioncleanup_events)", "constraint seen_event_fkey on table seen"},
}

func TestUninstallRefusesWhileSomethingDependsOnWhatItRemoves(t *testing.T) {
	t.Parallel()
	url := fresh(t, "guide")
	pool := connect(t, url)
	mustRun(t, pool, "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
	before := dump(t, url)
	store := open(t, url, postgres.Config{})
	migrate(t, store)
	var words, drops []string
	for drop, c := range dependentObjects {
		mustRun(t, pool, c.sql)
		words, drops = append(words, strings.Split(c.words, ", ")...), append(drops, drop)
	}
	slices.Sort(words)
	installed := dump(t, url)
	err := store.Uninstall(t.Context())
	if !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Fatalf("Uninstall fails with %v, want an ErrInvalid", err)
	}
	_, list, _ := strings.Cut(err.Error(), "has to drop: ")
	list, _, _ = strings.Cut(list, ";")
	got := strings.Split(strings.NewReplacer("default value for ", "", "public.", "").Replace(list), ", ")
	slices.Sort(got)
	if diff := cmp.Diff(words, got); diff != "" {
		t.Errorf("what Uninstall says depends on it (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(installed, dump(t, url)); diff != "" {
		t.Errorf("after the refusal (-before +after):\n%s", diff)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Errorf("Validate after the refusal: %v", err)
	}
	mustRun(t, pool, strings.Join(drops, "; "))
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after Uninstall (-before +after):\n%s", diff)
	}
}

func TestUninstallOfAPartitionedTableRefusesWhileAViewReadsAPartition(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "partitioned")
	partition := value[string](t, pool, "SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'sessions'::regclass")
	mustRun(t, pool, "CREATE VIEW part AS SELECT last_activity FROM "+partition)
	err := store.Uninstall(t.Context())
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "has to drop: view public.part;") {
		t.Errorf("Uninstall fails with %v, want an ErrInvalid that lists view part", err)
	}
	mustRun(t, pool, "DROP VIEW part")
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateReplacesTheViewInPlaceWhileItOnlyGetsColumns(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	mustRun(t, pool, "CREATE VIEW report AS SELECT * FROM sessions_cleanup_view; CREATE VIEW figures AS SELECT * FROM get_session_cleanup_stats()")
	mustRun(t, pool, "INSERT INTO sessions (name) VALUES ('one')")
	names := func() string {
		return value[string](t, pool, "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'sessions_cleanup_view'::regclass AND NOT attisdropped")
	}
	before := names()
	mustRun(t, pool, "ALTER TABLE sessions ADD language text DEFAULT 'fr'; ALTER TABLE propositions RENAME TO songs; ALTER TABLE songs RENAME TO propositions")
	migrate(t, store)
	if got, want := names(), before+" language total_parts total_pins"; got != want {
		t.Errorf("columns of the view: %s, want %s", got, want)
	}
	if got := value[string](t, pool, "SELECT language || ' ' || (SELECT count(*) FROM report) FROM sessions_cleanup_view"); got != "fr 1" {
		t.Errorf("the view and the one on it show %q, want fr 1", got)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	first := dump(t, pool.Config().ConnString())
	migrate(t, store)
	if diff := cmp.Diff(first, dump(t, pool.Config().ConnString())); diff != "" {
		t.Errorf("a second migration (-first +second):\n%s", diff)
	}
}

func TestMigrateRefusesWhileSomethingDependsOnWhatItReplaces(t *testing.T) {
	t.Parallel()
	const report = "CREATE VIEW report AS SELECT id, status FROM sessions_cleanup_view; "
	for name, c := range thorough.Some(2, map[string]struct{ sql, words, then string }{
		"a column less":   {report + "ALTER TABLE sessions DROP COLUMN extra", "view public.report", "DROP VIEW report"},
		"another name":    {report + "ALTER TABLE sessions RENAME COLUMN name TO title", "view public.report", "DROP VIEW report"},
		"a rule on it":    {"CREATE RULE r AS ON DELETE TO sessions_cleanup_view DO INSTEAD NOTHING; ALTER TABLE sessions DROP COLUMN extra", "rule r on view public.sessions_cleanup_view", "DROP RULE r ON sessions_cleanup_view"},
		"another id type": {"CREATE VIEW noted AS SELECT session_id FROM sessioncleanup_touches; ALTER TABLE sessions ALTER id TYPE int", "view public.noted", "DROP VIEW noted"},
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Prepared(t, "guide, unpinned", pgapps.All()["guide"].Make)
			store, pool := open(t, url, postgres.Config{}), connect(t, url)
			mustRun(t, pool, "ALTER TABLE propositions DROP CONSTRAINT propositions_session_id_fkey; ALTER TABLE sessions ADD extra int")
			migrate(t, store)
			mustRun(t, pool, c.sql)
			before := dump(t, url)
			err := store.Migrate(t.Context(), sessioncleanup.Policy{})
			if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "has to drop: "+c.words+";") {
				t.Errorf("Migrate fails with %v, want an ErrInvalid that lists %s", err, c.words)
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("after the refusal (-before +after):\n%s", diff)
			}
			mustRun(t, pool, c.then)
			migrate(t, store)
			if err := store.Validate(t.Context()); err != nil {
				t.Errorf("Validate: %v", err)
			}
		})
	}
}

func TestMigrateRefusesToTakeOverWhatSomethingDependsOn(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, `CREATE TABLE sessions (id int PRIMARY KEY, created_at timestamptz, last_activity timestamptz DEFAULT now());
		CREATE VIEW sessions_cleanup_view AS SELECT id FROM sessions; CREATE VIEW report AS SELECT id FROM sessions_cleanup_view;
		CREATE FUNCTION get_session_cleanup_stats() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW figures AS SELECT get_session_cleanup_stats()`,
		sessioncleanup.MigrateOptions{Replace: true})
	before := dump(t, url)
	err := store.Migrate(t.Context(), sessioncleanup.Policy{})
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "has to drop: view public.figures, view public.report;") {
		t.Errorf("Migrate fails with %v, want an ErrInvalid that lists the views figures and report", err)
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after the refusal (-before +after):\n%s", diff)
	}
	mustRun(t, connect(t, url), "DROP VIEW figures, report")
	migrate(t, store)
}
