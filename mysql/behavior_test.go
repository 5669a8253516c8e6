package mysql_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// adopted is the database of an application after Migrate.
func adopted(t *testing.T, tables string) (*mysql.Store, mysqltest.Database) {
	t.Helper()
	d := mysqltest.New(t)
	execute(t, d.DB, tables)
	store := open(t, d, mysql.Config{})
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	return store, d
}

const rooms = `CREATE TABLE sessions (
		id INT PRIMARY KEY, parent_id INT, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME,
		updated_at DATETIME DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP,
		FOREIGN KEY (parent_id) REFERENCES sessions (id) ON DELETE CASCADE);
	CREATE TABLE votes (id INT AUTO_INCREMENT PRIMARY KEY, session_id INT NOT NULL, created_at DATETIME,
		FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);`

func value[T any](t testing.TB, d mysqltest.Database, query string) T {
	t.Helper()
	var v T
	if err := d.DB.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestClientsThatUseOneSessionDoNotDeadlock(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id) VALUES (1)")
	const clients, each = 16, 25
	var group sync.WaitGroup
	failures := make(chan error, clients*each)
	for range clients {
		group.Go(func() {
			for range each {
				if _, err := d.DB.ExecContext(t.Context(), "START TRANSACTION; INSERT INTO votes (session_id) VALUES (1); INSERT INTO votes (session_id) VALUES (1); COMMIT"); err != nil {
					failures <- err
				}
			}
		})
	}
	batch := sessioncleanup.Batch{Action: sessioncleanup.ActionDeactivated, Limit: 100, Cause: sessioncleanup.Cause{Actor: "test"}}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	for running := true; running; { // runs fold the notes in meanwhile
		select {
		case <-done:
			running = false
		default:
		}
		now, err := store.Now(t.Context())
		if err == nil {
			batch.Cutoffs = sessioncleanup.Policy{}.CutoffsAt(now)
			_, err = store.Sweep(t.Context(), batch)
		}
		if err != nil && !errors.Is(err, sessioncleanup.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	close(failures)
	for err := range failures {
		t.Fatalf("an insert of the application failed: %v", err)
	}
	page, err := store.List(t.Context(), sessioncleanup.Query{Limit: 1})
	if err != nil || len(page.Sessions) != 1 || page.Sessions[0].ActivityCount != 2*clients*each {
		t.Errorf("List = %+v, %v; want the session with %d rows of activity", page, err, 2*clients*each)
	}
}

func TestANoteOfATransactionThatIsOpenIsNotLost(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id) VALUES (1)")
	tx, err := d.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Close() }()
	for _, statement := range []string{"START TRANSACTION", "INSERT INTO votes (session_id) VALUES (1)"} {
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	batch := sessioncleanup.Batch{
		Action: sessioncleanup.ActionDeactivated, Limit: 100, Cause: sessioncleanup.Cause{Actor: "test"},
		Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now().Add(time.Hour)),
	}
	if _, err := store.Sweep(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if notes := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_touches"); notes != 1 {
		t.Errorf("%d notes after the transaction, want 1", notes)
	}
	if _, err := store.Sweep(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if notes := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_touches"); notes != 0 {
		t.Errorf("%d notes after the next batch, want none: they are folded in", notes)
	}
}

func TestARunLeavesASessionThatWouldTakeAnotherOneAlong(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+`INSERT INTO sessions (id, parent_id, active) VALUES (1, NULL, FALSE), (2, 1, TRUE), (3, NULL, FALSE), (4, 3, FALSE), (5, NULL, FALSE)`)
	execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessions SET last_activity = '2020-01-01', deactivated_at = '2020-01-01' WHERE NOT active; SET @sessioncleanup_own = NULL")
	out, err := store.Sweep(t.Context(), sessioncleanup.Batch{
		Action: sessioncleanup.ActionDeleted, Limit: 100, Cause: sessioncleanup.Cause{Actor: "test"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now()),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(out.IDs, " "); got != "3 4 5" || len(out.Skipped) != 1 || out.Skipped[0].SessionID != "1" {
		t.Errorf("deleted %s, skipped %+v; want 3 4 5, and 1 skipped", got, out.Skipped)
	}
	if left := value[string](t, d, "SELECT GROUP_CONCAT(id ORDER BY id) FROM sessions"); left != "1,2" {
		t.Errorf("left are the sessions %s, want 1,2", left)
	}
	_, err = store.Delete(t.Context(), sessioncleanup.Target{ID: "1"}, sessioncleanup.Cause{Actor: "test"})
	if !errors.Is(err, sessioncleanup.ErrCascade) {
		t.Errorf("Delete of a session with another one below it: %v, want ErrCascade", err)
	}
	if _, err = store.Delete(t.Context(), sessioncleanup.Target{ID: "1", Cascade: true}, sessioncleanup.Cause{Actor: "test"}); err != nil {
		t.Error(err)
	}
	events, err := store.Events(t.Context(), sessioncleanup.EventQuery{Limit: 1})
	if err != nil || len(events) != 1 || len(events[0].Sessions) != 2 {
		t.Errorf("the event of the deletion is %+v, %v; want both sessions in it", events, err)
	}
}

// The way from one session to the other leads through tables without a primary key.
func TestSessionsThatGoAlongAreFoundThroughTablesWithoutAKey(t *testing.T) {
	t.Parallel()
	for name, relays := range map[string]string{
		"a unique index":                    "k INT NOT NULL UNIQUE, l INT UNIQUE",
		"a unique index with NULL":          "k INT UNIQUE, l INT UNIQUE",
		"an index that tells no rows apart": "k INT, l INT, KEY (k), KEY (l)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, d := adopted(t, `CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME DEFAULT '2020-01-01', k INT, l INT);
				CREATE TABLE relays (session_id INT, `+relays+`, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);
				ALTER TABLE sessions ADD FOREIGN KEY (k) REFERENCES relays (k) ON DELETE CASCADE, ADD FOREIGN KEY (l) REFERENCES relays (l) ON DELETE CASCADE;
				INSERT INTO sessions (id, active) VALUES (1, FALSE), (2, FALSE), (3, FALSE);
				INSERT INTO relays (session_id, k, l) VALUES (1, 7, NULL), (2, 8, 9);
				INSERT INTO sessions (id, k) VALUES (10, 7); INSERT INTO sessions (id, l) VALUES (20, 9)`)
			execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessions SET last_activity = '2020-01-01', deactivated_at = '2020-01-01' WHERE NOT active; SET @sessioncleanup_own = NULL")
			out, err := store.Sweep(t.Context(), sessioncleanup.Batch{
				Action: sessioncleanup.ActionDeleted, Limit: 100, Cause: sessioncleanup.Cause{Actor: "test"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now()),
			})
			if err != nil || strings.Join(out.IDs, " ") != "3" || len(out.Skipped) != 2 {
				t.Errorf("deleted %q, skipped %+v, %v; want 3 deleted, and 1 and 2 skipped", out.IDs, out.Skipped, err)
			}
		})
	}
}

func TestChangesOfTheLibraryKeepTheTimeOfTheLastUpdate(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id) VALUES (1), (2)")
	if _, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	change := sessioncleanup.Change{Cause: sessioncleanup.Cause{Actor: "test"}, Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off}
	if _, err := store.Update(t.Context(), sessioncleanup.Target{ID: "1"}, change); err != nil {
		t.Fatal(err)
	}
	out, err := store.Sweep(t.Context(), sessioncleanup.Batch{
		Action: sessioncleanup.ActionDeactivated, Limit: 9, Cause: change.Cause, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now().Add(48 * time.Hour)),
	})
	if err != nil || len(out.IDs) != 1 {
		t.Fatalf("Sweep = %+v, %v", out, err)
	}
	if changed := value[int](t, d, "SELECT COUNT(*) FROM sessions WHERE updated_at <> '2020-01-01'"); changed != 0 {
		t.Errorf("%d sessions have another updated_at, want none", changed)
	}
}

func TestIDsAreFoundExactlyAsTheyAre(t *testing.T) {
	t.Parallel()
	store, _ := adopted(t, `CREATE TABLE sessions (id VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME);
		INSERT INTO sessions (id) VALUES ('Abc'), ('10')`)
	for _, id := range []string{"abc", "Abc ", "ABC", "10.0", "1e1"} {
		if n, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{id}}); n != 0 || err != nil {
			t.Errorf("Touch of %q wrote %d sessions, error %v; want none", id, n, err)
		}
		page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
		if err != nil || len(page.Sessions) != 0 {
			t.Errorf("List of %q = %+v, %v; want none", id, page.Sessions, err)
		}
	}
	page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "Abc"}, Limit: 1})
	if err != nil || len(page.Sessions) != 1 {
		t.Errorf("List of Abc = %+v, %v; want it", page.Sessions, err)
	}
}

func TestWhatThisBackendLacksIsRefusedInWords(t *testing.T) {
	t.Parallel()
	_, d := adopted(t, rooms)
	for want, c := range map[string]mysql.Config{
		`AppRole (--app-role) is "app"`:         {Migrate: sessioncleanup.MigrateOptions{AppRole: "app"}},
		`CleanerRole (--cleaner-role) is "app"`: {Migrate: sessioncleanup.MigrateOptions{CleanerRole: "app"}},
		`the time zone is "Europe/Paris"`:       {Migrate: sessioncleanup.MigrateOptions{TimeZone: "Europe/Paris"}},
		`the table "other.sessions"`:            {Schema: sessioncleanup.Schema{Table: "other.sessions"}},
		"Config.Connections is 1":               {Connections: 1},
	} {
		if _, err := mysql.Open(t.Context(), d.URL, c); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: %v, want an ErrInvalid with %s", err, want)
		}
	}
}

func TestAFailedConnectionNamesTheCauseAndNotThePassword(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		change func(*url.URL)
		is     error
	}{
		"check the user and the password": {func(u *url.URL) { u.User = url.UserPassword("nobody_known", "s3cret") }, sessioncleanup.ErrInvalid},
		"create it, or check the name":    {func(u *url.URL) { u.Path = "/no_such_database" }, sessioncleanup.ErrInvalid},
		"check that the server runs": {func(u *url.URL) {
			u.Host, u.User = "127.0.0.1:1", url.UserPassword("root", "s3cret")
		}, sessioncleanup.ErrUnavailable},
	} {
		u, err := url.Parse(mysqltest.New(t).URL)
		if err != nil {
			t.Fatal(err)
		}
		c.change(u)
		_, err = mysql.Open(t.Context(), u.String(), mysql.Config{})
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Open: %v, want an %q with %q, without the password", err, c.is, want)
		}
	}
}

func TestHostsAreTriedInTheirOrder(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	scheme, rest, _ := strings.Cut(d.URL, "@")
	store, err := mysql.Open(t.Context(), fmt.Sprintf("%s@127.0.0.1:1,%s?timeout=2s", scheme, rest), mysql.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if _, err := store.Now(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := mysql.Open(t.Context(), scheme+"@127.0.0.1:1/app", mysql.Config{}); !errors.Is(err, sessioncleanup.ErrUnavailable) {
		t.Errorf("Open of a port where nothing listens: %v, want ErrUnavailable", err)
	}
}

func TestDependentsCountsWhatGoesAlong(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+`
		CREATE TABLE replies (id INT AUTO_INCREMENT PRIMARY KEY, vote_id INT NOT NULL, FOREIGN KEY (vote_id) REFERENCES votes (id) ON DELETE CASCADE);
		CREATE TABLE invoices (id INT PRIMARY KEY, session_id INT, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE SET NULL);
		INSERT INTO sessions (id, active) VALUES (1, FALSE), (2, TRUE), (3, FALSE);
		INSERT INTO votes (id, session_id) VALUES (1, 1), (2, 1), (3, 2);
		INSERT INTO replies (vote_id) VALUES (1), (2), (2), (3);
		INSERT INTO invoices VALUES (1, 1), (2, 2)`)
	execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessions SET last_activity = '2020-01-01', deactivated_at = '2020-01-01' WHERE NOT active; SET @sessioncleanup_own = NULL")
	execute(t, d.DB, "DELETE FROM sessioncleanup_touches")
	got, err := store.Dependents(t.Context(), &sessioncleanup.Query{Status: sessioncleanup.StatusToDelete, Thresholds: sessioncleanup.Policy{}.Thresholds()})
	want := []sessioncleanup.Dependent{{Table: "invoices", Effect: "unlinked", Rows: 1}, {Table: "replies", Effect: "deleted", Rows: 3}, {Table: "votes", Effect: "deleted", Rows: 2}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Dependents = %+v, %v; want %+v", got, err, want)
	}
	if got, err = store.Dependents(t.Context(), nil); err != nil || len(got) != 3 || got[0].Rows != 0 {
		t.Errorf("Dependents without a query = %+v, %v; want the three tables without counts", got, err)
	}
}
