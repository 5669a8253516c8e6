package adopt_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestUnfollowedAreTheActivityTablesThatASchemaDoesNotHave(t *testing.T) {
	t.Parallel()
	sessions, votes := table("sessions", "id number key"), table("votes", "session_id number sessions", "created_at time")
	before := database(sessions, votes)
	p, err := before.Propose(schema{})
	if err != nil {
		t.Fatal(err)
	}
	if got := before.Unfollowed(p.Schema); len(got) > 0 {
		t.Errorf("%+v, want none", got)
	}
	after := database(sessions, votes, table("messages", "session_id number sessions", "sent_at time"), table("clicks", "id number key"))
	want := []sessioncleanup.Source{{Table: "messages", Session: "session_id", At: "sent_at"}}
	if diff := cmp.Diff(want, after.Unfollowed(p.Schema)); diff != "" {
		t.Errorf("unfollowed (-want +got):\n%s", diff)
	}
	if got := database(votes).Unfollowed(p.Schema); len(got) > 0 {
		t.Errorf("without the sessions: %+v, want none", got)
	}
}
