package pgtest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Standby starts a server that replicates this one, which this process must have started. With synchronous, this server
// confirms no commit from then on before the standby has it. Both have the same clock.
func (s *Server) Standby(t testing.TB, synchronous bool) *Server {
	t.Helper()
	standby, err := startFrom(s.env, func(bin, home string, as *syscall.Credential) error {
		cmd := exec.Command(filepath.Join(bin, "pg_basebackup"), "-h", s.home, "-U", "postgres", "-D", filepath.Join(home, "data"),
			"-R", "-c", "fast", "--no-sync")
		cmd.Dir = home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.stop)
	standby.env, standby.clock = s.env, s.clock
	if synchronous {
		s.mustExec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
		s.mustExec(t, "ALTER SYSTEM SET synchronous_commit = on")
		s.mustExec(t, "SELECT pg_reload_conf()")
	}
	return standby
}

// Promote makes a standby a server that writes.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.mustExec(t, "SELECT pg_promote(wait_seconds => 30)")
}

// Stop ends the server at once, as a failure of its machine would, and removes its files.
func (s *Server) Stop() {
	s.stopped.Store(true)
	s.stop()
}

// Socket is the path of the server's socket, for a proxy.
func (s *Server) Socket() string { return filepath.Join(s.home, ".s.PGSQL.5432") }

func (s *Server) mustExec(t testing.TB, sql string) {
	t.Helper()
	if err := s.exec(t.Context(), sql); err != nil {
		t.Fatalf("%v in\n%s", err, sql)
	}
}
