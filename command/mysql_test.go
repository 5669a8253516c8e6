package command

import (
	"context"
	"io"
	"syscall"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
)

func TestTheGuideOnMariaDB(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	_, err := d.DB.ExecContext(t.Context(), `
		CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, username VARCHAR(50) NOT NULL);
		CREATE TABLE sessions (id INT AUTO_INCREMENT PRIMARY KEY, streamer_id INT, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE,
			created_at DATETIME, updated_at DATETIME, FOREIGN KEY (streamer_id) REFERENCES users (id));
		CREATE TABLE propositions (id INT AUTO_INCREMENT PRIMARY KEY, session_id INT NOT NULL,
			FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);
		INSERT INTO users (username) VALUES ('ann'), ('bob');
		INSERT INTO sessions (streamer_id, name, active, updated_at) VALUES (1, 'idle room', TRUE, '2020-01-01'), (2, 'old room', FALSE, '2020-01-01'),
			(2, 'used room', TRUE, UTC_TIMESTAMP());
		INSERT INTO propositions (session_id) VALUES (2), (2)`)
	if err != nil {
		t.Fatal(err)
	}
	u := newUser(t, map[string]string{envDatabase: d.URL})
	u.calls("stats").want(t, exitFailed, "migrate")
	u.calls("migrate").want(t, exitDone, "The database is ready", "users.username", "propositions")
	u.calls("migrate").want(t, exitDone, "The database is ready")
	u.calls("cleanup", "--dry-run", "--verbose").want(t, exitDone, "would delete 1 session and deactivate 1", "idle room", "old room", "bob", "2 rows")
	u.calls("cleanup").want(t, exitDone, "Deleted 1 session, deactivated 1")
	u.calls("stats").want(t, exitDone, "deleted 1 session, deactivated 1")
	u.calls("reactivate", "1").want(t, exitDone, "is active")
	u.calls("delete", "3", "--yes").want(t, exitDone)
	u.calls("events").want(t, exitDone, "reactivated", "old room", "used room")
	u.calls("doctor").want(t, exitDone, "ok       sessions")
	u.calls("restore", "3").want(t, exitFailed, "never archived")
	u.calls("tag", "1", "+vip").want(t, exitDone, "vip")
	u.calls("tags").want(t, exitDone, "vip", "1")
	u.calls("list", "--tag", "vip -test").want(t, exitDone, "idle room")
	if _, err := d.DB.ExecContext(t.Context(), "INSERT INTO sessions (name, last_activity) VALUES ('idle, too', '2020-01-01')"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(limited(t))
	defer stop(nil)
	log := &watch{text: "cleanup finished", then: func() { stop(stopped{syscall.SIGTERM}) }}
	if code := run(ctx, u.environment(io.Discard, log, []string{"serve", "--every", "1s"})); code != exitDone {
		t.Errorf("serve: exit code %d\n%s", code, log.seen.String())
	}
	u.calls("uninstall", "--yes").want(t, exitDone)
	var left string
	if err := d.DB.QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&left); err != nil || left != "propositions,sessions,users" {
		t.Errorf("left are the tables %s, %v", left, err)
	}
}
