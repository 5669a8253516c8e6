package mysql_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

const stampedRooms = `CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at TIMESTAMP NULL, last_activity TIMESTAMP(3) NULL,
	deactivated_at TIMESTAMP(3) NULL, expires_at TIMESTAMP NULL);`

// In the hour that is repeated in autumn, a local time is one of two moments. The application's connections have such a zone.
func TestTimestampsOfTheHourThatIsRepeatedAreTheMomentsThatTheyWere(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	server := mysqltest.StartServer(t)
	const change = 1_793_494_800 // from two hours to one hour ahead of UTC
	server.Exec(t, "INSERT INTO mysql.time_zone VALUES (77, 'N')")
	server.Exec(t, "INSERT INTO mysql.time_zone_name VALUES ('Test/Autumn', 77)")
	server.Exec(t, "INSERT INTO mysql.time_zone_transition_type VALUES (77, 0, 3600, 0, 'N'), (77, 1, 7200, 1, 'S')")
	server.Exec(t, fmt.Sprintf("INSERT INTO mysql.time_zone_transition VALUES (77, %d, 1), (77, %d, 0)", change-180*86400, change))
	for name, at := range map[string]int64{"before": change - 1200, "after": change + 1200} {
		t.Run(name, func(t *testing.T) {
			d := server.New(t)
			execute(t, d.DB, stampedRooms+"INSERT INTO sessions (id, active) VALUES (1, FALSE), (2, TRUE)")
			store := open(t, d, mysql.Config{})
			migrated(t, store)
			c, err := d.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			for _, statement := range []string{
				"SET time_zone = 'Test/Autumn'", fmt.Sprintf("SET timestamp = %d", at), "INSERT INTO sessions (id) VALUES (3)",
				"UPDATE sessions SET active = FALSE WHERE id = 2", "SET @sessioncleanup_own = 1", fmt.Sprintf("UPDATE sessions SET last_activity = FROM_UNIXTIME(%d) WHERE id = 1", at-86400),
				"SET @sessioncleanup_own = NULL", "UPDATE sessions SET active = TRUE WHERE id = 1",
			} {
				if _, err := c.ExecContext(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			page, err := store.List(t.Context(), sessioncleanup.Query{Limit: 9})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.Sessions {
				got := s.LastActivity
				if s.ID == "2" {
					got = s.DeactivatedAt
				}
				if want := time.Unix(at, 0); !got.Equal(want) {
					t.Errorf("session %s has the time %s, want %s", s.ID, got.UTC(), want.UTC())
				}
			}
		})
	}
}

func TestATimestampCannotHoldWhatIsLaterThan2038(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, stampedRooms+"INSERT INTO sessions (id, last_activity) VALUES (1, NOW())")
	m := manage(t, store)
	last := time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC)
	for at, fits := range map[time.Time]bool{last: true, last.Add(time.Second): false, time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC): false} {
		s, err := m.SetExpiry(t.Context(), "1", at)
		if fits && (err != nil || !s.ExpiresAt.Equal(at)) || !fits && !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("SetExpiry to %s: %s, %v; want an ErrInvalid: %t", at, s.ExpiresAt, err, !fits)
		}
	}
	if at := value[string](t, d, "SELECT CAST(UNIX_TIMESTAMP(expires_at) AS CHAR) FROM sessions"); at != fmt.Sprint(last.Unix()) {
		t.Errorf("the expiry is %s, want the one that fits", at)
	}
}
