package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	oldSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD/b5sSYspob7o"
)

var someMessage = Message{
	ID: "alert-1", Type: "alert.began", At: time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC),
	Subject: "The cleanup failed", Text: "Run R failed.\n", Data: map[string]int{"due": 7},
}

// receiver is an HTTP server that keeps what it gets and answers as it is told.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*http.Request
	bodies  [][]byte
	answers http.HandlerFunc
}

func newReceiver(t *testing.T, answers http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		r.got, r.bodies = append(r.got, request), append(r.bodies, body)
		r.mu.Unlock()
		if r.answers != nil {
			r.answers(w, request)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// decode reads the last body.
func (r *receiver) decode(t *testing.T, into any) {
	t.Helper()
	if len(r.bodies) == 0 {
		t.Fatal("nothing was received")
	}
	if err := json.Unmarshal(r.bodies[len(r.bodies)-1], into); err != nil {
		t.Fatal(err)
	}
}

// httpChannels makes one of each kind for a receiver's path, which stands for a secret.
func httpChannels(t *testing.T, base string) map[string]Notifier {
	t.Helper()
	slack, err := NewSlack(base+"/services/T1/B1/hunter2", nil)
	if err != nil {
		t.Fatal(err)
	}
	discord, err := NewDiscord(base+"/api/webhooks/123/hunter2", nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Notifier{"slack": slack, "discord": discord, "webhook": newTestWebhook(t, base+"/hunter2?key=hunter2", secret)}
}

func newTestWebhook(t *testing.T, url string, secrets ...string) *Webhook {
	t.Helper()
	w, err := NewWebhook(WebhookConfig{URL: url, Secrets: secrets, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func failureOf(t *testing.T, err error) *Error {
	t.Helper()
	failed, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("the error is %v, want an *Error", err)
	}
	for text := range strings.SplitSeq("hunter2 "+secret[6:], " ") {
		if strings.Contains(err.Error(), text) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
	return failed
}

func TestAnswersSayWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	type want struct {
		permanent, gone bool
		after           time.Duration
	}
	status := func(code int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	permanent, later := want{permanent: true}, want{}
	for name, c := range map[string]struct {
		answers                 http.HandlerFunc
		slack, discord, webhook want
	}{
		"429 with seconds":    {status(429, "7", ""), want{after: 7 * time.Second}, want{after: 7 * time.Second}, want{after: 7 * time.Second}},
		"429 with a fraction": {status(429, "0.5", ""), want{after: time.Second / 2}, want{after: time.Second / 2}, want{after: time.Second / 2}},
		"429 with a body":     {status(429, "", `{"retry_after": 1.25}`), want{after: 1250 * time.Millisecond}, want{after: 1250 * time.Millisecond}, want{after: 1250 * time.Millisecond}},
		"503 for a week":      {status(503, "604800", ""), want{after: 24 * time.Hour}, want{after: 24 * time.Hour}, want{after: 24 * time.Hour}},
		"503 with a past":     {status(503, "Sun, 06 Nov 1994 08:49:37 GMT", ""), later, later, later},
		"429 with nonsense":   {status(429, "soon", "<html>"), later, later, later},
		"500":                 {status(500, "", "rollup_error"), later, later, later},
		"408":                 {status(408, "", ""), later, later, later},
		"400":                 {status(400, "", "invalid_payload"), permanent, permanent, later},
		"404":                 {status(404, "", "no_service"), permanent, permanent, later},
		"410":                 {status(410, "", "channel_is_archived"), want{permanent: true, gone: true}, want{permanent: true, gone: true}, want{permanent: true, gone: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, c.answers)
			for kind, channel := range httpChannels(t, r.URL) {
				failed := failureOf(t, channel.Notify(t.Context(), someMessage))
				got := want{failed.Permanent, failed.Gone, failed.RetryAfter}
				if expected := map[string]want{"slack": c.slack, "discord": c.discord, "webhook": c.webhook}[kind]; got != expected {
					t.Errorf("%s: %+v, want %+v (%v)", kind, got, expected, failed)
				}
				if failed.Channel != channel.Name() || Permanent(failed) != failed.Permanent {
					t.Errorf("%s: the error is of channel %s, permanent: %v", kind, failed.Channel, Permanent(failed))
				}
			}
		})
	}
}

func TestARetryAfterDateIsCountedFromNow(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	if got := retryAfter(at); got < 59*time.Minute || got > time.Hour {
		t.Errorf("Retry-After: %s is %v", at, got)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t, nil)
	r := newReceiver(t, func(w http.ResponseWriter, request *http.Request) {
		http.Redirect(w, request, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	for kind, channel := range httpChannels(t, r.URL) {
		if failed := failureOf(t, channel.Notify(t.Context(), someMessage)); !failed.Permanent || !strings.Contains(failed.Error(), "correct the URL") {
			t.Errorf("%s: %v, permanent: %v", kind, failed, failed.Permanent)
		}
	}
	if len(elsewhere.got) != 0 {
		t.Errorf("a redirect was followed %d times", len(elsewhere.got))
	}
}

// hurried makes a channel wait for an answer only briefly.
func hurried(channel Notifier) {
	switch c := channel.(type) {
	case *Slack:
		c.post.timeout = 20 * time.Millisecond
	case *Discord:
		c.post.timeout = 20 * time.Millisecond
	case *Webhook:
		c.post.timeout = 20 * time.Millisecond
	}
}

func TestAReceiverThatHangsIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-over })
	defer close(over)
	for kind, channel := range httpChannels(t, r.URL) {
		hurried(channel)
		if failed := failureOf(t, channel.Notify(t.Context(), someMessage)); failed.Permanent || !strings.Contains(failed.Error(), "no answer within") {
			t.Errorf("%s: %v, permanent: %v", kind, failed, failed.Permanent)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := channel.Notify(ctx, someMessage); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: with a context that ended: %v", kind, err)
		}
	}
}

func TestAReceiverThatIsDownIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	r.Close()
	for kind, channel := range httpChannels(t, r.URL) {
		if failed := failureOf(t, channel.Notify(t.Context(), someMessage)); failed.Permanent {
			t.Errorf("%s: %v is permanent", kind, failed)
		}
	}
}

func TestAWebhookIsSignedAsStandardWebhooksSay(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	w := newTestWebhook(t, r.URL+"/hook?x=1", secret, oldSecret)
	if err := w.Notify(t.Context(), someMessage); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"new": secret, "old": oldSecret} {
		verifier, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(r.bodies[0], r.got[0].Header); err != nil {
			t.Errorf("with the %s secret: %v", name, err)
		}
		if err := verifier.Verify(append(r.bodies[0], ' '), r.got[0].Header); err == nil {
			t.Errorf("with the %s secret a changed body is accepted", name)
		}
	}
	if id := r.got[0].Header.Get("webhook-id"); id != someMessage.ID {
		t.Errorf("webhook-id is %q, want the message's ID", id)
	}
	if uri := r.got[0].RequestURI; uri != "/hook?x=1" {
		t.Errorf("posted to %s", uri)
	}
	var body struct {
		Type, Timestamp string
		Data            struct {
			Subject, Text string
			Details       struct{ Due int }
		}
	}
	r.decode(t, &body)
	if body.Type != "alert.began" || body.Timestamp != "2026-11-29T03:00:00Z" || body.Data.Subject != "The cleanup failed" || body.Data.Details.Due != 7 {
		t.Errorf("the body is %s", r.bodies[0])
	}
}

func TestAWebhookThatIsGoneIsNotCalledAgain(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	w := newTestWebhook(t, r.URL, secret)
	for range 3 {
		if failed := failureOf(t, w.Notify(t.Context(), someMessage)); !failed.Gone || !failed.Permanent {
			t.Errorf("%v: gone: %v, permanent: %v", failed, failed.Gone, failed.Permanent)
		}
	}
	if len(r.got) != 1 {
		t.Errorf("called %d times, want once", len(r.got))
	}
}

func TestAWebhookDoesNotReachPrivateAddressesUnlessAllowed(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		w, err := NewWebhook(WebhookConfig{URL: "https://" + host + ":" + port + "/hunter2", Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		if failed := failureOf(t, w.Notify(t.Context(), someMessage)); !failed.Permanent || !errors.Is(failed, errPrivateAddress) {
			t.Errorf("%s: %v, permanent: %v", host, failed, failed.Permanent)
		}
	}
}

func TestSlackGetsBlocksWithinItsLimitsAndNoMention(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	slack := httpChannels(t, r.URL)["slack"]
	for name, m := range map[string]Message{
		"mentions":   {Subject: "<!channel> & <@U1>", Text: "<!here> <https://example.com|click> & more"},
		"long":       {Subject: strings.Repeat("<subject ", 100), Text: strings.Repeat("a line & more\n", 2000)},
		"no newline": {Subject: strings.Repeat("é", 500), Text: strings.Repeat("&", 9000)},
		"emoji":      {Subject: strings.Repeat("😀", 200), Text: strings.Repeat("😀", 9000)},
		"empty":      {Subject: "only a subject"},
		"blank":      {Subject: "two\nlines\x00", Text: "\n\n \n" + strings.Repeat("\n", 9000)},
	} {
		if err := slack.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		var body struct {
			Text   string
			Blocks []struct {
				Type string
				Text struct{ Type, Text string }
			}
		}
		r.decode(t, &body)
		if n := len(body.Blocks); n < 1 || n > 50 || body.Blocks[0].Type != "header" || body.Text == "" {
			t.Fatalf("%s: %d blocks, text %q", name, n, body.Text)
		}
		texts := body.Text
		for i, b := range body.Blocks {
			most := slackSection
			if i == 0 {
				most = slackHeader
			}
			if n := utf16Length(b.Text.Text); n < 1 || n > most || b.Text.Type != "plain_text" {
				t.Errorf("%s: block %d is %s with %d characters", name, i, b.Text.Type, n)
			}
			texts += b.Text.Text
		}
		if strings.ContainsAny(texts, "<>") || strings.Count(texts, "&") != strings.Count(texts, "&amp;")+strings.Count(texts, "&lt;")+strings.Count(texts, "&gt;") {
			t.Errorf("%s: not escaped: %.300q", name, texts)
		}
		if strings.ContainsAny(body.Text, "\n\x00") {
			t.Errorf("%s: the subject has several lines: %q", name, body.Text)
		}
	}
}

func TestDiscordGetsAnEmbedWithinItsLimitsAndNoMention(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	discord := httpChannels(t, r.URL)["discord"]
	for name, m := range map[string]Message{
		"mentions": {Subject: "@everyone", Text: "<@1> [click](https://example.com) ||spoiler|| `x` \\"},
		"long":     {Subject: strings.Repeat("*", 400), Text: strings.Repeat("under_score\n", 2000)},
		"emoji":    {Subject: strings.Repeat("😀", 300), Text: strings.Repeat("😀", 9000), At: time.Now()},
	} {
		if err := discord.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		var body struct {
			Embeds          []struct{ Title, Description, Timestamp string }
			AllowedMentions struct{ Parse []string } `json:"allowed_mentions"`
		}
		r.decode(t, &body)
		if len(body.Embeds) != 1 || body.AllowedMentions.Parse == nil || len(body.AllowedMentions.Parse) != 0 {
			t.Fatalf("%s: %s", name, r.bodies[len(r.bodies)-1])
		}
		e := body.Embeds[0]
		if utf16Length(e.Title) > 256 || utf16Length(e.Description) > 4096 || (e.Timestamp == "") != m.At.IsZero() {
			t.Errorf("%s: title %d, description %d, timestamp %q", name, utf16Length(e.Title), utf16Length(e.Description), e.Timestamp)
		}
		for _, special := range []string{"@", "<", "[", "|", "`", "*", "_"} {
			if n, escaped := strings.Count(e.Title+e.Description, special), strings.Count(e.Title+e.Description, `\`+special); n != escaped {
				t.Errorf("%s: %d of %d %q are escaped", name, escaped, n, special)
			}
		}
	}
	if uri := r.got[0].RequestURI; uri != "/api/webhooks/123/hunter2?wait=true" {
		t.Errorf("posted to %s", uri)
	}
}
