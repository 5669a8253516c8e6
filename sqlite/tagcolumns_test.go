package sqlite_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

const planTables = `CREATE TABLE sessions (id TEXT PRIMARY KEY, data TEXT, plan TEXT COLLATE RTRIM, kind ANY,
	tier TEXT GENERATED ALWAYS AS (substr(data, 1, 4)) VIRTUAL, active BOOLEAN NOT NULL DEFAULT 1, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)`

func tagsBy(columns ...string) sqlite.Config {
	return sqlite.Config{Schema: sessioncleanup.Schema{TagColumns: columns}}
}

func TestTheTagsOfColumnsFollowEveryStatementOfTheApplication(t *testing.T) {
	t.Parallel()
	store, app := adoptWith(t, tagsBy("plan", "kind", "tier"), planTables)
	for _, c := range []struct{ statement, want string }{
		{"INSERT INTO sessions (id, data, plan, kind) VALUES ('a', 'goldrush', 'free', 7), ('b', NULL, 'free', x'41')", "a plan:free, a kind:7, a tier:gold, b kind:a, b plan:free"},
		{"UPDATE sessions SET plan = 'free ' WHERE id = 'a'", "a kind:7, a tier:gold, b kind:a, b plan:free"}, // equal to the column, and no tag
		{"UPDATE sessions SET data = 'silver', plan = 'pro', active = 0 WHERE id = 'a'", "a kind:7, a plan:pro, a tier:silv, b kind:a, b plan:free"},
		{"INSERT OR REPLACE INTO sessions (id, plan, kind) VALUES ('a', 'pro', 2.5)", "a kind:2.5, a plan:pro, b kind:a, b plan:free"},
		{"INSERT INTO sessions (id, plan) VALUES ('a', 'free'), ('c', 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan", "a kind:2.5, a plan:free, b kind:a, b plan:free, c plan:x"},
		{"UPDATE sessions SET id = 'z' WHERE id = 'c'", "a kind:2.5, a plan:free, b kind:a, b plan:free, z plan:x"},
		{"INSERT INTO sessioncleanup_tags VALUES ('z', 'own'), ('z', 'plan:old'), ('new', 'plan:old')", "a kind:2.5, a plan:free, b kind:a, b plan:free, new plan:old, z own, z plan:old, z plan:x"},
		{"UPDATE sessions SET plan = 'y' WHERE id = 'z'", "a kind:2.5, a plan:free, b kind:a, b plan:free, new plan:old, z own, z plan:y"},
		{"INSERT INTO sessions (id) VALUES ('new')", "a kind:2.5, a plan:free, b kind:a, b plan:free, z own, z plan:y"},
		{"DELETE FROM sessions WHERE id <> 'b'", "b kind:a, b plan:free"},
		{"UPDATE sessions SET plan = 'n' || char(0) || 'x'", "b kind:a"},
	} {
		execute(t, app, c.statement)
		want := strings.Split(c.want, ", ")
		slices.Sort(want)
		got := lines(t, app, "SELECT session_id || ' ' || tag FROM sessioncleanup_tags ORDER BY 1")
		if !slices.Equal(want, got) {
			t.Errorf("after %s:\n got %q\nwant %q", c.statement, got, want)
		}
	}
	if s := get(t, store, "b"); fmt.Sprint(s.Tags) != "[kind:a]" {
		t.Errorf("the session has the tags %q", s.Tags)
	}
}

func TestMigrateTagsTheRowsThatThereWereBeforeAndRemovesTheTagsOfColumnsThatHaveNone(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, planTables, `WITH n AS (SELECT 1 AS value UNION ALL SELECT value + 1 FROM n WHERE value < 2500)
		INSERT INTO sessions (id, plan, kind)
		SELECT 'session ' || value, CASE value % 3 WHEN 0 THEN 'Free' WHEN 1 THEN 'gold' END, value % 2 FROM n`)
	migrated := func(columns []string, want string) {
		t.Helper()
		store := open(t, path, tagsBy(columns...))
		for range 2 {
			migrate(t, store)
			if got := line(t, app, "SELECT tag, count(*) FROM sessioncleanup_tags GROUP BY tag ORDER BY tag"); got != want {
				t.Errorf("with the columns %q there are the tags\n%s\nwant\n%s", columns, got, want)
			}
		}
		if _, _, err := clean(t.Context(), store); err != nil {
			t.Errorf("a run with the columns %q: %v", columns, err)
		}
	}
	migrated(nil, "")
	execute(t, app, "INSERT INTO sessioncleanup_tags SELECT id, tag FROM sessions, (SELECT 'plan:gold' AS tag UNION SELECT 'other')")
	migrated([]string{"plan"}, "other|2500\nplan:free|833\nplan:gold|834")
	migrated([]string{"kind", "plan"}, "kind:0|1250\nkind:1|1250\nother|2500\nplan:free|833\nplan:gold|834")
	migrated([]string{"kind"}, "kind:0|1250\nkind:1|1250\nother|2500")
	migrated([]string{}, "other|2500")
	if err := open(t, path, sqlite.Config{}).Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestARunRefusesToWorkWithoutTheTriggersThatFollowTheColumnsUntilMigrateTagsAgain(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"": "", "live": "live_"} {
		t.Run("with the name "+name, func(t *testing.T) { refusesToWorkWithoutTriggers(t, name, before) })
	}
}

func refusesToWorkWithoutTriggers(t *testing.T, name, before string) {
	t.Parallel()
	c := tagsBy("plan")
	c.Name, c.Schema.Table = name, "sessions"
	store, app := adoptWith(t, c, planTables)
	execute(t, app, "INSERT INTO sessions (id, plan) VALUES ('a', 'free')")
	execute(t, app, "DROP TRIGGER "+before+"sessioncleanup_session_retagged")
	execute(t, app, "UPDATE sessions SET plan = 'gold'")
	if _, _, err := clean(t.Context(), store); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), " "+before+"sessioncleanup_session_retagged are missing") {
		t.Errorf("a run: %v, want an ErrNotInstalled that names the trigger", err)
	}
	migrate(t, store)
	if _, _, err := clean(t.Context(), store); err != nil {
		t.Errorf("a run after Migrate: %v", err)
	}
	if s := get(t, store, "a"); fmt.Sprint(s.Tags) != "[plan:gold]" {
		t.Errorf("the session has the tags %q", s.Tags)
	}
}

func TestAColumnThatIsRenamedEndsRunsAndNoStatementOfTheApplication(t *testing.T) {
	t.Parallel()
	store, app := adoptWith(t, tagsBy("plan"), planTables)
	execute(t, app, "INSERT INTO sessions (id, plan) VALUES ('a', 'free')")
	execute(t, app, "ALTER TABLE sessions RENAME COLUMN plan TO level")
	execute(t, app, "UPDATE sessions SET level = 'gold'")
	if _, _, err := clean(t.Context(), store); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), "schema.tag_columns[0]") {
		t.Errorf("a run: %v, want an ErrNotInstalled about schema.tag_columns[0]", err)
	}
}
