package mysql_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

func TestProbeFindsActivityThatNothingNoticesAndRightsThatAreMissing(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id) VALUES (1); INSERT INTO votes (session_id) VALUES (1)")
	probe := func(s *mysql.Store) sessioncleanup.Probe {
		t.Helper()
		found, err := s.Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if diff := cmp.Diff(sessioncleanup.Probe{}, probe(store)); diff != "" {
		t.Errorf("of a database that is as migrated: %s", diff)
	}
	if notes := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_touches"); notes != 0 {
		t.Errorf("the probe left %d notes, want none", notes)
	}
	user := d.Name + "_user"
	execute(t, d.DB, "CREATE USER "+user+"; GRANT SELECT, INSERT, UPDATE ON "+d.Name+".* TO "+user+"; DROP TRIGGER sessioncleanup_votes_session_id_updated")
	t.Cleanup(func() { _, _ = d.DB.Exec("DROP USER " + user) }) //nolint:noctx // the test's context has ended
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	limited := mysqltest.Database{URL: u.String()}
	bounded := open(t, limited, mysql.Config{})
	if err := bounded.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) || strings.Count(err.Error(), "trigger") != 1 {
		t.Errorf("Validate by a user who may not create triggers: %v, want only the trigger that is not there", err)
	}
	found := probe(bounded)
	if !slices.Equal(found.Unnoticed, []string{"votes"}) || !slices.Contains(found.Denied, "DELETE on sessions") || !strings.HasPrefix(found.Denied[0], "DELETE on ") {
		t.Errorf("of a table without its trigger, by a user who may not delete: %+v", found)
	}
	conn, err := d.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), "START TRANSACTION; SELECT * FROM votes FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if found := probe(store); len(found.Untried) != 1 || !strings.Contains(found.Untried[0], "Lock wait timeout") {
		t.Errorf("of a table with a locked row: %+v, want it untried", found)
	}
}

func TestATouchInATransactionCountsOnceThatIsCommitted(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id, updated_at) VALUES (1, '2020-01-01'), (2, '2020-01-01')")
	locked, err := d.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = locked.Rollback() }()
	if _, err := locked.ExecContext(t.Context(), "SELECT id FROM sessions FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	last := func(id string) time.Time {
		t.Helper()
		page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
		if err != nil || len(page.Sessions) != 1 {
			t.Fatalf("List: %+v, %v", page, err)
		}
		return page.Sessions[0].LastActivity
	}
	for id, commits := range map[string]bool{"1": true, "2": false} {
		tx, err := d.DB.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		before := last(id)
		if err := store.TouchTx(t.Context(), tx, id, "no number", "77"); err != nil {
			t.Fatal(err)
		}
		if !last(id).Equal(before) {
			t.Errorf("session %s counts as used before the transaction ended", id)
		}
		end := tx.Rollback
		if commits {
			end = tx.Commit
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if used := last(id).After(before); used != commits {
			t.Errorf("session %s counts as used: %t, want %t", id, used, commits)
		}
	}
}
