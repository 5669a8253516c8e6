package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/besides"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// twoTables are two tables of sessions with an activity table that they share.
const twoTables = `
	CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, username VARCHAR(50) NOT NULL);
	CREATE TABLE sessions (id INT PRIMARY KEY, streamer_id INT, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, last_activity DATETIME(3),
		FOREIGN KEY (streamer_id) REFERENCES users (id));
	CREATE TABLE rooms (id INT PRIMARY KEY, owner_id INT, active BOOLEAN NOT NULL DEFAULT TRUE, last_activity DATETIME(3));
	CREATE TABLE propositions (id INT AUTO_INCREMENT PRIMARY KEY, session_id INT, room_id INT, created_at DATETIME,
		FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE SET NULL, FOREIGN KEY (room_id) REFERENCES rooms (id) ON DELETE SET NULL);`

var (
	ofRooms = mysql.Config{Schema: sessioncleanup.Schema{Table: "rooms"}}
	live    = mysql.Config{Name: "live", Schema: sessioncleanup.Schema{Table: "sessions"}}
)

// besideRooms is a database with both tables, of which those of the configurations are adopted.
func besideRooms(t testing.TB, configs ...mysql.Config) mysqltest.Database {
	t.Helper()
	d := mysqltest.New(t)
	execute(t, d.DB, twoTables+"INSERT INTO rooms (id, last_activity) SELECT seq, '2020-01-01' FROM seq_1_to_9")
	for _, c := range configs {
		migrated(t, open(t, d, c))
	}
	return d
}

func migrated(t testing.TB, store *mysql.Store) {
	t.Helper()
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
}

// beside has the guide's tables beside others, which another installation has.
func beside(s shape) shape {
	s.name, s.config.Name, s.config.Schema.Table, s.prefix = s.name+" beside", "live", "sessions", "live_"
	s.tables += "; CREATE TABLE rooms (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, last_activity DATETIME(3)); INSERT INTO rooms (id) SELECT seq FROM seq_1_to_9"
	s.others = ofRooms
	return s
}

func TestAStoreWithANameBesideOneWithout(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	storetest.Run(t, beside(guide).harness, "sweep", "application", "tags", "rules", "outbox")
}

func TestAnInstallerWithANameBesideOneWithout(t *testing.T) {
	t.Parallel()
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		d := besideRooms(t, ofRooms)
		execute(t, d.DB, "INSERT INTO sessions (id, name, active) SELECT seq, CONCAT('room ', seq), seq % 2 FROM seq_1_to_5")
		return storetest.Installation{
			Store: open(t, d, live), Second: open(t, d, live), Sessions: 5,
			Describe: func(ctx context.Context) (string, error) { return describe(ctx, d.DB) },
		}
	})
}

func TestInstallationsInOneDatabaseLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	d := mysqltest.New(t)
	execute(t, d.DB, twoTables)
	side := func(c mysql.Config, column string) besides.Side {
		table := c.Schema.Table
		return besides.Side{
			Store: open(t, d, c),
			Insert: func(ctx context.Context, id int, idle time.Duration) error {
				_, err := d.DB.ExecContext(ctx, "INSERT INTO "+table+" (id, last_activity) VALUES (?, UTC_TIMESTAMP(3) - INTERVAL ? SECOND)", id, int(idle.Seconds()))
				return err
			},
			Use: func(ctx context.Context, id int) error {
				_, err := d.DB.ExecContext(ctx, fmt.Sprintf("INSERT INTO propositions (%s) SELECT id FROM %s WHERE id = ?", column, table), id)
				return err
			},
			Describe: func(ctx context.Context) ([]string, error) { return ofInstallation(ctx, d, c.Name, table) },
		}
	}
	besides.Check(t, [2]besides.Side{side(ofRooms, "room_id"), side(live, "session_id")}, 100)
}

// ofInstallation is everything in the database that belongs to an installation, and its sessions.
func ofInstallation(ctx context.Context, d mysqltest.Database, name, table string) (all []string, err error) {
	begin := "^sessioncleanup_"
	if name != "" {
		begin = "^" + name + "_sessioncleanup_"
	}
	add := func(query string) {
		if err == nil {
			var found []string
			found, err = mysqltest.Texts(ctx, d.DB, query, 0)
			all = append(all, found...)
		}
	}
	add(`SELECT CONCAT_WS(' ', trigger_name, event_object_table, action_statement) FROM information_schema.triggers
		WHERE trigger_schema = DATABASE() AND trigger_name RLIKE '` + begin + `' ORDER BY trigger_name`)
	add(`SELECT CONCAT_WS(' ', table_name, index_name, column_name) FROM information_schema.statistics
		WHERE table_schema = DATABASE() AND index_name RLIKE '` + begin + `' ORDER BY table_name, index_name, seq_in_index`)
	tables, failed := mysqltest.Texts(ctx, d.DB, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name RLIKE '"+begin+"' ORDER BY table_name", 0)
	err = errors.Join(err, failed)
	for _, own := range append(tables, table) {
		columns, failed := mysqltest.Texts(ctx, d.DB, "SELECT CONCAT('COALESCE(HEX(`', column_name, '`), ''-'')') FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '"+own+"' ORDER BY ordinal_position", 0)
		err = errors.Join(err, failed)
		add("SELECT CONCAT_WS(' ', '" + own + "', " + strings.Join(columns, ", ") + ") FROM " + own + " ORDER BY 1")
	}
	return all, err
}

func TestInstallationsAreListed(t *testing.T) {
	t.Parallel()
	d := besideRooms(t, ofRooms)
	store := open(t, d, live)
	want := []sessioncleanup.Installation{{Table: "rooms"}}
	if got, err := store.Installations(t.Context()); err != nil || !cmp.Equal(got, want) {
		t.Errorf("before Migrate: %v, %v; want %v", got, err, want)
	}
	migrated(t, store)
	want = append(want, sessioncleanup.Installation{Name: "live", Table: "sessions"})
	for _, c := range []mysql.Config{{}, {Name: "live"}, {Name: "other"}} {
		if got, err := open(t, d, c).Installations(t.Context()); err != nil || !cmp.Equal(got, want) {
			t.Errorf("with the name %q: %v, %v; want %v", c.Name, got, err, want)
		}
	}
}

func TestMigrateRefusesATableThatAnotherInstallationHas(t *testing.T) {
	t.Parallel()
	d := besideRooms(t, ofRooms, live)
	for _, c := range []struct {
		config mysql.Config
		want   string
	}{
		{mysql.Config{Name: "other", Schema: ofRooms.Schema}, "adopted already, without a name"},
		{mysql.Config{Name: "other", Schema: live.Schema}, `adopted already, under the name "live"`},
		{mysql.Config{Name: "other"}, "say which table"},
		{mysql.Config{Name: "live", Schema: ofRooms.Schema}, "adopted already, without a name"},
	} {
		err := open(t, d, c.config).Migrate(t.Context(), sessioncleanup.Policy{})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q on %q: %v, want an ErrInvalid with %q", c.config.Name, c.config.Schema.Table, err, c.want)
		}
	}
}

func TestANameHasALimitedForm(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	for name, fine := range map[string]bool{
		"carts": true, "twenty_characters_ab": true, "Carts": false, "2carts": false, "carts-2": false, "c`": false, "twenty_one_characters": false, "my_sessioncleanup": false,
	} {
		store, err := mysql.Open(t.Context(), d.URL, mysql.Config{Name: name})
		if fine != (err == nil) || err != nil && !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil {
			_ = store.Close()
		}
	}
	_, err := mysql.Open(t.Context(), d.URL, mysql.Config{Name: "live", Schema: sessioncleanup.Schema{Table: "sessioncleanup_rooms"}})
	if !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("a table with a word that a name changes: %v, want an ErrInvalid", err)
	}
}

// Their names are as long as names can be, or not of ASCII letters, and look like those of an installation.
func TestNamesOfTheApplicationMayLookLikeThoseOfAnInstallation(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	long := strings.Repeat("é", 31)
	execute(t, d.DB, "CREATE TABLE carts (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE); CREATE TABLE live (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE)"+
		"; CREATE TABLE live_events (id INT PRIMARY KEY, carts_id INT, FOREIGN KEY (carts_id) REFERENCES carts (id) ON DELETE CASCADE)"+
		"; CREATE TABLE live_sessioncleanups (id INT PRIMARY KEY, live_id INT, FOREIGN KEY (live_id) REFERENCES live (id) ON DELETE CASCADE)"+
		"; CREATE TABLE `é` (id INT PRIMARY KEY, live_id INT, FOREIGN KEY (live_id) REFERENCES live (id) ON DELETE CASCADE)"+
		"; CREATE TABLE `"+long+"` (id INT PRIMARY KEY, `"+long+"` INT, FOREIGN KEY (`"+long+"`) REFERENCES live (id) ON DELETE CASCADE)"+
		"; INSERT INTO carts (id) VALUES (1); INSERT INTO live (id) VALUES (1)")
	before, err := describe(t.Context(), d.DB)
	if err != nil {
		t.Fatal(err)
	}
	first := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{Table: "carts"}})
	second := open(t, d, mysql.Config{Name: "twenty_characters_ab", Schema: sessioncleanup.Schema{Table: "live", Sources: []sessioncleanup.Source{
		{Table: "live_sessioncleanups", Session: "live_id"}, {Table: "é", Session: "live_id"}, {Table: long, Session: long},
	}}})
	for range 2 {
		migrated(t, first)
		migrated(t, second)
	}
	for _, store := range []*mysql.Store{first, second} {
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
	}
	execute(t, d.DB, "INSERT INTO live_sessioncleanups VALUES (1, 1); INSERT INTO `é` VALUES (1, 1); INSERT INTO `"+long+"` VALUES (1, 1)")
	if notes := value[int](t, d, "SELECT COUNT(*) FROM twenty_characters_ab_sessioncleanup_touches"); notes != 3 {
		t.Errorf("there are %d notes, want one of each activity table", notes)
	}
	execute(t, d.DB, "DELETE FROM `"+long+"`")
	if err := errors.Join(first.Uninstall(t.Context()), second.Validate(t.Context()), second.Uninstall(t.Context())); err != nil {
		t.Error(err)
	}
	if after, err := describe(t.Context(), d.DB); err != nil || after != before {
		t.Errorf("Uninstall left more or less than was there (%v):\n%s", err, cmp.Diff(strings.Split(before, "\n"), strings.Split(after, "\n")))
	}
}

func TestASecondTableIsAdoptedWhileBothAreInUse(t *testing.T) {
	t.Parallel()
	d := besideRooms(t, ofRooms)
	execute(t, d.DB, "INSERT INTO sessions (id, last_activity) SELECT seq, UTC_TIMESTAMP(3) FROM seq_1_to_5000")
	store := open(t, d, live)
	done, end := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	failures := make(chan error, 9)
	for client := range 4 {
		clients.Go(func() {
			for i := client + 1; done.Err() == nil; i = i%9 + 1 {
				if _, err := d.DB.ExecContext(t.Context(), "INSERT INTO propositions (session_id, room_id) VALUES (?, ?)", i, i); err != nil { //nolint:contextcheck // it ends with the test
					failures <- err
					return
				}
			}
		})
	}
	m, err := sessioncleanup.New(open(t, d, ofRooms), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	clients.Go(func() {
		for done.Err() == nil {
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil { //nolint:contextcheck // it ends with the test
				failures <- err
				return
			}
		}
	})
	migrated(t, store)
	end()
	clients.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	execute(t, d.DB, "DELETE FROM live_sessioncleanup_touches; DELETE FROM sessioncleanup_touches; INSERT INTO propositions (session_id, room_id) VALUES (1, 1)")
	if notes := value[int](t, d, "SELECT (SELECT COUNT(*) FROM live_sessioncleanup_touches) * 10 + (SELECT COUNT(*) FROM sessioncleanup_touches)"); notes != 11 {
		t.Errorf("a row of activity leaves %d notes, want one of each installation", notes)
	}
}

// Carts are rows of rooms: both a table of sessions and an activity table.
func TestAdoptingATableThatShowsTheUseOfAnotherOneUsesNothing(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, `CREATE TABLE rooms (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, last_activity DATETIME(3));
		CREATE TABLE carts (id INT PRIMARY KEY, room_id INT, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME, FOREIGN KEY (room_id) REFERENCES rooms (id) ON DELETE CASCADE);
		INSERT INTO rooms VALUES (1, TRUE, '2020-01-01'), (2, TRUE, '2020-01-01'); INSERT INTO carts VALUES (1, 1, TRUE, '2020-01-01'), (2, 2, TRUE, '2020-01-01')`)
	rooms := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{Table: "rooms", Sources: []sessioncleanup.Source{{Table: "carts", Session: "room_id"}}}})
	carts := open(t, d, mysql.Config{Name: "carts", Schema: sessioncleanup.Schema{Table: "carts"}})
	migrated(t, rooms)
	migrated(t, carts)
	if notes := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_touches"); notes != 0 {
		t.Errorf("the adoption of carts left %d notes of rooms, want none", notes)
	}
	execute(t, d.DB, "UPDATE carts SET updated_at = NOW() WHERE id = 1")
	cleaned(t, manage(t, carts), 1, 0) // cart 2: which counts for room 2
	if notes := value[int](t, d, "SELECT COUNT(DISTINCT session) FROM sessioncleanup_touches"); notes != 2 {
		t.Errorf("there are notes of %d rooms, want of both", notes)
	}
	m, err := sessioncleanup.New(rooms, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On, BusyShare: 1}})
	if err == nil {
		err = m.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(t.Context(), "1"); err != nil { // with its cart, and the column that the other installation added
		t.Fatal(err)
	}
	if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); err != nil {
		t.Error(err)
	}
	if left := value[int](t, d, "SELECT COUNT(*) FROM carts"); left != 2 {
		t.Errorf("there are %d carts after the restore, want 2", left)
	}
}
