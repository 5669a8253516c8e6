package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/monitoring.md has a line for each metric, and for nothing else.
func TestEachMetricIsDocumented(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	var exported, documented []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE sessioncleanup_(\S+) (\S+)`).FindAllStringSubmatch(string(golden), -1) {
		exported = append(exported, m[1]+" "+m[2])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| (gauge|counter|histogram) \\|").FindAllStringSubmatch(string(page), -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			documented = append(documented, strings.Trim(name, "`")+" "+m[2])
		}
	}
	exported = append(exported, "schedule_start_timestamp_seconds gauge")     // of a scheduler, which the golden file has none of
	for _, name := range []string{"sessions_tagged", "sessions_tagged_due"} { // of a policy with rules
		exported = append(exported, name+" gauge")
	}
	for _, name := range []string{"sessions_waiting", "outbox_pending", "outbox_undeliverable", "outbox_oldest_seconds"} { // of a policy that warns
		exported = append(exported, name+" gauge")
	}
	slices.Sort(exported)
	slices.Sort(documented)
	if !slices.Equal(exported, documented) {
		t.Errorf("exported:\n%v\ndocumented:\n%v", exported, documented)
	}
}
