package apitest

import (
	"fmt"
	"net/http"
	"testing"
)

// owners are listed with the figures of their sessions, page by page.
func owners(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	list := func(query string) answer {
		t.Helper()
		return w.do(request{as: admin, method: http.MethodGet, path: "/owners" + query}).want(http.StatusOK)
	}
	a := list("")
	for key, want := range map[string]any{
		"owner_id": "ann", "owner_name": "ANN", "total": 5.0, "active": 3.0, "inactive": 2.0, "protected": 1.0,
		"due_for_deactivation": 1.0, "due_for_deletion": 1.0,
	} {
		if got := a.at("owners", 0, key); got != want {
			t.Errorf("%s of the first owner is %v, want %v", key, got, want)
		}
	}
	if a.at("matching") != 2.0 || a.at("owner_count") != 2.0 || a.at("next_cursor") != nil {
		t.Errorf("the list: %s", a.body)
	}
	first := list("?limit=1&sort=-last_activity")
	second := list(fmt.Sprintf("?limit=1&sort=-last_activity&cursor=%s", first.str("next_cursor")))
	if first.at("owners", 0, "owner_id") != "bob" || second.at("owners", 0, "owner_id") != "ann" || second.at("next_cursor") != nil {
		t.Errorf("two pages: %s%s", first.body, second.body)
	}
	if b := list("?q=BO"); b.at("owners", 0, "owner_id") != "bob" || b.at("matching") != 1.0 || b.at("owner_count") != 2.0 {
		t.Errorf("those that match: %s", b.body)
	}
	w.do(request{as: admin, method: http.MethodGet, path: "/owners?sort=total&cursor=" + first.str("next_cursor")}).names("cursor")
}
