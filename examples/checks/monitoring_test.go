package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const monitoring = "../monitoring"

// promtool checks files in a folder, and returns what it says.
func promtool(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Prometheus's own tool runs the cases of tests.yaml: each alert fires when it should, ends by itself, and is silent otherwise.
func TestAlertsFireAndEnd(t *testing.T) {
	t.Parallel()
	if out, err := promtool(t, monitoring, "check", "rules", "rules.yaml"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := promtool(t, monitoring, "test", "rules", "tests.yaml"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

var alertRule = regexp.MustCompile(`(?s)\n      - alert: (\w+)\n        expr: \|\n(.*?)\n        for: `)

// Rules that never fire, and rules that always do, fail the cases of every alert.
func TestEachAlertHasCases(t *testing.T) {
	t.Parallel()
	rules := read(t, monitoring+"/rules.yaml")
	alerts := alertRule.FindAllStringSubmatch(rules, -1)
	if len(alerts) < 11 {
		t.Fatalf("%d alerts", len(alerts))
	}
	for name, expr := range map[string]string{"never": "vector(1) > 2", "always": `label_replace(vector(1), "job", "app", "", "")`} {
		t.Run("fire "+name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			broken := alertRule.ReplaceAllString(rules, "\n      - alert: $1\n        expr: |\n          "+expr+"\n        for: ")
			for file, text := range map[string]string{"rules.yaml": broken, "tests.yaml": read(t, monitoring+"/tests.yaml")} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := promtool(t, dir, "test", "rules", "tests.yaml")
			for _, alert := range alerts {
				if err == nil || !strings.Contains(out, "alertname: "+alert[1]+",") {
					t.Errorf("no case notices that %s is broken: %s", alert[1], out)
				}
			}
		})
	}
}

// Each alert, also the one that is off, has its runbook, which names it, and each runbook has its alert.
func TestEachAlertHasARunbook(t *testing.T) {
	t.Parallel()
	rules := read(t, monitoring+"/rules.yaml")
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	pages := regexp.MustCompile(`runbook_url: \S+/blob/main/(docs/runbooks/\S+\.md)\n`).FindAllStringSubmatch(rules, -1)
	files, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil || len(files) != len(alerts) || len(pages) != len(alerts) {
		t.Fatalf("%d alerts, %d addresses of runbooks, %d runbooks, %v", len(alerts), len(pages), len(files), err)
	}
	for i, alert := range alerts {
		if page := read(t, "../../"+pages[i][1]); !strings.HasPrefix(page, "# "+alert[1]+"\n") {
			t.Errorf("%s is not about %s", pages[i][1], alert[1])
		}
	}
}

// The rules use metrics that there are.
func TestAlertsUseMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	documented := read(t, "../../docs/monitoring.md") // which a test of the metrics compares with them
	for _, metric := range regexp.MustCompile(`sessioncleanup_(\w+)`).FindAllStringSubmatch(read(t, monitoring+"/rules.yaml"), -1) {
		if !strings.Contains(documented, "`"+metric[1]+"`") {
			t.Errorf("there is no %s", metric[0])
		}
	}
}

// The files that compose.yaml mounts are there, Prometheus accepts its configuration, and it scrapes the port on which
// serve answers.
func TestTheMonitoringExampleFitsTogether(t *testing.T) {
	t.Parallel()
	compose := read(t, monitoring+"/compose.yaml")
	mounts := regexp.MustCompile(`(?m)^ +- \./(\S+?):/`).FindAllStringSubmatch(compose, -1)
	if len(mounts) < 5 {
		t.Errorf("%d files are mounted", len(mounts))
	}
	for _, mount := range mounts {
		read(t, filepath.Join(monitoring, mount[1]))
	}
	if out, err := promtool(t, monitoring, "check", "config", "prometheus.yml"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	served := regexp.MustCompile(`--metrics-addr, "(:\d+)"`).FindStringSubmatch(compose)
	if len(served) != 2 || !strings.Contains(read(t, monitoring+"/prometheus.yml"), `"sessioncleanup`+served[1]+`"`) {
		t.Errorf("serve answers on %v, which is not scraped", served)
	}
}
