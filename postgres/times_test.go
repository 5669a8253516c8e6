package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// oddTimes are times that stand for never, or for nothing. CREATED is three days ago, USED one hour.
var oddTimes = []struct {
	active                     bool
	created, last, expires     string
	status                     sessioncleanup.Status
	lastActivity, expiry, left string // as read: "created", "used", "kept" (thousands of years ahead), "none", "some"
}{
	1:  {true, "CREATED", "USED", "'infinity'", "active", "used", "none", "active"},
	2:  {true, "CREATED", "USED", "'9999-12-31 23:59:59'", "active", "used", "none", "active"},
	3:  {true, "CREATED", "USED", "'294276-12-31'", "active", "used", "none", "active"},
	4:  {true, "CREATED", "'-infinity'", "NULL", "to_deactivate", "created", "none", "inactive"},
	5:  {true, "CREATED", "'0001-01-01'", "NULL", "to_deactivate", "created", "none", "inactive"},
	6:  {true, "CREATED", "'0044-03-15 BC'", "NULL", "to_deactivate", "created", "none", "inactive"},
	7:  {true, "CREATED", "'infinity'", "NULL", "active", "kept", "none", "active"},
	8:  {true, "CREATED", "'1970-01-01'", "NULL", "to_deactivate", "created", "none", "inactive"},
	9:  {true, "CREATED", "'9999-12-31'", "'1999-12-31'", "to_deactivate", "kept", "some", "inactive"},
	10: {true, "now() + interval '20000 years'", "USED", "NULL", "active", "used", "none", "active"},
	11: {false, "now() - interval '90 days'", "'-infinity'", "NULL", "to_delete", "some", "none", ""},
	12: {false, "now() - interval '90 days'", "'infinity'", "NULL", "inactive", "kept", "none", "inactive"},
	13: {false, "CREATED", "'-infinity'", "'-infinity'", "inactive", "created", "some", "inactive"},
}

func TestOddTimesAreReadAndJudged(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"timestamptz", "timestamp", "timestamp(0)"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			var rows []string
			for id, c := range oddTimes[1:] {
				row := fmt.Sprintf("(%d, %t, %s, %s, %s)", id+1, c.active, c.created, c.last, c.expires)
				rows = append(rows, strings.NewReplacer("CREATED", "now() - interval '3 days'", "USED", "now() - interval '1 hour'").Replace(row))
			}
			store, url, _ := shaped(t, strings.ReplaceAll("CREATE TABLE sessions (id int PRIMARY KEY, active boolean, created_at TYPE, last_activity TYPE, expires_at TYPE); INSERT INTO sessions VALUES ",
				"TYPE", typ)+strings.Join(rows, ", "), sessioncleanup.MigrateOptions{})
			migrate(t, store)
			manager, pool := manage(t, store), connect(t, url)
			page, err := manager.List(t.Context(), sessioncleanup.ListOptions{})
			if err != nil || len(page.Sessions) != len(rows) {
				t.Fatalf("the list has %d sessions, %v; want %d", len(page.Sessions), err, len(rows))
			}
			if _, err := json.Marshal(page.Sessions); err != nil {
				t.Error(err)
			}
			now := value[time.Time](t, pool, "SELECT now()")
			for _, s := range page.Sessions {
				var id int
				_, _ = fmt.Sscan(s.ID, &id)
				c := oddTimes[id]
				if s.Status != c.status {
					t.Errorf("session %d is %s, want %s", id, s.Status, c.status)
				}
				meant := map[string]time.Time{"used": now.Add(-time.Hour), "created": now.Add(-72 * time.Hour), "kept": time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)}
				if at, ok := meant[c.lastActivity]; ok && s.LastActivity.Sub(at).Abs() > 30*time.Minute {
					t.Errorf("session %d was last used at %v, want %s", id, s.LastActivity, c.lastActivity)
				}
				if s.ExpiresAt.IsZero() != (c.expiry == "none") {
					t.Errorf("session %d expires at %v, want %s", id, s.ExpiresAt, c.expiry)
				}
			}
			if _, err := manager.Stats(t.Context(), ""); err != nil {
				t.Error(err)
			}
			if _, err := manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); err != nil {
				t.Error(err)
			}
			if _, err := manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Error(err)
			}
			for id, c := range oddTimes[1:] {
				left := value[string](t, pool, "SELECT coalesce((SELECT CASE WHEN active THEN 'active' ELSE 'inactive' END FROM sessions WHERE id = $1), '')", id+1)
				if left != c.left {
					t.Errorf("after a run session %d is %q, want %q", id+1, left, c.left)
				}
			}
		})
	}
}

// TestASessionWhoseTimesAllStandForNoneIsNeverDue, where the application wrote the zero value of its language into both columns.
func TestASessionWhoseTimesAllStandForNoneIsNeverDue(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, "CREATE TABLE sessions (id int PRIMARY KEY, active boolean, created_at timestamptz, last_activity timestamptz)", sessioncleanup.MigrateOptions{})
	migrate(t, store)
	manager, pool := manage(t, store), connect(t, url)
	for i, none := range []string{"'0001-01-01'", "'-infinity'", "'epoch'", "'0044-03-15 BC'", "NULL"} {
		for active := range 2 {
			id := 2*i + active + 1
			mustExec(t, pool, fmt.Sprintf("INSERT INTO sessions (id, active, created_at, last_activity) VALUES (%d, %d = 1, %s, %[3]s)", id, active, none))
			mustExec(t, pool, fmt.Sprintf("UPDATE sessions SET last_activity = %s, deactivated_at = CASE WHEN NOT active THEN timestamptz 'epoch' END WHERE id = %d", none, id))
		}
	}
	mustExec(t, pool, "DELETE FROM sessioncleanup_touches")
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	if err != nil || result.Deleted()+result.Deactivated() > 0 {
		t.Errorf("deleted %d, deactivated %d, %v; want none", result.Deleted(), result.Deactivated(), err)
	}
	page, err := manager.List(t.Context(), sessioncleanup.ListOptions{})
	if err != nil || len(page.Sessions) != 10 {
		t.Errorf("the list has %d sessions, %v; want 10", len(page.Sessions), err)
	}
	if _, err := manager.Stats(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

func TestAFutureLastActivityBecomesNow(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, `CREATE TABLE sessions (id int PRIMARY KEY, active boolean, last_activity timestamptz);
		INSERT INTO sessions VALUES (1, true, now() + interval '300 days'), (2, true, now() + interval '5 minutes'), (3, true, now())`, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	manager, pool := manage(t, store), connect(t, url)
	for range 2 {
		if _, err := manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
			t.Fatal(err)
		}
	}
	if ahead := value[string](t, pool, "SELECT coalesce(string_agg(id::text, ' '), '') FROM sessions WHERE last_activity > now() + interval '1 minute'"); ahead != "2" {
		t.Errorf("sessions %q were last used in the future, want 2, which is only some minutes ahead", ahead)
	}
	events, err := store.Events(t.Context(), sessioncleanup.EventQuery{SessionID: "1", Limit: 10})
	if err != nil || len(events) != 1 {
		t.Errorf("the log has %v, %v; want one event of session 1", events, err)
	}
}

func TestActivityTablesMayCallTheirTimeAnything(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"played_at timestamptz", `"votedAt" timestamptz`, "added_on date", "play_time timestamp", "created timestamptz, ended_at timestamptz"} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(column, " ")
			store, url, _ := shaped(t, fmt.Sprintf(`CREATE TABLE sessions (id int PRIMARY KEY, active boolean, updated_at timestamptz);
				CREATE TABLE plays (id int PRIMARY KEY, session_id int REFERENCES sessions ON DELETE CASCADE, %s);
				INSERT INTO sessions VALUES (1, true, now() - interval '45 days'), (2, true, now() - interval '45 days');
				INSERT INTO plays (id, session_id, %s) VALUES (1, 1, now())`, column, name), sessioncleanup.MigrateOptions{})
			migrate(t, store)
			if _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
			if left := value[string](t, connect(t, url), "SELECT string_agg(id::text, ' ') FROM sessions WHERE active"); left != "1" {
				t.Errorf("sessions %q are active, want 1, which was used", left)
			}
		})
	}
}

func TestTheZoneOfColumnsWithoutZoneCanBeSaid(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Asia/Tokyo", "America/Los_Angeles"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			mustExec(t, pool, fmt.Sprintf("ALTER DATABASE %s SET TimeZone = '%s'", value[string](t, pool, "SELECT current_database()::text"), zone))
			if err := pgapps.Exec(t.Context(), url, `CREATE TABLE sessions (id int PRIMARY KEY, created_at timestamp(3), updated_at timestamp(3));
				INSERT INTO sessions SELECT n, u - interval '3 days', u FROM (SELECT n, (now() AT TIME ZONE 'UTC') - n * interval '10 hours' AS u FROM generate_series(2, 3) n) x`); err != nil {
				t.Fatal(err)
			}
			log := &strings.Builder{}
			if err := open(t, url, postgres.Config{Logger: textLog(log)}).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"read in the zone " + zone, "--time-zone", "public.sessions.updated_at"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log of Migrate lacks %q:\n%s", want, log)
				}
			}
			if err := open(t, url, postgres.Config{}).Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			store := open(t, url, postgres.Config{Migrate: sessioncleanup.MigrateOptions{TimeZone: "UTC"}})
			migrate(t, store)
			if _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
			if active := value[string](t, pool, "SELECT string_agg(id::text, ' ') FROM sessions WHERE active"); active != "2" {
				t.Errorf("sessions %q are active, want 2: it was used 20 hours ago, 3 was used 30 hours ago", active)
			}
		})
	}
}

func TestWhatWasNeverSaidToBeInactiveIsActive(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"active boolean", "is_active boolean DEFAULT true", "is_active boolean DEFAULT false"} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(column, " ")
			store, url, _ := shaped(t, fmt.Sprintf(`CREATE TABLE sessions (id int PRIMARY KEY, %s, updated_at timestamptz);
				INSERT INTO sessions SELECT n, CASE WHEN n > 20 THEN true END, now() - CASE WHEN n > 10 THEN interval '0' ELSE interval '45 days' END FROM generate_series(1, 30) n`, column),
				sessioncleanup.MigrateOptions{})
			migrate(t, store)
			manager, pool := manage(t, store), connect(t, url)
			page, err := manager.List(t.Context(), sessioncleanup.ListOptions{Status: sessioncleanup.StatusActive})
			if err != nil || len(page.Sessions) != 20 {
				t.Errorf("%d sessions are active, %v; want 20", len(page.Sessions), err)
			}
			for run, want := range []string{"10 deactivated, 0 deleted", "0 deactivated, 0 deleted"} {
				result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{})
				if got := fmt.Sprintf("%d deactivated, %d deleted", result.Deactivated(), result.Deleted()); err != nil || got != want {
					t.Errorf("run %d: %s, %v; want %s", run+1, got, err, want)
				}
			}
			left := value[string](t, pool, fmt.Sprintf("SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE NOT %[1]s), count(*) FILTER (WHERE %[1]s IS NULL)) FROM sessions", name))
			if diff := cmp.Diff("30 10 10", left); diff != "" {
				t.Errorf("sessions, inactive ones and unknown ones (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATimeZoneIsANameThatTheServerKnowsInItsSpelling(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	for zone, known := range map[string]bool{
		"Asia/Kolkata": true, "America/Argentina/Ushuaia": true, "UTC": true, "EST5EDT": true,
		"asia/kolkata": false, "Asia/Kolkatta": false, "EST5": false,
	} {
		store := open(t, url, postgres.Config{Migrate: sessioncleanup.MigrateOptions{TimeZone: zone}})
		_, err := store.MigrationSQL(t.Context(), sessioncleanup.Policy{})
		if known != (err == nil) {
			t.Errorf("%q: %v, want known: %t", zone, err, known)
		}
		if err != nil && (!strings.Contains(err.Error(), fmt.Sprintf("%q", zone)) || !strings.Contains(err.Error(), "--time-zone")) {
			t.Errorf("%q: the error names neither the zone nor the flag: %v", zone, err)
		}
	}
}

// A date says the day only: the session may have been used until its end.
func TestTheBackfillReadsADateAsItsEnd(t *testing.T) {
	t.Parallel()
	const used, before = "(now() AT TIME ZONE 'UTC')::date - 1", "(now() AT TIME ZONE 'UTC')::date - 9"
	for name, c := range map[string]struct{ sql, day string }{
		"the update":   {"CREATE TABLE sessions (id int PRIMARY KEY, updated_at date); INSERT INTO sessions VALUES (1, " + used + ")", "updated_at"},
		"the creation": {"CREATE TABLE sessions (id int PRIMARY KEY, created_at date); INSERT INTO sessions VALUES (1, " + used + "); CREATE TABLE votes (session_id int REFERENCES sessions)", "created_at"},
		"an activity": {"CREATE TABLE sessions (id int PRIMARY KEY, created_at date); INSERT INTO sessions VALUES (1, " + before + ");" +
			"CREATE TABLE votes (session_id int REFERENCES sessions, at date); INSERT INTO votes VALUES (1, " + used + ")", "(SELECT v.at FROM votes v)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, url, _ := shaped(t, c.sql, sessioncleanup.MigrateOptions{TimeZone: "UTC"})
			migrate(t, store)
			pool := connect(t, url)
			if !value[bool](t, pool, "SELECT last_activity = ("+c.day+" + 1)::timestamp AT TIME ZONE 'UTC' FROM sessions") {
				t.Errorf("the last activity is %s, want the end of %s", value[string](t, pool, "SELECT last_activity::text FROM sessions"), value[string](t, pool, "SELECT "+c.day+"::text FROM sessions"))
			}
		})
	}
}
