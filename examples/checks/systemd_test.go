package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The units are verified by systemd itself, with a program that exists in place of the command.
func TestUnitsAreValid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	units := copyUnits(t, dir)
	analyze(t, true, append([]string{"verify", "--man=no"}, units...)...)
	for _, unit := range units {
		if strings.HasSuffix(unit, ".service") { // 2.5 of 10: little is left that the service could reach
			analyze(t, true, "security", "--offline=true", "--threshold=25", unit)
		}
	}
	broken := filepath.Join(dir, "broken.service")
	if err := os.WriteFile(broken, []byte("[Service]\nType=sometimes\nExecStart=/nowhere/sessioncleanup\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	analyze(t, false, "verify", "--man=no", broken)
}

func copyUnits(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("../systemd/sessioncleanup*")
	if err != nil || len(files) < 3 {
		t.Fatalf("found the units %v: %v", files, err)
	}
	var copies []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(content), "ExecStart=/usr/local/bin/sessioncleanup ", "ExecStart=/bin/true ")
		path := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		copies = append(copies, path)
	}
	return copies
}

func analyze(t *testing.T, valid bool, args ...string) {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install systemd (Debian: apt-get install systemd); it need not run")
	}
	output, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if (err == nil) != valid {
		t.Errorf("systemd-analyze %s: %v, want valid: %t\n%s", strings.Join(args, " "), err, valid, output)
	}
}
