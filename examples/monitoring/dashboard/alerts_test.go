package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A real Prometheus raises the alert for each way in which cleanups stop, and ends it when they go on. That a rule has to
// hold for some minutes is left out; promtool tests that. .ci/run runs this.
func TestAlertsFireAndEndInPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("with -short: alerts in a real Prometheus are left out")
	}
	rules, err := os.ReadFile("../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, regexp.MustCompile(`for: \d+[mh]`).ReplaceAll(rules, []byte("for: 0s")), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newService(t)
	kill := s.serves(nil, "--every", "1h")
	api := scraper(t, s.addr, path)
	expect := func(alert string, firing bool) {
		t.Helper()
		eventually(t, alert, func() (bool, string) {
			var state ruleState
			said := get(t, api+"/api/v1/rules", &state)
			for _, g := range state.Data.Groups {
				for _, rule := range g.Rules {
					if rule.Name == "Sessioncleanup"+alert {
						return rule.State == map[bool]string{true: "firing", false: "inactive"}[firing], said
					}
				}
			}
			return false, said
		})
	}
	again := func(env []string, args ...string) {
		t.Helper()
		kill()
		kill = s.serves(env, args...)
	}
	expect("Absent", false)

	kill() // the process is killed
	expect("Absent", true)
	again([]string{"SESSION_CLEANUP_ENABLED=false"}) // it is back, and cleanups are disabled
	expect("Absent", false)
	expect("Disabled", true)
	again(nil, "--every", "1h")
	expect("Disabled", false)

	again(nil, "--every", "never", "--metrics-every", "5s") // runs of cron, which do not come: as while another instance has the lease
	expect("Missed", true)
	again(nil, "--every", "1s")
	expect("Missed", false)

	s.exec(`UPDATE sessioncleanup_leases SET holder = 'frozen', epoch = epoch + 1, ttl_ms = 3600000,
		expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 hour')`) // an instance has the lease, and does nothing
	expect("Missed", true)
	s.exec("UPDATE sessioncleanup_leases SET holder = '', expires_at = NULL")
	expect("Missed", false)

	s.exec("ALTER TABLE sessioncleanup_settings RENAME TO gone") // nothing can be read
	expect("DatabaseDown", true)
	s.exec("ALTER TABLE gone RENAME TO sessioncleanup_settings")
	s.calls("migrate") // SQLite has changed the text of the triggers
	expect("DatabaseDown", false)

	s.limited() // the deletion limit stops a run
	again(nil, "--every", "1h")
	expect("DeletionLimit", true)
	expect("Failed", false)
	eventually(t, "a run is forced", func() (bool, string) {
		out, err := s.command(nil, "cleanup", "--force").CombinedOutput()
		return err == nil, string(out)
	})
	expect("DeletionLimit", false)
}

// limited makes many sessions due for deletion, and cleans up, which the deletion limit refuses. Their table is that of
// migrate.
func (s *service) limited() {
	s.Helper()
	s.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
		INSERT INTO sessions (id, owner_id, name, active, last_activity, deactivated_at)
		SELECT i, '7', 'x', 0, datetime('now', '-50 days'), datetime('now', '-50 days') FROM n`)
	eventually(s.T, "the deletion limit stops a run", func() (bool, string) { // another one may be running
		out, err := s.command(nil, "cleanup").CombinedOutput()
		return err != nil && strings.Contains(string(out), "too many sessions would be deleted"), string(out)
	})
}
