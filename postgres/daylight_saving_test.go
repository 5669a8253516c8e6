package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

// In columns without a zone, the hour that is repeated when daylight saving time ends is ambiguous; when it begins, one is left out.
func TestNothingIsDueEarlyWhenDaylightSavingTimeBeginsOrEnds(t *testing.T) {
	t.Parallel()
	const step = 20 * time.Minute
	for name, c := range map[string]struct {
		zone  string
		begin time.Time
	}{
		"autumn":        {"Europe/Paris", time.Date(2025, 10, 25, 22, 0, 0, 0, time.UTC)},
		"spring":        {"Europe/Paris", time.Date(2025, 3, 29, 22, 0, 0, 0, time.UTC)},
		"half an hour":  {"Australia/Lord_Howe", time.Date(2025, 4, 5, 12, 0, 0, 0, time.UTC)},
		"without a day": {"Pacific/Apia", time.Date(2011, 12, 30, 7, 0, 0, 0, time.UTC)},
	} {
		for _, deactivatedAt := range []string{"timestamp", "timestamptz"} {
			t.Run(name+" "+deactivatedAt, func(t *testing.T) {
				t.Parallel()
				if name != "autumn" {
					thorough.Only(t, thorough.Tables)
				}
				store, url, _ := shaped(t, `CREATE TABLE sessions (id int PRIMARY KEY, at timestamptz, active boolean NOT NULL DEFAULT true, created_at timestamptz DEFAULT '2001-01-01',
					last_activity timestamp DEFAULT '2002-01-01', expires_at timestamp, deactivated_at `+deactivatedAt+")",
					sessioncleanup.MigrateOptions{TimeZone: c.zone, AcceptTimes: true})
				migrate(t, store)
				pool := connect(t, url)
				mustExec(t, pool, `INSERT INTO sessions (id, at, active, last_activity, expires_at, deactivated_at)
					SELECT 3 * n.i + k, n.at, k < 2, CASE k WHEN 0 THEN n.at AT TIME ZONE $2 WHEN 1 THEN 'infinity' ELSE '2002-01-01' END,
					       CASE k WHEN 1 THEN n.at AT TIME ZONE $2 END, CASE k WHEN 2 THEN n.at `+map[string]string{"timestamp": "AT TIME ZONE $2"}[deactivatedAt]+` END
					  FROM (SELECT i, $1::timestamptz + i * $3::interval AS at FROM generate_series(0, 23) i) n, generate_series(0, 2) k`, c.begin, c.zone, step)
				at := map[string]time.Time{}
				rows, err := pool.Query(t.Context(), "SELECT id::text, at FROM sessions")
				if err != nil {
					t.Fatal(err)
				}
				var id string
				var moment time.Time
				if _, err := pgx.ForEachRow(rows, []any{&id, &moment}, func() error { at[id] = moment; return nil }); err != nil {
					t.Fatal(err)
				}
				changed := 0
				for i := range 24 + 12 { // the hour that was read as the later one is due later
					cutoff := c.begin.Add(time.Duration(i)*step + time.Second)
					for _, action := range []sessioncleanup.Action{sessioncleanup.ActionDeactivated, sessioncleanup.ActionDeleted} {
						cutoffs := sessioncleanup.Cutoffs{Now: cutoff, Inactive: cutoff}
						if action == sessioncleanup.ActionDeleted {
							cutoffs = sessioncleanup.Cutoffs{Now: cutoff, Delete: cutoff}
						}
						for b := (sessioncleanup.Batch{Action: action, Cutoffs: cutoffs, Limit: 100, Cause: sessioncleanup.Cause{Actor: "system"}}); ; {
							out, err := store.Sweep(t.Context(), b)
							if err != nil {
								t.Fatal(err)
							}
							for _, id := range out.IDs {
								changed++
								if !at[id].Before(cutoff) {
									t.Errorf("a session with the time %v was %s with the cutoff %v", at[id], action, cutoff)
								}
							}
							if b.After = out.Next; b.After == "" {
								break
							}
						}
					}
				}
				if changed != len(at) {
					t.Errorf("%d changes, want %d: each session in the end", changed, len(at))
				}
			})
		}
	}
}
