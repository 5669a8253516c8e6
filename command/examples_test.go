package command

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The examples of deployment call verbs and flags that exist. That their files are valid is tested in examples/checks.
func TestExamplesCallTheCommandAsItIs(t *testing.T) {
	t.Parallel()
	for path, call := range map[string]*regexp.Regexp{
		"cron/sessioncleanup":                  regexp.MustCompile(`sessioncleanup (cleanup[^>|\n]*|stats [^>|\n]*)`),
		"systemd/sessioncleanup.service":       regexp.MustCompile(`ExecStart=/usr/local/bin/sessioncleanup (.*)`),
		"systemd/sessioncleanup-serve.service": regexp.MustCompile(`ExecStart=/usr/local/bin/sessioncleanup (.*)`),
		"kubernetes/cronjob.yaml":              regexp.MustCompile(`args: \[(.*)\]`),
		"docker/Dockerfile":                    regexp.MustCompile(`CMD \[(.*)\]`),
	} {
		content, err := os.ReadFile("../examples/" + path)
		if err != nil {
			t.Fatal(err)
		}
		calls := call.FindAllStringSubmatch(string(content), -1)
		if len(calls) == 0 {
			t.Errorf("%s does not call the command", path)
		}
		for _, match := range calls {
			newUser(t, nil).calls(append(words(match[1]), "--help")...).want(t, exitDone, "Usage:\n  sessioncleanup "+words(match[1])[0])
		}
	}
}

// words splits a command line, or a list, at spaces and commas outside of double quotes.
func words(line string) []string {
	var found []string
	for _, word := range regexp.MustCompile(`"[^"]*"|[^\s,"]+`).FindAllString(line, -1) {
		found = append(found, strings.Trim(word, `"`))
	}
	return found
}
