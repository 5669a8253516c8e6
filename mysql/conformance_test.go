package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestMain(m *testing.M) {
	if work := os.Getenv(envVictim); work != "" {
		if err := runVictim(work); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(mysqltest.Main(m))
}

// shape is a kind of application's tables.
type shape struct {
	name   string
	tables string // made by the application
	owner  string // the columns, and the types of ids
	ids    string
	source string         // the activity table
	column string         // of the state; "active" when empty
	value  string         // how an id is written; "?" when empty
	zone   *time.Location // of the times that the application writes, but for the column that Migrate adds
	// ownerValue is how an owner's id is written.
	ownerValue string
	config     mysql.Config
	adjust     func(h *storetest.Harness)
	active     func(active bool) any // as the application writes it
	// others is another installation in the database, and prefix what the names of the shape's begin with.
	others mysql.Config
	prefix string
	// refuse makes it impossible to delete a session with a row in pins, where the foreign key does not.
	refuse string
}

// guide has the tables of the guide, in MariaDB's words.
var guide = shape{
	name: "guide",
	tables: `
	CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, username VARCHAR(50) NOT NULL);
	CREATE TABLE sessions (
		id INT AUTO_INCREMENT PRIMARY KEY, streamer_id INT, name TEXT, code VARCHAR(20), plan VARCHAR(60) CHARACTER SET utf8mb4,
		active BOOLEAN NOT NULL DEFAULT TRUE,
		created_at DATETIME(6), updated_at DATETIME(6), FOREIGN KEY (streamer_id) REFERENCES users (id));
	CREATE TABLE propositions (
		id INT AUTO_INCREMENT PRIMARY KEY, session_id INT NOT NULL, song TEXT, created_at DATETIME(6),
		FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);
	INSERT INTO users (id, username) VALUES (1,'u1'),(2,'u2'),(3,'u3'),(4,'u4'),(5,'u5'),(6,'u6'),(7,'u7'),(8,'u8'),(9,'u9'),(10,'u10'),(11,'u11'),(12,'u12');
	INSERT INTO users (id, username) SELECT 1000 + id, username FROM users`,
	owner: "streamer_id", ids: "INT", source: "propositions", config: mysql.Config{Schema: sessioncleanup.Schema{TagColumns: []string{"plan"}}},
	adjust: func(h *storetest.Harness) { h.Owner = func(n int) string { return fmt.Sprint(n) } },
}

// zoned has unsigned numbers, TIMESTAMP columns, which end in 2038, and one that the server updates.
var zoned = shape{
	name: "zoned",
	tables: `
	CREATE TABLE sessions (
		id BIGINT UNSIGNED PRIMARY KEY, user_id VARCHAR(40) COLLATE utf8mb4_general_ci, name TEXT, code VARCHAR(20),
		active TINYINT(1) NOT NULL DEFAULT 1, auto_cleanup TINYINT(1),
		created_at TIMESTAMP(6) NULL, updated_at TIMESTAMP(6) NULL, last_activity TIMESTAMP(3) NULL, expires_at TIMESTAMP(3) NULL,
		seen TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP);
	CREATE TABLE votes (id SERIAL PRIMARY KEY, session_id BIGINT UNSIGNED NOT NULL, at TIMESTAMP NULL)`,
	owner: "user_id", ids: "BIGINT UNSIGNED", source: "votes", zone: time.FixedZone("the application's", 5*3600+1800),
	adjust: func(h *storetest.Harness) {
		h.Owner = func(n int) string { return fmt.Sprintf("Owner %d ", n) }
		h.Earliest, h.Latest = time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC)
	},
}

// states has binary ids, a state instead of a boolean, rows that stay when they are deleted, and rows that are no sessions.
var states = shape{
	name: "states",
	tables: `
	CREATE TABLE sessions (
		id BINARY(16) PRIMARY KEY, owner_id BINARY(16), name VARCHAR(20000), code VARCHAR(20), status ENUM ('open', 'paused', 'closed', 'banned') NOT NULL,
		kind VARCHAR(10) NOT NULL DEFAULT 'room', created_at DATETIME(6), updated_at DATETIME(6), deleted_at DATETIME);
	CREATE TABLE messages (id SERIAL PRIMARY KEY, session_id BINARY(16) NOT NULL, sent_at DATETIME)`,
	owner: "owner_id", ids: "BINARY(16)", source: "messages", column: "status", value: "UNHEX(?)", ownerValue: "UNHEX(?)",
	config: mysql.Config{Schema: sessioncleanup.Schema{
		Active: "status", State: &sessioncleanup.State{Active: []string{"open", "paused"}, Deactivated: "closed"},
		DeletedAt: "deleted_at", SoftDelete: true, Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"room"}}},
	}},
	refuse: `CREATE TRIGGER refuse BEFORE UPDATE ON sessions FOR EACH ROW
		IF NEW.deleted_at IS NOT NULL AND EXISTS (SELECT 1 FROM pins WHERE session_id = OLD.id) THEN
			SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'pinned';
		END IF`,
	active: func(active bool) any {
		if active {
			return "open"
		}
		return "closed"
	},
	adjust: func(h *storetest.Harness) {
		h.ID = func(n int) string { return fmt.Sprintf("000000000000000000000000%08x", n) }
		h.KeepsRows, h.MaxName = true, 15000
	},
}

// own is the table that Migrate makes.
var own = shape{
	name:  "own",
	owner: "owner_id", ids: "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	adjust: func(h *storetest.Harness) { h.ID = func(n int) string { return fmt.Sprintf("session-%d", n) } },
}

func (s shape) harness(t testing.TB) storetest.Harness {
	t.Helper()
	d := mysqltest.Prepared(t, s.name, func(t testing.TB, d mysqltest.Database) {
		if s.tables != "" {
			execute(t, d.DB, s.tables)
		}
		if !s.others.Schema.IsZero() {
			migrated(t, open(t, d, s.others))
		}
		if err := open(t, d, s.config).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
			t.Fatal(err)
		}
		execute(t, d.DB, `CREATE TABLE pins (session_id `+s.ids+`, FOREIGN KEY (session_id) REFERENCES sessions (id));
			CREATE TABLE parts (session_id `+s.ids+`, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)`)
		if s.refuse != "" {
			execute(t, d.DB, s.refuse)
		}
	})
	store := open(t, d, s.config)
	second, err := mysql.Open(t.Context(), d.Second, s.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	if s.column == "" {
		s.column = "active"
	}
	if s.value == "" {
		s.value = "?"
	}
	if s.zone == nil {
		s.zone = time.UTC
	}
	if s.ownerValue == "" {
		s.ownerValue = "?"
	}
	active := s.active
	if active == nil {
		active = func(active bool) any { return active }
	}
	insert := "REPLACE INTO sessions (id, " + s.owner + ", name, code, " + s.column + ", auto_cleanup, created_at, updated_at, last_activity, expires_at, deactivated_at) VALUES "
	var h storetest.Harness
	h = storetest.Harness{
		Store: store, Second: second,
		// The session's zone is not UTC, and a zero last activity is inserted past the trigger.
		Insert: func(ctx context.Context, sessions ...sessioncleanup.Session) error {
			var rows []string
			var args []any
			unknown := false
			for _, session := range sessions {
				rows = append(rows, "("+s.value+", "+s.ownerValue+", ?, ?, ?, ?, ?, ?, ?, ?, ?)")
				args = append(args, session.ID, null(session.OwnerID), null(session.Name), null(session.Code), active(session.Active), session.AutoCleanup,
					written(session.CreatedAt, s.zone), written(session.UpdatedAt, s.zone), written(session.LastActivity, s.zone), written(session.ExpiresAt, s.zone), written(session.DeactivatedAt, time.UTC))
				unknown = unknown || session.LastActivity.IsZero()
			}
			conn, err := d.Conn(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			if unknown {
				if _, err := conn.ExecContext(ctx, "SET @"+s.prefix+"sessioncleanup_own = 1"); err != nil {
					return err
				}
				defer func() {
					_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SET @"+s.prefix+"sessioncleanup_own = NULL")
				}()
			}
			if !h.KeepsRows {
				_, err = conn.ExecContext(ctx, strings.Replace(insert, "REPLACE", "INSERT", 1)+strings.Join(rows, ", "), args...)
				return err
			}
			_, err = conn.ExecContext(ctx, insert+strings.Join(rows, ", "), args...)
			return err
		},
		Pin: func(ctx context.Context, id string) error {
			_, err := d.DB.ExecContext(ctx, "INSERT INTO pins VALUES ("+s.value+")", id)
			return err
		},
		SetActive: func(ctx context.Context, id string, is bool) error {
			_, err := d.DB.ExecContext(ctx, "UPDATE sessions SET "+s.column+" = ? WHERE id = "+s.value, active(is), id)
			return err
		},
		MaxName: 65535,
		Begin: func(ctx context.Context) (storetest.Transaction, error) {
			conn, err := d.Conn(ctx)
			if err == nil {
				_, err = conn.ExecContext(ctx, "START TRANSACTION")
			}
			return transaction{d, conn, s.value}, err
		},
		Disconnect: d.Disconnect,
		Tag: func(ctx context.Context, id string, tags ...string) error {
			for _, tag := range tags {
				if _, err := d.DB.ExecContext(ctx, "INSERT INTO "+s.prefix+"sessioncleanup_tags (session_id, tag) VALUES ("+s.value+", ?)", id, tag); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if len(s.config.Schema.TagColumns) > 0 {
		h.SetPlan = func(ctx context.Context, id, value string) error {
			_, err := d.DB.ExecContext(ctx, "UPDATE sessions SET plan = ? WHERE id = "+s.value, null(value), id)
			return err
		}
	}
	if s.source != "" {
		h.Activity = func(ctx context.Context, id string) error {
			_, err := d.DB.ExecContext(ctx, "INSERT INTO "+s.source+" (session_id) VALUES ("+s.value+")", id)
			return err
		}
	}
	s.adjust(&h)
	return h
}

// transaction is one of the application's.
type transaction struct {
	d    mysqltest.Database
	conn *sql.Conn
	id   string // how one is written
}

func (t transaction) LockSession(ctx context.Context, id string) error {
	_, err := t.conn.ExecContext(ctx, "SELECT id FROM sessions WHERE id = "+t.id+" FOR UPDATE", id)
	return err
}

func (t transaction) LockChild(ctx context.Context, id string) error {
	if _, err := t.d.DB.ExecContext(ctx, "INSERT INTO parts VALUES ("+t.id+")", id); err != nil {
		return err
	}
	_, err := t.conn.ExecContext(ctx, "SELECT * FROM parts WHERE session_id = "+t.id+" FOR UPDATE", id)
	return err
}

func (t transaction) LockWrites(ctx context.Context) error {
	_, err := t.conn.ExecContext(ctx, "SELECT id FROM sessions FOR UPDATE")
	return err
}

func (t transaction) Rollback() error {
	_, err := t.conn.ExecContext(context.Background(), "ROLLBACK")
	return errors.Join(err, t.conn.Close())
}

// open opens a database whose times may lie in any year.
func open(t testing.TB, d mysqltest.Database, c mysql.Config) *mysql.Store {
	t.Helper()
	c.Migrate.AcceptTimes = true
	store, err := mysql.Open(t.Context(), d.URL, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func execute(t testing.TB, db *sql.DB, statements string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

func written(t time.Time, zone *time.Location) any {
	if t.IsZero() {
		return nil
	}
	return t.In(zone).Format("2006-01-02 15:04:05.000000")
}

func null(text string) any {
	if text == "" {
		return nil
	}
	return text
}

var everyShape = flag.Bool("shapes", false, "run the whole conformance suite on tables of every kind, not of one kind only")

// TestStore proves the backend: all of the suite on the guide's tables, and on others what depends on the columns.
func TestStore(t *testing.T) {
	t.Parallel()
	for _, s := range []shape{guide, own, zoned, states} {
		groups := storetest.TableGroups()
		if s.name == "guide" || *everyShape {
			groups = nil
		}
		t.Run(s.name, func(t *testing.T) {
			if s.name != "guide" {
				thorough.Only(t, thorough.Tables)
			}
			storetest.Run(t, s.harness, groups...)
		})
	}
}
