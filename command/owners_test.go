package command

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

func TestOwnersAreWarnedBeforeSessionsAreDeleted(t *testing.T) {
	t.Parallel()
	u, s := backlog(t)
	h := newHooks(t)
	u.vars[sessioncleanup.EnvWarnDays] = "1,7"
	u.calls("migrate").want(t, exitUsage, "want the longest first, such as 30,7,1")
	u.vars[sessioncleanup.EnvWarnDays] = "7,1"
	u.calls("migrate").want(t, exitDone)
	u.calls("cleanup", "--dry-run").want(t, exitDone, "would delete 0 sessions and warn of 201 and deactivate 1", "waiting for the warning to the owner: 201 sessions", "list --status waiting")
	u.calls("cleanup").want(t, exitDone, "Deleted 0 sessions, put into the outbox warnings of 201, deactivated 1")
	u.calls("stats").want(t, exitDone, "Waiting for a warning", "201")
	u.calls("list", "--status", "waiting", "--limit", "2").want(t, exitDone, "2 of 201 sessions")
	u.calls("deliver").want(t, exitUsage, "deliver needs --notify-owners, or "+envNotifyOwners)
	u.calls("deliver", "--notify-owners", "smtp://mail.example.com?from=a@example.com&to=b@example.com&tls=none").want(t, exitUsage, "each owner has one")
	u.calls("deliver", "--notify-owners", "smtp://mail.example.com?from=a@example.com&tls=none").want(t, exitUsage, "want a column with addresses in Schema.Owners")
	u.calls("deliver", "--notify-owners", h.url, "--owners-quiet", "22").want(t, exitUsage, "want times such as 22:00-08:00")
	h.answers(http.StatusBadGateway)
	u.vars[envNotifyOwners] = h.url
	got := u.calls("deliver").want(t, exitDone, "0 messages about 0 sessions delivered", "will be tried again")
	if strings.Contains(got.out+got.err, "hunter2") {
		t.Errorf("the secret is shown: %s%s", got.out, got.err)
	}
	u.calls("notices", "--pending", "--limit", "3").want(t, exitDone, "to be sent", "502 Bad Gateway")
	h.answers(http.StatusNoContent)
	s.exec(t, "UPDATE sessioncleanup_notices SET next_at = queued_at")
	const api = "https://app.example.com/api/session-cleanup"
	keys := u.writes("keep-keys", strings.Repeat("k", 40)+"\n")
	u.calls("deliver", "--keep-link-url", api).want(t, exitUsage, "--keep-link-keys belong together")
	u.calls("deliver", "--keep-link-url", api, "--keep-link-keys", u.writes("short", "k")).want(t, exitUsage, "want at least 32")
	u.calls("deliver", "--owners-page", "https://app.example.com/rooms", "--notify-name", "polls", "--keep-link-url", api, "--keep-link-keys", keys).want(t, exitDone, "about 201 sessions delivered")
	bodies := h.received()
	if len(bodies) == 0 || !strings.Contains(bodies[0], `"type":"sessions.deletion_ahead"`) || !strings.Contains(bodies[0], "https://app.example.com/rooms") || !strings.Contains(bodies[0], `"owner_id":`) {
		t.Fatalf("the webhook got %.500q", bodies)
	}
	var message struct {
		Data struct {
			Details struct {
				Owner string `json:"owner_id"`
				Link  string `json:"keep_link"`
			} `json:"details"`
		} `json:"data"`
	}
	links, err := keeplink.Open(api, keys)
	if err != nil || json.Unmarshal([]byte(bodies[0]), &message) != nil {
		t.Fatalf("%v, or no JSON: %s", err, bodies[0])
	}
	details := message.Data.Details
	if g, err := links.Read(strings.TrimPrefix(details.Link, api+"/keep?token="), time.Now().AddDate(0, 0, 13)); err != nil || g.Owner != details.Owner {
		t.Errorf("the link %s of owner %q allows %+v, %v", details.Link, details.Owner, g, err)
	}
	u.calls("notices").want(t, exitDone, "delivered")
	u.calls("events", "--action", "warned").want(t, exitDone, "webhook:127.0.0.1:")
	u.calls("cleanup", "--force").want(t, exitDone, "waiting for the warning to the owner: 201 sessions", "Nothing was due")
	s.exec(t, "UPDATE sessioncleanup_notices SET (delivered_at, told_at) = (SELECT at, at FROM (SELECT strftime('%Y-%m-%d %H:%M:%f', delivered_at, '-6.5 days') AS at))")
	u.calls("deliver", "--owners-per-hour", "1").want(t, exitDone, "about 0 sessions delivered", "The others wait")
	u.calls("deliver").want(t, exitDone, "about 201 sessions delivered")
	u.calls("deliver").want(t, exitDone, "about 0 sessions delivered")
	s.exec(t, "UPDATE sessioncleanup_notices SET (delivered_at, told_at) = (SELECT at, at FROM (SELECT strftime('%Y-%m-%d %H:%M:%f', delivered_at, '-1 days') AS at))")
	h.received()
	u.calls("cleanup", "--force").want(t, exitDone, "Deleted 201 sessions")
	u.calls("deliver").want(t, exitDone, "about 201 sessions delivered")
	if bodies := h.received(); len(bodies) == 0 || !strings.Contains(bodies[0], `"type":"sessions.deleted"`) || !strings.Contains(bodies[0], `"restorable":false`) {
		t.Errorf("the webhook got %.500q", bodies)
	}
}

func TestWarningsThatWereGivenUpAreSentAgain(t *testing.T) {
	t.Parallel()
	u, s := backlog(t)
	u.vars[sessioncleanup.EnvWarnDays] = "7"
	u.calls("migrate").want(t, exitDone)
	u.calls("notices").want(t, exitDone, "No warnings.")
	u.calls("cleanup").want(t, exitDone)
	s.exec(t, "UPDATE sessioncleanup_notices SET failed_at = queued_at, next_at = NULL, error = 'no address' WHERE session IN (SELECT session FROM sessioncleanup_notices ORDER BY session LIMIT 2)")
	u.calls("stats", "--check").want(t, exitAlert, "undeliverable")
	if got := decode[[]sessioncleanup.Notice](t, u.calls("notices", "--failed", "--json")); len(got) != 2 || got[0].Error != "no address" {
		t.Errorf("notices --failed prints %+v", got)
	}
	u.calls("notices", "--resend").want(t, exitDone, "2 warnings will be sent again")
	u.calls("notices", "--failed").want(t, exitDone, "No warnings.")
	u.calls("notices", "--resend", "--failed").want(t, exitUsage)
}

func TestKeepLinksOfEachInstallationLeadToItsPage(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	f := ownerFlags{keepURL: "https://app.example.com" + httpapi.DefaultPrefix, keepKeys: u.writes("keep-keys", strings.Repeat("k", 40))}
	log := slog.New(slog.DiscardHandler)
	var all []served
	for i, name := range []string{"", "polls"} {
		m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		s := served{name: name, m: m, log: log}
		if s.links, err = f.links(name, s.below(i)); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	h, err := routes(t.Context(), all, newLogins(&endpoint{known: &tokens.Tokens{}}, log), nil, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range all {
		link, err := url.Parse(s.owners(&notify.Owners{}).Links.URL(keeplink.Grant{Owner: "42", Until: time.Now().Add(time.Hour)}))
		if err != nil {
			t.Fatal(err)
		}
		for j, other := range all {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, httpapi.DefaultPrefix+other.below(j)+"/keep?"+link.RawQuery, nil))
			if got, want := rec.Code, map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}[i == j]; got != want {
				t.Errorf("the link of installation %q on the page of %q: %d, want %d", s.name, other.name, got, want)
			}
			if own := link.Path == httpapi.DefaultPrefix+other.below(j)+"/keep"; own != (i == j) {
				t.Errorf("the link of installation %q is %s", s.name, link)
			}
		}
	}
}
