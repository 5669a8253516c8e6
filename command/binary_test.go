package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// built is the command as a user installs it, built once for all tests of this package.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sessioncleanup-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sessioncleanup")
	build := exec.Command("go", "build", "-o", path, "../cmd/sessioncleanup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	builtIn = dir
	return path, nil
})

var builtIn string // the folder of the binary, once there is one

func removeBinary() {
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
}

func binary(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process prepares a call of the binary by a user who has nothing but a directory and these variables.
func process(t testing.TB, dir string, vars []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary(t), args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"HOME=" + dir, "PATH=" + filepath.Dir(binary(t)) + ":" + os.Getenv("PATH")}, vars...)
	return cmd
}

// finish runs a prepared call to its end.
func finish(t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	failure := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](failure); failure != nil && !ok {
		t.Fatal(failure)
	} else if ok && exit.ExitCode() < 0 {
		t.Fatalf("ended by a signal: %v\nstderr: %s", failure, err.String())
	}
	return outcome{out.String(), err.String(), cmd.ProcessState.ExitCode()}
}
