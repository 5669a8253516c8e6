package sqlite

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// newStore is a migrated store with a table of its own, filled by a statement.
func newStore(t *testing.T, fill string) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "app.db"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	execute(t, s, fill)
	return s
}

func execute(t *testing.T, s *Store, statement string) {
	t.Helper()
	if _, err := s.writer.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

const mixedSessions = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO sessions (id, owner_id, name, active, last_activity, expires_at)
	SELECT 'session-' || i, 'owner-' || i % 100, 'Session ' || i, i % 3 > 0,
	       strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%d minutes', (i * 7919) % 80000)),
	       CASE WHEN i % 5 = 0 THEN strftime('%Y-%m-%d %H:%M:%f', 'now', printf('%d minutes', (i * 7919) % 80000 - 40000)) END
	  FROM n`

// TestBatchesReadOneIndexAndSortNothing asks for the plan of every statement of a run, before and after SQLite learned
// what is in the table.
func TestBatchesReadOneIndexAndSortNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t, mixedSessions)
	for _, prepare := range []string{"SELECT 1", "ANALYZE"} {
		execute(t, s, prepare)
		err := s.readingSessions(t.Context(), func(c *conn) error {
			cut := sessioncleanup.Policy{}.CutoffsAt(time.Now())
			expect := func(what, statement string, p params, want ...string) {
				t.Helper()
				got := planOf(t, c, statement, p)
				if strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN sessions") {
					t.Errorf("%s, %s:\n%s", prepare, what, got)
				}
				for _, want := range want {
					if !strings.Contains(got, want) {
						t.Errorf("%s, %s: want %q in\n%s", prepare, what, want, got)
					}
				}
			}
			for action := range passes {
				for _, after := range passes[action] {
					_, left, err := startOf(sessioncleanup.Batch{Action: action, After: cursor{Pass: after.name}.String()})
					if err != nil {
						return err
					}
					for _, place := range []string{"", "2020-01-01 00:00:00.000"} {
						from := cursor{Pass: after.name, Place: place, Key: "7"}
						index := "SEARCH sessions USING INDEX sessioncleanup_" + after.index + " (<expr>>? AND <expr><?)"
						switch {
						case after.name == "undated":
							index, from.Place = "SEARCH sessions USING INDEX sessioncleanup_gone (<expr>=?)", place[:min(len(place), 1)]
						case after.name == "inactive_ahead":
							index = "SEARCH sessions USING INDEX sessioncleanup_gone (<expr>>?)"
						case place == "" && after.name != "ahead":
							index = "SEARCH sessions USING INDEX sessioncleanup_" + after.index + " (<expr><?)"
						}
						w := &sweep{Batch: sessioncleanup.Batch{Action: action, Cutoffs: cut, Limit: 10}, left: left, from: from}
						statement, p, _ := w.search(c.layout)
						expect("select "+after.name, statement, p, index, "SEARCH sessioncleanup_note USING PRIMARY KEY (session=?)")
					}
					if action == sessioncleanup.ActionNoticed { // it writes no session
						expect("write "+after.name, c.sql(after.write, nil), params{"notices": "[]", "now": ""})
						continue
					}
					expect("write "+after.name, c.sql(after.write, nil), params{"keys": "[]", "now": ""}, "SEARCH sessions USING INTEGER PRIMARY KEY (rowid=?)")
				}
			}
			counting := cutoffParams(cut)
			counting["count_up_to"] = 10
			for _, status := range []sessioncleanup.Status{sessioncleanup.StatusToDelete, sessioncleanup.StatusToDeactivate} {
				rows, noted, _ := c.rows(sessioncleanup.Query{Status: status}, "1", params{})
				expect("count "+string(status), c.sql("count", sqlfile.Names{"rows": rows, "noted_condition": noted}), counting,
					"SEARCH sessions USING INDEX sessioncleanup_", "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)")
			}
			expect("count never due", "SELECT count(*) FROM sessions WHERE "+c.names["never_due"], nil, "SEARCH sessions USING INDEX sessioncleanup_idle (<expr>>?)")
			for _, touch := range []string{"touch", "reactivate"} {
				expect(touch, filled(touch, c.touchNames("1")), params{"used": "[]"}, "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)")
			}
			for _, chosen := range []string{"choose_notes_of", "choose_older_notes_up_to"} {
				expect("fold, "+chosen, c.notes("fold", chosen), params{"ids": "[]", "last": "x", "run": "", "clock": ""}, "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)", "SEARCH sessioncleanup_note")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func planOf(t *testing.T, c *conn, statement string, p params) string {
	t.Helper()
	var plan []string
	err := c.query(t.Context(), "EXPLAIN QUERY PLAN "+statement, p, func(rows *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := rows.Scan(&id, &parent, &unused, &detail)
		plan = append(plan, detail)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return strings.Join(plan, "\n")
}

// TestBatchesTogetherAreWhatIsDue has many sessions of the same age, and passes each cursor to another store.
func TestBatchesTogetherAreWhatIsDue(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		s := newStore(t, "SELECT 1")
		now := time.Now().UTC().Truncate(time.Millisecond)
		var want []string
		for i := range 300 {
			id, active := fmt.Sprintf("s%03d", i), random.IntN(2) == 0
			used, expires := now.Add(-time.Duration(random.IntN(6))*10*24*time.Hour), time.Time{}
			if random.IntN(3) == 0 {
				expires = now.Add(time.Duration(random.IntN(5)-3) * time.Hour)
			}
			execute(t, s, fmt.Sprintf("INSERT INTO sessions (rowid, id, active, last_activity, expires_at) VALUES (%d, '%s', %t, '%s', nullif('%s', '<nil>'))",
				(i*7919)%300-150, id, active, formatTime(used), fmt.Sprint(formatTime(expires))))
			session := sessioncleanup.Session{ID: id, Active: active, AutoCleanup: true, LastActivity: used, ExpiresAt: expires}
			if (sessioncleanup.Policy{}).CutoffsAt(now).Due(sessioncleanup.ActionDeactivated, session) {
				want = append(want, id)
			}
		}
		second, err := Open(t.Context(), s.path, Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = second.Close() })
		b := sessioncleanup.Batch{Action: sessioncleanup.ActionDeactivated, Cause: sessioncleanup.Cause{Actor: "system"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now)}
		var got []string
		for {
			b.Limit = 1 + random.IntN(30)
			out, err := []*Store{s, second}[random.IntN(2)].Sweep(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, out.IDs...)
			if b.After = out.Next; b.After == "" {
				break
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("deactivated (-want +got):\n%s", diff)
		}
	}
}

func TestBatchesPauseForOtherWriters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var th throttle
		shared := sessioncleanup.Batch{BusyShare: 0.25}
		expect := func(what string, b sessioncleanup.Batch, version int64, held, wantPause time.Duration, wantCheckpoint bool) {
			t.Helper()
			if pause, checkpoint := th.after(b, version, held); pause != wantPause || checkpoint != wantCheckpoint {
				t.Errorf("%s: a pause of %v, checkpoint %t; want %v, %t", what, pause, checkpoint, wantPause, wantCheckpoint)
			}
		}
		expect("the first version says nothing", shared, 7, 50*time.Millisecond, 0, false)
		expect("the same version", shared, 7, 50*time.Millisecond, 0, false)
		expect("others wrote", shared, 8, 50*time.Millisecond, 150*time.Millisecond, false)
		expect("others wrote a moment ago", shared, 8, 100*time.Millisecond, 300*time.Millisecond, false)
		expect("without a share", sessioncleanup.Batch{}, 8, 50*time.Millisecond, yield, true)
		time.Sleep(othersFor)
		expect("long after others wrote", shared, 8, 50*time.Millisecond, 0, false)
		expect("long without a pause", shared, 8, 2*time.Second, longPause, true)
		expect("after a long pause", shared, 8, 50*time.Millisecond, 0, false)
	})
}

func TestBatchesNoticeThatOthersWrite(t *testing.T) {
	t.Parallel()
	s := newStore(t, mixedSessions)
	other, err := sql.Open("sqlite", s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	b := sessioncleanup.Batch{Action: sessioncleanup.ActionDeleted, Cause: sessioncleanup.Cause{Actor: "system"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now()), Limit: 10, BusyShare: 0.5}
	for _, writes := range []bool{false, false, true} {
		if writes {
			if _, err := other.ExecContext(t.Context(), "UPDATE sessions SET name = 'new' WHERE id = 'session-1'"); err != nil {
				t.Fatal(err)
			}
		}
		out, err := s.Sweep(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if noticed := out.Pause > 0; noticed != writes || out.Held <= 0 {
			t.Errorf("others wrote: %t, noticed: %t; held %v", writes, noticed, out.Held)
		}
	}
}

func TestAnyFormOfTimeIsRead(t *testing.T) {
	t.Parallel()
	s := newStore(t, "SELECT 1")
	for value, want := range map[string]string{
		"'2024-01-01 10:00:00'":                             "2024-01-01 10:00:00.000",
		"'2024-01-01'":                                      "2024-01-01 00:00:00.000",
		"'2024-01-01T10:00:00.1239Z'":                       "2024-01-01 10:00:00.124",
		"'2024-01-01 10:00:00.5+02:00'":                     "2024-01-01 08:00:00.500",
		"'2024-01-01 10:00:00 +0000 UTC'":                   "2024-01-01 10:00:00.000",
		"'2024-01-01 10:00:00.123456789 -0230 XST m=+0.01'": "2024-01-01 12:30:00.123",
		"1704103200":                                        "2024-01-01 10:00:00.000",
		"1704103200.25":                                     "2024-01-01 10:00:00.250",
		"1704103200123":                                     "2024-01-01 10:00:00.123",
		"1704103200123456":                                  "2024-01-01 10:00:00.123",
		"1704103200123456789":                               "2024-01-01 10:00:00.123",
		"'now'":                                             "", "''": "", "'yesterday'": "", "'01/02/2024'": "", "x'00'": "", "NULL": "",
	} {
		var got sql.NullString
		if err := s.reader.QueryRowContext(t.Context(), "SELECT "+readTime(formText, "v")+" FROM (SELECT "+value+" AS v)").Scan(&got); err != nil || got.String != want {
			t.Errorf("%s is %q, want %q: %v", value, got.String, want, err)
		}
	}
}
