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
	restore := func(as, path, body string) answer {
		t.Helper()
		return w.post(as, path+"/restore", body)
	}
	for _, id := range []string{Busy, Bobs, Idle} {
		path := "/" + url.PathEscape(id)
		w.remove(admin, path).problem(http.StatusPreconditionRequired, "confirmation-required")
		w.remove(admin, path+"?confirm="+url.QueryEscape(id)).ok()
	}
	first := w.get(admin, "/archive?limit=2").ok().is("entries.0.session_id", Idle, "entries.1.session_id", Bobs, "next_cursor", some)
	w.get(admin, "/archive?limit=2&cursor="+url.QueryEscape(first.str("next_cursor"))).ok().is("entries.0.session_id", Busy, "next_cursor", nil)
	w.get(admin, "/archive?session="+Bobs+"&cursor="+url.QueryEscape(first.str("next_cursor"))).names("cursor")
	w.get(admin, "/archive?limit=0").names("limit")
	w.get(ann, "/archive?owner=bob").problem(http.StatusForbidden, "forbidden")
	w.get("viewer", "/archive").problem(http.StatusForbidden, "forbidden")
	anns := w.get(ann, "/archive?session="+url.QueryEscape(Busy)).ok().is("entries.0.owner_id", "ann", "entries.0.purge_at", some, "entries.0.actor", admin)
	busy := fmt.Sprintf("/archive/%v", anns.at("entries.0.id"))
	w.get(ann, busy).ok().is("entry.session_id", Busy)
	for _, path := range []string{busy, "/archive/99", "/archive/0", "/archive/99999999999999999999"} {
		w.get(bob, path).problem(http.StatusNotFound, "not-found")
		restore(bob, path, "").problem(http.StatusNotFound, "not-found")
	}
	w.get(admin, busy+"/explode").problem(http.StatusNotFound, "not-found")
	w.get(admin, busy+"/").problem(http.StatusNotFound, "not-found")
	w.do(request{as: ann, method: http.MethodPut, path: busy}).problem(http.StatusMethodNotAllowed, "method-not-allowed")
	restore("viewer", busy, "").problem(http.StatusForbidden, "forbidden")
	restore(ann, busy, `{"dry_run":1}`).names("dry_run")
	restore(ann, busy, `{"x":1}`).names("x")
	restore(ann, busy, `{"dry_run":true}`).ok().is("dry_run", true, "entry.session_id", Busy)
	w.get(ann, "/"+url.PathEscape(Busy)).problem(http.StatusNotFound, "not-found")
	restore(ann, busy, "").ok().is("dry_run", false, "message", some)
	w.get(ann, "/"+url.PathEscape(Busy)).ok()
	restore(ann, busy, "").problem(http.StatusNotFound, "not-found")

	bobs := fmt.Sprintf("/archive/%v", w.get(admin, "/archive?owner=bob").ok().at("entries.0.id"))
	w.put(sessioncleanup.Session{ID: Bobs, OwnerID: "eve", Active: true})
	for _, body := range []string{"", `{"dry_run":true}`} {
		restore(bob, bobs, body).problem(http.StatusConflict, "obstructed").is("obstacles.0.session_id", Bobs, "obstacles.0.kind", "taken")
	}
}

// noArchive is a store that keeps what it deletes nowhere.
func noArchive(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Store = bare{s.Store} })
	for _, path := range []string{"/archive", "/archive/1"} {
		w.get(admin, path).problem(http.StatusNotFound, "not-found")
	}
	w.post(admin, "/erase", `{"owner":"ann"}`).problem(http.StatusNotFound, "not-found")
}

// bare hides everything optional of a store.
type bare struct{ sessioncleanup.Store }
