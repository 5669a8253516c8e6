package sqlitetest

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestPreparedFilesStartEqualAndStaySeparate(t *testing.T) {
	t.Parallel()
	made := 0
	prepare := func(_ context.Context, path string) error {
		made++
		return os.WriteFile(path, []byte("template"), 0o600)
	}
	first, second := Prepared(t, "key", prepare), Prepared(t, "key", prepare)
	if err := os.WriteFile(first, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(second); err != nil || string(content) != "template" || made != 1 {
		t.Errorf("a second file has %q, %v, and the template was made %d times; want the template's content, made once", content, err, made)
	}
}

func TestAFileThatIsStillOpenIsNoTemplate(t *testing.T) {
	t.Parallel()
	_, err := prepared(t, func(_ context.Context, path string) error { return os.WriteFile(path+"-wal", nil, 0o600) })
	if err == nil || !strings.Contains(err.Error(), "still open") {
		t.Errorf("a file with a log: %v, want that it is still open", err)
	}
}
