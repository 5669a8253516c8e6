package apitest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
)

// page sends a request with a keep link's token and checks the rules of such pages.
func (w *World) page(method, token, form string, header ...string) answer {
	w.t.Helper()
	r := request{method: method, path: "/keep?utm_source=mail&token=" + url.QueryEscape(token), body: form}
	r.header = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for pair := range slices.Chunk(header, 2) {
		r.header[pair[0]] = pair[1]
	}
	a := w.send(w.t.Context(), r)
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex",
	} {
		if got := a.header.Get(name); got != want {
			w.t.Errorf("%s: %s is %q, want %q", a.what, name, got, want)
		}
	}
	if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(a.body, "<h1>") {
		w.t.Errorf("%s: %v\n%s", a.what, a.header, a.body)
	}
	return a
}

// says ends the test unless the page has a status and texts.
func (a answer) says(status int, texts ...string) answer {
	a.t.Helper()
	a.want(status)
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Fatalf("%s: no %q in %s", a.what, text, a.body)
		}
	}
	return a
}

// linksOf are links with a key.
func linksOf(t *testing.T, key string) *keeplink.Links {
	t.Helper()
	links, err := keeplink.New("https://app.example.com"+Prefix, strings.Repeat(key, 32))
	if err != nil {
		t.Fatal(err)
	}
	return links
}

func tokenOf(links *keeplink.Links, owner string, until time.Time) string {
	_, token, _ := strings.Cut(links.URL(keeplink.Grant{Owner: owner, Until: until}), "token=")
	return token
}

const warnDays = 7 * 24 * time.Hour

// warnedWorld is a world with keep links, in which runs warn owners.
func warnedWorld(t *testing.T, observe Observer, links *keeplink.Links, change ...func(*setup)) *World {
	t.Helper()
	w := newWorld(t, observe, append(change, func(s *setup) { s.Options.KeepLinks, s.Policy.WarnBefore = links, warnDays })...)
	w.putOld("6a", "ann", "<b>fish</b>")
	w.putOld("6b", "bob", "bobs")
	w.warn()
	return w
}

// putOld adds a session that is due for deletion but for a warning.
func (w *World) putOld(id, owner, name string) {
	w.t.Helper()
	used := time.Now().Add(-60 * 24 * time.Hour)
	w.put(sessioncleanup.Session{ID: id, OwnerID: owner, Name: name, AutoCleanup: true, LastActivity: used, DeactivatedAt: used})
}

// warn has a run put warnings into the outbox.
func (w *World) warn() {
	w.t.Helper()
	m, err := sessioncleanup.New(w.Store, sessioncleanup.Config{Policy: sessioncleanup.Policy{WarnBefore: warnDays, InactiveAfter: sessioncleanup.Never}})
	if err == nil {
		_, err = m.Cleanup(w.t.Context(), sessioncleanup.Run{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// deliver says that all warnings were delivered.
func (w *World) deliver() {
	w.t.Helper()
	claim := sessioncleanup.NoticeClaim{Thresholds: sessioncleanup.Policy{WarnBefore: warnDays}.Thresholds(), NewMessage: "m", Limit: 100}
	for {
		m, err := w.Store.ClaimNotices(w.t.Context(), claim)
		if err == nil && len(m.Notices) == 0 {
			return
		}
		if err == nil {
			err = w.Store.SettleNotices(w.t.Context(), sessioncleanup.NoticeOutcome{Message: m.ID, Delivered: true})
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// keepLinks are the pages behind keep links.
func keepLinks(t *testing.T, observe Observer) {
	links := linksOf(t, "k")
	later := time.Now().Add(time.Hour)
	anns := tokenOf(links, "ann", later)

	w := warnedWorld(t, observe, links)
	before := w.snapshot()
	for range 100 {
		w.page(http.MethodGet, anns, "").says(http.StatusOK, "&lt;b&gt;fish&lt;/b&gt;", "chat", "Keep for 30 days", "Keep always", "All 2 sessions")
		w.page(http.MethodHead, anns, "").ok()
	}
	page := w.page(http.MethodGet, anns, "", "Accept-Language", "fr").says(http.StatusOK, `<html lang="fr">`, "Garder 30 jours", "Sera supprimée : 20", " UTC ou après")
	if strings.Contains(page.body, "bobs") || strings.Contains(page.body, "room") || strings.Contains(page.body, "<b>") {
		t.Errorf("the page has sessions of others, such that are not due soon, or HTML in a name: %s", page.body)
	}
	for i := range anns {
		changed := []byte(anns)
		changed[i] ^= 1
		w.page(http.MethodPost, string(changed), "all=true&for=always").says(http.StatusBadRequest, "not valid")
	}
	w.page(http.MethodPost, "", "all=true&for=always").says(http.StatusBadRequest, "not valid")
	w.page(http.MethodPost, tokenOf(linksOf(t, "l"), "ann", later), "all=true&for=always").says(http.StatusBadRequest, "not valid")
	w.page(http.MethodPost, tokenOf(links, "ann", time.Now()), "all=true&for=always").says(http.StatusGone, "expired")
	w.page(http.MethodGet, tokenOf(links, "ann", time.Now()), "", "Accept-Language", "fr").says(http.StatusGone, "a expiré")
	for _, others := range []string{"6b", Bobs, Nobody, "%00", "%ff"} {
		w.page(http.MethodPost, anns, "for=always&session="+others).says(http.StatusNotFound, "There is no such session")
	}
	for _, form := range []string{"", "for=always", "all=true", "for=never&all=true", "for=days&all=true&session=3", "for=days&all=1", "%"} {
		w.page(http.MethodPost, anns, form).want(http.StatusBadRequest)
	}
	w.page(http.MethodPost, anns, "a="+strings.Repeat("a", 64<<10)).want(http.StatusRequestEntityTooLarge)
	w.page(http.MethodPost, anns, `{"all":true}`, "Content-Type", "application/json").want(http.StatusUnsupportedMediaType)
	w.do(request{method: http.MethodPost, path: "/keep?token=" + anns, header: map[string]string{"Sec-Fetch-Site": "cross-site"}}).problem(http.StatusForbidden, "cross-origin")
	w.same(before, "links that are read, wrong or another owner's")

	w.page(http.MethodPost, anns, "session=6a&for=days", "Accept-Language", "fr").says(http.StatusOK, "Gardée : &lt;b&gt;fish", "chat")
	w.page(http.MethodPost, anns, "session=3&for=always").says(http.StatusOK, "Kept: chat", "None of your sessions")
	kept := w.get(ann, "/6a").ok()
	if at, err := time.Parse(time.RFC3339, kept.str("session.delete_at")); err != nil || time.Until(at) < 30*24*time.Hour-time.Minute {
		t.Errorf("kept for 30 days: %s, %v", kept.body, err)
	}
	w.get(ann, "/3").ok().is("session.auto_cleanup", false)
	w.get(ann, "/events?limit=1").ok().is("events.0.actor", ann, "events.0.reason", "keep link")
	w.page(http.MethodPost, tokenOf(links, "bob", later), "all=true&for=days").says(http.StatusOK, "Sessions kept: 1", "None of your sessions")

	ruled := warnedWorld(t, observe, links, func(s *setup) { s.Policy.Rules = "test: delete=10d" })
	used := time.Now().Add(-60 * 24 * time.Hour)
	ruled.put(sessioncleanup.Session{ID: "6c", OwnerID: "ann", Name: "trial", AutoCleanup: true, LastActivity: used, DeactivatedAt: used, Tags: []string{"test"}})
	ruled.warn()
	ruled.page(http.MethodGet, anns, "").says(http.StatusOK, "Keep for 10 days: trial", "Keep for 30 days: chat", "Keep for 30 days: All 3 sessions")
	ruled.page(http.MethodPost, anns, "all=true&for=days").says(http.StatusOK, "Sessions kept: 3", "None of your sessions")

	told := warnedWorld(t, observe, links)
	seen := `"another"`
	for _, want := range []string{"waiting", "delivered"} { // a client that has the session before sees the change
		got := told.getWith(ann, "/3", "If-None-Match", seen).ok()
		if got.str("session.warning") != want || (got.at("session.warned_at") != nil) != (want == "delivered") {
			t.Errorf("with a warning that is %s: %s", want, got.body)
		}
		seen = got.header.Get("ETag")
		told.deliver()
	}
	told.get(ann, "/"+Closed).ok().is("session.warning", nil)

	many := warnedWorld(t, observe, links)
	for i := range 1200 {
		many.putOld(fmt.Sprint("many", i), "ann", "")
	}
	many.warn()
	many.page(http.MethodGet, anns, "").says(http.StatusOK, "All 1000 sessions", "And 900 others")
	many.page(http.MethodPost, anns, "all=true&for=always").says(http.StatusOK, "Sessions kept: 1000", "All 202 sessions")

	newWorld(t, observe).get("", "/keep?token="+anns).problem(http.StatusNotFound, "not-found")
	closed := warnedWorld(t, observe, links, func(s *setup) { s.Options.ReadOnly = true })
	closed.page(http.MethodGet, anns, "").ok()
	closed.page(http.MethodPost, anns, "all=true&for=always").want(http.StatusForbidden)
	limited := warnedWorld(t, observe, links, func(s *setup) { s.Options.Limit = httpapi.PerPrincipal(0.5, 1) })
	limited.page(http.MethodGet, anns, "").ok()
	if a := limited.page(http.MethodGet, anns, "").says(http.StatusTooManyRequests, "Too many requests"); a.header.Get("Retry-After") == "" {
		t.Errorf("%s: no Retry-After", a.what)
	}
	broken := newWorld(t, observe, func(s *setup) {
		db := &Faulty{Store: s.Store}
		db.Before(func(context.Context, string) error { return sessioncleanup.ErrUnavailable })
		s.Options.KeepLinks, s.Store = links, db
	})
	broken.page(http.MethodGet, anns, "").says(http.StatusServiceUnavailable, "database is unavailable")
}
