package command

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestOwnersAreWarnedBeforeSessionsAreDeleted(t *testing.T) {
	t.Parallel()
	u, s := backlog(t)
	h := newHooks(t)
	u.vars[sessioncleanup.EnvWarnDays] = "7"
	u.calls("migrate").want(t, exitDone)
	u.calls("cleanup", "--dry-run").want(t, exitDone, "would delete 0 sessions and warn of 201 and deactivate 1", "waiting for the warning of the owner: 201 sessions", "list --status waiting")
	u.calls("cleanup").want(t, exitDone, "Deleted 0 sessions, put into the outbox warnings of 201, deactivated 1")
	u.calls("stats").want(t, exitDone, "Waiting for a warning", "201")
	u.calls("list", "--status", "waiting", "--limit", "2").want(t, exitDone, "2 of 201 sessions")
	u.calls("deliver").want(t, exitUsage, "deliver needs --notify-owners, or "+envNotifyOwners)
	u.calls("deliver", "--notify-owners", "smtp://mail.example.com?from=a@example.com&to=b@example.com&tls=none").want(t, exitUsage, "addresses of owners are not known here")
	h.answers(http.StatusBadGateway)
	u.vars[envNotifyOwners] = h.url
	got := u.calls("deliver").want(t, exitDone, "0 messages about 0 sessions delivered", "will be tried again")
	if strings.Contains(got.out+got.err, "hunter2") {
		t.Errorf("the secret is shown: %s%s", got.out, got.err)
	}
	u.calls("notices", "--pending", "--limit", "3").want(t, exitDone, "to be sent", "502 Bad Gateway")
	h.answers(http.StatusNoContent)
	s.exec(t, "UPDATE sessioncleanup_notices SET next_at = queued_at")
	u.calls("deliver", "--owners-page", "https://app.example.com/rooms", "--notify-name", "polls").want(t, exitDone, "about 201 sessions delivered")
	if bodies := h.received(); len(bodies) == 0 || !strings.Contains(bodies[0], `"type":"sessions.deletion_ahead"`) || !strings.Contains(bodies[0], "https://app.example.com/rooms") || !strings.Contains(bodies[0], `"owner_id":`) {
		t.Errorf("the webhook got %.500q", bodies)
	}
	u.calls("notices").want(t, exitDone, "delivered")
	u.calls("events", "--action", "warned").want(t, exitDone, "webhook:127.0.0.1:")
	u.calls("cleanup", "--force").want(t, exitDone, "waiting for the warning of the owner: 201 sessions", "Nothing was due")
	s.exec(t, "UPDATE sessioncleanup_notices SET delivered_at = strftime('%Y-%m-%d %H:%M:%f', delivered_at, '-8 days')")
	u.calls("cleanup", "--force").want(t, exitDone, "Deleted 201 sessions")
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
