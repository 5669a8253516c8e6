package command

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// hooks is a webhook's receiver.
type hooks struct {
	url string // of a channel

	mu     sync.Mutex
	status int
	bodies []string
}

func newHooks(t *testing.T) *hooks {
	t.Helper()
	h := &hooks{status: http.StatusNoContent}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.status < 300 {
			h.bodies = append(h.bodies, string(body))
		}
		w.WriteHeader(h.status)
	}))
	t.Cleanup(server.Close)
	h.url = "webhook+" + server.URL + "/hunter2#private=allow&secret=whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="
	return h
}

func (h *hooks) answers(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// received are the bodies since the last call.
func (h *hooks) received() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	bodies := h.bodies
	h.bodies = nil
	return bodies
}

// wants fails the test unless these bodies came, each with its words.
func (h *hooks) wants(t *testing.T, words ...string) {
	t.Helper()
	got := h.received()
	if len(got) != len(words) {
		t.Fatalf("%d messages, want %d: %q", len(got), len(words), got)
	}
	for i, word := range words {
		if !strings.Contains(got[i], word) {
			t.Errorf("message %d is %s, want %q", i+1, got[i], word)
		}
	}
}

func TestNotifyTestSaysWhetherAChannelWorks(t *testing.T) {
	t.Parallel()
	h, u := newHooks(t), newUser(t, nil)
	u.calls("notify", "test", h.url, "--language", "fr", "--name", "polls").want(t, exitDone, "webhook:127.0.0.1:", ": delivered")
	h.wants(t, `"subject":"[polls] Test des notifications"`)
	u.vars = map[string]string{envNotifyOperators: h.url}
	u.calls("notify", "test").want(t, exitDone, "delivered")
	path := u.writes("channels", "# operators\n"+h.url+"\n")
	u.calls("notify", "test", "file:"+path).want(t, exitDone, "delivered")
	if got := decode[[]tested](t, u.calls("notify", "test", "--json")); len(got) != 1 || !got[0].Delivered {
		t.Errorf("notify test --json prints %+v", got)
	}
	h.wants(t, "A test", "A test", "A test")
	h.answers(http.StatusServiceUnavailable)
	got := u.calls("notify", "test").want(t, exitFailed, "the receiver answered 503 Service Unavailable")
	if strings.Contains(got.out+got.err, "hunter2") || strings.Contains(got.out+got.err, "aHVudGVy") {
		t.Errorf("the secret is shown: %s%s", got.out, got.err)
	}
	if got := u.calls("notify", "test", "--json").want(t, exitFailed, `"delivered": false`); !strings.Contains(got.out, "503") {
		t.Errorf("notify test --json prints %s", got.out)
	}
}

func TestNotifyPreviewShowsEveryMessage(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	u.calls("notify", "preview", "--name", "polls").want(t, exitDone,
		"[polls] The deletion limit stopped a cleanup", "would have deleted 140 sessions", "[polls] Resolved: The cleanup failed")
	if got := u.calls("notify", "preview", "low_activity", "--language", "fr").want(t, exitDone, "Peu de sessions", "Résolu"); strings.Contains(got.out, "limite") {
		t.Errorf("other alerts are shown: %s", got.out)
	}
	u.calls("notify", "preview", "low_activity", "--html").want(t, exitDone, "<html lang=\"en\">", "<p>42% of the sessions")
	u.calls("notify", "preview", "warning", "deletion", "--name", "polls").want(t, exitDone, "[polls] 23 of your sessions will be deleted", "[polls] 23 of your sessions were deleted", "can be restored until")
	if got := decode[[]previewed](t, u.calls("notify", "preview", "low_activity", "--json")); len(got) != 2 || got[0].State != "began" || got[1].State != "ended" {
		t.Errorf("notify preview --json prints %+v", got)
	}
	own := u.writes("own.tmpl", `{{define "subject"}}Look at {{.Code}}{{end}}`)
	u.calls("notify", "preview", "low_activity", "--templates", own).want(t, exitDone, "Look at low_activity", "42% of the sessions")
}

func TestWrongUseOfNotificationsIsExplained(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"notify", "send"}, "unknown verb"},
		{[]string{"notify", "test"}, "SESSION_NOTIFY_OPERATORS is empty"},
		{[]string{"notify", "test", "https://example.com/hunter2"}, "webhook+https"},
		{[]string{"notify", "test", "file:nowhere"}, "no such file"},
		{[]string{"notify", "test", "slack://T/B/hunter2", "--language", "de"}, "want one of en, fr"},
		{[]string{"notify", "preview", "unknown"}, `unknown message "unknown"`},
		{[]string{"notify", "preview", "--templates", "nowhere"}, "no such file"},
		{[]string{"notify", "preview", "--templates", u.writes("wrong.tmpl", "{{define")}, "templates"},
		{[]string{"serve", "--notify-operators", "slack:/hunter2%"}, "cannot be parsed"},
		{[]string{"serve", "--notify-operators", "slack://T/B/hunter2", "--notify-language", "de"}, "want one of en, fr"},
		{[]string{"stats", "--notify-operators", "slack://T/B/hunter2"}, "--notify-operators has no effect without --check"},
		{[]string{"stats", "--check", "--owner", "7", "--notify-operators", "slack://T/B/hunter2"}, "for all sessions"},
		{[]string{"stats", "--check", "--notify-operators", "hunter2"}, "no scheme"},
		{[]string{"stats", "--check", "--notify-operators", "slack://T/B/hunter2", "--notify-operators", "slack://T/B/other"}, "slack:T/B twice"},
	} {
		if got := u.calls(c.args...); got.code == exitDone || !strings.Contains(got.err, c.says) || strings.Contains(got.out+got.err, "hunter2") {
			t.Errorf("%v: code %d, %s; want %q", c.args, got.code, got.err, c.says)
		}
	}
}

func TestCheckTellsOperatorsOnceWhatBeganAndWhatIsOver(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, s := newHooks(t), make(t)
			u := newUser(t, map[string]string{envDatabase: s.url, envNotifyOperators: h.url})
			u.calls("migrate").want(t, exitDone)
			check := []string{"stats", "--check", "--notify-operators", "env", "--notify-name", "polls"}
			u.calls("stats", "--check").want(t, exitAlert)
			h.wants(t)
			for range 2 {
				u.calls(check...).want(t, exitAlert, "the audit log has no run (cleanup_overdue)")
			}
			h.wants(t, `"subject":"[polls] The cleanup is overdue"`)
			u.calls("cleanup").want(t, exitDone)
			h.answers(http.StatusInternalServerError)
			u.calls(check...).want(t, exitFailed, "the alert was not sent over every channel", "500")
			u.calls(append(check, "--min-activity", "90")...).want(t, exitAlert, "low_activity", "the alert was not sent over every channel")
			h.answers(http.StatusNoContent)
			for range 2 {
				u.calls(check...).want(t, exitDone, "No alert holds.")
			}
			h.wants(t, `"subject":"[polls] Resolved: The cleanup is overdue"`)
			if told := u.eventsOf("notified"); len(told) != 3 || !strings.HasSuffix(told[0].Reason, ": none") || !strings.HasSuffix(told[1].Reason, ": cleanup_overdue") {
				t.Errorf("the log has %+v", told)
			}
			if got := u.calls("events", "--action", "notified").want(t, exitDone, "cleanup_overdue"); strings.Contains(got.out, "0 sessions") {
				t.Errorf("events prints %s", got.out)
			}
		})
	}
}

func TestServeTellsOperatorsOfItsEnvironment(t *testing.T) {
	t.Parallel()
	h := newHooks(t)
	u, s := migrated(t)
	u.writes(".env", envNotifyOperators+"="+h.url+"\n")
	s.exec(t, "UPDATE sessions SET active = false WHERE id IN (1, 42, 43)")
	s.exec(t, "UPDATE sessioncleanup_settings SET alert_activity_rate = 0.5")
	for _, awaited := range []string{"channel=webhook", "checked the alerts for operators"} { // the second one tells nothing
		ctx, stop := context.WithCancelCause(limited(t))
		log := &watch{text: awaited, then: func() { stop(stopped{syscall.SIGTERM}) }}
		if code := run(ctx, u.environment(io.Discard, log, []string{"serve", "--every", "1h", "--notify-language", "fr", "--verbose"})); code != exitDone {
			t.Fatalf("exit code %d\n%s", code, log.seen.String())
		}
		if strings.Contains(log.seen.String(), "hunter2") {
			t.Errorf("the log shows a secret: %s", log.seen.String())
		}
	}
	h.wants(t, "Peu de sessions sont actives")
}
