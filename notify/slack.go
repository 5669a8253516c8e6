package notify

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// The limits of Slack's blocks, in characters: https://docs.slack.dev/reference/block-kit/blocks.
const (
	slackHeader   = 150
	slackSection  = 3000
	slackSections = 3 // of 50 allowed; longer texts belong elsewhere, and Slack refuses some 13,000 characters in all
)

// Slack is a channel that posts to an incoming webhook of Slack.
type Slack struct{ post *poster }

// NewSlack returns a channel that posts to the URL of an incoming webhook, https://hooks.slack.com/services/T…/B…/…,
// which is a secret. A nil client means one with http.DefaultTransport. A wrong URL is an ErrInvalid.
func NewSlack(webhookURL string, client *http.Client) (*Slack, error) {
	u, err := parseHTTP("Slack's webhook URL", webhookURL)
	if err != nil {
		return nil, err
	}
	team, bot := u.Host, ""
	if parts := strings.Split(strings.Trim(u.Path, "/"), "/"); len(parts) == 4 && parts[0] == "services" {
		team, bot = parts[1], "/"+parts[2] // the third part is the secret
	}
	return &Slack{newPoster(channelName("slack", team+bot), webhookURL, client)}, nil
}

// Name returns "slack:" and the identifiers of the workspace and of the webhook.
func (s *Slack) Name() string { return s.post.name }

// Notify posts the subject as a header and the text below it, as plain text: nothing in it mentions anybody or is a link. A
// long text is cut.
func (s *Slack) Notify(ctx context.Context, m Message) error {
	plain := func(kind, text string) map[string]any {
		return map[string]any{"type": kind, "text": map[string]any{"type": "plain_text", "text": text, "emoji": false}}
	}
	subject := cut(oneLine(m.Subject, slackHeader), slackHeader, slackEscape)
	blocks := []any{plain("header", subject)}
	for _, part := range split(cut(m.Text, slackSections*slackSection, slackEscape), slackSection) {
		blocks = append(blocks, plain("section", part))
	}
	return s.post.postJSON(ctx, map[string]any{
		"text":   subject, // of the notification on a screen
		"blocks": blocks, "unfurl_links": false, "unfurl_media": false,
	})
}

// slackEscape escapes the control characters of Slack's text, without which nothing is a mention or a link.
func slackEscape(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	default:
		return string(r)
	}
}

// split divides escaped text into parts of at most the given number of characters, at the end of a line where there is one.
func split(text string, most int) []string {
	var parts []string
	for text != "" {
		part := text
		if head := cut(text, most, unescaped); head != text {
			part = strings.TrimSuffix(head, "…")
			if line := strings.LastIndex(part, "\n"); line > 0 {
				part = part[:line]
			} else if escape := strings.LastIndex(part, "&"); escape > len(part)-len("&amp;") {
				part = part[:escape]
			}
		}
		text = strings.TrimLeft(text[len(part):], "\n")
		if trimmed := strings.TrimSpace(part); trimmed != "" { // Slack refuses an empty text
			parts = append(parts, trimmed)
		}
	}
	return parts
}

// slackURL is the webhook URL of slack://T…/B…/….
func slackURL(u *url.URL) string {
	return "https://hooks.slack.com/services/" + u.Host + u.EscapedPath()
}
