package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// The sizes of a secret in bytes, and the prefix of its text: https://www.standardwebhooks.com.
const (
	shortestSecret = 24
	longestSecret  = 64
	secretPrefix   = "whsec_"
)

// WebhookConfig configures a Webhook.
type WebhookConfig struct {
	// URL is an https URL; with AllowPrivate also an http URL. It may contain secrets.
	URL string
	// Secrets sign each message, each as "whsec_" and 24 to 64 bytes in base64. At least one is required. To replace a
	// secret without an interruption, list both, the new one first, until the receiver has the new one.
	Secrets []string
	// AllowPrivate permits http and addresses of private networks and of this machine, and uses HTTPS_PROXY. Default:
	// false, so that nobody who may name a URL can reach what only this machine can reach.
	AllowPrivate bool
}

// Webhook sends messages to a program as Standard Webhooks.
type Webhook struct {
	post  *poster
	signs []*standardwebhooks.Webhook
	gone  atomic.Bool
}

// NewWebhook returns a channel that posts to a webhook. A wrong configuration is an ErrInvalid.
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	u, err := parseHTTP("webhook URL", c.URL)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme == "http" && !c.AllowPrivate:
		return nil, invalid.Errorf("webhook URL is an http URL: want https, or private addresses allowed")
	case len(c.Secrets) == 0:
		return nil, invalid.Errorf("webhook has no secret: want at least one, %s and %d to %d random bytes in base64", secretPrefix, shortestSecret, longestSecret)
	}
	w := &Webhook{post: newPoster(channelName("webhook", u.Host, u.Path, u.RawQuery), c.URL, nil)}
	w.post.client.Transport = transport(c.AllowPrivate)
	w.post.permanent = func(int) bool { return false } // nobody says what a program means by a status
	w.post.verbose = false
	for i, secret := range c.Secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil || len(key) < shortestSecret || len(key) > longestSecret {
			return nil, invalid.Errorf("webhook secret %d: want %s and %d to %d random bytes in base64", i+1, secretPrefix, shortestSecret, longestSecret)
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, invalid.Errorf("webhook secret %d cannot be used", i+1)
		}
		w.signs = append(w.signs, signer)
	}
	return w, nil
}

// Name returns "webhook:", the host, and a hash of the rest of the URL.
func (w *Webhook) Name() string { return w.post.name }

// webhookBody is the payload as Standard Webhooks recommends it.
type webhookBody struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		Subject string `json:"subject"`
		Text    string `json:"text"`
		Details any    `json:"details,omitempty"`
	} `json:"data"`
}

// errGone says that a webhook is not used any more.
var errGone = errors.New("the receiver answered 410 before: it wants no more messages; restart to try again")

// Notify posts the message with its signatures. Any status but 2xx is an error. A redirect and 410 are permanent, and
// after a 410 nothing is sent any more.
func (w *Webhook) Notify(ctx context.Context, m Message) error {
	if w.gone.Load() {
		return &Error{Channel: w.Name(), Permanent: true, Gone: true, Err: errGone}
	}
	body := webhookBody{Type: m.Type, Timestamp: m.At.UTC()}
	body.Data.Subject, body.Data.Text, body.Data.Details = m.Subject, m.Text, m.Data
	payload, err := json.Marshal(body)
	if err != nil {
		return &Error{Channel: w.Name(), Permanent: true, Err: err}
	}
	now := time.Now()
	signatures := make([]string, 0, len(w.signs))
	for _, signer := range w.signs {
		signature, err := signer.Sign(m.ID, now, payload)
		if err != nil {
			return &Error{Channel: w.Name(), Permanent: true, Err: err}
		}
		signatures = append(signatures, signature)
	}
	header := http.Header{}
	header.Set(standardwebhooks.HeaderWebhookID, m.ID)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	err = w.post.post(ctx, payload, header)
	if failed, ok := errors.AsType[*Error](err); ok && failed.Gone {
		w.gone.Store(true)
	}
	return err
}
