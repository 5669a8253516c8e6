package adopt_test

import (
	"errors"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestWhatWasAdoptedOrIsGivenComesBeforeAProposal(t *testing.T) {
	t.Parallel()
	d := database(table("rooms", "id number key", "host_id number"), table("votes", "id number key", "room_id number rooms.id", "created_at time"))
	before := sessioncleanup.Schema{Table: "rooms"}.WithDefaults()
	for name, c := range map[string]struct {
		given           sessioncleanup.Schema
		before          *sessioncleanup.Schema
		owner           string
		sources         int
		proposed, fails bool
	}{
		"the one adopted before":             {given: sessioncleanup.Schema{Owner: "owner_id"}, before: &before, owner: "owner_id"},
		"a proposal for a table":             {given: sessioncleanup.Schema{Table: "rooms"}, owner: "host_id", sources: 1, proposed: true},
		"a table that does not exist":        {given: sessioncleanup.Schema{Table: "halls", Owner: "o"}, owner: "o"},
		"no table, for another installation": {fails: true},
	} {
		p, proposed, err := d.Wanted(c.given, "carts", c.before)
		if errors.Is(err, sessioncleanup.ErrInvalid) != c.fails || proposed != c.proposed || p.Schema.Owner != c.owner || len(p.Schema.Sources) != c.sources {
			t.Errorf("%s: %+v, proposed %v, %v", name, p.Schema, proposed, err)
		}
	}
}
