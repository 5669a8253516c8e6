package sqlite_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// insertUsed inserts a session that was last used, and deactivated if it is inactive, some time ago.
const insertUsed = `
	INSERT INTO sessions (id, streamer_id, name, active, last_activity, expires_at, auto_cleanup, deactivated_at)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN NOT ?4 THEN ?5 END)`

func TestActivityTouchesItsSession(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	old := time.Now().Add(-2 * day)
	for id := range 5 {
		execute(t, app, insertUsed, id+1, nil, "room", id != 4, stamp(old), nil, 1)
	}
	touched := func() (ids []string) {
		t.Helper()
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			if near(get(t, store, id).LastActivity, time.Now()) {
				ids = append(ids, id)
			}
		}
		// The application's own value replaces the notes.
		execute(t, app, "UPDATE sessions SET last_activity = ?", stamp(old))
		return ids
	}
	for _, c := range []struct {
		what, statement string
		want            []string
	}{
		{"a row", "INSERT INTO propositions (id, session_id) VALUES (10, 1)", []string{"1"}},
		{"several rows", "INSERT INTO propositions (id, session_id) VALUES (11, 1), (12, 2), (13, 2)", []string{"1", "2"}},
		{"a change", "UPDATE propositions SET song = 'x' WHERE id = 12", []string{"2"}},
		{"a row that moves", "UPDATE propositions SET session_id = 3 WHERE id = 12", []string{"2", "3"}},
		{"a row of an inactive session", "INSERT INTO propositions (id, session_id) VALUES (14, 5)", []string{"5"}},
		{"an upsert", "INSERT INTO propositions (id, session_id) VALUES (10, 1) ON CONFLICT (id) DO UPDATE SET song = 'y'", []string{"1"}},
		{"a replacement", "INSERT OR REPLACE INTO propositions (id, session_id) VALUES (10, 4)", []string{"4"}},
		{"a row that goes", "DELETE FROM propositions WHERE id = 10", nil},
		{"a session that goes with its rows", "DELETE FROM sessions WHERE id = 2", nil},
	} {
		if c.statement == "DELETE FROM sessions WHERE id = 2" {
			execute(t, app, c.statement)
			execute(t, app, insertUsed, 2, nil, "again", 1, stamp(old), nil, 1)
		} else {
			execute(t, app, c.statement)
		}
		if got := touched(); !cmp.Equal(got, c.want) {
			t.Errorf("%s touched %v, want %v", c.what, got, c.want)
		}
	}
	if s := get(t, store, "5"); s.Active {
		t.Error("activity made an inactive session active though the policy does not say so")
	}
}

func TestActivityOfADeletedSessionWithoutCascadeTouchesNothing(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, `
		CREATE TABLE sessions (id TEXT PRIMARY KEY);
		CREATE TABLE notes (id INTEGER PRIMARY KEY, session_id TEXT REFERENCES sessions (id) ON DELETE SET NULL);
		INSERT INTO sessions VALUES ('a'), ('b');
		INSERT INTO notes (session_id) VALUES ('a'), ('b'), (NULL)`)
	old := stamp(time.Now().Add(-90 * day))
	execute(t, app, "UPDATE sessions SET active = 0, last_activity = ?1, deactivated_at = ?1", old)
	if _, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "a"}, sessioncleanup.Cause{Actor: "system"}); err != nil {
		t.Fatal(err)
	}
	if deleted, _, err := clean(t.Context(), store); err != nil || !cmp.Equal(deleted, []string{"b"}) {
		t.Errorf("deleted %v: %v", deleted, err)
	}
	if got := line(t, app, "SELECT count(*), count(session_id) FROM notes"); got != "3|0" {
		t.Errorf("notes and those with a session: %s", got)
	}
}

func TestActivityIsNotedOncePerTouchInterval(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	migrateWith(t, store, sessioncleanup.Policy{TouchInterval: time.Hour})
	within, before := stamp(time.Now().Add(-50*time.Minute)), stamp(time.Now().Add(-70*time.Minute))
	execute(t, app, insertUsed, 1, nil, "within", 1, before, nil, 1)
	execute(t, app, insertUsed, 2, nil, "before", 1, before, nil, 1)
	execute(t, app, insertUsed, 3, nil, "clock set back", 1, before, nil, 1)
	execute(t, app, "INSERT INTO sessioncleanup_touches (session, at) VALUES (1, ?), (2, ?), (3, '2999-01-01 00:00:00.000')", within, before)
	execute(t, app, "INSERT INTO propositions (session_id) VALUES (1), (2), (3)")
	if got := get(t, store, "1").LastActivity; stamp(got) != within {
		t.Errorf("a session noted 50 minutes ago was noted again: %s, was %s", got, within)
	}
	for _, id := range []string{"2", "3"} {
		if got := get(t, store, id).LastActivity; !near(got, time.Now()) {
			t.Errorf("session %s was not noted: %s", id, got)
		}
	}
	// The row is the policy: whoever changes it in SQL changes what the triggers do.
	execute(t, app, "UPDATE sessioncleanup_settings SET touch_interval_seconds = 60")
	execute(t, app, "INSERT INTO propositions (session_id) VALUES (1)")
	if got := get(t, store, "1").LastActivity; !near(got, time.Now()) {
		t.Errorf("with a shorter interval it was not noted: %s", got)
	}
}

// TestActivityReactivatesWhatARunDeactivated reads a session before and after its note is folded in, by each call that does.
func TestActivityReactivatesWhatARunDeactivated(t *testing.T) {
	t.Parallel()
	for what, fold := range map[string]func(ctx context.Context, s *sqlite.Store, id string) error{
		"Sweep": func(ctx context.Context, s *sqlite.Store, _ string) error {
			_, err := s.Sweep(ctx, batchOf(sessioncleanup.ActionDated, time.Now(), 10))
			return err
		},
		"Touch": func(ctx context.Context, s *sqlite.Store, id string) error {
			_, err := s.Touch(ctx, sessioncleanup.Touch{IDs: []string{id}, Interval: time.Minute})
			return err
		},
		"Update": func(ctx context.Context, s *sqlite.Store, id string) error {
			_, err := s.Update(ctx, sessioncleanup.Target{ID: id}, sessioncleanup.Change{})
			return err
		},
	} {
		store, app := adopt(t, appTables, "INSERT INTO users (id, username) VALUES (7, 'ann')")
		migrateWith(t, store, sessioncleanup.Policy{ReactivateOnActivity: sessioncleanup.On})
		old, past, future := stamp(time.Now().Add(-2*day)), stamp(time.Now().Add(-time.Hour)), stamp(time.Now().Add(time.Hour))
		execute(t, app, insertUsed, 1, 7, "expired", 1, old, past, 1)
		execute(t, app, insertUsed, 2, nil, "expires later", 1, old, future, 1)
		execute(t, app, insertUsed, 3, nil, "closed by the application", 1, old, nil, 1)
		execute(t, app, insertUsed, 4, nil, "closed by a person", 1, old, nil, 1)
		execute(t, app, insertUsed, 5, nil, "protected since", 1, old, nil, 1)
		execute(t, app, "UPDATE sessions SET active = 0 WHERE id = 3")
		closed := sessioncleanup.Change{Action: sessioncleanup.ActionDeactivated, Cause: sessioncleanup.Cause{Actor: "admin:eve"}, Active: sessioncleanup.Off}
		if _, err := store.Update(t.Context(), sessioncleanup.Target{ID: "4"}, closed); err != nil {
			t.Fatal(err)
		}
		if _, deactivated, err := clean(t.Context(), store); err != nil || !cmp.Equal(deactivated, []string{"1", "2", "5"}) {
			t.Fatalf("deactivated %v: %v", deactivated, err)
		}
		execute(t, app, "UPDATE sessions SET auto_cleanup = 0 WHERE id = 5")
		execute(t, app, "INSERT INTO propositions (session_id) VALUES (1), (2), (3), (4), (5), (1)")
		check := func(when string) {
			t.Helper()
			for id, active := range map[string]bool{"1": true, "2": true, "3": false, "4": false, "5": false} {
				s := get(t, store, id)
				if s.Active != active || s.DeactivatedAt.IsZero() != active || !near(s.LastActivity, time.Now()) || s.ExpiresAt.IsZero() != (id != "2") {
					t.Errorf("%s, %s: %+v", what, when, s)
				}
			}
		}
		check("noted")
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			if err := fold(t.Context(), store, id); err != nil {
				t.Fatal(err)
			}
		}
		if left := line(t, app, "SELECT count(*) FROM sessioncleanup_touches"); left != "0" {
			t.Errorf("%s: %s notes are left", what, left)
		}
		check("folded in")
		events, err := store.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionReactivated}, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]sessioncleanup.SessionRef{}
		for _, e := range events {
			if e.Actor != "system" || e.Reason != "activity" || !near(e.At, time.Now()) {
				t.Errorf("%s: event %+v", what, e)
			}
			for _, ref := range e.Sessions {
				got[ref.ID] = ref
			}
		}
		want := map[string]sessioncleanup.SessionRef{"1": {ID: "1", OwnerID: "7", Name: "expired"}, "2": {ID: "2", Name: "expires later"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", what, diff)
		}
	}
}

func TestAnApplicationThatKnowsNothingOfTheColumnsGetsThemFilled(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	migrateWith(t, store, sessioncleanup.Policy{AutoCleanupDefault: sessioncleanup.Off})
	execute(t, app, "INSERT INTO sessions (id, name) VALUES (1, 'plain'), (2, 'plain')")
	execute(t, app, "INSERT INTO sessions (id, auto_cleanup) VALUES (3, 1)")
	execute(t, app, "INSERT INTO sessions (id, last_activity) VALUES (4, '2020-01-01')")
	for id, auto := range map[string]bool{"1": false, "2": false, "3": true, "4": false} {
		s := get(t, store, id)
		if s.AutoCleanup != auto || !s.Active || near(s.LastActivity, time.Now()) != (id != "4") {
			t.Errorf("session %s: %+v", id, s)
		}
	}
}

func TestIDsOfEveryTypeAreFound(t *testing.T) {
	t.Parallel()
	for declared, ids := range map[string][2]string{
		"INTEGER PRIMARY KEY":           {"1", "20"},
		"BIGINT UNIQUE NOT NULL":        {"-5", "9223372036854775807"},
		"TEXT PRIMARY KEY":              {"001", "1"},
		"VARCHAR(36) PRIMARY KEY":       {"it's", `"é"`},
		"UUID PRIMARY KEY":              {"123e4567-e89b-12d3-a456-426614174000", "7"},
		"BLOB PRIMARY KEY":              {"00ff", "0102030405060708090a0b0c0d0e0f10"},
		"PRIMARY KEY":                   {"a", "b"},
		"TEXT COLLATE NOCASE UNIQUE":    {"A", "b"},
		"TEXT PRIMARY KEY) WITHOUT":     {"x", "y"},
		"INTEGER PRIMARY KEY) WITHOUT":  {"3", "11"},
		"BLOB PRIMARY KEY) WITHOUT":     {"aa", "bb"},
		"INTEGER PRIMARY KEY, rowid x)": {"2", "1"},
	} {
		t.Run(declared, func(t *testing.T) {
			t.Parallel()
			table := "CREATE TABLE sessions (id " + declared
			switch {
			case table[len(table)-8:] == " WITHOUT":
				table += " ROWID"
			case table[len(table)-1] != ')':
				table += ")"
			}
			store, app := adopt(t, table, "CREATE TABLE notes (session_id)")
			old := stamp(time.Now().Add(-90 * day))
			blob := declared[:4] == "BLOB"
			for _, id := range ids {
				value := "?1"
				if blob {
					value = "unhex(?1)"
				}
				execute(t, app, "INSERT INTO sessions (id, last_activity) VALUES ("+value+", ?2)", id, old)
			}
			migrate(t, store)
			for _, id := range ids {
				if s := get(t, store, id); s.ID != id {
					t.Errorf("asked for %q, got %q", id, s.ID)
				}
			}
			if n, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: append(ids[:1:1], "nobody", " ", "zz")}); n != 1 || err != nil {
				t.Errorf("touched %d: %v", n, err)
			}
			execute(t, app, "INSERT INTO notes SELECT id FROM sessions")
			if _, deactivated, err := clean(t.Context(), store); err != nil || len(deactivated) != 0 {
				t.Errorf("after activity, a run deactivated %v: %v", deactivated, err)
			}
			execute(t, app, "UPDATE sessions SET last_activity = ?", old)
			if _, deactivated, err := clean(t.Context(), store); err != nil || len(deactivated) != 2 {
				t.Errorf("a run deactivated %v: %v", deactivated, err)
			}
			execute(t, app, "UPDATE sessions SET deactivated_at = last_activity")
			if deleted, _, err := clean(t.Context(), store); err != nil || len(deleted) != 2 {
				t.Errorf("a run deleted %v: %v", deleted, err)
			}
			for _, id := range ids {
				events, err := store.Events(t.Context(), sessioncleanup.EventQuery{SessionID: id, Limit: 10})
				if err != nil || len(events) != 2 || len(events[0].Sessions) != 1 {
					t.Errorf("events of %q: %+v, %v", id, events, err)
				}
			}
		})
	}
}
