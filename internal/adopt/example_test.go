package adopt_test

import (
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

// A backend describes its catalog, asks for a schema, and checks what the tables lack.
func Example() {
	database := adopt.Database{Tables: []adopt.Table{
		{
			Name: "users", PrimaryKey: []string{"id"},
			Columns: []adopt.Column{{Name: "id", Kind: adopt.Number}, {Name: "username", Kind: adopt.Text}},
		},
		{
			Name: "rooms", PrimaryKey: []string{"id"},
			Columns: []adopt.Column{
				{Name: "id", Kind: adopt.Number}, {Name: "host_id", Kind: adopt.Number}, {Name: "title", Kind: adopt.Text},
				{Name: "is_active", Kind: adopt.Boolean},
			},
			ForeignKeys: []adopt.ForeignKey{{Columns: []string{"host_id"}, Table: "users"}},
		},
		{
			Name:        "messages",
			Columns:     []adopt.Column{{Name: "room_id", Kind: adopt.Number}, {Name: "sent_at", Kind: adopt.Time}},
			ForeignKeys: []adopt.ForeignKey{{Columns: []string{"room_id"}, Table: "rooms"}},
		},
	}}
	p, err := database.Propose(sessioncleanup.Schema{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sessions:", p.Schema.Table, p.Schema.ID, p.Schema.Name, p.Schema.Active)
	fmt.Println("owner:", p.Schema.Owner, p.Schema.Owners.Table, p.Schema.Owners.Name)
	fmt.Println("activity tables:", p.Schema.Sources)

	missing, err := database.Check(p.Schema)
	for _, column := range missing {
		fmt.Println("to add:", column.Column)
	}
	fmt.Println("problems:", err)
	// Output:
	// sessions: rooms id title is_active
	// owner: host_id users username
	// activity tables: [{messages room_id sent_at}]
	// to add: last_activity
	// to add: expires_at
	// to add: auto_cleanup
	// to add: deactivated_at
	// problems: <nil>
}
