package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/runmodel"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

var withView = sqlite.Config{Migrate: sessioncleanup.MigrateOptions{View: true}}

// TestTheViewAgreesWithCutoffs compares the view with the rules in Go on random sessions, policy by policy.
func TestTheViewAgreesWithCutoffs(t *testing.T) {
	t.Parallel()
	store, app := adoptWith(t, withView, appTables)
	random := rand.New(rand.NewPCG(1, 2))
	// Moments stay away from those at which a status changes, because the clock goes on: from the thresholds, and from those
	// with the minute of DefaultPolicy's TouchInterval.
	moment := func(around ...time.Duration) string {
		d := around[random.IntN(len(around))]
		return stamp(time.Now().Add(-d + time.Duration(120+random.IntN(1000))*time.Second*time.Duration(1-2*random.IntN(2))))
	}
	for id := 1; id <= 500; id++ {
		var expires any
		if random.IntN(2) == 0 {
			expires = moment(0, -day, 12*time.Hour, 7*day, 30*day, 31*day)
		}
		execute(t, app, insertUsed, id, nil, "room", random.IntN(2), moment(0, time.Hour, 12*time.Hour, day, 7*day, 30*day, 60*day), expires, random.IntN(8) > 0)
	}
	for id := 1; id <= 500; id++ { // some that are not known, or were deactivated at another time
		execute(t, app, "UPDATE sessions SET deactivated_at = ? WHERE id = ? AND NOT active", []any{nil, moment(0, 7*day, 30*day), moment(60 * day)}[random.IntN(3)], id)
	}
	execute(t, app, "UPDATE sessions SET last_activity = 'never' WHERE id IN (100, 101, 102)")
	execute(t, app, "UPDATE sessions SET expires_at = 'whenever' WHERE id IN (102, 103, 104)")
	for id := 1; id <= 500; id++ {
		for _, tag := range []string{"vip", "test", "gold", "vi", "other"} {
			if random.IntN(2) == 0 {
				execute(t, app, "INSERT INTO sessioncleanup_tags VALUES (?, ?)", fmt.Sprint(id), tag)
			}
		}
	}
	warned := sessioncleanup.Policy{WarnBefore: 7 * day}
	early := sessioncleanup.Policy{DeleteAfter: 2 * day, WarnBefore: day}
	if _, err := store.Warn(t.Context(), sessioncleanup.Batch{Cutoffs: early.CutoffsAt(clock(t, store)), Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	execute(t, app, "UPDATE sessioncleanup_notices SET delivered_at = ? WHERE session % 3 = 0", stamp(time.Now().Add(-8*day)))
	execute(t, app, "UPDATE sessioncleanup_notices SET failed_at = ? WHERE session % 3 = 1", stamp(time.Now().Add(-8*day)))
	for _, p := range []sessioncleanup.Policy{
		{}, {InactiveAfter: 12 * time.Hour, DeleteAfter: 7 * day}, {InactiveAfter: sessioncleanup.Never},
		warned, {WarnBefore: 7 * day, Undeliverable: sessioncleanup.UndeliverableProceed}, {WarnBefore: 9 * day},
		{DeleteAfter: sessioncleanup.Never, TouchInterval: time.Hour}, {InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never},
		{Rules: "vip: inactive=never delete=never; test: inactive=1h delete=1d; gold: inactive=7d"},
		{WarnBefore: 7 * day, Rules: "vip: warn=never; test: delete=7d warn=1d; gold: delete=60d"},
		{WarnBefore: 9 * day, Undeliverable: sessioncleanup.UndeliverableProceed, Rules: "vip: warn=10d; test: warn=never; gold: warn=1d"},
		{Undeliverable: sessioncleanup.UndeliverableProceed, Rules: "vip: warn=7d; test: inactive=7d delete=7d warn=1d"},
		{InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never, Rules: "vip: inactive=12h delete=60d; test: inactive=1d delete=1d; unused: delete=never"},
		{Rules: "test: inactive=1h"}, {Rules: sessioncleanup.NoRules},
	} {
		migrateWith(t, store, p)
		cut := p.CutoffsAt(clock(t, store))
		runmodel.ViewAgrees(t, store, cut, lines(t, app, "SELECT id, status, cleanup_status FROM sessions_cleanup_view"))
	}
}

// TestTheViewFollowsRulesThatAreSetLater changes the stored policy, not by Migrate.
func TestTheViewFollowsRulesThatAreSetLater(t *testing.T) {
	t.Parallel()
	store, app := adoptWith(t, withView, appTables)
	execute(t, app, insertUsed, 1, nil, "room", 0, stamp(time.Now().Add(-20*day)), nil, 1)
	execute(t, app, "UPDATE sessions SET deactivated_at = '1970-01-01 00:00:00'")
	execute(t, app, "INSERT INTO sessioncleanup_tags VALUES ('1', 'test')")
	for _, step := range []struct{ rules, status string }{
		{"test: delete=1d", "to_delete"}, {"test: delete=90d; vip: delete=1h", "inactive"}, {"vip: delete=1d; test: delete=19d", "to_delete"}, {"none", "inactive"},
	} {
		if _, err := store.SetPolicy(t.Context(), rulesOf(step.rules), nil, sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}); err != nil {
			t.Fatal(err)
		}
		if got := line(t, app, "SELECT status FROM sessions_cleanup_view"); got != step.status {
			t.Errorf("with the rules %q the view says %s, want %s", step.rules, got, step.status)
		}
	}
	// An earlier version of the library stored rules that its view did not know.
	if _, err := store.SetPolicy(t.Context(), rulesOf("test: delete=1d"), nil, sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}); err != nil {
		t.Fatal(err)
	}
	execute(t, app, `DROP VIEW sessions_cleanup_view; CREATE VIEW sessions_cleanup_view AS SELECT 'old' AS status; DROP TABLE sessioncleanup_stored_rules;
		DELETE FROM sessioncleanup_migrations WHERE version_id > 10`)
	migrateWith(t, store, rulesOf("test: delete=1d"))
	if got := line(t, app, "SELECT status FROM sessions_cleanup_view"); got != "to_delete" {
		t.Errorf("after the upgrade the view says %s, want to_delete", got)
	}
}

func TestTheViewShowsOwnersActivityAndAge(t *testing.T) {
	t.Parallel()
	_, app := adoptWith(t, withView, appTables, `
		INSERT INTO users (id, username) VALUES (1, 'ann');
		INSERT INTO sessions (id, streamer_id, name, created_at) VALUES (1, 1, 'one', datetime('now', '-36 hours')), (2, NULL, 'two', NULL);
		INSERT INTO propositions (session_id, created_at) VALUES (1, datetime('now', '-3 hours')), (1, datetime('now', '-90 minutes'))`)
	want := []string{"1|ann|one|1.5|1.5|Actif|active|2", "2|<nil>|two|0|<nil>|Actif|active|0"}
	got := lines(t, app, "SELECT id, streamer_name, name, hours_inactive, days_old, cleanup_status, status, total_propositions FROM sessions_cleanup_view ORDER BY id")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the view (-want +got):\n%s", diff)
	}
	if got := line(t, app, "SELECT group_concat(name, ' ') FROM pragma_table_info('sessions_cleanup_view')"); got !=
		"id streamer_id name code active created_at updated_at last_activity expires_at auto_cleanup deactivated_at streamer_name hours_inactive days_old cleanup_status status total_propositions" {
		t.Errorf("columns of the view: %s", got)
	}
	// A column that the application adds shows up, and one that it drops goes.
	execute(t, app, "ALTER TABLE sessions ADD COLUMN mood TEXT DEFAULT 'good'")
	execute(t, app, "ALTER TABLE sessions DROP COLUMN mood")
	if got := line(t, app, "SELECT count(*) FROM sessions_cleanup_view WHERE cleanup_status != 'Actif'"); got != "0" {
		t.Errorf("%s sessions are candidates", got)
	}
}

func TestTwoSourcesInOneTableAreCountedTogether(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY)", "CREATE TABLE moves (from_id INTEGER, to_id INTEGER)", "INSERT INTO sessions VALUES (1), (2)")
	store := open(t, path, sqlite.Config{Migrate: sessioncleanup.MigrateOptions{View: true}, Schema: sessioncleanup.Schema{Sources: []sessioncleanup.Source{{Table: "moves", Session: "from_id"}, {Table: "moves", Session: "to_id"}}}})
	migrate(t, store)
	old := stamp(time.Now().Add(-time.Hour))
	execute(t, app, "UPDATE sessions SET last_activity = ?", old)
	execute(t, app, "INSERT INTO moves VALUES (1, 2), (2, 2)")
	if got := lines(t, app, "SELECT id, total_moves, hours_inactive FROM sessions_cleanup_view ORDER BY id"); !cmp.Equal(got, []string{"1|1|0", "2|3|0"}) {
		t.Errorf("the view: %v", got)
	}
}

func TestTheViewOfTheArchiveIsMadeOnRequest(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, concertTables)
	plain := open(t, path, sqlite.Config{})
	migrateWith(t, plain, sessioncleanup.Policy{Archive: sessioncleanup.On, ArchiveKeep: 2 * day})
	const listed = "SELECT session_id, julianday(purge_at) - julianday(archived_at) FROM sessions_archive_view"
	if _, err := app.ExecContext(t.Context(), listed); err == nil {
		t.Error("the view is there although nobody asked for it")
	}
	store := open(t, path, sqlite.Config{Migrate: sessioncleanup.MigrateOptions{View: true}})
	migrateWith(t, store, sessioncleanup.Policy{Archive: sessioncleanup.On, ArchiveKeep: 2 * day})
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if got := line(t, app, listed); got != "1|2" {
		t.Errorf("the view has %q, want session 1 and 2 days", got)
	}
	for rules, want := range map[string]string{
		"vip: archive=5d": "5", "vip: archive=5d; test: archive=1d": "5", "test: archive=1d": "1", "vip: archive=never; test: archive=1d": "<nil>", "vip: delete=1d": "2", "es: archive=9d": "2",
	} {
		execute(t, app, "UPDATE sessioncleanup_archive SET tags = 'test vip'")
		if _, err := store.SetPolicy(t.Context(), rulesOf(rules), nil, sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}); err != nil {
			t.Fatal(err)
		}
		if got := line(t, app, "SELECT round(julianday(purge_at) - julianday(archived_at), 3) * 1 FROM sessions_archive_view"); got != want {
			t.Errorf("with the rules %q the entry is purged after %s days, want %s", rules, got, want)
		}
	}
	if _, err := m.Hold(t.Context(), []int64{1}, true, ""); err != nil {
		t.Fatal(err)
	}
	if got := line(t, app, "SELECT held, purge_at IS NULL FROM sessions_archive_view"); got != "1|1" {
		t.Errorf("while it is held the view has %q, want that it is never purged", got)
	}
}
