package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

// forms are the URLs that Open accepts, for messages.
const forms = "smtp://USER:PASSWORD@HOST?from=ADDRESS&to=ADDRESS, smtps://…, slack://T…/B…/…, discord://ID/TOKEN, " +
	"or webhook+https://HOST/PATH#secret=whsec_…"

// Open returns the channel that a URL names:
//
//	smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS&to=ADDRESS   mail with STARTTLS; smtps: with TLS from the start; &tls=none: without TLS
//	slack://T…/B…/…                                          or https://hooks.slack.com/services/T…/B…/…
//	discord://ID/TOKEN                                       or https://discord.com/api/webhooks/ID/TOKEN; both with ?thread_id=ID
//	webhook+https://HOST/PATH#secret=whsec_…                 &secret=… for another secret, &private=allow for private addresses
//
// The part after "#" is not sent to the webhook. A wrong URL is an ErrInvalid. The error quotes nothing of the URL but
// its scheme and the addresses of a mail, because the rest may be secret.
func Open(address string) (Notifier, error) {
	channel, err := open(address)
	if mail, ok := channel.(*Mail); ok && err == nil && mail.to == nil {
		return nil, invalid.Errorf("%s URL has no to address: want %s", strings.SplitN(address, ":", 2)[0], forms)
	}
	return channel, err
}

// OpenOwners is Open for Owners.Channel: the URL of a mail has no to= address, because each message goes to its owner.
func OpenOwners(address string) (Notifier, error) {
	channel, err := open(address)
	if mail, ok := channel.(*Mail); ok && err == nil && mail.to != nil {
		return nil, invalid.Errorf("%s URL has a to address: want none, each owner has one", strings.SplitN(address, ":", 2)[0])
	}
	return channel, err
}

func open(address string) (Notifier, error) {
	scheme, _, ok := strings.Cut(address, ":")
	u, err := url.Parse(address)
	switch {
	case !ok:
		return nil, invalid.Errorf("channel has no scheme: want %s", forms)
	case err != nil:
		return nil, invalid.Errorf("%.20s URL of a channel cannot be parsed: want %s, with special characters percent-encoded", scheme, forms)
	}
	switch u.Scheme {
	case "smtp", "smtps":
		return openMail(u)
	case "slack":
		if err := shortForm(u, 3); err != nil {
			return nil, err
		}
		return NewSlack(slackURL(u), nil)
	case "discord":
		if err := shortForm(u, 2, "thread_id"); err != nil {
			return nil, err
		}
		return NewDiscord(discordURL(u), nil)
	case "https":
		return openHTTPS(u)
	case "webhook+https", "webhook+http":
		return openWebhook(u)
	default:
		return nil, invalid.Errorf("channel has the unknown scheme %.20q: want %s", scheme, forms)
	}
}

// OpenFile returns the channels of a file, which has one URL per line. It ignores empty lines and lines that begin with
// #. Others must not be able to read or write the file, which has at most a megabyte. A wrong file is an ErrInvalid; that
// of a wrong URL names the line.
func OpenFile(path string) ([]Notifier, error) { return openFile(path, Open) }

// OpenOwnersFile is OpenFile for Owners.Channel; see OpenOwners.
func OpenOwnersFile(path string) ([]Notifier, error) { return openFile(path, OpenOwners) }

func openFile(path string, open func(address string) (Notifier, error)) ([]Notifier, error) {
	lines, err := tokens.Lines(path)
	if err != nil {
		return nil, fmt.Errorf("channels %s: %w", path, err)
	}
	var channels []Notifier
	for i, line := range lines {
		if line == "" {
			continue
		}
		channel, err := open(line)
		if err != nil {
			return nil, fmt.Errorf("channels %s: line %d: %w", path, i+1, err)
		}
		channels = append(channels, channel)
	}
	if len(channels) == 0 {
		return nil, fmt.Errorf("channels %s: %w", path, invalid.Errorf("the file names no channel: want a URL in each line"))
	}
	return channels, nil
}

// shortForm checks slack://T…/B…/… and discord://ID/TOKEN: the number of parts, and the parameters.
func shortForm(u *url.URL, parts int, known ...string) error {
	all := strings.Split(u.Host+u.Path, "/")
	if len(all) != parts || slices.Contains(all, "") || u.Fragment != "" {
		return invalid.Errorf("%s URL of a channel has %d parts: want %d, none of them empty, as in %s", u.Scheme, len(all), parts, forms)
	}
	_, err := parameters(u.RawQuery, known...)
	return err
}

func openMail(u *url.URL) (Notifier, error) {
	q, err := parameters(u.RawQuery, "from", "to", "tls")
	if err != nil {
		return nil, err
	}
	c := MailConfig{Host: u.Hostname(), Username: u.User.Username(), From: q.Get("from"), To: q.Get("to"), TLS: TLSMode(q.Get("tls"))}
	c.Password, _ = u.User.Password()
	if u.Port() != "" {
		if c.Port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, invalid.Errorf("%s URL has a wrong port", u.Scheme)
		}
	}
	switch {
	case u.Path != "" && u.Path != "/", u.Fragment != "":
		return nil, invalid.Errorf("%s URL has a path: want %s://USER:PASSWORD@HOST?from=ADDRESS&to=ADDRESS", u.Scheme, u.Scheme)
	case len(q["to"]) > 1:
		return nil, invalid.Errorf("%s URL has %d addresses to send to: want one, and a URL for each of them", u.Scheme, len(q["to"]))
	case u.Scheme == "smtp" && (c.TLS == StartTLS || c.TLS == NoTLS):
	case u.Scheme == "smtps" && c.TLS == StartTLS:
		c.TLS = ImplicitTLS
	default:
		return nil, invalid.Errorf("%s URL has tls=%.20q: want smtp with STARTTLS, smtp with tls=none, or smtps", u.Scheme, c.TLS)
	}
	m, err := NewMail(c)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func openHTTPS(u *url.URL) (Notifier, error) {
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "hooks.slack.com" || host == "hooks.slack-gov.com":
		return NewSlack(u.String(), nil)
	case host == "discord.com" || host == "discordapp.com" || strings.HasSuffix(host, ".discord.com"):
		return NewDiscord(u.String(), nil)
	default:
		return nil, invalid.Errorf("https URL of a channel is neither Slack's nor Discord's: want webhook+https://… for a webhook")
	}
}

func openWebhook(u *url.URL) (Notifier, error) {
	options, err := parameters(u.EscapedFragment(), "secret", "private")
	if err != nil {
		return nil, err
	}
	target := *u
	target.Scheme = strings.TrimPrefix(u.Scheme, "webhook+")
	target.Fragment, target.RawFragment = "", ""
	c := WebhookConfig{URL: target.String()}
	for _, secret := range options["secret"] {
		c.Secrets = append(c.Secrets, strings.ReplaceAll(secret, " ", "+")) // base64 has a plus, which stands for a space in parameters
	}
	switch private := options.Get("private"); private {
	case "allow":
		c.AllowPrivate = true
	case "":
	default:
		return nil, invalid.Errorf("webhook has private=%.20q: want private=allow, or nothing", private)
	}
	return NewWebhook(c)
}

// parameters parses the parameters of a channel, and refuses unknown ones: a typing error must not go unnoticed.
func parameters(text string, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, invalid.Errorf("parameters of a channel cannot be parsed: want NAME=VALUE&…, with special characters percent-encoded")
	}
	for name := range values {
		if !slices.Contains(known, name) {
			return nil, invalid.Errorf("channel has the unknown parameter %.20q: want %s", name, cmp.Or(strings.Join(known, ", "), "none"))
		}
	}
	return values, nil
}

// parseHTTP parses the URL of a receiver. Its error does not quote it.
func parseHTTP(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, invalid.Errorf("%s cannot be parsed: want https://HOST/PATH", what)
	}
	return u, nil
}

// channelName is the name of a channel: its kind and what identifies it, with a hash of what does not fit or may be secret.
func channelName(kind, shown string, hidden ...string) string {
	const most = 40
	name := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, shown)
	name = name[:min(len(name), most)]
	if name != shown || len(hidden) > 0 {
		sum := sha256.Sum256([]byte(strings.Join(append([]string{shown}, hidden...), "\n")))
		name += "#" + hex.EncodeToString(sum[:4])
	}
	return kind + ":" + name
}
