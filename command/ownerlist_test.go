package command

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestOwnersAreListedWithTheirFigures(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	s.exec(t, "INSERT INTO users (id, display_name) VALUES (77, 'Eight')")
	s.exec(t, "INSERT INTO sessions (id, streamer_id, name, code, last_activity) VALUES (900, 77, 'n', 'x900', datetime('now', '-30 hours'))")
	all := decode[sessioncleanup.OwnerPage](t, u.calls("owners", "--json"))
	if len(all.Owners) != 2 || all.Owners[0].Total < all.Owners[1].Total || all.Owners[1].OwnerName != "Eight" || all.Owners[1].DueForDeactivation != 1 {
		t.Errorf("owners --json prints %+v", all)
	}
	u.calls("owners", "--sort", "owner", "--limit", "1").want(t, exitDone, "TO DEACTIVATE", "1 of 2 owners", "--cursor")
	u.calls("owners", "-q", "eig").want(t, exitDone, "Eight", "1 day ago", "1 owner\n")
	u.calls("owners", "-q", "nobody").want(t, exitDone, "No owners.")
	u.calls("owners", "--sort", "name").want(t, exitUsage, `sort is "name": want one of total`)
}
