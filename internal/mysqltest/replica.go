package mysqltest

import (
	"net"
	"net/url"
	"testing"
)

// Follow makes the server a replica of another one, which has a binary log.
func (s *Server) Follow(t testing.TB, source *Server) {
	t.Helper()
	u, err := url.Parse(source.url)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "CHANGE MASTER TO MASTER_HOST = '"+host+"', MASTER_PORT = "+port+", MASTER_USER = 'root', MASTER_USE_GTID = slave_pos")
	s.Exec(t, "START SLAVE")
}

// CatchUp waits until the replica has what its source has now.
func (s *Server) CatchUp(t testing.TB, source *Server) {
	t.Helper()
	var position, failed string
	if err := source.admin.QueryRowContext(t.Context(), "SELECT @@gtid_binlog_pos").Scan(&position); err != nil {
		t.Fatal(err)
	}
	var behind int
	if err := s.admin.QueryRowContext(t.Context(), "SELECT MASTER_GTID_WAIT(?, 60)", position).Scan(&behind); err != nil || behind != 0 {
		if why, err := Texts(t.Context(), s.admin, "SHOW SLAVE STATUS", 37); err == nil && len(why) > 0 {
			failed = why[0]
		}
		t.Fatalf("the replica has not what its source has: %d, %v %s", behind, err, failed)
	}
}

// Texts is one column of the answer to a query as the server's administrator.
func (s *Server) Texts(t testing.TB, query string, column int) []string {
	t.Helper()
	found, err := Texts(t.Context(), s.admin, query, column)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return found
}
