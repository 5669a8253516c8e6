package checks

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/netresearch/go-cron"
)

// crontab's format is that of crontab(5) for system tables: variables, comments, and lines of five fields, a user and a
// command.
func TestCrontabIsValid(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../cron/sessioncleanup")
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`^[A-Z]+=`)
	jobs := 0
	for line := range strings.Lines(string(content)) {
		text, complete := strings.CutSuffix(line, "\n")
		if !complete {
			t.Error("the last line has no newline: cron would ignore it")
		}
		if text == "" || strings.HasPrefix(text, "#") || variable.MatchString(text) {
			continue
		}
		jobs++
		fields := strings.SplitN(text, " ", 7)
		if len(fields) != 7 {
			t.Errorf("want five fields, a user and a command: %s", text)
			continue
		}
		if _, err := cron.ParseStandard(strings.Join(fields[:5], " ")); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		if strings.Contains(fields[6], "%") {
			t.Errorf("cron reads %% as the end of a line: %s", text)
		}
	}
	if jobs == 0 {
		t.Error("the table has no job")
	}
}
