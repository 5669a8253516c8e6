package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

func TestUninstallRestoresWhatWasReplacedExactly(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, `
		CREATE TABLE sessions (id int PRIMARY KEY, name text, created_at timestamptz, last_activity timestamptz DEFAULT now());
		CREATE TABLE votes (id int PRIMARY KEY, session_id int NOT NULL REFERENCES sessions ON DELETE CASCADE);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE sessions SET last_activity = now() WHERE id = NEW.session_id; RETURN NEW; END';
		CREATE TRIGGER note AFTER INSERT ON votes FOR EACH ROW EXECUTE FUNCTION note();
		CREATE TRIGGER note_off AFTER INSERT ON votes FOR EACH ROW EXECUTE FUNCTION note();
		CREATE TRIGGER note_replica AFTER UPDATE OF session_id ON votes FOR EACH ROW EXECUTE FUNCTION note();
		ALTER TABLE votes DISABLE TRIGGER note_off, ENABLE REPLICA TRIGGER note_replica;
		COMMENT ON TRIGGER note ON votes IS 'it''s ours';`, sessioncleanup.MigrateOptions{Replace: true})
	pool := connect(t, url)
	one, two := roleOf(t, asRole(t, pool)), roleOf(t, asRole(t, pool))
	mustRun(t, pool, strings.NewReplacer("$ONE", one, "$TWO", two).Replace(`
		CREATE VIEW sessions_cleanup_view WITH (security_barrier = true) AS SELECT id AS nr, name, last_activity FROM sessions;
		COMMENT ON VIEW sessions_cleanup_view IS 'for the desk'; COMMENT ON COLUMN sessions_cleanup_view.nr IS 'a number'; COMMENT ON COLUMN sessions_cleanup_view.name IS 'a name';
		ALTER VIEW sessions_cleanup_view ALTER name SET DEFAULT 'none';
		CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER instead INSTEAD OF DELETE ON sessions_cleanup_view FOR EACH ROW EXECUTE FUNCTION instead();
		COMMENT ON TRIGGER instead ON sessions_cleanup_view IS 'nothing is deleted';
		CREATE RULE closed AS ON UPDATE TO sessions_cleanup_view DO INSTEAD NOTHING;
		COMMENT ON RULE closed ON sessions_cleanup_view IS 'nothing is changed';
		GRANT SELECT ON sessions_cleanup_view TO $ONE WITH GRANT OPTION; GRANT SELECT (nr), UPDATE (name) ON sessions_cleanup_view TO $TWO;
		REVOKE DELETE ON sessions_cleanup_view FROM CURRENT_USER;
		CREATE FUNCTION get_session_cleanup_stats(OUT total bigint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS 'SELECT count(*) FROM sessions';
		COMMENT ON FUNCTION get_session_cleanup_stats() IS 'a count'; ALTER FUNCTION get_session_cleanup_stats() OWNER TO $TWO;
		REVOKE EXECUTE ON FUNCTION get_session_cleanup_stats() FROM PUBLIC; GRANT EXECUTE ON FUNCTION get_session_cleanup_stats() TO $ONE WITH GRANT OPTION;
		CREATE PROCEDURE cleanup_inactive_sessions(hours int DEFAULT 24) LANGUAGE plpgsql AS 'BEGIN DELETE FROM sessions; END';
		COMMENT ON PROCEDURE cleanup_inactive_sessions(int) IS 'each night'; GRANT EXECUTE ON PROCEDURE cleanup_inactive_sessions(int) TO $ONE;
		CREATE FUNCTION cleanup_inactive_sessions(text, VARIADIC int[]) RETURNS int LANGUAGE sql AS 'SELECT 1'`))
	before := dump(t, url)
	migrate(t, store)
	if value[bool](t, pool, "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname LIKE 'note%')") {
		t.Error("a row trigger is still there after Migrate with Replace")
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after Uninstall (-before +after):\n%s", diff)
	}
}

func TestUninstallRefusesWhenItCannotRestoreWhatWasReplaced(t *testing.T) {
	t.Parallel()
	for change, c := range thorough.Some(2, map[string]struct{ back, lost string }{
		"ALTER TABLE sessions RENAME TO rooms":       {"ALTER TABLE rooms RENAME TO sessions", "renamed: public.sessions.id, public.sessions.name;"},
		"ALTER TABLE sessions RENAME name TO title":  {"ALTER TABLE sessions RENAME title TO name", "renamed: public.sessions.name;"},
		"ALTER TABLE votes RENAME TO answers":        {"ALTER TABLE answers RENAME TO votes", "renamed: public.votes;"},
		"ALTER FUNCTION note() RENAME TO noted":      {"ALTER FUNCTION noted() RENAME TO note", "renamed: public.note();"},
		`ALTER ROLE $ROLE RENAME TO "$ROLE, before"`: {`ALTER ROLE "$ROLE, before" RENAME TO $ROLE`, "renamed: role $ROLE;"},
	}) {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			store, url, _ := shaped(t, `
				CREATE TABLE sessions (id int PRIMARY KEY, name text, last_activity timestamptz DEFAULT now());
				CREATE TABLE votes (id int PRIMARY KEY, session_id int NOT NULL REFERENCES sessions ON DELETE CASCADE);
				CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE sessions SET last_activity = now() WHERE id = NEW.session_id; RETURN NEW; END';
				CREATE TRIGGER note AFTER INSERT ON votes FOR EACH ROW EXECUTE FUNCTION note();
				CREATE VIEW sessions_cleanup_view AS SELECT id, name FROM sessions;
				CREATE FUNCTION get_session_cleanup_stats() RETURNS int LANGUAGE sql AS 'SELECT 1'`, sessioncleanup.MigrateOptions{Replace: true})
			pool := connect(t, url)
			names := strings.NewReplacer("$ROLE", roleOf(t, asRole(t, pool)))
			mustRun(t, pool, names.Replace("GRANT EXECUTE ON FUNCTION get_session_cleanup_stats() TO $ROLE"))
			before := dump(t, url)
			migrate(t, store)
			mustRun(t, pool, names.Replace(change))
			installed := dump(t, url)
			if err := store.Uninstall(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), names.Replace(c.lost)) {
				t.Errorf("Uninstall fails with %v, want an ErrInvalid with %q", err, names.Replace(c.lost))
			}
			if diff := cmp.Diff(installed, dump(t, url)); diff != "" {
				t.Errorf("after the refusal (-before +after):\n%s", diff)
			}
			mustRun(t, pool, names.Replace(c.back))
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("after Uninstall (-before +after):\n%s", diff)
			}
		})
	}
}
