package apitest

import (
	"testing"
)

// owners are listed with the figures of their sessions, page by page.
func owners(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	list := func(query string) answer {
		t.Helper()
		return w.get(admin, "/owners"+query).ok()
	}
	list("").is(
		"owners.0.owner_id", "ann", "owners.0.owner_name", "ANN", "owners.0.total", 5.0, "owners.0.active", 3.0, "owners.0.inactive", 2.0, "owners.0.protected", 1.0,
		"owners.0.due_for_deactivation", 1.0, "owners.0.due_for_deletion", 1.0,
		"matching", 2.0, "owner_count", 2.0, "next_cursor", nil,
	)
	first := list("?limit=1&sort=-last_activity").is("owners.0.owner_id", "bob")
	list("?limit=1&sort=-last_activity&cursor="+first.str("next_cursor")).is("owners.0.owner_id", "ann", "next_cursor", nil)
	list("?q=BO").is("owners.0.owner_id", "bob", "matching", 1.0, "owner_count", 2.0)
	w.get(admin, "/owners?sort=total&cursor="+first.str("next_cursor")).names("cursor")
}
