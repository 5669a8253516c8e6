package sqlite_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// writers are the formats in which drivers and frameworks write a time, and whether they can be read.
func writers(at time.Time) map[string]bool {
	paris := at.In(time.FixedZone("CEST", 2*60*60))
	formats := map[string]bool{}
	for _, between := range []string{" ", "T"} {
		for digits := range 10 {
			layout := "2006-01-02" + between + "15:04:05"
			if digits > 0 {
				layout += "." + strings.Repeat("0", digits)
			}
			for _, zone := range []string{"", "Z", "+00:00", " +00:00"} { // Python, Node, Go's mattn/go-sqlite3, Django
				formats[at.UTC().Format(layout)+zone] = true
			}
			formats[paris.Format(layout+"-07:00")] = true
			for _, zone := range []string{" UTC", " GMT", " +0000", "+0000", "+00", " Z[UTC]"} { // Ruby, PHP, PostgreSQL's dumps
				formats[at.UTC().Format(layout)+zone] = false
			}
			formats[paris.Format(layout+"-07:00[Europe/Paris]")] = false // Java
		}
	}
	formats[at.UTC().String()], formats[paris.String()] = true, true // modernc.org/sqlite
	formats[at.Format(time.RFC1123)], formats[at.Format(time.UnixDate)] = false, false
	formats[at.UTC().Format("20060102T150405Z")] = false
	formats[at.UTC().Format("02/01/2006 15:04")], formats[at.UTC().Format("02.01.2006")] = false, false
	return formats
}

// TestTextsOfEveryDriverInOneColumnMakeNothingDueEarly has them all in one column, of sessions that were used a minute ago and
// created long ago.
func TestTextsOfEveryDriverInOneColumnMakeNothingDueEarly(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Minute)
	store, app := adopt(t, fmt.Sprintf(oddTable, "TEXT"))
	want := map[string]time.Time{} // by ID; zero for never
	n := 0
	for text, readable := range writers(at) {
		n++
		execute(t, app, "INSERT INTO sessions (id, created_at, auto_cleanup) VALUES (?, datetime('now', '-90 days'), 1)", n)
		execute(t, app, "UPDATE sessions SET last_activity = ? WHERE id = ?", text, n)
		want[fmt.Sprint(n)] = time.Time{}
		if readable {
			want[fmt.Sprint(n)] = at
		}
	}
	deleted, deactivated, err := clean(t.Context(), store)
	if err != nil || len(deleted)+len(deactivated) > 0 {
		t.Errorf("deleted %v, deactivated %v: %v", deleted, deactivated, err)
	}
	page, err := store.List(t.Context(), sessioncleanup.Query{Limit: 1000})
	if err != nil || len(page.Sessions) != n {
		t.Fatalf("%d sessions, want %d: %v", len(page.Sessions), n, err)
	}
	unreadable := 0
	for _, s := range page.Sessions {
		if want[s.ID].IsZero() {
			unreadable++
		} else if got := s.LastActivity.Sub(at).Abs(); got > time.Second {
			t.Errorf("%s is read as %v, want %v", line(t, app, "SELECT last_activity FROM sessions WHERE id = ?", s.ID), s.LastActivity, at)
		}
	}
	if err := store.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d sessions", unreadable)) {
		t.Errorf("Validate says %v, want that it counts %d sessions with times that cannot be read", err, unreadable)
	}
}

// TestActivityAtATimeThatCannotBeReadMayBeNow so that the first run after the adoption deactivates none of these sessions. What was
// before is as before: only the other session is due.
func TestActivityAtATimeThatCannotBeReadMayBeNow(t *testing.T) {
	t.Parallel()
	const old = "datetime('now', '-90 days')"
	for _, unreadable := range []string{"'29/11/2030'", "strftime('%Y-%m-%d %H:%M:%S UTC', 'now')", "20301129", "x'00'"} {
		for _, own := range []string{"", ", last_activity TEXT"} {
			path, app := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, created_at TEXT, updated_at TEXT, active INT DEFAULT 1"+own+")",
				"CREATE TABLE votes (id INTEGER PRIMARY KEY, session_id INT REFERENCES sessions (id) ON DELETE CASCADE, created_at)",
				"INSERT INTO sessions (id, created_at, updated_at) VALUES (1, "+old+", NULL), (2, "+old+", "+unreadable+"), (3, "+old+", '')",
				"INSERT INTO votes (session_id, created_at) VALUES (1, "+old+"), (1, "+unreadable+"), (3, "+old+")")
			var log strings.Builder
			store := open(t, path, sqlite.Config{Logger: logTo(&log)})
			migrate(t, store)
			for _, want := range []string{`1 rows of \"sessions\" have in \"updated_at\" a time that cannot be read`, `1 rows of \"votes\" have in \"created_at\" a time that cannot be read`} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("%s: the log says\n%s\nwant %s", unreadable, log.String(), want)
				}
			}
			migrate(t, store)
			if deleted, deactivated, err := clean(t.Context(), store); err != nil || len(deleted) > 0 || strings.Join(deactivated, " ") != "3" {
				t.Errorf("%s%s: deleted %v, deactivated %v, %v; want session 3 deactivated\n%s", unreadable, own, deleted, deactivated, err,
					line(t, app, "SELECT id, last_activity FROM sessions"))
			}
		}
	}
}
