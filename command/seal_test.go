package command

import (
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestEventsAreSealedAndVerified(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService, "MariaDB": newMySQLService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			u := newUser(t, map[string]string{envDatabase: s.url, "USER": "alice"})
			u.calls("migrate").want(t, exitDone)
			u.calls("events", "seal").want(t, exitDone, "nothing to seal")
			u.calls("events", "verify").want(t, exitDone, "0 entries as sealed, in 0 seals; not sealed yet: 0 entries.")
			u.calls("cleanup").want(t, exitDone)
			u.calls("deactivate", inUse).want(t, exitDone)
			u.calls("events", "verify").want(t, exitDone, "3 entries as sealed, in 1 seal; not sealed yet: 1 entry.")
			seal := decode[sessioncleanup.Seal](t, u.calls("events", "seal", "--json"))
			if seal.Number != 2 || len(seal.Hash) != 64 {
				t.Fatalf("events seal --json prints %+v, want seal 2", seal)
			}
			u.calls("events", "seal").want(t, exitDone, "Seal 2, up to entry ", seal.Hash)
			u.calls("events", "verify", "--expect", seal.Hash).want(t, exitDone, "4 entries as sealed, in 2 seals", "The last seal, 2: "+seal.Hash)
			u.calls("erase", "--owner", ownerID).want(t, exitUsage, "add --confirm")
			u.calls("erase", "--owner", ownerID, "--confirm", "x").want(t, exitUsage, `--confirm is "x"`)
			u.calls("erase").want(t, exitUsage, "erase needs --owner")
			would := decode[sessioncleanup.Erased](t, u.calls("erase", "--owner", ownerID, "--dry-run", "--json"))
			if would.Sessions == 0 || would.Events != 3 {
				t.Errorf("erase --dry-run --json prints %+v", would)
			}
			done := decode[sessioncleanup.Erased](t, u.calls("erase", "--owner", ownerID, "--confirm", ownerID, "--json"))
			if done.OwnerID != ownerID || done.Sessions != would.Sessions || done.Events != 3+done.Sessions {
				t.Errorf("erase --json prints %+v, want %+v and the deletions", done, would)
			}
			u.calls("events", "--owner", ownerID).want(t, exitDone, "No events.")
			u.calls("erase", "--owner", ownerID, "--dry-run").want(t, exitDone, "Would erase owner "+ownerID+": 0 sessions, 0 entries of the archive, 0 entries of the audit log.")
			u.calls("events", "verify", "--expect", seal.Hash).want(t, exitDone, "4 entries as sealed", "Erased in part: 3 entries.")
			v := decode[sessioncleanup.Verification](t, u.calls("events", "verify", "--json"))
			if v.Entries != 4 || v.Erased != 3 || v.Last.Hash != seal.Hash {
				t.Errorf("events verify --json prints %+v", v)
			}
			u.calls("events", "verify", "--expect", strings.Repeat("0", 64)).want(t, exitFailed, "no seal has the hash 000")
			u.calls("events", "verify", "--expect", "0").want(t, exitUsage, `the expected hash is "0"`)
			u.calls("events", "verify", "--expect", "").want(t, exitUsage, `--expect is ""`)

			s.exec(t, "UPDATE sessioncleanup_events SET reason = 'another' WHERE id = 2")
			u.calls("events", "verify").want(t, exitFailed, "the audit log is not as it was sealed: entry 2 was changed after it was sealed")
			broken := u.calls("events", "verify", "--json").want(t, exitFailed, "entry 2 was changed")
			broken.code = exitDone
			if v := decode[sessioncleanup.Verification](t, broken); v.Mismatch == nil || v.Mismatch.FirstID != 2 || v.Mismatch.Seal != 1 {
				t.Errorf("events verify --json prints %+v, want the mismatch", v)
			}
		})
	}
}

func TestEventsHasNoOtherVerbs(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	u.calls("events", "explode").want(t, exitUsage, "takes no argument")
	for _, verb := range []string{"seal", "verify"} {
		u.calls("events", verb, "--help").want(t, exitDone, "sessioncleanup events "+verb, "Exit codes")
	}
}
