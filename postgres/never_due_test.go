package postgres_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func TestValidateAndStatsCountWhatCanNeverBecomeDue(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, `INSERT INTO sessions (id, last_activity, expires_at, active, auto_cleanup) VALUES
		(1, 'infinity', NULL, true, true), (2, '9000-01-01', NULL, true, true), (3, 'infinity', now(), true, true),
		(4, 'infinity', NULL, true, false), (5, now(), NULL, true, true)`)
	migrate(t, open(t, pool.Config().ConnString(), postgres.Config{})) // follows pins, too
	log := &recorder{}
	if err := open(t, pool.Config().ConnString(), postgres.Config{Logger: slog.New(log)}).Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(log.lines, func(line string) bool { return strings.Contains(line, "2 active sessions can never become due") }) {
		t.Errorf("the log says %q, want the two sessions that can never become due", log.lines)
	}
	mustExec(t, pool, "UPDATE sessions SET last_activity = NULL WHERE id = 5")
	store := open(t, pool.Config().ConnString(), postgres.Config{})
	for owner, want := range map[string]int{"": 3, "99": 0} {
		c, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{Filter: sessioncleanup.Filter{OwnerID: owner}})
		if err != nil || c.NeverDue != want {
			t.Errorf("%d sessions of owner %q can never become due, %v; want %d", c.NeverDue, owner, err, want)
		}
	}
}
