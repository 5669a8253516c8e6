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
		w.remove(admin, "/"+url.PathEscape(id)+"?confirm="+url.QueryEscape(id)).ok()
	}
	list := func(query string) answer {
		t.Helper()
		return w.get(admin, "/archive"+query).ok()
	}
	bobs, busy := fmt.Sprintf("/archive/%v", list("").at("entries.0.id")), fmt.Sprintf("/archive/%v", list("").at("entries.1.id"))
	set := func(as, path, body string) answer {
		t.Helper()
		return w.patch(as, path+"/hold", body)
	}
	purge := func(as, path, query string) answer {
		t.Helper()
		return w.remove(as, path+query)
	}
	set(bob, bobs, `{"held":true}`).problem(http.StatusForbidden, "forbidden")
	purge(bob, bobs, "").problem(http.StatusForbidden, "forbidden")
	set(admin, bobs, "").names("held")
	set(admin, bobs, `{"held":1}`).names("held")
	set(admin, bobs, `{"held":true,"reason":null}`).names("reason")
	set(admin, bobs, `{"held":true,"reason":"\u0000"}`).names("reason")
	set(admin, "/archive/99", `{"held":true}`).problem(http.StatusNotFound, "not-found")
	set(admin, bobs, `{"held":true,"reason":"court order 7"}`).ok().is("entry.held", true, "entry.purge_at", nil, "message", some)
	for query, want := range map[string]string{"?held=true": Bobs, "?held=false": Busy} {
		list(query).is("entries.0.session_id", want, "next_cursor", nil)
	}
	w.get(admin, "/archive?held=maybe").names("held")
	w.get(admin, "/events?limit=1").ok().is("events.0.action", "held", "events.0.reason", "court order 7", "events.0.actor", admin)
	w.post(bob, bobs+"/restore", "").problem(http.StatusConflict, "held")
	purge(admin, bobs, "?confirm="+bobs[len("/archive/"):]).problem(http.StatusConflict, "held")
	ask := purge(admin, busy, "").problem(http.StatusPreconditionRequired, "confirmation-required").is("entry.session_id", Busy)
	purge(admin, busy, "?confirm=99").problem(http.StatusPreconditionRequired, "confirmation-required")
	purge(admin, "/archive/99", "").problem(http.StatusNotFound, "not-found")
	purge(admin, busy, "?nonsense=1").names("nonsense")
	purge(admin, busy, ask.str("confirm")).ok().is("entry.session_id", Busy)
	purge(admin, busy, ask.str("confirm")).problem(http.StatusNotFound, "not-found")
	set(admin, bobs, `{"held":false}`).ok().is("entry.held", false)
	w.post(bob, bobs+"/restore", "").ok()
}

// erase removes an owner permanently.
func erase(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Policy.Archive = sessioncleanup.On })
	post := func(as, query, body string) answer {
		t.Helper()
		return w.post(as, "/erase"+query, body)
	}
	w.remove(admin, "/"+url.PathEscape(Bobs)+"?confirm="+url.QueryEscape(Bobs)).ok()
	entry := fmt.Sprintf("/archive/%v", w.get(admin, "/archive").at("entries.0.id"))
	w.patch(admin, entry+"/hold", `{"held":true}`).ok()
	post(bob, "?confirm=bob", `{"owner":"bob"}`).problem(http.StatusForbidden, "forbidden")
	post(admin, "", "").names("owner")
	post(admin, "", `{"owner":""}`).names("owner")
	post(admin, "", `{"owner":"bob","include_held":1}`).names("include_held")
	post(admin, "", `{"owner":"bob"}`).problem(http.StatusPreconditionRequired, "confirmation-required").is("erase.owner_id", "bob", "erase.archived", 1.0, "erase.held", 1.0, "confirm", "?confirm=bob")
	post(admin, "?confirm=ann", `{"owner":"bob"}`).problem(http.StatusPreconditionRequired, "confirmation-required")
	post(admin, "?confirm=bob", `{"owner":"bob"}`).problem(http.StatusConflict, "held")
	w.get(bob, "/archive").ok().is("entries.0.session_id", Bobs)
	post(admin, "?confirm=bob", `{"owner":"bob","include_held":true}`).ok().is("owner_id", "bob", "archived", 1.0, "message", some)
	for list, path := range map[string]string{"entries": "/archive?owner=bob", "events": "/events?owner=bob"} {
		got := w.get(admin, path).ok()
		if left, _ := got.at(list).([]any); len(left) > 0 {
			t.Errorf("%s after the erasure: %s", path, got.body)
		}
	}
	w.get(ann, "/"+url.PathEscape(Busy)).ok()
}
