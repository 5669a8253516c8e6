package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/runmodel"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

const day = 24 * time.Hour

var withView = mysql.Config{Migrate: sessioncleanup.MigrateOptions{View: true}}

// texts are the rows of a query as the application's connection reads them, in a time zone other than UTC.
func texts(t *testing.T, d mysqltest.Database, query string) []string {
	t.Helper()
	found, err := mysqltest.Texts(t.Context(), d.DB, query, 0)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return found
}

// TestTheViewsAgreeWithCutoffs compares the views with the rules in Go on random sessions, policy by policy.
func TestTheViewsAgreeWithCutoffs(t *testing.T) {
	t.Parallel()
	for kind, is := range map[string]string{"DATETIME": "DATETIME(3)", "TIMESTAMP": "TIMESTAMP(3)"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			viewsAgree(t, is)
		})
	}
}

func viewsAgree(t *testing.T, of string) {
	t.Helper()
	d := mysqltest.New(t)
	execute(t, d.DB, strings.ReplaceAll(`CREATE TABLE sessions (id INT PRIMARY KEY, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, auto_cleanup BOOLEAN, last_activity TYPE NULL,
			expires_at TYPE NULL, deactivated_at TYPE NULL, created_at TYPE NULL, status VARCHAR(10));
		CREATE TABLE votes (id INT AUTO_INCREMENT PRIMARY KEY, session_id INT NOT NULL, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)`, "TYPE", of))
	store := open(t, d, withView)
	migrated(t, store)
	random := rand.New(rand.NewPCG(1, 2))
	// Moments stay away from those at which a status changes, because the clock goes on.
	moment := func(around ...time.Duration) any {
		ago := around[random.IntN(len(around))] + time.Duration(120+random.IntN(1000))*time.Second*time.Duration(1-2*random.IntN(2))
		if of == "TIMESTAMP(3)" {
			return written(time.Now().Add(-ago), time.FixedZone("the application's", 5*3600+1800))
		}
		return written(time.Now().Add(-ago), time.UTC)
	}
	for id := 1; id <= 400; id++ {
		var expires, deactivated any
		active := random.IntN(2) == 0
		if random.IntN(2) == 0 {
			expires = moment(0, -day, 12*time.Hour, 7*day, 30*day, 31*day)
		}
		if !active && random.IntN(4) > 0 {
			deactivated = moment(time.Hour, 7*day, 30*day, 60*day)
		}
		_, err := d.DB.ExecContext(t.Context(), "INSERT INTO sessions (id, name, active, auto_cleanup, last_activity, expires_at, deactivated_at) VALUES (?, 'room', ?, ?, ?, ?, ?)",
			id, active, random.IntN(8) > 0, moment(time.Hour, 12*time.Hour, day, 7*day, 30*day, 60*day), expires, deactivated)
		if err != nil {
			t.Fatal(err)
		}
	}
	execute(t, d.DB, "INSERT INTO votes (session_id) SELECT id FROM sessions WHERE id % 10 = 0; SET @sessioncleanup_own = 1; UPDATE sessions SET last_activity = NULL WHERE id < 5; SET @sessioncleanup_own = NULL")
	warned := sessioncleanup.Policy{WarnBefore: 7 * day}
	now, err := store.Now(t.Context())
	if err == nil {
		_, err = store.Warn(t.Context(), sessioncleanup.Batch{Action: sessioncleanup.ActionNoticed, Cutoffs: warned.CutoffsAt(now), Limit: 1000})
	}
	if err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, `INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions WHERE id % 7 = 0;
		INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'test' FROM sessions WHERE id % 3 = 0; INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'long' FROM sessions WHERE id % 5 = 0;
		UPDATE sessioncleanup_notices SET delivered_at = UTC_TIMESTAMP() - INTERVAL 8 DAY WHERE session % 3 = 0;
		UPDATE sessioncleanup_notices SET failed_at = UTC_TIMESTAMP() - INTERVAL 8 DAY WHERE session % 3 = 1`)
	for _, p := range []sessioncleanup.Policy{
		{}, {InactiveAfter: 12 * time.Hour, DeleteAfter: 7 * day}, {InactiveAfter: sessioncleanup.Never}, {ReactivateOnActivity: sessioncleanup.On},
		{Rules: "vip: inactive=never delete=never; test: inactive=12h delete=7d; long: inactive=60d delete=60d; unused: delete=1d"},
		{WarnBefore: 7 * day, Undeliverable: sessioncleanup.UndeliverableProceed, Rules: "vip: warn=never; test: delete=7d warn=1d; long: delete=60d warn=20d"},
		{WarnBefore: 7 * day, Rules: "vip: delete=never; test: delete=7d warn=never; long: delete=60d"}, {Rules: "vip: warn=7d; long: inactive=60d"},
		warned, {WarnBefore: 7 * day, Undeliverable: sessioncleanup.UndeliverableProceed}, {DeleteAfter: sessioncleanup.Never, TouchInterval: time.Hour},
	} {
		if err := store.Migrate(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		cut := p.CutoffsAt(now)
		runmodel.ViewAgrees(t, store, cut, texts(t, d, "SELECT CONCAT_WS('|', id, sessioncleanup_status, cleanup_status) FROM sessions_cleanup_view"))
		c, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{Thresholds: p.Thresholds()})
		if err != nil {
			t.Fatal(err)
		}
		figures := fmt.Sprint(c.Total, c.Active, c.Inactive, c.Old, c.DueForDeactivation+c.DueForDeletion)
		if got := texts(t, d, "SELECT CONCAT_WS(' ', total_sessions, active_sessions, inactive_sessions, old_sessions, cleanup_candidates) FROM sessions_cleanup_stats"); !cmp.Equal(got, []string{figures}) {
			t.Errorf("policy %+v: the figures are %q, want %q", p, got, figures)
		}
	}
}

func TestTheViewShowsOwnersActivityAndAge(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, guide.tables)
	execute(t, d.DB, `INSERT INTO sessions (id, streamer_id, name, created_at) VALUES (1, 1, 'one', UTC_TIMESTAMP() - INTERVAL 36 HOUR), (2, NULL, 'two', NULL);
		INSERT INTO propositions (session_id, created_at) VALUES (1, UTC_TIMESTAMP() - INTERVAL 3 HOUR), (1, UTC_TIMESTAMP() - INTERVAL 90 MINUTE)`)
	migrated(t, open(t, d, withView))
	want := []string{"1|u1|one|1.50|1.50|Actif|active|2", "2|-|two|0.00|-|Actif|active|0"}
	got := texts(t, d, `SELECT CONCAT_WS('|', id, COALESCE(streamer_name, '-'), name, hours_inactive, COALESCE(days_old, '-'), cleanup_status, status, total_propositions)
		FROM sessions_cleanup_view ORDER BY id`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the view (-want +got):\n%s", diff)
	}
	columns := texts(t, d, "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position SEPARATOR ' ') FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'sessions_cleanup_view'")
	if want := "id streamer_id name code plan active created_at updated_at last_activity expires_at auto_cleanup deactivated_at streamer_name hours_inactive days_old cleanup_status status total_propositions"; columns[0] != want {
		t.Errorf("columns of the view: %s, want %s", columns[0], want)
	}
}

func TestTheViewsOfAnInstallationWithANameAreItsOwn(t *testing.T) {
	t.Parallel()
	d := besideRooms(t)
	execute(t, d.DB, "INSERT INTO sessions (id) VALUES (1), (2)")
	rooms, sessions := ofRooms, live
	rooms.Migrate.View, sessions.Migrate.View = true, true
	first, second := open(t, d, rooms), open(t, d, sessions)
	migrated(t, first)
	migrated(t, second)
	if got := texts(t, d, "SELECT CONCAT((SELECT COUNT(*) FROM sessions_cleanup_view), ' ', (SELECT total_sessions FROM live_sessions_cleanup_stats))"); got[0] != "9 2" {
		t.Errorf("the views have %s sessions, want 9 and 2", got[0])
	}
	if err := errors.Join(first.Uninstall(t.Context()), second.Validate(t.Context())); err != nil {
		t.Error(err)
	}
	if left := texts(t, d, "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY 1"); !cmp.Equal(left, []string{"live_sessions_archive_view", "live_sessions_cleanup_stats", "live_sessions_cleanup_view"}) {
		t.Errorf("left are the views %q", left)
	}
}

func TestTheViewsOfTheApplicationStay(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, rooms+"CREATE VIEW sessions_cleanup_view AS SELECT id FROM sessions")
	if err := open(t, d, withView).Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "sessions_cleanup_view") {
		t.Errorf("Migrate beside a view of that name: %v, want an ErrInvalid that names it", err)
	}
	store := open(t, d, mysql.Config{})
	migrated(t, store)
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := texts(t, d, "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()"); len(left) != 1 {
		t.Errorf("left are the views %q, want that of the application", left)
	}
}

func TestTheViewsFollowThePolicyAndTheColumnsAndWaitForNobody(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, rooms+"INSERT INTO sessions (id, updated_at) VALUES (1, '2020-01-01')")
	store := open(t, d, withView)
	migrated(t, store)
	reader, err := d.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if _, err := reader.ExecContext(t.Context(), "START TRANSACTION; SELECT * FROM sessions_cleanup_view"); err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := store.Migrate(limited, sessioncleanup.Policy{}); err != nil {
		t.Errorf("a Migrate that has nothing to change, while a transaction has read the view: %v", err)
	}
	if _, err := reader.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, "ALTER TABLE sessions ADD COLUMN mood VARCHAR(10) DEFAULT 'good'")
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{InactiveAfter: sessioncleanup.Never}); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, d, "SELECT CONCAT_WS(' ', mood, status) FROM sessions_cleanup_view"); !cmp.Equal(got, []string{"good active"}) {
		t.Errorf("the view has %q, want the new column, and a session that is never due", got)
	}
	execute(t, d.DB, "DROP VIEW sessions_archive_view")
	if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), "sessions_archive_view") {
		t.Errorf("Validate without a view: %v, want ErrNotInstalled and its name", err)
	}
	migrated(t, store)
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheViewOfTheArchiveSaysWhenEntriesArePurged(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, rooms+"INSERT INTO sessions (id) VALUES (1)")
	m, err := sessioncleanup.New(open(t, d, withView), sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On, ArchiveKeep: 2 * day}})
	if err == nil {
		err = m.Migrate(t.Context())
	}
	if err == nil {
		_, err = m.Delete(t.Context(), "1")
	}
	if err != nil {
		t.Fatal(err)
	}
	const read = "SELECT CONCAT_WS(' ', session_id, held, COALESCE(TIMESTAMPDIFF(HOUR, archived_at, purge_at), '-')) FROM sessions_archive_view"
	if got := texts(t, d, read); !cmp.Equal(got, []string{"1 0 48"}) {
		t.Errorf("the view has %q, want session 1 and 2 days", got)
	}
	if _, err := m.Hold(t.Context(), []int64{1}, true, ""); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, d, read); !cmp.Equal(got, []string{"1 1 -"}) {
		t.Errorf("while it is held the view has %q, want that it is never purged", got)
	}
}

func TestAViewShowsNothingThatItsReaderMayNotRead(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, rooms+"INSERT INTO sessions (id) VALUES (1)")
	migrated(t, open(t, d, withView))
	as := d.Granted(t, "GRANT SELECT ON "+d.Name+".sessions_cleanup_view TO %s").DB
	if _, err := as.ExecContext(t.Context(), "SELECT * FROM sessions_cleanup_view"); err == nil {
		t.Error("the view shows sessions to a user who may not read them")
	}
	as = d.As(t, "SELECT").DB
	if _, err := as.ExecContext(t.Context(), "SELECT * FROM sessions_cleanup_view"); err != nil {
		t.Error(err)
	}
}

func TestTheViewOfTheArchiveFollowsTheRules(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	store := open(t, d, withView)
	policy := sessioncleanup.Policy{ArchiveKeep: 30 * day, Rules: "vip: archive=never; short: archive=1d; long: archive=90d; other: delete=1d"}
	if err := store.Migrate(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, `INSERT INTO sessioncleanup_archive (session, owner, name, archived_at, actor, reason, run_id, row_count, bytes, tags)
		SELECT ELT(seq, '', 'none', 'short', 'short long', 'short vip', 'other short', 'other'), '', '', '2026-01-01', '', '', '', 0, 0, ELT(seq, '', 'none', 'short', 'short long', 'short vip', 'other short', 'other') FROM seq_1_to_7`)
	got := texts(t, d, "SELECT CONCAT(session_id, ': ', COALESCE(DATEDIFF(purge_at, archived_at), 'never')) FROM sessions_archive_view ORDER BY id")
	var want []string
	for _, tags := range []string{"", "none", "short", "short long", "short vip", "other short", "other"} {
		keep := policy.WithDefaults().ArchiveKeepOf(strings.Fields(tags))
		days := fmt.Sprint(int(keep / day))
		if keep == sessioncleanup.Never {
			days = "never"
		}
		want = append(want, tags+": "+days)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Go +view)\n%s", diff)
	}
}

func TestAViewThatMayNotBeCreatedKeepsNothingElseFromWorking(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, rooms+"INSERT INTO sessions (id) VALUES (1)")
	as := d.As(t, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES, TRIGGER")
	store := open(t, as, mysql.Config{})
	for _, earlier := range []bool{false, true} {
		err := open(t, as, withView).Migrate(t.Context(), sessioncleanup.Policy{})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "CREATE VIEW") {
			t.Errorf("Migrate (again: %t): %v, want an ErrInvalid that names the right", earlier, err)
		}
		migrated(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
