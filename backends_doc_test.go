package sessioncleanup_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Backups and Schedule are not a store's.
func TestTheDocumentationOfBackendsHasEveryInterfaceOfAStore(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/backends.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^type ([A-Z]\w*) interface`)
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range declared.FindAllStringSubmatch(string(source), -1) {
			name := match[1]
			if name == "Store" || name == "Backups" || name == "Schedule" {
				continue
			}
			found++
			if !regexp.MustCompile(`(?m)^\| (` + "`\\w+`, )*`" + name + "`.*" + regexp.QuoteMeta("(../"+file+")")).Match(doc) {
				t.Errorf("docs/backends.md: no row for %s, with a link to %s", name, file)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d interfaces: want more", found)
	}
}
