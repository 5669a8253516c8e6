package apitest

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// archive is what was deleted: owners see and restore their own.
func archive(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Policy.Archive = sessioncleanup.On })
	get := func(as, path string) answer {
		t.Helper()
		return w.do(request{as: as, method: http.MethodGet, path: path})
	}
	restore := func(as, path, body string) answer {
		t.Helper()
		return w.do(request{as: as, method: http.MethodPost, path: path + "/restore", body: body})
	}
	for _, id := range []string{Busy, Bobs, Idle} {
		path := "/" + url.PathEscape(id)
		w.do(request{as: admin, method: http.MethodDelete, path: path}).problem(http.StatusPreconditionRequired, "confirmation-required")
		w.do(request{as: admin, method: http.MethodDelete, path: path + "?confirm=" + url.QueryEscape(id)}).want(http.StatusOK)
	}
	first := get(admin, "/archive?limit=2").want(http.StatusOK)
	if first.at("entries", 0, "session_id") != Idle || first.at("entries", 1, "session_id") != Bobs || first.str("next_cursor") == "" {
		t.Errorf("the first page of the archive: %s", first.body)
	}
	second := get(admin, "/archive?limit=2&cursor="+url.QueryEscape(first.str("next_cursor"))).want(http.StatusOK)
	if second.at("entries", 0, "session_id") != Busy || second.at("next_cursor") != nil {
		t.Errorf("the second page of the archive: %s", second.body)
	}
	get(admin, "/archive?session="+Bobs+"&cursor="+url.QueryEscape(first.str("next_cursor"))).names("cursor")
	get(admin, "/archive?limit=0").names("limit")
	get(ann, "/archive?owner=bob").problem(http.StatusForbidden, "forbidden")
	get("viewer", "/archive").problem(http.StatusForbidden, "forbidden")
	anns := get(ann, "/archive?session="+url.QueryEscape(Busy)).want(http.StatusOK)
	if anns.at("entries", 0, "owner_id") != "ann" || anns.at("entries", 0, "purge_at") == nil || anns.at("entries", 0, "actor") != admin {
		t.Errorf("the archive of ann: %s", anns.body)
	}
	busy := fmt.Sprintf("/archive/%v", anns.at("entries", 0, "id"))
	if got := get(ann, busy).want(http.StatusOK); got.at("entry", "session_id") != Busy {
		t.Errorf("an entry: %s", got.body)
	}
	for _, path := range []string{busy, "/archive/99", "/archive/0", "/archive/99999999999999999999"} {
		get(bob, path).problem(http.StatusNotFound, "not-found")
		restore(bob, path, "").problem(http.StatusNotFound, "not-found")
	}
	get(admin, busy+"/explode").problem(http.StatusNotFound, "not-found")
	get(admin, busy+"/").problem(http.StatusNotFound, "not-found")
	w.do(request{as: ann, method: http.MethodPut, path: busy}).problem(http.StatusMethodNotAllowed, "method-not-allowed")
	restore("viewer", busy, "").problem(http.StatusForbidden, "forbidden")
	restore(ann, busy, `{"dry_run":1}`).names("dry_run")
	restore(ann, busy, `{"x":1}`).names("x")
	if dry := restore(ann, busy, `{"dry_run":true}`).want(http.StatusOK); dry.at("dry_run") != true || dry.at("entry", "session_id") != Busy {
		t.Errorf("a dry run of restoring: %s", dry.body)
	}
	get(ann, "/"+url.PathEscape(Busy)).problem(http.StatusNotFound, "not-found")
	if done := restore(ann, busy, "").want(http.StatusOK); done.at("dry_run") != false || done.str("message") == "" {
		t.Errorf("restored: %s", done.body)
	}
	get(ann, "/"+url.PathEscape(Busy)).want(http.StatusOK)
	restore(ann, busy, "").problem(http.StatusNotFound, "not-found")

	bobs := fmt.Sprintf("/archive/%v", get(admin, "/archive?owner=bob").want(http.StatusOK).at("entries", 0, "id"))
	if err := w.Store.Put(sessioncleanup.Session{ID: Bobs, OwnerID: "eve", Active: true}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", `{"dry_run":true}`} {
		blocked := restore(bob, bobs, body).problem(http.StatusConflict, "obstructed")
		if blocked.at("obstacles", 0, "session_id") != Bobs || blocked.at("obstacles", 0, "kind") != "taken" {
			t.Errorf("a restore over a session with the same id: %s", blocked.body)
		}
	}
}

// noArchive is a store that keeps what it deletes nowhere.
func noArchive(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Store = bare{s.Store} })
	for _, path := range []string{"/archive", "/archive/1"} {
		w.do(request{as: admin, method: http.MethodGet, path: path}).problem(http.StatusNotFound, "not-found")
	}
	w.do(request{as: admin, method: http.MethodPost, path: "/erase", body: `{"owner":"ann"}`}).problem(http.StatusNotFound, "not-found")
}

// bare hides everything optional of a store.
type bare struct{ sessioncleanup.Store }
