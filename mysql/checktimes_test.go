package mysql_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// datedRooms have times of two types, and an activity table.
const datedRooms = `CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, created_at %[1]s NULL, deleted_at DATETIME NULL);
	CREATE TABLE votes (id INT PRIMARY KEY AUTO_INCREMENT, session_id INT NOT NULL, created_at %[1]s NULL, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);`

func TestMigrateSaysHowItUnderstandsTimesAndRefusesDoubtfulOnes(t *testing.T) {
	t.Parallel()
	const future, year = "the newest time lies in the future", "more than a year from now"
	for what, c := range map[string]struct {
		times, refusal string
		log            []string
		accept         bool
	}{
		"past":                      {times: "UTC_TIMESTAMP() - INTERVAL 2 DAY", log: []string{"the times of creation and use go from"}},
		"an hour ahead":             {times: "UTC_TIMESTAMP() + INTERVAL 1 HOUR", log: []string{future}},
		"a year ahead":              {times: "UTC_TIMESTAMP() + INTERVAL 400 DAY", refusal: year},
		"two years ago":             {times: "UTC_TIMESTAMP() - INTERVAL 800 DAY", refusal: year},
		"two years ago, as is fine": {times: "UTC_TIMESTAMP() - INTERVAL 800 DAY", accept: true, log: []string{"the times of creation and use go from"}},
		"none":                      {times: "'0000-00-00'"},
		"never":                     {times: "'9999-12-31'"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := mysqltest.New(t)
			execute(t, d.DB, fmt.Sprintf(datedRooms, "DATETIME")+"SET SESSION sql_mode = ''; INSERT INTO sessions (id, created_at, deleted_at) VALUES (1, NULL, NULL), (2, UTC_TIMESTAMP() + INTERVAL 9 YEAR, UTC_TIMESTAMP()); "+
				"INSERT INTO votes (session_id, created_at) VALUES (1, "+c.times+")")
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, nil))
			store, err := mysql.Open(t.Context(), d.URL, mysql.Config{Logger: logger, Migrate: sessioncleanup.MigrateOptions{AcceptTimes: c.accept}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			if _, err := store.Inspect(t.Context()); err != nil {
				t.Error(err)
			}
			if said := strings.Contains(log.String(), "inspect: the times of creation"); said != (c.times[0] != '\'') {
				t.Errorf("Inspect says of times: %t\n%s", said, log.String())
			}
			err = store.Migrate(t.Context(), sessioncleanup.Policy{})
			if c.refusal == "" && err != nil || c.refusal != "" && (!errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.refusal)) {
				t.Errorf("Migrate: %v, want %q", err, c.refusal)
			}
			for _, want := range c.log {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log says\n%s\nwant %s", log.String(), want)
				}
			}
			if after, err := describe(t.Context(), d.DB); err != nil || c.refusal != "" && strings.Contains(strings.ReplaceAll(after, "sessioncleanup_leases", ""), "sessioncleanup_") {
				t.Errorf("a migration that was refused changed something: %v, %s", err, after)
			}
		})
	}
}

// TestMigrateWarnsOfLocalTimesOnAServerInAnotherZone because the server's NOW() in a DATETIME column would make sessions due early.
func TestMigrateWarnsOfLocalTimesOnAServerInAnotherZone(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	server := mysqltest.StartServer(t, "--default-time-zone=-08:00")
	for _, c := range []struct {
		kind, zone string
		warns      bool
	}{{"DATETIME", "-08:00", true}, {"TIMESTAMP", "-08:00", false}, {"DATETIME", "+00:00", false}} {
		server.Exec(t, "SET GLOBAL time_zone = '"+c.zone+"'")
		d := server.New(t)
		execute(t, d.DB, fmt.Sprintf(datedRooms, c.kind))
		var log strings.Builder
		migrated(t, open(t, d, mysql.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
		warning := "the server's time zone is -08:00, and sessions.created_at, votes.created_at are read as UTC"
		if warned := strings.Contains(log.String(), warning); warned != c.warns {
			t.Errorf("%s columns on a server at %s: warned %t, want %t\n%s", c.kind, c.zone, warned, c.warns, log.String())
		}
	}
}
