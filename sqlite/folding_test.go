package sqlite_test

import (
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// TestNotesOfOthersDoNotHoldUpARun: folding in what others note while a run works would take it longer than its own work.
// Their sessions are kept all the same, and the next run folds the notes in.
func TestNotesOfOthersDoNotHoldUpARun(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, manyDue) // with a note for each session
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	notes := func() string { return line(t, app, "SELECT count(*), count(at) FROM sessioncleanup_touches") }
	written := false
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true, Progress: func(sessioncleanup.Progress) {
		if !written { // the first batch of the first phase is done
			execute(t, app, "INSERT INTO propositions (session_id) SELECT id FROM sessions WHERE id <= 100 OR id > 12080")
		}
		written = true
	}})
	if err != nil || result.Deleted() != 5990 || result.Deactivated() != 5990 {
		t.Errorf("the run deleted %d sessions and deactivated %d (%v), want 5,990 each: 20 are in use again", result.Deleted(), result.Deactivated(), err)
	}
	if got := notes(); got != "120|120" {
		t.Errorf("notes, and those that say when: %s, want the 120 that were written meanwhile", got)
	}
	if result, err = manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Phases.Total().Done != 0 {
		t.Errorf("the next run: %+v, %v", result.Phases, err)
	}
	if got := notes(); got != "0|0" {
		t.Errorf("after the next run: %s notes", got)
	}
}

func TestNotesAreFoldedInByManySmallBatches(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	execute(t, app, manyDue)
	notes := func() string { return line(t, app, "SELECT count(*) FROM sessioncleanup_touches") }
	b := batchOf(sessioncleanup.ActionDeactivated, time.Now(), 100)
	first, err := store.Sweep(t.Context(), b)
	if err != nil || len(first.IDs) > 0 || first.Next == "" || notes() == "0" || notes() == "12100" {
		t.Errorf("the first batch changed %d sessions, has the next one start at %q and left %s of 12,100 notes (%v)", len(first.IDs), first.Next, notes(), err)
	}
	deactivated := 0
	for b.After = first.Next; b.After != ""; {
		out, err := store.Sweep(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if out.Next == b.After {
			t.Fatalf("the batch after the one at %s starts there, too", b.After)
		}
		deactivated, b.After = deactivated+len(out.IDs), out.Next
	}
	if deactivated != 6000 || notes() != "0" {
		t.Errorf("%d sessions were deactivated and %s notes are left, want 6,000 and none", deactivated, notes())
	}
}

// TestNotesOfAWrongClockAreFoldedIn: they lie ahead, but were written before the run.
func TestNotesOfAWrongClockAreFoldedIn(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	execute(t, app, insertUsed, 1, nil, "old", 1, stamp(time.Now().Add(-60*day)), nil, 1)
	execute(t, app, "INSERT INTO propositions (session_id) VALUES (1)")
	execute(t, app, "UPDATE sessioncleanup_touches SET at = ?", stamp(time.Now().Add(1000*day)))
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err == nil {
		_, err = manager.Cleanup(t.Context(), sessioncleanup.Run{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := get(t, store, "1"); !s.Active || !near(s.LastActivity, time.Now()) {
		t.Errorf("the session is active: %t, and was used at %v, want now", s.Active, s.LastActivity)
	}
	if got := line(t, app, "SELECT count(*) FROM sessioncleanup_touches"); got != "0" {
		t.Errorf("%s notes are left", got)
	}
}

// TestABatchDoesNotCountItsWait: others hold the write lock when it begins.
func TestABatchDoesNotCountItsWait(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables)
	migrate(t, open(t, path, sqlite.Config{}))
	db := openApp(t, path)
	store, err := sqlite.New(t.Context(), db, sqlite.Config{BusyTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	other, err := app.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = other.ExecContext(t.Context(), "INSERT INTO sessions (id) VALUES (1)")
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan time.Duration)
	go func() {
		out, err := store.Sweep(t.Context(), batchOf(sessioncleanup.ActionDeactivated, time.Now(), 100))
		if err != nil {
			t.Error(err)
		}
		done <- out.Held
	}()
	eventually(t, "for the batch to take a connection", func() bool { return db.Stats().InUse > 0 })
	released := time.Now()
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if held, free := <-done, time.Since(released); held == 0 || held > free {
		t.Errorf("the batch held the lock for %v, which was free for %v", held, free)
	}
}
