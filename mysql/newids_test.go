package mysql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestASessionComesBackUnderANewIDWithAllThatRefersToIt(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ id, refers string }{
		"a counter":            {"INT AUTO_INCREMENT PRIMARY KEY", "INT"},
		"an unsigned counter":  {"BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY", "BIGINT UNSIGNED"},
		"a sequence":           {"BIGINT PRIMARY KEY DEFAULT NEXTVAL(numbers)", "BIGINT"},
		"a default":            {"VARCHAR(40) PRIMARY KEY DEFAULT (CONCAT('s-', UUID()))", "VARCHAR(40)"},
		"a default with bytes": {"BINARY(16) PRIMARY KEY DEFAULT (UNHEX(REPLACE(UUID(), '-', '')))", "BINARY(16)"},
	} {
		_, d, m := archivingOn(t, sessioncleanup.Policy{}, `
			CREATE SEQUENCE numbers;
			CREATE TABLE sessions (id `+c.id+`, name VARCHAR(20), parent_id `+c.refers+`, FOREIGN KEY (parent_id) REFERENCES sessions (id) ON DELETE SET NULL);
			CREATE TABLE votes (session_id `+c.refers+`, number INT, PRIMARY KEY (session_id, number), FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);
			CREATE TABLE songs (title VARCHAR(9), session_id `+c.refers+`, number INT, other `+c.refers+`,
				FOREIGN KEY (other) REFERENCES sessions (id) ON DELETE CASCADE, FOREIGN KEY (session_id, number) REFERENCES votes (session_id, number) ON DELETE CASCADE);
			CREATE TABLE bills (id INT PRIMARY KEY, session_id `+c.refers+`, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE SET NULL);
			INSERT INTO sessions (name) VALUES ('one'), ('two');
			SELECT id INTO @one FROM sessions WHERE name = 'one'; SELECT id INTO @two FROM sessions WHERE name = 'two';
			INSERT INTO votes VALUES (@one, 1), (@one, 2), (@two, 1);
			INSERT INTO songs VALUES ('a', @one, 1, @two), ('b', @one, 2, @one), ('c', @two, 1, NULL);
			INSERT INTO bills VALUES (1, @one), (2, @two);
			UPDATE sessions SET parent_id = @one WHERE name = 'two'`)
		id := func(name string) string {
			if strings.Contains(c.id, "BINARY") {
				return strings.ToLower(value[string](t, d, "SELECT HEX(id) FROM sessions WHERE name = '"+name+"'"))
			}
			return value[string](t, d, "SELECT id FROM sessions WHERE name = '"+name+"'")
		}
		one := id("one")
		if _, err := m.Delete(t.Context(), one); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if strings.Contains(c.id, "BINARY") {
			execute(t, d.DB, "INSERT INTO sessions (id, name) VALUES (UNHEX('"+one+"'), 'another')")
		} else {
			execute(t, d.DB, "INSERT INTO sessions (id, name) VALUES ('"+one+"', 'another')")
		}
		var blocked *sessioncleanup.ObstructedError
		if _, err := m.Restore(t.Context(), []string{one}, sessioncleanup.RestoreOptions{}); !errors.As(err, &blocked) {
			t.Errorf("%s: a restore over another session: %v, want obstacles", what, err)
		}
		done, err := m.Restore(t.Context(), []string{one}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
		if err != nil || len(done.NewIDs) != 1 || done.Relinked != 2 {
			t.Fatalf("%s: a restore under a new id: %+v, %v; want a new id, and two rows linked again", what, done, err)
		}
		if now := id("one"); now != done.NewIDs[done.Entries[0].ID] || now == one {
			t.Errorf("%s: the session has the id %s, was %s, and the restore says %v", what, now, one, done.NewIDs)
		}
		const dump = `SELECT CONCAT_WS(';', (SELECT GROUP_CONCAT(s.name, ' ', COALESCE(p.name, '-') ORDER BY s.name) FROM sessions s LEFT JOIN sessions p ON p.id = s.parent_id),
			(SELECT GROUP_CONCAT(s.name, ' ', v.number ORDER BY s.name, v.number) FROM votes v JOIN sessions s ON s.id = v.session_id),
			(SELECT GROUP_CONCAT(g.title, ' ', s.name, ' ', g.number, ' ', COALESCE(o.name, '-') ORDER BY g.title) FROM songs g JOIN sessions s ON s.id = g.session_id LEFT JOIN sessions o ON o.id = g.other),
			(SELECT GROUP_CONCAT(b.id, ' ', s.name ORDER BY b.id) FROM bills b JOIN sessions s ON s.id = b.session_id))`
		if got, want := value[string](t, d, dump), "another -,one -,two one;one 1,one 2,two 1;a one 1 two,b one 2 one,c two 1 -;1 one,2 two"; got != want {
			t.Errorf("%s: the tables have %q, want %q", what, got, want)
		}
	}
}

func TestASessionWhoseIDIsNotGeneratedGetsNoNewOne(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"INT PRIMARY KEY":                              "does not generate the IDs",
		"VARCHAR(20) PRIMARY KEY DEFAULT 'x(1)'":       "does not generate the IDs",
		"VARCHAR(20) PRIMARY KEY DEFAULT (LOWER('1'))": "that are in use",
	} {
		_, d, m := archivingOn(t, sessioncleanup.Policy{}, "CREATE TABLE sessions (id "+id+", name TEXT, updated_at DATETIME); INSERT INTO sessions (id) VALUES ('1')")
		if _, err := m.Delete(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		execute(t, d.DB, "INSERT INTO sessions (id) VALUES ('1')")
		_, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
		if n := value[int](t, d, "SELECT COUNT(*) FROM sessions"); n != 1 {
			t.Errorf("%s: there are %d sessions, want 1", id, n)
		}
	}
}
