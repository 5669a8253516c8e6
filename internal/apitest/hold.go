package apitest

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// hold is what admins do with single entries of the archive.
func hold(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Policy.Archive = sessioncleanup.On })
	for _, id := range []string{Busy, Bobs} {
		w.do(request{as: admin, method: http.MethodDelete, path: "/" + url.PathEscape(id) + "?confirm=" + url.QueryEscape(id)}).want(http.StatusOK)
	}
	list := func(query string) answer {
		t.Helper()
		return w.do(request{as: admin, method: http.MethodGet, path: "/archive" + query}).want(http.StatusOK)
	}
	bobs, busy := fmt.Sprintf("/archive/%v", list("").at("entries", 0, "id")), fmt.Sprintf("/archive/%v", list("").at("entries", 1, "id"))
	set := func(as, path, body string) answer {
		t.Helper()
		return w.do(request{as: as, method: http.MethodPatch, path: path + "/hold", body: body})
	}
	purge := func(as, path, query string) answer {
		t.Helper()
		return w.do(request{as: as, method: http.MethodDelete, path: path + query})
	}
	set(bob, bobs, `{"held":true}`).problem(http.StatusForbidden, "forbidden")
	purge(bob, bobs, "").problem(http.StatusForbidden, "forbidden")
	set(admin, bobs, "").names("held")
	set(admin, bobs, `{"held":1}`).names("held")
	set(admin, bobs, `{"held":true,"reason":null}`).names("reason")
	set(admin, bobs, `{"held":true,"reason":"\u0000"}`).names("reason")
	set(admin, "/archive/99", `{"held":true}`).problem(http.StatusNotFound, "not-found")
	held := set(admin, bobs, `{"held":true,"reason":"court order 7"}`).want(http.StatusOK)
	if held.at("entry", "held") != true || held.at("entry", "purge_at") != nil || held.str("message") == "" {
		t.Errorf("held: %s", held.body)
	}
	for query, want := range map[string]string{"?held=true": Bobs, "?held=false": Busy} {
		if got := list(query); got.at("entries", 0, "session_id") != want || got.at("next_cursor") != nil {
			t.Errorf("the archive with %s: %s", query, got.body)
		}
	}
	w.do(request{as: admin, method: http.MethodGet, path: "/archive?held=maybe"}).names("held")
	event := w.do(request{as: admin, method: http.MethodGet, path: "/events?limit=1"}).want(http.StatusOK)
	if event.at("events", 0, "action") != "held" || event.at("events", 0, "reason") != "court order 7" || event.at("events", 0, "actor") != admin {
		t.Errorf("the event of a hold: %s", event.body)
	}
	w.do(request{as: bob, method: http.MethodPost, path: bobs + "/restore"}).problem(http.StatusConflict, "held")
	purge(admin, bobs, "?confirm="+bobs[len("/archive/"):]).problem(http.StatusConflict, "held")
	ask := purge(admin, busy, "").problem(http.StatusPreconditionRequired, "confirmation-required")
	if ask.at("entry", "session_id") != Busy {
		t.Errorf("what a purge asks: %s", ask.body)
	}
	purge(admin, busy, "?confirm=99").problem(http.StatusPreconditionRequired, "confirmation-required")
	purge(admin, "/archive/99", "").problem(http.StatusNotFound, "not-found")
	purge(admin, busy, "?nonsense=1").names("nonsense")
	if gone := purge(admin, busy, ask.str("confirm")).want(http.StatusOK); gone.at("entry", "session_id") != Busy {
		t.Errorf("purged: %s", gone.body)
	}
	purge(admin, busy, ask.str("confirm")).problem(http.StatusNotFound, "not-found")
	if released := set(admin, bobs, `{"held":false}`).want(http.StatusOK); released.at("entry", "held") != false {
		t.Errorf("released: %s", released.body)
	}
	w.do(request{as: bob, method: http.MethodPost, path: bobs + "/restore"}).want(http.StatusOK)
}

// erase removes an owner permanently.
func erase(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Policy.Archive = sessioncleanup.On })
	post := func(as, query, body string) answer {
		t.Helper()
		return w.do(request{as: as, method: http.MethodPost, path: "/erase" + query, body: body})
	}
	w.do(request{as: admin, method: http.MethodDelete, path: "/" + url.PathEscape(Bobs) + "?confirm=" + url.QueryEscape(Bobs)}).want(http.StatusOK)
	entry := fmt.Sprintf("/archive/%v", w.do(request{as: admin, method: http.MethodGet, path: "/archive"}).at("entries", 0, "id"))
	w.do(request{as: admin, method: http.MethodPatch, path: entry + "/hold", body: `{"held":true}`}).want(http.StatusOK)
	post(bob, "?confirm=bob", `{"owner":"bob"}`).problem(http.StatusForbidden, "forbidden")
	post(admin, "", "").names("owner")
	post(admin, "", `{"owner":""}`).names("owner")
	post(admin, "", `{"owner":"bob","include_held":1}`).names("include_held")
	ask := post(admin, "", `{"owner":"bob"}`).problem(http.StatusPreconditionRequired, "confirmation-required")
	if ask.at("erase", "owner_id") != "bob" || ask.at("erase", "archived") != 1.0 || ask.at("erase", "held") != 1.0 || ask.str("confirm") != "?confirm=bob" {
		t.Errorf("what an erasure asks: %s", ask.body)
	}
	post(admin, "?confirm=ann", `{"owner":"bob"}`).problem(http.StatusPreconditionRequired, "confirmation-required")
	post(admin, "?confirm=bob", `{"owner":"bob"}`).problem(http.StatusConflict, "held")
	if left := w.do(request{as: bob, method: http.MethodGet, path: "/archive"}).want(http.StatusOK); left.at("entries", 0, "session_id") != Bobs {
		t.Errorf("after an erasure that failed: %s", left.body)
	}
	done := post(admin, "?confirm=bob", `{"owner":"bob","include_held":true}`).want(http.StatusOK)
	if done.at("owner_id") != "bob" || done.at("archived") != 1.0 || done.str("message") == "" {
		t.Errorf("erased: %s", done.body)
	}
	for list, path := range map[string]string{"entries": "/archive?owner=bob", "events": "/events?owner=bob"} {
		got := w.do(request{as: admin, method: http.MethodGet, path: path}).want(http.StatusOK)
		if left, _ := got.at(list).([]any); len(left) > 0 {
			t.Errorf("%s after the erasure: %s", path, got.body)
		}
	}
	w.do(request{as: ann, method: http.MethodGet, path: "/" + url.PathEscape(Busy)}).want(http.StatusOK)
}
