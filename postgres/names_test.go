package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func TestNamesThatTheServerWouldCutAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 32)
	for _, s := range []sessioncleanup.Schema{
		{Table: long}, {Table: "public." + long}, {Name: long}, {Owner: "o", Owners: &sessioncleanup.Owners{Table: long, ID: "id", Name: "name"}},
		{Sources: []sessioncleanup.Source{{Table: long, Session: "s"}}}, {Sources: []sessioncleanup.Source{{Table: "t", Session: long}}}, {TagColumns: []string{long}},
	} {
		if _, err := postgres.Open(t.Context(), "postgres://nowhere/app", postgres.Config{Schema: s}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), long) {
			t.Errorf("Open with %+v: %v, want an ErrInvalid that names it", s, err)
		}
	}
}

// hiddenTables are triggers of an application whose connections have the search path app, public.
const hiddenTables = `
	CREATE SCHEMA app;
	CREATE TABLE sessions (id int PRIMARY KEY, name text, active boolean NOT NULL DEFAULT true, last_activity timestamptz NOT NULL DEFAULT now());
	CREATE TABLE votes (id int PRIMARY KEY, session_id int NOT NULL REFERENCES sessions ON DELETE CASCADE);
	CREATE INDEX ON votes (session_id);
	CREATE TABLE app.audit (id int, what text);
	CREATE TABLE app."Ledger" (id int);
	CREATE TABLE seen (id int);
	CREATE FUNCTION app.quota() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION body() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN $BODY RETURN COALESCE(NEW, OLD); END $$;
	CREATE FUNCTION note(id int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (id, 'noted'); END $$;
	CREATE TRIGGER $TRIGGER FOR EACH ROW EXECUTE FUNCTION body();
	INSERT INTO sessions (id, active, last_activity) SELECT n, n > 20, now() - CASE WHEN n <= 20 THEN interval '60 days' ELSE interval '2 days' END FROM generate_series(1, 40) n;
	INSERT INTO votes SELECT n, n FROM generate_series(1, 40) n;
	UPDATE sessions SET last_activity = now() - interval '60 days' WHERE id <= 20;`

func TestTriggersThatRunsWouldFailInAreReported(t *testing.T) {
	t.Parallel()
	const onSessions, onVotes = "body BEFORE UPDATE OR DELETE ON sessions", "body AFTER DELETE ON votes"
	for name, c := range thorough.Some(3, map[string]struct{ body, trigger, then, uses string }{
		"a table":               {"INSERT INTO audit VALUES (OLD.id, 'x');", onSessions, "", "app.audit"},
		"a table, by cascades":  {"DELETE FROM \"Ledger\" WHERE id = OLD.session_id;", onVotes, "", "app.Ledger"},
		"a type and a function": {"DECLARE a audit%ROWTYPE; BEGIN IF quota() > 2 THEN RETURN NULL; END IF; END;", onSessions, "", "app.audit, app.quota"},
		"through a function":    {"PERFORM note(OLD.id);", onSessions, "", "app.audit"},
		"a search path":         {"INSERT INTO audit VALUES (OLD.id, 'x');", onSessions, "ALTER FUNCTION body SET search_path = app, public", ""},
		"a schema":              {"INSERT INTO app.audit VALUES (OLD.id, 'x'); -- not into audit\nPERFORM app.quota();", onSessions, "", ""},
		"what is found":         {"INSERT INTO seen VALUES (OLD.id);", onSessions, "", ""},
		"other events":          {"INSERT INTO audit VALUES (NEW.id, 'x');", "body BEFORE INSERT ON sessions", "ALTER TABLE sessions DISABLE TRIGGER body", ""},
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tables := strings.NewReplacer("$BODY", c.body, "$TRIGGER", c.trigger).Replace(hiddenTables)
			_, url, _ := shaped(t, "SET search_path = public, app;"+tables+c.then, sessioncleanup.MigrateOptions{})
			var log strings.Builder
			store := open(t, url, postgres.Config{Logger: textLog(&log)})
			migrate(t, store)
			if err := store.Validate(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := 0
			if c.uses != "" {
				want = 2 // by Migrate and by Validate
			}
			if n := strings.Count(log.String(), "uses "+c.uses+" without the schema"); n != want || c.uses == "" && strings.Contains(log.String(), "without the schema") {
				t.Errorf("%d warnings of %q, want %d:\n%s", n, c.uses, want, log.String())
			}
			result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{})
			if err != nil {
				t.Fatal(err)
			}
			if failed := len(result.Failures) > 0; failed != (c.uses != "") {
				t.Errorf("the run failed on %d sessions, %v", len(result.Failures), result.Failures)
			}
		})
	}
}

func TestMigrateWithTheApplicationsSearchPathFindsWhatItsTriggersUse(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	mustRun(t, connect(t, url), "SET search_path = public, app;"+strings.NewReplacer("$BODY", "INSERT INTO audit VALUES (OLD.id, 'x');", "$TRIGGER", "body BEFORE UPDATE OR DELETE ON sessions").Replace(hiddenTables))
	var log strings.Builder
	store := open(t, url+"&search_path=public,app", postgres.Config{Logger: textLog(&log)})
	migrate(t, store)
	if strings.Contains(log.String(), "without the schema") {
		t.Errorf("Migrate warns:\n%s", log.String())
	}
	if result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || len(result.Failures) > 0 {
		t.Errorf("the run failed on %v, %v", result.Failures, err)
	}
}
