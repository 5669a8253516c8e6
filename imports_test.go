package sessioncleanup_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A program that imports the root package or the memory store gets no other module.
func TestRootAndMemoryImportOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	const module = "github.com/sessioncleanup/sessioncleanup"
	allowed := map[string]bool{module: true, module + "/memory": true, module + "/internal/invalid": true, module + "/internal/sqlfile": true, module + "/internal/wait": true, module + "/internal/shorten": true}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module, module+"/memory")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := strings.Fields(string(out))
	if len(found) != len(allowed) {
		t.Errorf("%d packages outside of the standard library, want %d", len(found), len(allowed))
	}
	for _, path := range found {
		if !allowed[path] {
			t.Errorf("%s is imported: want the standard library only", path)
		}
	}
}
