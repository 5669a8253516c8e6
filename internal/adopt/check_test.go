package adopt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

func guide() adopt.Database {
	return database(
		table("users", "id number key", "username text"),
		table("sessions", "id number key", "streamer_id number users", "name text", "active boolean", "created_at time", "state text"),
		table("propositions", "id number key", "session_id number sessions", "created_at time"),
		other("a view", table("latest", "id number")),
		table("app.rooms", "id number key", "last_activity time"),
	)
}

func TestCheckListsWhatToAdd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema schema
		want   []string
	}{
		"all but one":     {schema{}, []string{"last_activity last_activity", "expires_at expires_at", "auto_cleanup auto_cleanup", "deactivated_at deactivated_at"}},
		"under new names": {schema{Active: "live", LastActivity: "used_at", ExpiresAt: "created_at", AddColumns: true}, []string{"active live", "last_activity used_at", "auto_cleanup auto_cleanup", "deactivated_at deactivated_at"}},
		"to another":      {schema{Table: "app.rooms"}, []string{"active active", "expires_at expires_at", "auto_cleanup auto_cleanup", "deactivated_at deactivated_at"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			missing, err := guide().Check(c.schema)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range missing {
				got = append(got, m.Field+" "+m.Column)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckNamesEverythingThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema schema
		want   []string
	}{
		"no table":                {schema{Table: "rounds"}, []string{`schema.table is "rounds": there is no such table`}},
		"a table somewhere else":  {schema{Table: "rooms"}, []string{`schema.table is "rooms": there is no such table; is it "app.rooms"?`}},
		"a view":                  {schema{Table: "latest"}, []string{`schema.table is "latest": that is a view: want a table`}},
		"columns of the sessions": {schema{ID: "nr", Owner: "boss"}, []string{`schema.id is "nr": table "sessions" has no such column`, `schema.owner is "boss": table "sessions" has no such column; name another column, or say that there is none with "owner": "-" in the file of --schema`}},
		"names in capitals":       {schema{ID: "ID"}, []string{`schema.id is "ID": table "sessions" has no such column`}},
		"types": {schema{Active: "state", ExpiresAt: "name", UpdatedAt: "streamer_id"}, []string{
			`schema.updated_at is "streamer_id": that column of table "sessions" is of type number, want a time or a date: name another column`,
			`schema.active is "state": that column of table "sessions" is of type text, want a boolean: name another column, or say with schema.state which of its values are active`,
			`schema.expires_at is "name": that column of table "sessions" is of type text, want a time: name another column`}},
		"no table of owners": {schema{Owner: "streamer_id", Owners: &owners{Table: "people", ID: "id", Name: "name"}},
			[]string{`schema.owners.table is "people": there is no such table`}},
		"the owners' columns": {schema{Owner: "streamer_id", Owners: &owners{Table: "users", ID: "nr", Name: "name"}},
			[]string{`schema.owners.id is "nr": table "users" has no such column`, `schema.owners.name is "name": table "users" has no such column`}},
		"activity tables": {schema{Sources: []source{{Table: "votes", Session: "of"}, {Table: "propositions", Session: "of", At: "id"}, {Table: "sessions", Session: "id"}}}, []string{
			`schema.sources[0].table is "votes": there is no such table`,
			`schema.sources[1].session is "of": table "propositions" has no such column`,
			`schema.sources[1].at is "id": that column of table "propositions" is of type number, want a time or a date: name another column`,
			`schema.sources[2].table is "sessions": that is the table of the sessions`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := guide().Check(c.schema)
			if !errors.Is(err, sessioncleanup.ErrInvalid) {
				t.Fatalf("error is %v, want an ErrInvalid", err)
			}
			if diff := cmp.Diff(c.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckComparesNamesAsTheDatabaseDoes(t *testing.T) {
	t.Parallel()
	d := guide()
	d.FoldCase = true
	missing, err := d.Check(schema{Table: "SESSIONS", ID: "Id", Active: "ACTIVE", Sources: []source{{Table: "Propositions", Session: "SESSION_ID"}}})
	if err != nil || len(missing) != 4 {
		t.Errorf("%d columns are missing, error %v, want 4", len(missing), err)
	}
}

func TestCheckUniqueRefusesAnIDOfSeveralSessions(t *testing.T) {
	t.Parallel()
	d := database(
		table("sessions", "id number key", "code text unique", "name text"),
		table("pairs", "a number key", "b number key"),
		partitioned(table("parts", "id number key", "created_at time key", "name text")),
	)
	for name, c := range map[string]struct {
		schema schema
		want   string
	}{
		"a primary key":                  {schema{}, ""},
		"a unique column":                {schema{ID: "code"}, ""},
		"another column":                 {schema{ID: "name"}, `schema.id is "name": two rows of "sessions" may have the same`},
		"a part of a primary key":        {schema{Table: "pairs", ID: "a"}, `schema.id is "a": two rows of "pairs" may have the same`},
		"a part, in a partitioned table": {schema{Table: "parts"}, ""},
		"no part, in one":                {schema{Table: "parts", ID: "name"}, `schema.id is "name": two rows of "parts" may have the same`},
		"no table":                       {schema{Table: "rooms"}, `schema.table is "rooms": there is no such table`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := d.CheckUnique(c.schema)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestLackingSaysToMigrate(t *testing.T) {
	t.Parallel()
	missing, err := guide().Check(schema{ExpiresAt: "ends", AddColumns: true})
	if err != nil {
		t.Fatal(err)
	}
	err = adopt.Lacking("sessions", missing)
	if !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), `table "sessions" has no column "ends": run migrate`) {
		t.Errorf("error is %v, want an ErrNotInstalled that names the column", err)
	}
	if err := adopt.Lacking("sessions", nil); err != nil {
		t.Errorf("error is %v where nothing is missing", err)
	}
}
