package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func tagsBy(columns ...string) postgres.Config {
	return postgres.Config{Schema: sessioncleanup.Schema{Table: "rooms", TagColumns: columns, AppTouches: true}}
}

// tagsIn lists the tags of sessions.
func tagsIn(t testing.TB, pool *pgxpool.Pool) (all []string) {
	t.Helper()
	err := pool.QueryRow(t.Context(), "SELECT coalesce(array_agg(session_id || ' ' || tag ORDER BY session_id, tag), '{}') FROM sessioncleanup_tags").Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheTagsOfColumnsFollowEveryStatementOfTheApplication(t *testing.T) {
	t.Parallel()
	const columns = `(id int NOT NULL, data text, plan char(6), kind plan, number numeric, tier text GENERATED ALWAYS AS (left(data, 4)) STORED,
		active boolean DEFAULT true, region int NOT NULL DEFAULT 1, PRIMARY KEY (id`
	for name, tables := range map[string]string{
		"a table":           "CREATE TABLE rooms " + columns + "))",
		"a partitioned one": "CREATE TABLE rooms " + columns + ", region)) PARTITION BY LIST (region); CREATE TABLE rooms_2 (junk int, LIKE rooms INCLUDING ALL); ALTER TABLE rooms_2 DROP junk; ALTER TABLE rooms ATTACH PARTITION rooms_2 FOR VALUES IN (2); CREATE TABLE rooms_1 PARTITION OF rooms FOR VALUES IN (1)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			mustRun(t, pool, "CREATE TYPE plan AS ENUM ('Gold', 'free', 'not free'); "+tables)
			migrate(t, open(t, url, tagsBy("plan", "kind", "number", "tier")))
			// a trigger of the application changes the column, too
			mustRun(t, pool, "CREATE FUNCTION demote() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NOT NEW.active THEN NEW.plan := ''old''; END IF; RETURN NEW; END'; CREATE TRIGGER demote BEFORE UPDATE ON rooms FOR EACH ROW EXECUTE FUNCTION demote()")
			for _, c := range []struct{ statement, want string }{
				{"INSERT INTO rooms (id, data, plan, kind, number) VALUES (1, 'goldrush', 'free', 'Gold', 2.50), (2, NULL, 'a b', 'not free', NULL)", "1 kind:gold, 1 number:2.50, 1 plan:free, 1 tier:gold"},
				{"UPDATE rooms SET data = 'silver' WHERE id = 1", "1 kind:gold, 1 number:2.50, 1 plan:free, 1 tier:silv"},
				{"UPDATE rooms SET active = false WHERE id = 1", "1 kind:gold, 1 number:2.50, 1 plan:old, 1 tier:silv"},
				{"INSERT INTO rooms (id, plan, region) VALUES (3, 'x', 2), (4, 'y', 1); DELETE FROM rooms WHERE id = 1", "3 plan:x, 4 plan:y"},
				{"UPDATE rooms SET plan = 'z', region = 3 - region WHERE id > 2", "3 plan:z, 4 plan:z"},
				{"UPDATE rooms SET id = 5 WHERE id = 4", "3 plan:z, 5 plan:z"},
				{"INSERT INTO rooms (id, plan, region) SELECT 5, 'w', region FROM rooms WHERE id = 5 ON CONFLICT DO NOTHING", "3 plan:z, 5 plan:z"},
				{"INSERT INTO sessioncleanup_tags VALUES (5, 'own'), (5, 'plan:wrong'), (9, 'plan:early')", "3 plan:z, 5 own, 5 plan:wrong, 5 plan:z, 9 plan:early"},
				{"UPDATE rooms SET plan = 'v' WHERE id = 5; INSERT INTO rooms (id) VALUES (9)", "3 plan:z, 5 own, 5 plan:v"},
				{"ALTER TABLE rooms ALTER COLUMN plan TYPE text", "3 plan:z, 5 own, 5 plan:v"},
				{"UPDATE rooms SET plan = 'UPPER.1' WHERE id IN (2, 5)", "2 plan:upper.1, 3 plan:z, 5 own, 5 plan:upper.1"},
			} {
				mustRun(t, pool, c.statement)
				if got := tagsIn(t, pool); strings.Join(got, ", ") != c.want {
					t.Errorf("after %s:\n got %q\nwant %q", c.statement, got, c.want)
				}
			}
		})
	}
}

func TestMigrateTagsTheRowsThatThereWereBeforeAndRemovesTheTagsOfColumnsThatHaveNone(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, `CREATE TABLE rooms (id int PRIMARY KEY, plan text, kind int, active boolean DEFAULT true);
		INSERT INTO rooms SELECT i, CASE i % 3 WHEN 0 THEN 'Free' WHEN 1 THEN 'gold' END, i % 2 FROM generate_series(1, 2500) i`)
	migrated := func(columns []string, want string) {
		t.Helper()
		store := open(t, url, tagsBy(columns...))
		for range 2 {
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{Rules: "plan:free: inactive=1h"}); err != nil {
				t.Fatal(err)
			}
			var got string
			err := pool.QueryRow(t.Context(), "SELECT coalesce(string_agg(tag || '=' || n, ' ' ORDER BY tag), '') FROM (SELECT tag, count(*) AS n FROM sessioncleanup_tags GROUP BY tag) t").Scan(&got)
			if err != nil || got != want {
				t.Errorf("with the columns %q there are the tags %s, %v; want %s", columns, got, err, want)
			}
		}
		mustRun(t, pool, "UPDATE rooms SET last_activity = now() - interval '2 days', active = true WHERE id = 1; SELECT * FROM cleanup_inactive_sessions()")
		var wrong int
		err := pool.QueryRow(t.Context(), "SELECT count(*) FROM rooms WHERE sessioncleanup_class IS NOT NULL AND plan IS DISTINCT FROM 'Free' AND id NOT IN (SELECT session_id FROM sessioncleanup_tags WHERE tag = 'plan:free') OR sessioncleanup_class IS NULL AND id IN (SELECT session_id FROM sessioncleanup_tags WHERE tag = 'plan:free')").Scan(&wrong)
		if err != nil || wrong > 0 {
			t.Errorf("with the columns %q %d sessions have the wrong class after a run, %v", columns, wrong, err)
		}
	}
	migrated(nil, "")
	mustRun(t, pool, "INSERT INTO sessioncleanup_tags SELECT id, t.tag FROM rooms, unnest('{plan:gold,other}'::text[]) t (tag)")
	migrated([]string{"plan"}, "other=2500 plan:free=833 plan:gold=834")
	migrated([]string{"kind", "plan"}, "kind:0=1250 kind:1=1250 other=2500 plan:free=833 plan:gold=834")
	migrated([]string{"kind"}, "kind:0=1250 kind:1=1250 other=2500")
	migrated([]string{}, "other=2500")
	if err := open(t, url, tagsBy()).Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
}

// The application writes the column while Migrate goes through the rows.
func TestNoTagOfAColumnIsWrongWhenTheApplicationWritesItWhileItIsAdopted(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, "CREATE TABLE rooms (id int PRIMARY KEY, plan text, active boolean DEFAULT true); INSERT INTO rooms SELECT i, 'plan' || i % 5 FROM generate_series(1, 5000) i")
	migrate(t, open(t, url, tagsBy()))
	var done atomic.Bool
	var writers sync.WaitGroup
	failed := make([]error, 3)
	for n := range failed {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			for failed[n] == nil && !done.Load() {
				from := random.IntN(4900)
				_, failed[n] = pool.Exec(context.Background(), "UPDATE rooms SET plan = 'plan' || $1::int WHERE id IN (SELECT id FROM rooms WHERE id BETWEEN $2 AND $2 + 40 ORDER BY id FOR UPDATE)", random.IntN(5), from)
			}
		})
	}
	err := open(t, url, tagsBy("plan")).Migrate(t.Context(), sessioncleanup.Policy{})
	done.Store(true)
	writers.Wait()
	if err := errors.Join(append(failed, err)...); err != nil {
		t.Fatal(err)
	}
	var wrong int
	err = pool.QueryRow(t.Context(), "SELECT count(*) FROM rooms r WHERE ARRAY(SELECT tag FROM sessioncleanup_tags t WHERE t.session_id = r.id) <> ARRAY['plan:' || plan]").Scan(&wrong)
	if err != nil || wrong > 0 {
		t.Errorf("%d sessions have other tags than their column says, %v", wrong, err)
	}
}

func TestARunRefusesToWorkUnlessTheTagsOfColumnsFollowThem(t *testing.T) {
	t.Parallel()
	for name, c := range thorough.Some(2, map[string]struct{ statement, want string }{
		"no trigger":         {"DROP TRIGGER sessioncleanup_tag_columns ON rooms", "sessioncleanup_tag_columns on public.rooms is missing"},
		"a disabled trigger": {"ALTER TABLE rooms DISABLE TRIGGER sessioncleanup_tag_columns", "is disabled"},
		"no column":          {"ALTER TABLE rooms RENAME plan TO level; UPDATE rooms SET level = 'gold'", "tag_columns"},
		"a part":             {"UPDATE sessioncleanup_settings SET places = jsonb_set(places, '{tags,plan}', 'false')", "the tags of columns are not complete"},
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			mustRun(t, pool, "CREATE TABLE rooms (id int PRIMARY KEY, plan text, active boolean DEFAULT true); INSERT INTO rooms VALUES (1, 'free')")
			migrate(t, open(t, url, tagsBy("plan")))
			mustRun(t, pool, "UPDATE rooms SET last_activity = now() - interval '2 days'")
			mustRun(t, pool, c.statement)
			store := open(t, url, tagsBy())
			m, err := sessioncleanup.New(store, sessioncleanup.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a run: %v, want an ErrNotInstalled that says %q", err, c.want)
			}
			if _, err := pool.Exec(t.Context(), "SELECT * FROM cleanup_inactive_sessions()"); err == nil {
				t.Error("cleanup_inactive_sessions works")
			}
			if name == "no column" {
				return
			}
			mustRun(t, pool, "UPDATE rooms SET plan = 'gold'")
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Errorf("a run after Migrate: %v", err)
			}
			if got := tagsIn(t, pool); !slices.Equal(got, []string{"1 plan:gold"}) {
				t.Errorf("after Migrate there are the tags %q", got)
			}
		})
	}
}

func TestTheSQLOfMigrateTagsTheRows(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, "CREATE TABLE rooms (id int PRIMARY KEY, plan text, kind text, active boolean DEFAULT true); INSERT INTO rooms VALUES (1, 'free', 'a'), (2, 'gold', 'b')")
	migrate(t, open(t, url, tagsBy("kind")))
	store := open(t, url, tagsBy("plan"))
	sql, err := store.MigrationSQL(t.Context(), sessioncleanup.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, pool, sql)
	if got := fmt.Sprint(tagsIn(t, pool)); got != "[1 plan:free 2 plan:gold]" {
		t.Errorf("there are the tags %s", got)
	}
	if sql, err := store.MigrationSQL(t.Context(), sessioncleanup.Policy{}); err != nil || strings.Contains(sql, "tag the sessions") {
		t.Errorf("Migrate would do it again: %v", err)
	}
}

// A row that moves to another partition is deleted from one and inserted into the other.
func TestASessionKeepsItsTagsWhenItsRowMovesToAnotherPartition(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, `CREATE TABLE rooms (id int NOT NULL, plan text, active boolean DEFAULT true, region int NOT NULL, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
		CREATE TABLE rooms_1 PARTITION OF rooms FOR VALUES IN (1); CREATE TABLE rooms_2 PARTITION OF rooms FOR VALUES IN (2)`)
	migrate(t, open(t, url, tagsBy("plan")))
	mustRun(t, pool, "INSERT INTO rooms (id, plan, region) VALUES (1, 'free', 1), (2, 'free', 1); INSERT INTO sessioncleanup_tags VALUES (1, 'vip'), (2, 'vip')")
	mustRun(t, pool, "UPDATE rooms SET region = 2, plan = 'gold' WHERE id = 1")
	mustRun(t, pool, "DELETE FROM rooms WHERE id = 2")
	if got, want := strings.Join(tagsIn(t, pool), ", "), "1 plan:gold, 1 vip"; got != want {
		t.Errorf("tags after the row moved: %s, want %s", got, want)
	}
}
