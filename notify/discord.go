package notify

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// The limits of Discord's embeds, in characters; both together are within the 6000 for all of a message.
const (
	discordTitle       = 256
	discordDescription = 4096
)

// Discord is a channel that posts to a Discord webhook.
type Discord struct{ post *poster }

// NewDiscord returns a channel that posts to a webhook's URL, https://discord.com/api/webhooks/ID/TOKEN, which is a
// secret. With ?thread_id=ID it posts to a thread of the webhook's channel. A nil client means one with
// http.DefaultTransport. A wrong URL is an ErrInvalid.
func NewDiscord(webhookURL string, client *http.Client) (*Discord, error) {
	u, err := parseHTTP("Discord's webhook URL", webhookURL)
	if err != nil {
		return nil, err
	}
	id := u.Host
	if _, after, ok := strings.Cut(u.Path, "/webhooks/"); ok {
		id, _, _ = strings.Cut(after, "/") // then the token, which is the secret
	}
	q := u.Query()
	if thread := q.Get("thread_id"); thread != "" {
		id += "/" + thread
	}
	q.Set("wait", "true") // otherwise a message that is not kept is no error
	u.RawQuery = q.Encode()
	return &Discord{newPoster(channelName("discord", id), u.String(), client)}, nil
}

// Name returns "discord:" and the webhook's ID.
func (d *Discord) Name() string { return d.post.name }

// Notify posts the subject and the text as an embed, without markup: nothing in it mentions anybody. A long text is
// cut.
func (d *Discord) Notify(ctx context.Context, m Message) error {
	embed := map[string]any{
		"title":       cut(oneLine(m.Subject, discordTitle), discordTitle, discordEscape),
		"description": cut(m.Text, discordDescription, discordEscape),
	}
	if !m.At.IsZero() {
		embed["timestamp"] = m.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return d.post.postJSON(ctx, map[string]any{
		"embeds":           []any{embed},
		"allowed_mentions": map[string]any{"parse": []string{}}, // of nobody, whatever the text looks like
	})
}

// discordEscape escapes the characters of Discord's Markdown, mentions included.
func discordEscape(r rune) string {
	if strings.ContainsRune("\\*_~`|<>@#[]", r) {
		return "\\" + string(r)
	}
	return string(r)
}

// discordURL is the webhook URL of discord://ID/TOKEN.
func discordURL(u *url.URL) string {
	address := "https://discord.com/api/webhooks/" + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		address += "?" + u.RawQuery
	}
	return address
}
