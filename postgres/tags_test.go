package postgres_test

import (
	"slices"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func TestASessionThatTheApplicationDeletesLeavesNoTags(t *testing.T) {
	t.Parallel()
	for name, tables := range map[string]string{
		"a table":            "CREATE TABLE rooms (id int PRIMARY KEY, house int, active boolean DEFAULT true)",
		"a partitioned one":  "CREATE TABLE rooms (id int PRIMARY KEY, house int, active boolean DEFAULT true) PARTITION BY RANGE (id); CREATE TABLE rooms_1 PARTITION OF rooms FOR VALUES FROM (0) TO (10)",
		"rows along with it": "CREATE TABLE houses (id int PRIMARY KEY); INSERT INTO houses VALUES (1); CREATE TABLE rooms (id int PRIMARY KEY, house int REFERENCES houses ON DELETE CASCADE, active boolean DEFAULT true)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			mustRun(t, pool, tables)
			store := open(t, url, postgres.Config{Schema: sessioncleanup.Schema{Table: "rooms"}})
			migrate(t, store)
			mustRun(t, pool, "INSERT INTO rooms VALUES (1, 1), (2, 1), (3, 1), (4, 1), (5, NULL)")
			mustRun(t, pool, "INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM rooms")
			switch name {
			case "a partitioned one":
				mustRun(t, pool, "DELETE FROM rooms_1 WHERE id = 1; DELETE FROM rooms WHERE id IN (2, 3, 4)")
			case "rows along with it":
				mustRun(t, pool, "DELETE FROM houses")
			default:
				mustRun(t, pool, "DELETE FROM rooms WHERE id < 5")
			}
			mustRun(t, pool, "INSERT INTO rooms VALUES (1, NULL)")
			var tagged []string
			if err := pool.QueryRow(t.Context(), "SELECT array_agg(session_id::text) FROM sessioncleanup_tags").Scan(&tagged); err != nil || !slices.Equal(tagged, []string{"5"}) {
				t.Errorf("the sessions %v have tags, %v; want 5 only", tagged, err)
			}
			if _, err := pool.Exec(t.Context(), "ALTER TABLE sessioncleanup_tags RENAME TO lost"); err != nil {
				t.Fatal(err)
			}
			mustRun(t, pool, "DELETE FROM rooms WHERE id = 5") // never fails because of the library
			mustRun(t, pool, "ALTER TABLE lost RENAME TO sessioncleanup_tags")
		})
	}
}
