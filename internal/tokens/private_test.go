//go:build unix

package tokens

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestATokenFileIsItsUsersOrRootsAlone(t *testing.T) {
	t.Parallel()
	const me, root, other = 1000, 0, 1001
	for _, c := range []struct {
		owner  int
		mode   fs.FileMode
		refuse string
	}{
		{me, 0o600, ""},
		{me, 0o400, ""},
		{me, 0o640, "chmod 600"},
		{me, 0o620, "chmod 600"},
		{me, 0o604, "chmod 600"},
		{root, 0o440, ""}, // of a group that root chose
		{root, 0o460, "chmod 600"},
		{root, 0o444, "chmod 600"},
		{other, 0o600, "chown 1000"},
	} {
		err := private("/etc/tokens", c.mode, c.owner, me)
		if (err == nil) != (c.refuse == "") || err != nil && !strings.Contains(err.Error(), c.refuse+" /etc/tokens") {
			t.Errorf("mode %#o of user %d: %v, want %q", c.mode, c.owner, err, c.refuse)
		}
	}
}

func TestATokenFileThatIsAPipeIsRefusedWithoutWaiting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
}
