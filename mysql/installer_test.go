package mysql_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

func TestInstallerOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		d := mysqltest.New(t)
		i := installation(t, d)
		i.Insert = func(ctx context.Context) error {
			_, err := d.DB.ExecContext(ctx, "INSERT INTO sessions (id) VALUES ('a')")
			return err
		}
		return i
	})
}

func TestInstallerOnTablesOfAnApplication(t *testing.T) {
	t.Parallel()
	storetest.RunInstaller(t, func(t testing.TB) storetest.Installation {
		d := mysqltest.New(t)
		execute(t, d.DB, guide.tables)
		execute(t, d.DB, `INSERT INTO sessions (id, streamer_id, name, active) VALUES (1, 1, 'room', TRUE), (2, 1, 'room', FALSE), (3, 2, 'room', TRUE);
			INSERT INTO propositions (session_id) VALUES (1), (1), (2)`)
		i := installation(t, d)
		i.Sessions = 3
		i.Unnoticed = func(ctx context.Context) (string, error) {
			_, err := d.DB.ExecContext(ctx, "UPDATE sessions SET last_activity = UTC_TIMESTAMP() - INTERVAL 9 DAY WHERE id = 1;"+
				"CREATE TABLE new LIKE propositions; ALTER TABLE new ADD FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE;"+
				"INSERT INTO new SELECT * FROM propositions; DROP TABLE propositions; RENAME TABLE new TO propositions; INSERT INTO propositions (session_id, created_at) VALUES (1, UTC_TIMESTAMP())")
			return "1", err
		}
		return i
	})
}

func installation(t testing.TB, d mysqltest.Database) storetest.Installation {
	t.Helper()
	return storetest.Installation{
		Store: open(t, d, mysql.Config{}), Second: open(t, d, mysql.Config{}),
		Describe: func(ctx context.Context) (string, error) { return describe(ctx, d.DB) },
	}
}

// describe is the schema of a database as text, without what counts rows.
func describe(ctx context.Context, db *sql.DB) (string, error) {
	var lines []string
	for _, statement := range []string{
		`SELECT CONCAT_WS(' ', 'column', table_name, column_name, ordinal_position, column_type, collation_name, is_nullable, column_default, extra)
		   FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`,
		`SELECT CONCAT_WS(' ', 'index', table_name, index_name, seq_in_index, column_name, non_unique)
		   FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index`,
		`SELECT CONCAT_WS(' ', 'trigger', trigger_name, event_object_table, action_timing, event_manipulation, action_statement)
		   FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY trigger_name`,
		`SELECT CONCAT_WS(' ', 'constraint', table_name, constraint_name, constraint_type)
		   FROM information_schema.table_constraints WHERE table_schema = DATABASE() ORDER BY table_name, constraint_name`,
	} {
		found, err := mysqltest.Texts(ctx, db, statement, 0)
		if err != nil {
			return "", err
		}
		lines = append(lines, found...)
	}
	return strings.Join(lines, "\n"), nil
}
