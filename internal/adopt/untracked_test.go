package adopt_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

func TestTheTimeOfActivityMayHaveAnyName(t *testing.T) {
	t.Parallel()
	for name, columns := range map[string][]string{
		"played_at":  {"session_id number sessions", "played_at time", "seconds number"},
		"votedAt":    {"session_id number sessions", "votedAt time"},
		"created_at": {"session_id number sessions", "played_at time", "created_at time"},
		"begins_at":  {"session_id number sessions", "day time", "begins_at time", "ends_at time"},
		"when":       {"session_id number sessions", "seconds number", "when time", "then time"},
		"":           {"session_id number sessions", "seconds number"},
	} {
		p, err := database(table("sessions", "id number key"), table("plays", columns...)).Propose(schema{})
		if err != nil || len(p.Schema.Sources) != 1 || p.Schema.Sources[0].At != name {
			t.Errorf("%+v: %v, want %q", p.Schema.Sources, err, name)
		}
	}
}

func TestUntrackedIsWhatNothingShowsTheUseOf(t *testing.T) {
	t.Parallel()
	users := table("users", "id number key", "name text")
	for name, c := range map[string]struct {
		tables []adopt.Table
		want   bool
	}{
		"nothing":            {[]adopt.Table{table("sessions", "id number key", "owner_id number users", "created_at time"), users}, true},
		"a last activity":    {[]adopt.Table{table("sessions", "id number key", "last_seen_at time")}, false},
		"an update":          {[]adopt.Table{table("sessions", "id number key", "updated_at time")}, false},
		"an expiry":          {[]adopt.Table{table("sessions", "id number key", "expires_at time")}, false},
		"an activity table":  {[]adopt.Table{table("sessions", "id number key"), table("votes", "session_id number sessions")}, false},
		"no table":           {[]adopt.Table{users}, false},
		"an unrelated table": {[]adopt.Table{table("sessions", "id number key"), table("votes", "user_id number users"), users}, true},
	} {
		d := database(c.tables...)
		p, err := d.Propose(schema{})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Untracked(p.Schema); got != c.want {
			t.Errorf("%s: untracked %t, want %t", name, got, c.want)
		}
	}
}
