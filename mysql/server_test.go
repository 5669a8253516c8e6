package mysql_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// odd are settings that some servers have for all connections, and that would change what statements mean.
var odd = []string{
	"foreign_key_checks = 0", "unique_checks = 0", "sql_safe_updates = 1", "sql_select_limit = 2", "autocommit = 0", "completion_type = 'CHAIN'", "sql_auto_is_null = 1",
	"max_sort_length = 64", "sql_big_selects = 0", "max_join_size = 3", "tx_isolation = 'SERIALIZABLE'", "in_predicate_conversion_threshold = 2", "group_concat_max_len = 4",
	"time_zone = '+09:00'", "div_precision_increment = 0", "explicit_defaults_for_timestamp = 0", "lc_time_names = 'fr_FR'", "wait_timeout = 2",
	"innodb_force_primary_key = 1", "innodb_instant_alter_column_allowed = 'never'", "alter_algorithm = 'COPY'", "old_mode = 'ZERO_DATE_TIME_CAST'", "big_tables = 1",
	"join_cache_level = 8", "optimizer_switch = 'derived_merge=off,semijoin=off,materialization=off,index_merge=off,mrr=on,subquery_cache=off,split_materialized=off'",
	"idle_write_transaction_timeout = 5", "default_week_format = 7", "default_regex_flags = 'EXTENDED'", "innodb_lock_wait_timeout = 1", "lock_wait_timeout = 1", "tmp_memory_table_size = 1024",
}

func TestSettingsOfTheServerDoNotMatter(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	server := mysqltest.StartServer(t, "--lower-case-table-names=1", "--default-storage-engine=MyISAM", "--character-set-server=latin1")
	for _, setting := range odd {
		server.Exec(t, "SET GLOBAL "+setting)
	}
	for _, mode := range []string{"", "ANSI,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES", "TRADITIONAL,ONLY_FULL_GROUP_BY,NO_UNSIGNED_SUBTRACTION,HIGH_NOT_PRECEDENCE", "ORACLE"} {
		t.Run("sql_mode "+mode, func(t *testing.T) {
			server.Exec(t, "SET GLOBAL sql_mode = '"+mode+"'")
			d := server.New(t)
			tables := strings.Replace(lifeSessions, "id INT PRIMARY KEY", "id CHAR(10) PRIMARY KEY", 1) + strings.Replace(lifeVotes, "session_id INT", "session_id CHAR(10)", 1)
			execute(t, d.DB, tables+lifeRows("'a'", "'b\\\\'''", "'c'"))
			life(t, d, sessioncleanup.Schema{})
		})
	}
	t.Run("a row format with short indexes", func(t *testing.T) {
		server.Exec(t, "SET GLOBAL innodb_default_row_format = 'compact'")
		defer server.Exec(t, "SET GLOBAL innodb_default_row_format = 'dynamic'")
		for _, long := range []string{"VARCHAR(255) CHARACTER SET utf8mb4", "TEXT", "VARBINARY(2000)", "VARCHAR(500) CHARACTER SET latin1"} {
			d := server.New(t)
			execute(t, d.DB, "CREATE TABLE users (id INT PRIMARY KEY); CREATE TABLE sessions (id VARCHAR(191) CHARACTER SET utf8mb4 PRIMARY KEY, owner_id "+long+", "+lifeColumns+
				"); CREATE TABLE uses (id INT PRIMARY KEY, session_id "+long+"); CREATE TABLE votes (vid BIGINT AUTO_INCREMENT PRIMARY KEY, session_id VARCHAR(191) CHARACTER SET utf8mb4 NOT NULL,"+
				" FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)"+lifeRows("'a'", "'b'", "'c'"))
			life(t, d, sessioncleanup.Schema{Owner: "owner_id"})
		}
	})
	t.Run("names of tables in any case", func(t *testing.T) {
		d := server.New(t)
		execute(t, d.DB, strings.Replace(lifeSessions, "sessions", "Rooms", 1)+"; CREATE TABLE Hosts (id INT PRIMARY KEY, name TEXT); CREATE TABLE votes (id INT PRIMARY KEY, room INT, at DATETIME)")
		config := mysql.Config{Schema: sessioncleanup.Schema{Table: "Rooms", Sources: []sessioncleanup.Source{{Table: "VOTES", Session: "Room", At: "at"}}}}
		for range 2 { // the second has what was adopted
			store := open(t, d, config)
			if s, err := store.Inspect(t.Context()); err != nil || s.Table != "rooms" || s.Sources[0].Table != "votes" {
				t.Errorf("Inspect: %+v, %v", s, err)
			}
			migrated(t, store)
			if err := store.Validate(t.Context()); err != nil {
				t.Error(err)
			}
			config.Schema.Table = "ROOMS"
		}
		other := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{Table: "Hosts"}})
		if err := other.Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), `"rooms" was adopted`) {
			t.Errorf("Migrate of another table: %v", err)
		}
	})
	t.Run("pages", func(t *testing.T) {
		d := server.New(t)
		execute(t, d.DB, lifeSessions+"; INSERT INTO sessions (id, name) SELECT seq, CONCAT(REPEAT('x', 900), 8 - seq) FROM seq_1_to_7")
		m := manage(t, open(t, d, mysql.Config{}))
		if err := m.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		var names []string
		o := sessioncleanup.ListOptions{Sort: sessioncleanup.SortName, Limit: 3}
		for {
			page, err := m.List(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.Sessions {
				names = append(names, s.ID)
			}
			if o.Cursor = page.Next; o.Cursor == "" {
				break
			}
		}
		if got := strings.Join(names, ""); got != "7654321" {
			t.Errorf("pages by name have the sessions %s, want each of 7 once, in the order of their names", got)
		}
	})
}

// The application's statements run with its own sql_mode, also those that fire triggers; and it may read the views with any.
func TestTheApplicationMayHaveAnySQLMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "ANSI,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES", "TRADITIONAL,NO_ZERO_DATE,NO_ZERO_IN_DATE", "ORACLE"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			d := mysqltest.New(t)
			execute(t, d.DB, strings.Replace(lifeSessions, "last_activity DATETIME(3)", "last_activity DATETIME(3), expires_at DATETIME NOT NULL DEFAULT '0000-00-00'", 1)+lifeVotes+lifeRows("1", "2", "3"))
			store := open(t, d, withView)
			migrated(t, store)
			c, err := d.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			for _, statement := range []string{
				"SET sql_mode = '" + mode + "'", "INSERT INTO votes (session_id) VALUES (1)", "UPDATE votes SET session_id = 3", "INSERT INTO sessions (id, name, expires_at) VALUES (4, 'd', '2040-01-01')",
				"UPDATE sessions SET active = FALSE WHERE id = 1", "UPDATE sessions SET active = TRUE WHERE id = 2",
			} {
				if _, err := c.ExecContext(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			var sessions, active int
			if err := c.QueryRowContext(t.Context(), "SELECT COUNT(*), SUM(status = 'active') FROM sessions_cleanup_view").Scan(&sessions, &active); err != nil || sessions != 4 || active != 3 {
				t.Errorf("the view has %d sessions, %d active, %v; want 4 and 3", sessions, active, err)
			}
			if err := c.QueryRowContext(t.Context(), "SELECT total_sessions, active_sessions FROM sessions_cleanup_stats").Scan(&sessions, &active); err != nil || sessions != 4 || active != 3 {
				t.Errorf("the figures are %d sessions, %d active, %v; want 4 and 3", sessions, active, err)
			}
		})
	}
}

func TestTheBinaryLogAndReadOnlyServers(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	server := mysqltest.StartServer(t, "--log-bin=bin", "--server-id=1", "--binlog-format=MIXED")
	d := server.New(t)
	execute(t, d.DB, lifeSessions+lifeVotes+lifeRows("1", "2", "3"))
	plain := d.As(t, "ALL PRIVILEGES")
	t.Run("a user without SUPER where functions are not trusted", func(t *testing.T) {
		refused(t, plain, sessioncleanup.Schema{}, "log_bin_trust_function_creators")
		if err := open(t, plain, mysql.Config{}).Uninstall(t.Context()); err != nil {
			t.Error(err)
		}
	})
	server.Exec(t, "SET GLOBAL log_bin_trust_function_creators = 1")
	for _, format := range []string{"MIXED", "ROW"} {
		t.Run(format, func(t *testing.T) {
			server.Exec(t, "SET GLOBAL binlog_format = '"+format+"'")
			d := server.New(t)
			execute(t, d.DB, lifeSessions+lifeVotes+lifeRows("1", "2", "3"))
			life(t, d.As(t, "ALL PRIVILEGES"), sessioncleanup.Schema{})
		})
	}
	t.Run("STATEMENT", func(t *testing.T) {
		server.Exec(t, "SET GLOBAL binlog_format = 'STATEMENT'")
		if _, err := mysql.Open(t.Context(), plain.URL, mysql.Config{}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "binlog_format") {
			t.Errorf("Open: %v, want an ErrInvalid that names binlog_format", err)
		}
		server.Exec(t, "SET GLOBAL binlog_format = 'MIXED'")
	})
	t.Run("read-only", func(t *testing.T) {
		store := open(t, plain, mysql.Config{})
		migrated(t, store)
		server.Exec(t, "SET GLOBAL read_only = 1")
		m := manage(t, open(t, plain, mysql.Config{}))
		if page, err := m.List(t.Context(), sessioncleanup.ListOptions{}); err != nil || len(page.Sessions) != 3 {
			t.Errorf("List: %d sessions, %v; want 3", len(page.Sessions), err)
		}
		limited, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := m.Deactivate(limited, "1"); !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), "read") {
			t.Errorf("Deactivate: %v, want ErrUnavailable, and that the server is read-only", err)
		}
		server.Exec(t, "SET GLOBAL read_only = 0")
	})
}

// A limit for statements, such as a server may have for all, ends no migration.
func TestALimitForStatementsEndsNoMigration(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	server := mysqltest.StartServer(t)
	d := server.New(t)
	execute(t, d.DB, lifeSessions+lifeVotes)
	execute(t, d.DB, "INSERT INTO sessions (id, name, last_activity) SELECT seq, 'room', '2020-01-01' FROM seq_1_to_200000")
	server.Exec(t, "SET GLOBAL max_statement_time = 0.05")
	store := open(t, d, mysql.Config{})
	eventually(t, "Migrate makes the indexes, which takes longer", func() bool { // other statements may take as long on a busy machine
		err := store.Migrate(t.Context(), sessioncleanup.Policy{})
		if err != nil && !errors.Is(err, sessioncleanup.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
}
