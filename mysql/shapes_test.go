package mysql_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/faultnet"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// manage is a Manager of a store.
func manage(t *testing.T, store sessioncleanup.Store) *sessioncleanup.Manager {
	t.Helper()
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BusyShare: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// cleaned does a run, and requires what it did.
func cleaned(t *testing.T, m *sessioncleanup.Manager, deactivated, deleted int) {
	t.Helper()
	r, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if d, e := r.Phases.Of(sessioncleanup.ActionDeactivated), r.Phases.Of(sessioncleanup.ActionDeleted); d.Done != deactivated || e.Done != deleted || d.Failed+e.Failed > 0 {
		t.Errorf("the run did %+v, want %d deactivated and %d deleted", r.Phases, deactivated, deleted)
	}
}

func TestTablesWithAnyNamesAreAdoptedUsedAndLeft(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, "CREATE TABLE `live-rooms of %s, 2` (`the id#` VARCHAR(20) PRIMARY KEY, `order` INT, `naïve name` TEXT, `select` BOOLEAN NOT NULL DEFAULT TRUE, "+
		"`made` DATETIME, `:last` DATETIME(6), `end -- of` DATETIME, `auto` BOOLEAN, `off/*` DATETIME)")
	execute(t, d.DB, "CREATE TABLE `votes ()` (`group` INT AUTO_INCREMENT PRIMARY KEY, `ses sion` VARCHAR(20) NOT NULL, `{at}` DATETIME, "+
		"FOREIGN KEY (`ses sion`) REFERENCES `live-rooms of %s, 2` (`the id#`) ON DELETE CASCADE)")
	execute(t, d.DB, "INSERT INTO `live-rooms of %s, 2` (`the id#`, `order`, `made`) VALUES ('it''s \\\\ \"a\"', 1, '2020-01-01'), ('b', 2, '2020-01-01'), ('c', 2, NOW())")
	before, err := describe(t.Context(), d.DB)
	if err != nil {
		t.Fatal(err)
	}
	store := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{
		Table: `live-rooms of %s, 2`, ID: `the id#`, Owner: "order", Name: `naïve name`, Active: "select", CreatedAt: "made", LastActivity: ":last",
		ExpiresAt: "end -- of", AutoCleanup: "auto", DeactivatedAt: "off/*",
		Sources: []sessioncleanup.Source{{Table: "votes ()", Session: "ses sion", At: "{at}"}},
	}})
	m := manage(t, store)
	if err := m.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, "INSERT INTO `votes ()` (`ses sion`) VALUES ('b')")
	cleaned(t, m, 1, 0)
	if s, err := m.Tag(t.Context(), `it's \ "a"`, sessioncleanup.TagChange{Add: []string{"vip"}}); err != nil || s.Active || len(s.Tags) != 1 {
		t.Errorf("Tag = %+v, %v; want the inactive session with a tag", s, err)
	}
	page, err := m.List(t.Context(), sessioncleanup.ListOptions{OwnerID: "1", Tags: "vip"})
	if err != nil || len(page.Sessions) != 1 {
		t.Errorf("List = %+v, %v; want the session that was tagged", page.Sessions, err)
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := describe(t.Context(), d.DB); err != nil || after != before {
		t.Errorf("Uninstall left %s, %v; want %s", after, err, before)
	}
}

// The application writes with an sql_mode that takes any date.
func TestTimesOfAllKindsAreReadAndJudged(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, `CREATE TABLE sessions (id INT PRIMARY KEY, name TEXT, active BIT(1) DEFAULT b'1', created_at DATETIME DEFAULT '0000-00-00 00:00:00',
			updated_at TIMESTAMP NULL, last_activity DATETIME, expires_at DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', deactivated_at DATETIME);
		INSERT INTO sessions (id, active, last_activity, expires_at) VALUES (1, 1, '0000-00-00', '0000-00-00'), (2, 1, '9999-12-31 23:59:59', '9999-12-31 23:59:59'),
			(3, 1, '1000-01-01', '0000-00-00'), (4, NULL, '2020-01-01', '9999-12-31 23:59:59'), (5, 1, NOW(), '1000-01-01'), (6, 0, '2020-01-01', '0000-00-00'),
			(7, 0, '0000-00-00', '1969-12-31 23:59:59'), (8, 1, NOW(), '0000-00-00');
		UPDATE sessions SET updated_at = '2037-12-31 23:59:59' WHERE id = 8`)
	m := manage(t, store)
	for _, sort := range sessioncleanup.Sorts() {
		for _, descending := range []bool{false, true} {
			var ids []string
			q := sessioncleanup.Query{Sort: sort, Descending: descending, Limit: 3, CountUpTo: 100}
			for {
				page, err := store.List(t.Context(), q)
				if err != nil || page.Total != 8 {
					t.Fatalf("%+v: %+v, %v; want all 8 sessions", q, page, err)
				}
				for _, s := range page.Sessions {
					ids = append(ids, s.ID)
				}
				if q.After = page.Next; q.After == nil {
					break
				}
			}
			if len(ids) != 8 {
				t.Errorf("by %s, descending %t, the pages have the sessions %v, want each of 8 once", sort, descending, ids)
			}
		}
	}
	if _, err := m.Stats(t.Context(), ""); err != nil {
		t.Error(err)
	}
	cleaned(t, m, 3, 1) // deactivates 3, which was used in the year 1000, 4, whose state is not known, and 5, which expired; deletes 6
	cleaned(t, m, 0, 0)
	if left := value[string](t, d, "SELECT GROUP_CONCAT(id ORDER BY id) FROM sessions WHERE active <> 0 OR active IS NULL"); left != "1,2,8" {
		t.Errorf("the sessions %s are active, want 1,2,8", left)
	}
}

func TestACollationThatTakesOthersForEqualChangesNothingAboutWhatIsSelected(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, `CREATE TABLE sessions (id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, owner_id VARCHAR(20) COLLATE utf8mb4_general_ci, name TEXT,
			active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME);
		CREATE TABLE votes (id INT AUTO_INCREMENT PRIMARY KEY, session_id VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, created_at DATETIME,
			FOREIGN KEY (session_id) REFERENCES sessions (id));
		INSERT INTO sessions VALUES ('Live', 'ann', 'a', TRUE, '2020-01-01'), ('other', 'Ann', 'b', TRUE, '2020-01-01'), ('third', 'ann ', 'c', TRUE, '2020-01-01')`)
	execute(t, d.DB, "INSERT INTO votes (session_id) VALUES ('LIVE'); INSERT INTO sessioncleanup_tags (session_id, tag) VALUES ('OTHER', 'vip')")
	if tags := tagsOf(t, store, "other"); len(tags) != 1 {
		t.Errorf("the tags are %q, want one", tags)
	}
	m := manage(t, store)
	for _, owner := range []string{"ann", "Ann", "ann "} {
		page, err := m.List(t.Context(), sessioncleanup.ListOptions{OwnerID: owner, Count: true})
		if err != nil || len(page.Sessions) != 1 || page.Total != 1 {
			t.Errorf("List of the owner %q: %d sessions, %v; want one", owner, len(page.Sessions), err)
		}
	}
	r, err := m.Cleanup(t.Context(), sessioncleanup.Run{Filter: sessioncleanup.Filter{OwnerID: "ann"}})
	if err != nil || r.Phases.Total().Done != 0 {
		t.Errorf("the run for ann did %+v, %v; want nothing, since Live is in use", r.Phases, err)
	}
	r, err = m.Cleanup(t.Context(), sessioncleanup.Run{Filter: sessioncleanup.Filter{OwnerID: "Ann"}})
	if err != nil || r.Phases.Total().Done != 1 {
		t.Errorf("the run for Ann did %+v, %v; want one", r.Phases, err)
	}
	if left := value[string](t, d, "SELECT GROUP_CONCAT(id ORDER BY id) FROM sessions WHERE active"); left != "Live,third" {
		t.Errorf("the sessions %s are active, want Live and third", left)
	}
}

func TestTablesThatCannotBeAdoptedAreRefusedBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ tables, says string }{
		"a key of two columns": {"CREATE TABLE sessions (tenant INT, id INT, active BOOLEAN, created_at DATETIME, PRIMARY KEY (tenant, id))", "id"},
		"a generated state":    {"CREATE TABLE sessions (id INT PRIMARY KEY, ended DATETIME, active BOOLEAN AS (ended IS NULL) STORED)", "generated"},
		"a generated time":     {"CREATE TABLE sessions (id INT PRIMARY KEY, created_at DATETIME, expires_at DATETIME AS (created_at + INTERVAL 9 DAY) VIRTUAL)", "generated"},
		"another engine":       {"CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN) ENGINE = Aria", "Aria"},
		"a view":               {"CREATE TABLE rooms (id INT PRIMARY KEY, active BOOLEAN); CREATE VIEW sessions AS SELECT * FROM rooms", "view"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mysqltest.New(t)
			execute(t, d.DB, c.tables)
			before, err := describe(t.Context(), d.DB)
			if err != nil {
				t.Fatal(err)
			}
			store := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{Table: "sessions"}})
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Migrate: %v, want an ErrInvalid that says %q", err, c.says)
			}
			after, err := describe(t.Context(), d.DB)
			if err != nil || strings.Contains(strings.ReplaceAll(after, "sessioncleanup_leases", ""), "sessioncleanup_") || !strings.Contains(after, before) && len(after) < len(before) {
				t.Errorf("Migrate left %s, %v", after, err)
			}
		})
	}
}

func TestAMigrationThatARightStoppedHarmsNobodyAndIsFinishedOrUndone(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, rooms+"INSERT INTO sessions (id) VALUES (1)")
	before, err := describe(t.Context(), d.DB)
	if err != nil {
		t.Fatal(err)
	}
	user := d.Name + "_half"
	execute(t, d.DB, "CREATE USER "+user+"; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON "+d.Name+".* TO "+user)
	t.Cleanup(func() { _, _ = d.DB.Exec("DROP USER " + user) }) //nolint:noctx // the test's context has ended
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	half := open(t, mysqltest.Database{URL: u.String()}, mysql.Config{})
	for range 2 { // the second time from where the first one ended
		if err := half.Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "TRIGGER") {
			t.Fatalf("Migrate without the right to create triggers: %v, want an ErrInvalid that names it", err)
		}
	}
	if err := half.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("Validate: %v, want ErrNotInstalled", err)
	}
	if _, err := half.List(t.Context(), sessioncleanup.Query{Limit: 1}); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("List: %v, want ErrNotInstalled", err)
	}
	execute(t, d.DB, "INSERT INTO sessions (id) VALUES (2); INSERT INTO votes (session_id) VALUES (1); UPDATE sessions SET active = FALSE WHERE id = 2")
	store := open(t, d, mysql.Config{})
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := describe(t.Context(), d.DB); err != nil || after != before {
		t.Errorf("Uninstall left %s, %v; want %s", after, err, before)
	}
	if err := half.Migrate(t.Context(), sessioncleanup.Policy{}); err == nil {
		t.Fatal("Migrate without the right to create triggers did not fail")
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrateFollowsColumnsThatTheApplicationRenames(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id) VALUES (1)")
	execute(t, d.DB, "ALTER TABLE votes RENAME COLUMN session_id TO room_id")
	if err := store.Validate(t.Context()); err == nil {
		t.Error("Validate finds nothing after a column of an activity table was renamed")
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, "INSERT INTO votes (room_id) VALUES (1)")
	if notes := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_touches"); notes != 1 {
		t.Errorf("there are %d notes after an insert, want one", notes)
	}
}

func TestATableThatNothingShowsTheUseOfIsNotCleanedForBeingIdle(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, "CREATE TABLE sessions (id INT PRIMARY KEY, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME); INSERT INTO sessions VALUES (1, 'a', TRUE, '2020-01-01')")
	m := manage(t, store)
	cleaned(t, m, 0, 0)
	execute(t, d.DB, "UPDATE sessions SET expires_at = '2020-01-02'")
	cleaned(t, m, 1, 0)
}

// A database that is 30 ms away.
func TestARunOverASlowNetworkGetsOn(t *testing.T) {
	t.Parallel()
	_, d := adopted(t, rooms+"INSERT INTO sessions (id, created_at, updated_at) SELECT seq, '2020-01-01', '2020-01-01' FROM seq_1_to_5000")
	far := faultnet.Start(t, value[string](t, d, "SELECT @@socket"), 15*time.Millisecond)
	m := manage(t, open(t, mysqltest.Database{URL: "mysql://root@" + far.Addr() + "/" + d.Name}, mysql.Config{}))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if r, err := m.Cleanup(ctx, sessioncleanup.Run{}); err != nil || r.Phases.Total().Done != 5000 {
		t.Errorf("the run did %+v, %v; want 5,000 sessions", r.Phases.Total(), err)
	}
}

// A process that is frozen, or cut off from the server, within a batch keeps neither its locks nor its lease.
func TestAProcessThatFreezesWithinABatchLosesItsLocks(t *testing.T) {
	thorough.Only(t, thorough.Killed)
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id, created_at, updated_at) SELECT seq, '2020-01-01', '2020-01-01' FROM seq_1_to_200")
	far := faultnet.Start(t, value[string](t, d, "SELECT @@socket"), 20*time.Millisecond)
	cut := manage(t, open(t, mysqltest.Database{URL: "mysql://root@" + far.Addr() + "/" + d.Name}, mysql.Config{}))
	go func() { _, _ = cut.Cleanup(t.Context(), sessioncleanup.Run{}) }() // it ends with the test
	const free = "SELECT COUNT(*) FROM (SELECT id FROM sessions WHERE id > 0 FOR UPDATE SKIP LOCKED) AS f"
	eventually(t, "a batch has locks", func() bool { return value[int](t, d, free) < 200 })
	far.Partition()
	if value[int](t, d, free) == 200 {
		t.Fatal("the batch ended before the network failed: the test shows nothing")
	}
	limited, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for value[int](t, d, free) < 200 {
		if limited.Err() != nil {
			t.Fatal("the frozen process still has its locks after 40 s")
		}
		_ = wait.For(limited, 50*time.Millisecond)
	}
	m := manage(t, store)
	eventually(t, "another process gets the lease", func() bool {
		_, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		return err == nil
	})
	if left := value[int](t, d, "SELECT COUNT(*) FROM sessions WHERE active"); left != 0 {
		t.Errorf("%d sessions are active, want none", left)
	}
}
