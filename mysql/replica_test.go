package mysql_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

func TestAReplicaHasWhatItsSourceHas(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	source := mysqltest.StartServer(t, "--log-bin=bin", "--server-id=1")
	replica := mysqltest.StartServer(t, "--server-id=2", "--read-only=1")
	replica.Follow(t, source)
	for _, format := range []string{"MIXED", "ROW"} {
		t.Run(format, func(t *testing.T) {
			source.Exec(t, "SET GLOBAL binlog_format = '"+format+"'")
			d := source.New(t)
			execute(t, d.DB, strings.Replace(lifeSessions, "id INT PRIMARY KEY", "id INT AUTO_INCREMENT PRIMARY KEY", 1)+lifeVotes+lifeRows("1", "2", "3"))
			store := open(t, d, mysql.Config{Migrate: sessioncleanup.MigrateOptions{View: true}})
			m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BusyShare: 1, Archive: sessioncleanup.On, MaxDeleteFraction: 1}})
			if err == nil {
				err = m.Migrate(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			execute(t, d.DB, `INSERT INTO votes (session_id) VALUES (3), (3); INSERT INTO sessions (name) VALUES ('d'), ('e'); UPDATE sessions SET active = FALSE WHERE name = 'e';
				UPDATE sessions SET active = TRUE WHERE name = 'b'; INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions; UPDATE votes SET session_id = 1 LIMIT 1`)
			tx, err := d.DB.BeginTx(t.Context(), nil)
			if err == nil {
				err = store.TouchTx(t.Context(), tx, "1", "2")
			}
			if err == nil {
				err = tx.Commit()
			}
			if err == nil {
				_, err = m.Cleanup(t.Context(), sessioncleanup.Run{})
			}
			if err == nil {
				_, err = m.Delete(t.Context(), "3")
			}
			if err == nil {
				_, err = m.Restore(t.Context(), []string{"3"}, sessioncleanup.RestoreOptions{})
			}
			if err != nil {
				t.Fatal(err)
			}
			replica.CatchUp(t, source)
			tables := texts(t, d, "SELECT GROUP_CONCAT('"+d.Name+".', table_name ORDER BY table_name) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'")
			sum := "CHECKSUM TABLE " + tables[0]
			names := source.Texts(t, sum, 0)
			if diff := cmp.Diff(source.Texts(t, sum, 1), replica.Texts(t, sum, 1)); diff != "" {
				t.Errorf("the replica differs (-source +replica), of %v:\n%s", names, diff)
			}
		})
	}
}
