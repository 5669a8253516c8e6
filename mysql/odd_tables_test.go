package mysql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// A life has a table sessions with the sessions a, which is due for deactivation, b, which is due for deletion and has
// a row in votes, and c, which is used when it begins. Everything that the library does is done to them.
func life(t *testing.T, d mysqltest.Database, schema sessioncleanup.Schema) {
	t.Helper()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	before, err := describe(t.Context(), d.DB)
	must("describe", err)
	store := open(t, d, mysql.Config{Schema: schema, Migrate: sessioncleanup.MigrateOptions{View: true}})
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BusyShare: 1, Archive: sessioncleanup.On, MaxDeleteFraction: 1}})
	must("New", err)
	must("Migrate", m.Migrate(t.Context()))
	must("Migrate again", m.Migrate(t.Context()))
	must("Validate", store.Validate(t.Context()))
	execute(t, d.DB, "INSERT INTO votes (session_id) SELECT id FROM sessions WHERE name = 'c'")
	if p, err := store.Probe(t.Context()); err != nil || len(p.Denied)+len(p.Unnoticed)+len(p.Untried) > 0 {
		t.Errorf("Probe: %+v, %v", p, err)
	}
	page, err := m.List(t.Context(), sessioncleanup.ListOptions{})
	must("List", err)
	ids := map[string]string{}
	for _, s := range page.Sessions {
		ids[s.Name] = s.ID
	}
	_, err = m.Tag(t.Context(), ids["b"], sessioncleanup.TagChange{Add: []string{"vip"}})
	must("Tag", err)
	r, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || r.Deactivated() != 1 || r.Deleted() != 1 || r.Phases.Total().Failed > 0 {
		t.Fatalf("Cleanup: %+v, %v; want a deactivated and b deleted", r.Phases, err)
	}
	_, err = m.Restore(t.Context(), []string{ids["b"]}, sessioncleanup.RestoreOptions{})
	must("Restore", err)
	must("Touch", m.Touch(t.Context(), ids["a"]))
	_, err = m.Reactivate(t.Context(), ids["a"])
	must("Reactivate", err)
	if s, err := m.Get(t.Context(), ids["b"]); err != nil || len(s.Tags) != 1 || s.ActivityCount != 1 {
		t.Errorf("Get: %+v, %v; want the session with its tag and its activity", s, err)
	}
	_, err = m.Deactivate(t.Context(), ids["c"])
	must("Deactivate", err)
	_, err = m.Delete(t.Context(), ids["c"])
	must("Delete", err)
	_, err = m.Restore(t.Context(), []string{ids["c"]}, sessioncleanup.RestoreOptions{})
	must("Restore", err)
	_, err = m.Stats(t.Context(), "")
	must("Stats", err)
	const counted = "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM sessions_cleanup_view), (SELECT total_sessions FROM sessions_cleanup_stats), (SELECT COUNT(*) FROM votes))"
	if n := texts(t, d, counted); n[0] != "3 3 2" {
		t.Errorf("there are %s sessions in the views and rows of votes, want 3 3 2", n[0])
	}
	must("Uninstall", store.Uninstall(t.Context()))
	if after, err := describe(t.Context(), d.DB); err != nil || before != after {
		t.Errorf("Uninstall left %v\n%s\nwant\n%s", err, after, before)
	}
}

const (
	lifeColumns  = "name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME, last_activity DATETIME(3), deactivated_at DATETIME"
	lifeSessions = "CREATE TABLE sessions (id INT PRIMARY KEY, " + lifeColumns + ")"
	lifeVotes    = "; CREATE TABLE votes (vid BIGINT AUTO_INCREMENT PRIMARY KEY, session_id INT NOT NULL, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)"
	plainVotes   = "; CREATE TABLE votes (vid BIGINT AUTO_INCREMENT PRIMARY KEY, session_id INT NOT NULL)"
)

// lifeRows fills them, with three ids.
func lifeRows(a, b, c string) string {
	return fmt.Sprintf(`; INSERT INTO sessions (id, name, active, updated_at, last_activity, deactivated_at) VALUES (%s, 'a', TRUE, '2020-01-01', '2020-01-01', NULL),
		(%s, 'b', FALSE, '2020-01-01', '2020-01-01', '2020-01-01'), (%s, 'c', TRUE, '2020-01-01', '2020-01-01', NULL);
		INSERT INTO votes (session_id) SELECT id FROM sessions WHERE name = 'b'`, a, b, c)
}

// refused requires that tables are refused in words.
func refused(t *testing.T, d mysqltest.Database, schema sessioncleanup.Schema, words string) {
	t.Helper()
	err := open(t, d, mysql.Config{Schema: schema}).Migrate(t.Context(), sessioncleanup.Policy{})
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), words) {
		t.Errorf("Migrate: %v, want an ErrInvalid that says %q", err, words)
	}
}

// The longest names have 64 characters, here 128 bytes.
func TestTablesWithLongNamesAreAdopted(t *testing.T) {
	t.Parallel()
	table, column := strings.Repeat("é", 64), strings.Repeat("ü", 64)
	d := mysqltest.New(t)
	execute(t, d.DB, fmt.Sprintf(`CREATE TABLE %[1]s (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME);
		CREATE TABLE m%[3]s (id INT AUTO_INCREMENT PRIMARY KEY, %[2]s INT, FOREIGN KEY (%[2]s) REFERENCES %[1]s (id) ON DELETE CASCADE);
		INSERT INTO %[1]s (id, created_at) VALUES (1, '2020-01-01'), (2, '2020-01-01')`, table, column, strings.Repeat("é", 63)))
	store := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{Table: table}})
	migrated(t, store)
	execute(t, d.DB, fmt.Sprintf("INSERT INTO m%s (%s) VALUES (1)", strings.Repeat("é", 63), column))
	page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "1"}, Limit: 1})
	if err != nil || len(page.Sessions) != 1 || page.Sessions[0].ActivityCount != 1 || page.Sessions[0].LastActivity.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("the session in use is %+v, %v", page.Sessions, err)
	}
}

func TestIDsOfAnyTypeThatIdentifiesAreUsedAndOthersRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ is, a, b, c, refused string }{
		{is: "INT", a: "1", b: "-2", c: "3"},
		{is: "BIGINT UNSIGNED", a: "1", b: "18446744073709551615", c: "9223372036854775808"},
		{is: "INT(5) UNSIGNED ZEROFILL", a: "1", b: "2", c: "3"},
		{is: "BINARY(16)", a: "UNHEX(MD5('a'))", b: "UNHEX(MD5('b'))", c: "X'00'"},
		{is: "VARBINARY(20)", a: "'a'", b: "'b'", c: "X'00FF'"},
		{is: "UUID", a: "UUID()", b: "UUID()", c: "UUID()"},
		{is: "VARCHAR(20) COLLATE utf8mb4_general_ci", a: "'Ä'", b: "'b'", c: "'c'"},
		{is: "VARCHAR(20) CHARACTER SET latin1", a: "'Ä'", b: "'é'", c: "'c'"},
		{is: "VARCHAR(20) CHARACTER SET utf16", a: "'a'", b: "'b'", c: "'c'"},
		{is: "CHAR(10) CHARACTER SET ascii", a: "'a'", b: "'b'", c: "'c c'"},
		{is: "VARCHAR(750)", a: "'a'", b: "REPEAT('日', 750)", c: "'c'"},
		{is: "VARCHAR(751)", a: "'a'", b: "'b'", c: "'c'", refused: "at most 3000"},
		{is: "DECIMAL(20, 0)", a: "1", b: "2", c: "3", refused: "decimal(20,0)"},
		{is: "DOUBLE", a: "1", b: "2", c: "3", refused: "double"},
		{is: "ENUM ('x', 'y', 'z')", a: "'x'", b: "'y'", c: "'z'", refused: "enum"},
		{is: "DATE", a: "'2020-01-01'", b: "'2020-01-02'", c: "'2020-01-03'", refused: "date"},
		{is: "INET6", a: "'::1'", b: "'::2'", c: "'::3'", refused: "inet6"},
		{is: "BIT(8)", a: "1", b: "2", c: "3", refused: "bit(8)"},
	} {
		t.Run(c.is, func(t *testing.T) {
			t.Parallel()
			if c.refused == "" {
				thorough.Only(t, thorough.Tables)
			}
			d := mysqltest.New(t)
			execute(t, d.DB, strings.ReplaceAll(lifeSessions+lifeVotes, "id INT ", "id "+c.is+" ")+lifeRows(c.a, c.b, c.c))
			if c.refused != "" {
				refused(t, d, sessioncleanup.Schema{}, c.refused)
				return
			}
			life(t, d, sessioncleanup.Schema{})
		})
	}
}

func TestOddTablesAreUsedOrRefusedInWords(t *testing.T) {
	t.Parallel()
	votes := []sessioncleanup.Source{{Table: "votes", Session: "session_id"}}
	for name, c := range map[string]struct {
		tables  string
		more    string // after the sessions are there
		sources []sessioncleanup.Source
		refused string
	}{
		"partitions":           {tables: lifeSessions + " PARTITION BY HASH (id) PARTITIONS 4" + plainVotes, sources: votes},
		"a child with history": {tables: lifeSessions + "; CREATE TABLE moves (id INT PRIMARY KEY, session_id INT, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE) WITH SYSTEM VERSIONING" + lifeVotes, more: "; INSERT INTO moves SELECT 1, id FROM sessions WHERE name = 'b'"},
		"upper case":           {tables: "CREATE TABLE sessions (ID INT PRIMARY KEY, " + strings.ToUpper(lifeColumns) + ")" + lifeVotes},
		"a virtual column":     {tables: strings.Replace(lifeSessions, "name TEXT", "name TEXT, next INT AS (id + 1) VIRTUAL, INDEX (name(10))", 1) + lifeVotes},
		"compressed rows":      {tables: lifeSessions + " ROW_FORMAT = COMPRESSED" + lifeVotes},
		"an invisible column":  {tables: strings.Replace(lifeSessions, "name TEXT", "name TEXT, secret INT INVISIBLE", 1) + lifeVotes},
		"a period":             {tables: strings.Replace(lifeSessions, "name TEXT", "name TEXT, s DATE NOT NULL DEFAULT '2020-01-01', e DATE NOT NULL DEFAULT '2030-01-01', PERIOD FOR p (s, e)", 1) + lifeVotes},
		"zero dates": {tables: `CREATE TABLE sessions (id INT PRIMARY KEY, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME NOT NULL DEFAULT '0000-00-00',
			last_activity DATETIME NOT NULL DEFAULT '0000-00-00', deactivated_at TIMESTAMP NULL, expires_at TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00')` + lifeVotes},
		"times that the server sets": {tables: strings.Replace(lifeSessions, "updated_at DATETIME", "updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", 1) + lifeVotes},
		"names with quotes": {tables: lifeSessions + lifeVotes + "; CREATE TABLE `vo\"t``e's\\\\` (`v\"i'd` INT AUTO_INCREMENT PRIMARY KEY, `s``\"'\\\\` INT NOT NULL, " +
			"FOREIGN KEY (`s``\"'\\\\`) REFERENCES sessions (id) ON DELETE CASCADE)"},
		"names of 64 letters": {tables: lifeSessions + lifeVotes + "; CREATE TABLE `" + strings.Repeat("é", 64) + "` (id INT AUTO_INCREMENT PRIMARY KEY, `" + strings.Repeat("日", 64) +
			"` INT NOT NULL, CONSTRAINT `" + strings.Repeat("ñ", 64) + "` FOREIGN KEY (`" + strings.Repeat("日", 64) + "`) REFERENCES sessions (id) ON DELETE CASCADE)", sources: votes},
		"triggers of the application": {tables: lifeSessions + lifeVotes + `; CREATE TRIGGER z BEFORE UPDATE ON sessions FOR EACH ROW SET NEW.updated_at = NOW();
			CREATE TRIGGER y AFTER UPDATE ON sessions FOR EACH ROW SET @changes = COALESCE(@changes, 0) + 1; CREATE TRIGGER x AFTER DELETE ON sessions FOR EACH ROW SET @changes = 0`},
		"history":                   {tables: lifeSessions + " WITH SYSTEM VERSIONING" + lifeVotes, sources: votes, refused: "system-versioned"},
		"activity with history":     {tables: lifeSessions + lifeVotes + " WITH SYSTEM VERSIONING", sources: votes, refused: "system-versioned"},
		"activity of MyISAM":        {tables: lifeSessions + plainVotes + " ENGINE = MyISAM", sources: votes, refused: "MyISAM"},
		"activity in a view":        {tables: lifeSessions + strings.ReplaceAll(plainVotes, "votes", "all_votes") + "; CREATE VIEW votes AS SELECT * FROM all_votes", sources: votes, refused: "view"},
		"a full text":               {tables: strings.Replace(lifeSessions, "name TEXT", "name TEXT, FULLTEXT (name)", 1) + lifeVotes, refused: "ALTER TABLE `sessions` ADD COLUMN `expires_at`"},
		"a time that is never NULL": {tables: strings.Replace(lifeSessions, "deactivated_at DATETIME", "deactivated_at DATETIME NOT NULL DEFAULT '0000-00-00'", 1) + lifeVotes, refused: "NOT NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mysqltest.New(t)
			schema := sessioncleanup.Schema{Table: "sessions", Sources: c.sources}
			if c.refused != "" {
				execute(t, d.DB, c.tables)
				refused(t, d, schema, c.refused)
				return
			}
			thorough.Only(t, thorough.Tables)
			execute(t, d.DB, c.tables+lifeRows("1", "2", "3")+c.more)
			life(t, d, schema)
		})
	}
}

func TestWhatTheServerCannotAlterWithoutBlockingIsDoneByHand(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, strings.Replace(lifeSessions, "name TEXT", "name TEXT, FULLTEXT (name)", 1)+lifeVotes)
	before, err := describe(t.Context(), d.DB)
	if err != nil {
		t.Fatal(err)
	}
	store := open(t, d, mysql.Config{})
	byHand := func(what string, do func() error) {
		t.Helper()
		err := do()
		if err == nil {
			t.Fatalf("%s did not ask for anything", what)
		}
		_, rest, _ := strings.Cut(err.Error(), "execute ")
		statement, _, _ := strings.Cut(rest, "; at")
		execute(t, d.DB, statement)
		if err := do(); err != nil {
			t.Errorf("%s after %s: %v", what, statement, err)
		}
	}
	byHand("Migrate", func() error { return store.Migrate(t.Context(), sessioncleanup.Policy{}) })
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	byHand("Uninstall", func() error { return store.Uninstall(t.Context()) })
	if after, err := describe(t.Context(), d.DB); err != nil || before != after {
		t.Errorf("Uninstall left %v\n%s\nwant\n%s", err, after, before)
	}
}

// Activity tables without a foreign key may have any values.
func TestActivityThatRefersToNothingFailsNoStatementOfTheApplication(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ ids, refers, values string }{
		"numbers out of range": {"TINYINT", "BIGINT", "(99999), (-99999), (1)"},
		"negative numbers":     {"INT UNSIGNED", "INT", "(-1), (1)"},
		"long texts":           {"VARCHAR(5) CHARACTER SET latin1", "VARCHAR(100) CHARACTER SET utf8mb4", "('abcdefghi'), ('日本'), (''), ('1')"},
		"words":                {"INT", "VARCHAR(100)", "('abc'), (''), ('1 '), ('1')"},
		"bytes":                {"BINARY(2)", "VARBINARY(20)", "('abcdefg'), ('1')"},
		"no UUID":              {"UUID", "VARCHAR(100)", "('abc')"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mysqltest.New(t)
			execute(t, d.DB, strings.ReplaceAll(lifeSessions, "id INT ", "id "+c.ids+" ")+strings.ReplaceAll(plainVotes, "session_id INT", "session_id "+c.refers))
			store := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{Table: "sessions", Sources: []sessioncleanup.Source{{Table: "votes", Session: "session_id"}}}})
			migrated(t, store)
			execute(t, d.DB, "SET sql_mode = 'TRADITIONAL'; INSERT INTO votes (session_id) VALUES "+c.values+"; UPDATE votes SET session_id = session_id, vid = vid + 1000; SET sql_mode = ''")
			if _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnExpiryThatCannotBeNullIsRemoved(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, `CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME, expires_at DATETIME NOT NULL);
		INSERT INTO sessions (id, active, updated_at, expires_at) VALUES (1, FALSE, NOW(), '2020-01-01')`)
	s, err := manage(t, store).Reactivate(t.Context(), "1")
	if err != nil || !s.Active || !s.ExpiresAt.IsZero() {
		t.Errorf("Reactivate of an expired session: %+v, %v; want it active, without an expiry", s, err)
	}
	if at := value[string](t, d, "SELECT CAST(expires_at AS CHAR) FROM sessions"); at != "0000-00-00 00:00:00" {
		t.Errorf("the expiry is %s, want the zero date", at)
	}
}

func TestTablesWhoseNamesAreTheSameOnceTheyAreJoinedAreAllFollowed(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, lifeSessions+"; CREATE TABLE a_b (c INT, d INT); CREATE TABLE a (b_c INT, d INT); INSERT INTO sessions (id) VALUES (1)")
	before, err := describe(t.Context(), d.DB)
	if err != nil {
		t.Fatal(err)
	}
	store := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{Table: "sessions", Sources: []sessioncleanup.Source{{Table: "a_b", Session: "c"}, {Table: "a", Session: "b_c"}}}})
	migrated(t, store)
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	execute(t, d.DB, "INSERT INTO a_b (c) VALUES (1); INSERT INTO a (b_c) VALUES (1); UPDATE a SET d = 1; UPDATE a_b SET d = 1")
	if notes := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_touches"); notes != 4 {
		t.Errorf("there are %d notes, want one of each statement", notes)
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := describe(t.Context(), d.DB); err != nil || before != after {
		t.Errorf("Uninstall left %v\n%s\nwant\n%s", err, after, before)
	}
}
