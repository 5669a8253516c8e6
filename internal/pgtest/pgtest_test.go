package pgtest

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func TestPreparedDatabasesStartEqualAndStaySeparate(t *testing.T) {
	t.Parallel()
	prepare := func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE TABLE things AS SELECT 1 AS n")
		return err
	}
	first := connect(t, Prepared(t, "things", prepare))
	if _, err := first.Exec(t.Context(), "INSERT INTO things VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	var rows int
	second := connect(t, Prepared(t, "things", prepare))
	if err := second.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows != 1 {
		t.Errorf("a second database has %d things, want the template's 1", rows)
	}
}

func TestServerEndsWithItsTestAndLeavesNoFiles(t *testing.T) {
	t.Parallel()
	server := Start(t, map[string]string{"work_mem": "7MB"})
	conn := connect(t, server.URL())
	var memory, data string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('work_mem'), current_setting('data_directory')").Scan(&memory, &data); err != nil {
		t.Fatal(err)
	}
	if memory != "7MB" {
		t.Errorf("work_mem is %s, want the setting given", memory)
	}
	server.stop()
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("data folder after the end: %v, want it gone", err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the server still answers after its end")
	}
}

func TestMissingServerSaysWhatToInstall(t *testing.T) {
	t.Setenv(EnvBin, t.TempDir())
	if _, err := start(nil); err == nil {
		t.Error("a folder without a server was taken for one")
	}
}
