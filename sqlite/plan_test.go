package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
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
	if _, err := s.write.db.ExecContext(t.Context(), statement); err != nil {
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
		err := s.readingSessions(t.Context(), func(w *work) error {
			v := cutoffs(sessioncleanup.Policy{}.CutoffsAt(time.Now()))
			for name, value := range map[string]any{"from": "", "to": "", "size": 10, "keys": "[]", "after_place": "", "after_id": "", "to_place": "", "to_id": "", "limit": 1, "count_up_to": 10, "ids": "[]", "interval": "", "reactivate": 0} {
				v[name] = value
			}
			expect := func(what, statement string, want ...string) {
				t.Helper()
				got := planOf(t, w, statement, v)
				if strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN sessions") {
					t.Errorf("%s, %s:\n%s", prepare, what, got)
				}
				for _, want := range want {
					if !strings.Contains(got, want) {
						t.Errorf("%s, %s: want %q in\n%s", prepare, what, want, got)
					}
				}
			}
			for _, at := range []*pass{idlePass, expiredPass, gonePass} {
				both := "SEARCH sessions USING INDEX sessioncleanup_" + at.name + " (<expr>>? AND <expr><?)"
				expect("end of window "+at.name, w.passSQL("end_of_window", at), both)
				expect("window "+at.name, w.passSQL("window", at), both)
				expect("last window "+at.name, w.passSQL("last_window", at), both)
				expect("first keys "+at.name, w.passSQL("first_keys", at), "USING INDEX sessioncleanup_"+at.name+" (<expr><?)")
				for _, stretch := range []string{"end_of_stretch", "select_stretch", "write_stretch"} {
					expect(stretch+" "+at.name, w.passSQL(stretch, at), both)
				}
				for _, listed := range []string{"select_listed", "write_listed", "write_stretch"} {
					expect(listed+" "+at.name, w.passSQL(listed, at), "SEARCH sessions USING INTEGER PRIMARY KEY (rowid=?)")
				}
			}
			for _, status := range []sessioncleanup.Status{sessioncleanup.StatusToDelete, sessioncleanup.StatusToDeactivate} {
				q := sessioncleanup.Query{Status: status}
				conditions, _ := w.filter(q, v)
				expect("count "+string(status), w.counting(q, conditions), "SEARCH sessions USING INDEX sessioncleanup_")
			}
			expect("touch", w.sql("touch"), "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)")
			expect("reactivate", w.sql("reactivate"), "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func planOf(t *testing.T, w *work, statement string, v values) string {
	t.Helper()
	var plan []string
	err := w.query(t.Context(), "EXPLAIN QUERY PLAN "+statement, v, func(rows *sql.Rows) error {
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

// TestWindowsTogetherAreWhatIsDue runs with windows so small that ties span them, and hands each cursor to another
// store, which has to find the window again.
func TestWindowsTogetherAreWhatIsDue(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 12 {
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
			if (sessioncleanup.Policy{}).CutoffsAt(now).DueForDeactivation(session) {
				want = append(want, id)
			}
		}
		second, err := Open(t.Context(), s.path, Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = second.Close() })
		s.windowSize, second.windowSize = 1+random.IntN(40), 1+random.IntN(40)
		s.listOnly, second.listOnly = round%3 > 0, round%3 > 0
		b := sessioncleanup.Batch{Cause: sessioncleanup.Cause{Actor: "system"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now)}
		var got []string
		for {
			b.Limit = 1 + random.IntN(30)
			out, err := []*Store{s, second}[random.IntN(2)].DeactivateDue(t.Context(), b)
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
			t.Errorf("windows of %d and %d: deactivated (-want +got):\n%s", s.windowSize, second.windowSize, diff)
		}
	}
}

func TestBatchesInARowPauseForOtherWriters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pace
		checkpoints := 0
		checkpoint := func(context.Context) { // counts as pause
			checkpoints++
			time.Sleep(breath / 2)
		}
		began := time.Now()
		for range 200 {
			if err := p.wait(t.Context(), checkpoint); err != nil {
				t.Fatal(err)
			}
			started := time.Now()
			time.Sleep(50 * time.Millisecond) // the batch
			if took := p.held(started); took != 50*time.Millisecond {
				t.Errorf("the batch took %v", took)
			}
		}
		// 200 batches hold the lock for 10 s. After every 300 ms there is a checkpoint, after every 2 s a pause, but none
		// after the last; one of these pauses is half done by a checkpoint.
		if took, want := time.Since(began), 10*time.Second+4*breath+32*breath/2; took != want || checkpoints != 33 {
			t.Errorf("200 batches of 50 ms took %v with %d checkpoints, want %v with 33", took, checkpoints, want)
		}
		time.Sleep(breath)
		began = time.Now()
		p.unmoved = 0
		if err := p.wait(t.Context(), checkpoint); err != nil || time.Since(began) != 0 {
			t.Errorf("after a rest there was a pause of %v: %v", time.Since(began), err)
		}
		for version, want := range []time.Duration{0, 0, yield, yield} { // the first version seen is 1
			p.held(time.Now())
			p.sees(int64(max(version, 1)))
			began = time.Now()
			if err := p.wait(t.Context(), checkpoint); err != nil || time.Since(began) != want {
				t.Errorf("at version %d there was a pause of %v, want %v: %v", version, time.Since(began), want, err)
			}
		}
		time.Sleep(yieldFor)
		p.held(time.Now())
		began = time.Now()
		if err := p.wait(t.Context(), checkpoint); err != nil || time.Since(began) != 0 {
			t.Errorf("long after others wrote there was a pause of %v: %v", time.Since(began), err)
		}
		p.held(began.Add(-2 * breathEvery))
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(cancelled, checkpoint); err == nil {
			t.Error("a pause did not end with its context")
		}
	})
}

func TestCloseLeavesNoConnectionOpen(t *testing.T) {
	t.Parallel()
	path := newStore(t, "SELECT 1").path
	for range 100 {
		s, err := Open(t.Context(), path, Config{})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					if _, err := s.Now(context.WithoutCancel(t.Context())); err != nil {
						return
					}
				}
			})
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		for range cap(s.read.places) {
			if c := <-s.read.places; c != nil {
				t.Fatal("a connection is open in a closed store")
			}
		}
	}
}

func TestBatchesNoticeThatOthersWrite(t *testing.T) {
	t.Parallel()
	s := newStore(t, mixedSessions)
	other, err := sql.Open("sqlite", s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	b := sessioncleanup.Batch{Cause: sessioncleanup.Cause{Actor: "system"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now()), Limit: 10}
	for _, writes := range []bool{false, false, true} {
		if writes {
			if _, err := other.ExecContext(t.Context(), "UPDATE sessions SET name = 'new' WHERE id = 'session-1'"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.DeleteDue(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if noticed := !s.pace.seen.IsZero(); noticed != writes {
			t.Errorf("others wrote: %t, noticed: %t", writes, noticed)
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
		if err := s.read.db.QueryRowContext(t.Context(), "SELECT "+readTime("v")+" FROM (SELECT "+value+" AS v)").Scan(&got); err != nil || got.String != want {
			t.Errorf("%s is %q, want %q: %v", value, got.String, want, err)
		}
	}
}
