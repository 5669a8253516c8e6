package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/besides"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// roomTables are another table of sessions, with an activity table that it shares with that of appTables.
var roomTables = []string{
	"CREATE TABLE rooms (id INTEGER PRIMARY KEY, owner_id INTEGER, active BOOLEAN NOT NULL DEFAULT 1, last_activity TIMESTAMP)",
	"ALTER TABLE propositions ADD COLUMN room_id INTEGER REFERENCES rooms (id) ON DELETE CASCADE",
}

var (
	rooms = sqlite.Config{Schema: sessioncleanup.Schema{Table: "rooms"}}
	named = sqlite.Config{Name: "live", Schema: sessioncleanup.Schema{Table: "sessions"}}
)

// besideRooms is a database with both tables, of which those of the configurations are adopted.
func besideRooms(t testing.TB, configs ...sqlite.Config) (path string, app *sql.DB) {
	t.Helper()
	statements := slices.Concat([]string{appTables}, roomTables, []string{
		twelveUsers, "INSERT INTO rooms (id, last_activity) SELECT value, '2020-01-01' FROM json_each('[1,2,3,4,5,6,7,8,9]')",
	})
	return adopted(t, statements, configs...)
}

func TestAStoreWithANameBesideOneWithout(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		path, app := besideRooms(t, rooms, named)
		h := appHarness(t, open(t, path, named), app, "streamer_id", "INTEGER")
		h.Second = open(t, path, sqlite.Config{Name: "live"})
		h.Activity = func(ctx context.Context, id string) error {
			_, err := app.ExecContext(ctx, "INSERT INTO propositions (session_id) VALUES (?)", id)
			return err
		}
		return h
	}, "sweep", "application")
}

func TestAnInstallerWithANameBesideOneWithout(t *testing.T) {
	t.Parallel()
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		path, app := besideRooms(t, rooms)
		execute(t, app, "INSERT INTO sessions (id, streamer_id, name, active) SELECT value, 1, 'room ' || value, value % 2 FROM json_each('[1,2,3,4,5]')")
		return storetest.Installation{
			Store: open(t, path, named), Second: open(t, path, named), Sessions: 5,
			Describe: func(context.Context) (string, error) { return dump(t, app, false), nil }, //nolint:contextcheck // dump uses the test's
		}
	})
}

func TestInstallationsInOneDatabaseLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	path, app := newApp(t, append([]string{appTables}, roomTables...)...)
	side := func(c sqlite.Config, column string) besides.Side {
		table := c.Schema.Table
		c.Migrate.AcceptTimes = true // a side that is installed again may have its oldest sessions only
		return besides.Side{
			Store: open(t, path, c),
			Insert: func(ctx context.Context, id int, idle time.Duration) error {
				_, err := app.ExecContext(ctx, "INSERT INTO "+table+" (id, last_activity) VALUES (?, ?)", id, time.Now().Add(-idle).UTC().Format(time.DateTime))
				return err
			},
			Use: func(ctx context.Context, id int) error {
				_, err := app.ExecContext(ctx, fmt.Sprintf("INSERT INTO propositions (%s) SELECT id FROM %s WHERE id = ?", column, table), id)
				return err
			},
			Describe: func(context.Context) ([]string, error) {
				return ofInstallation(t, app, c.Name, table), nil //nolint:contextcheck // lines uses the test's
			},
		}
	}
	execute(t, app, "DROP TABLE propositions")
	execute(t, app, "CREATE TABLE propositions (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions ON DELETE SET NULL, room_id INTEGER REFERENCES rooms ON DELETE SET NULL)")
	execute(t, app, "ALTER TABLE sessions ADD COLUMN last_activity TIMESTAMP")
	besides.Check(t, [2]besides.Side{side(rooms, "room_id"), side(named, "session_id")}, 100)
}

// ofInstallation is everything in the database that belongs to an installation, and its sessions.
func ofInstallation(t testing.TB, app *sql.DB, name, table string) []string {
	t.Helper()
	prefix := "sessioncleanup_"
	if name != "" {
		prefix = name + "_" + prefix
	}
	all := lines(t, app, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name", prefix)
	for _, own := range append(lines(t, app, "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, length(?1)) = ?1 ORDER BY name", prefix), table) {
		for _, row := range lines(t, app, "SELECT * FROM "+own+" ORDER BY 1") {
			all = append(all, own+" "+row)
		}
	}
	return all
}

func TestInstallationsAreListed(t *testing.T) {
	t.Parallel()
	path, _ := besideRooms(t, rooms)
	store := open(t, path, named)
	want := []sessioncleanup.Installation{{Table: "rooms"}}
	if got, err := store.Installations(t.Context()); err != nil || !cmp.Equal(got, want) {
		t.Errorf("before Migrate: %v, %v; want %v", got, err, want)
	}
	migrate(t, store)
	want = append(want, sessioncleanup.Installation{Name: "live", Table: "sessions"})
	for _, c := range []sqlite.Config{{}, {Name: "live"}, {Name: "other"}} {
		if got, err := open(t, path, c).Installations(t.Context()); err != nil || !cmp.Equal(got, want) {
			t.Errorf("with the name %q: %v, %v; want %v", c.Name, got, err, want)
		}
	}
}

func TestMigrateRefusesATableThatAnotherInstallationHas(t *testing.T) {
	t.Parallel()
	path, _ := besideRooms(t, rooms)
	migrate(t, open(t, path, named))
	for _, c := range []struct {
		config sqlite.Config
		want   string
	}{
		{sqlite.Config{Name: "other", Schema: rooms.Schema}, "adopted already, without a name"},
		{sqlite.Config{Name: "other", Schema: named.Schema}, `adopted already, under the name "live"`},
		{sqlite.Config{Name: "other"}, "say which table"},
		{sqlite.Config{Name: "live", Schema: sessioncleanup.Schema{Table: "rooms"}}, "adopted already, without a name"},
	} {
		err := open(t, path, c.config).Migrate(t.Context(), sessioncleanup.Policy{})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q on %q: %v, want an ErrInvalid with %q", c.config.Name, c.config.Schema.Table, err, c.want)
		}
	}
	if got := lines(t, openApp(t, path), "SELECT name FROM sqlite_master WHERE name LIKE 'other%'"); len(got) > 0 {
		t.Errorf("a Migrate that was refused left %v", got)
	}
}

func TestANameHasALimitedForm(t *testing.T) {
	t.Parallel()
	for name, fine := range map[string]bool{
		"carts": true, "a": true, "shop_2_carts": true, "twenty_characters_ab": true,
		"Carts": false, "2carts": false, "_carts": false, "carts-2": false, `c"`: false, "twenty_one_characters": false, "my_sessioncleanup": false,
	} {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "app.db"), sqlite.Config{Name: name})
		if fine != (err == nil) || err != nil && !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil {
			_ = store.Close()
		}
	}
}

func TestNamesOfTheApplicationMayLookLikeThoseOfAnInstallation(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, "CREATE TABLE carts (id INTEGER PRIMARY KEY)",
		"CREATE TABLE live_events (id INTEGER PRIMARY KEY, carts_id INTEGER REFERENCES carts ON DELETE CASCADE)", "CREATE TABLE live (id INTEGER PRIMARY KEY)",
		"CREATE TABLE events (id INTEGER PRIMARY KEY, live_id INTEGER REFERENCES live ON DELETE CASCADE)", "INSERT INTO carts VALUES (1)", "INSERT INTO live VALUES (1)")
	before := dump(t, app, false)
	first, second := open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: "carts"}}), open(t, path, sqlite.Config{Name: "live", Schema: sessioncleanup.Schema{Table: "live"}})
	for range 2 {
		migrate(t, first)
		migrate(t, second)
	}
	for _, store := range []*sqlite.Store{first, second} {
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(first.Uninstall(t.Context()), second.Validate(t.Context()), second.Uninstall(t.Context())); err != nil {
		t.Error(err)
	}
	if after := dump(t, app, false); after != before {
		t.Errorf("Uninstall left more or less than was there:\n%s", cmp.Diff(strings.Split(before, "\n"), strings.Split(after, "\n")))
	}
	if _, err := sqlite.Open(t.Context(), path, sqlite.Config{Name: "live", Schema: sessioncleanup.Schema{Table: "my_sessioncleanup_rooms"}}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("a table with a word that a name changes: %v, want an ErrInvalid", err)
	}
	if !slices.Equal(lines(t, app, "SELECT count(*) FROM live"), []string{"1"}) {
		t.Error("a session is gone")
	}
}
