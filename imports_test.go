package sessioncleanup_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// A program that imports the root package or the memory store gets no other module.
func TestRootAndMemoryImportOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	const module = "github.com/sessioncleanup/sessioncleanup"
	allowed := map[string]bool{module: true, module + "/memory": true, module + "/internal/invalid": true, module + "/internal/sqlfile": true, module + "/internal/wait": true, module + "/internal/shorten": true, module + "/internal/failures": true, module + "/internal/jsonfile": true}
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

// docs/dependencies.md gives a reason for each module that is required directly.
func TestEachDependencyHasAReason(t *testing.T) {
	t.Parallel()
	reasons, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+/\S+) v\S+$`) // without "// indirect"
	for _, dir := range []string{".", "bench", "examples/checks", "examples/monitoring/dashboard", "examples/routers", "internal/integration", "internal/openapitest", "internal/s3test", "otel"} {
		content, err := os.ReadFile(dir + "/go.mod")
		if err != nil {
			t.Fatal(err)
		}
		modules := required.FindAllStringSubmatch(string(content), -1)
		if len(modules) == 0 {
			t.Errorf("%s/go.mod requires nothing", dir)
		}
		for _, m := range modules {
			if m[1] != "github.com/sessioncleanup/sessioncleanup" && !regexp.MustCompile(regexp.QuoteMeta(m[1])+`[ ,|]`).Match(reasons) {
				t.Errorf("%s requires %s, which docs/dependencies.md does not name", dir, m[1])
			}
		}
	}
}
