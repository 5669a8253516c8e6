package notify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestOpenMakesTheChannelOfAURL(t *testing.T) {
	t.Parallel()
	for url, name := range map[string]string{
		"smtp://bot:hunter2@mail.example.com:2525?from=bot@example.com&to=ops@example.com": "mail:ops@example.com",
		"smtps://mail.example.com/?from=Bot+<bot@example.com>&to=Ops+<ops@example.com>":    "mail:ops@example.com",
		"smtp://localhost?from=bot@example.com&to=ops@example.com&tls=none":                "mail:ops@example.com",
		"slack://T1/B1/hunter2":                                                                                  "slack:T1/B1",
		"https://hooks.slack.com/services/T1/B1/hunter2":                                                         "slack:T1/B1",
		"discord://123/hunter2":                                                                                  "discord:123",
		"discord://123/hunter2?thread_id=9":                                                                      "discord:123/9",
		"https://discord.com/api/webhooks/123/hunter2":                                                           "discord:123",
		"https://ptb.discord.com/api/v10/webhooks/123/hunter2":                                                   "discord:123",
		"https://discordapp.com/api/webhooks/123/hunter2?thread_id=9":                                            "discord:123/9",
		"webhook+https://example.com/a?b=c#secret=" + secret:                                                     "webhook:example.com#b584188b",
		"webhook+http://localhost:80/#private=allow&secret=" + secret:                                            "webhook:localhost:80#",
		"webhook+https://example.com/?" + strings.Repeat("x", 99) + "#secret=" + secret + "&secret=" + oldSecret: "webhook:example.com#",
		"webhook+https://" + strings.Repeat("long.", 12) + "example.com/#secret=" + secret:                       "webhook:long.",
	} {
		c, err := Open(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		exact := !strings.HasPrefix(name, "webhook:") || strings.HasSuffix(name, "8b")
		if got := c.Name(); exact && got != name || !strings.HasPrefix(got, name) || len(got) > 60 {
			t.Errorf("%s: the name is %s, want %s", url, got, name)
		}
	}
}

func TestTheURLsOfSlackAndDiscordArePostedTo(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"slack://T1/B1/hunter2":             "https://hooks.slack.com/services/T1/B1/hunter2",
		"discord://123/hunter2":             "https://discord.com/api/webhooks/123/hunter2?wait=true",
		"discord://123/hunter2?thread_id=9": "https://discord.com/api/webhooks/123/hunter2?thread_id=9&wait=true",
	} {
		c, err := Open(url)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		switch c := c.(type) {
		case *Slack:
			got = c.post.url
		case *Discord:
			got = c.post.url
		}
		if got != want {
			t.Errorf("%s posts to %s, want %s", url, got, want)
		}
	}
	w, err := Open("webhook+https://example.com/a?b=c#secret=" + oldSecret)
	if err != nil || w.(*Webhook).post.url != "https://example.com/a?b=c" {
		t.Errorf("a webhook posts to %v, %v", w, err)
	}
}

func TestAWrongURLIsRefusedWithoutShowingASecret(t *testing.T) {
	t.Parallel()
	for url, says := range map[string]string{
		"":                                  "no scheme",
		"hunter2":                           "no scheme",
		"ftp://hunter2":                     `unknown scheme "ftp"`,
		"smtp://u:hunter2%@host":            "cannot be parsed",
		"slack://T1/B1/hunter2%z":           "cannot be parsed",
		"slack://":                          "slack URL of a channel has 1 parts: want 3",
		"slack://T1/B1/":                    "none of them empty",
		"slack://T1/B1/hunter2?x=y":         `unknown parameter "x"`,
		"discord://123/hunter2/more":        "discord URL of a channel has 3 parts: want 2",
		"discord://123/hunter2?thread=9":    `unknown parameter "thread": want thread_id`,
		"discord://123/hunter2#thread_id=9": "want 2",
		"smtp://u:hunter2@host?from=a@example.com":                                "to address",
		"smtp://u:hunter2@host?from=a@example.com&to=b@example.com&to=c@d.e":      "a URL for each",
		"smtp://u:hunter2@host/path?from=a@example.com&to=b@example.com":          "has a path",
		"smtp://u:hunter2@host?from=a@example.com&to=b@example.com&pass=hunter2":  `unknown parameter "pass"`,
		"smtp://u:hunter2@host?from=a@example.com&to=b@example.com&tls=none":      "no TLS",
		"smtps://host?from=a@example.com&to=b@example.com&tls=none":               "smtps",
		"smtp://u:hunter2@host?from=a@example.com&to=b@example.com&tls=implicit":  "smtps",
		"smtp://u:hunter2@host?from=a@example.com&to=b;hunter2":                   "cannot be parsed",
		"https://example.com/hunter2":                                             "webhook+https",
		"webhook+https://example.com/hunter2":                                     "no secret",
		"webhook+https://example.com/hunter2#secret=hunter2":                      "24 to 64",
		"webhook+https://example.com/hunter2#secret=" + secret + "&private=maybe": "private=allow",
		"webhook+http://example.com/hunter2#secret=" + secret:                     "want https",
		"webhook+https:///hunter2#secret=" + secret:                               "cannot be parsed",
		"webhook+https://example.com/hunter2#sercet=hunter2":                      `unknown parameter "sercet"`,
	} {
		_, err := Open(url)
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", url, err, says)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), secret[6:])) {
			t.Errorf("%s: the error shows a secret: %v", url, err)
		}
	}
}

func TestAFileHasSeveralChannels(t *testing.T) {
	t.Parallel()
	write := func(content string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "channels")
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	channels, err := OpenFile(write("# operators\nslack://T1/B1/hunter2\n\n  discord://123/hunter2\r\n", 0o600))
	if err != nil || len(channels) != 2 || channels[0].Name() != "slack:T1/B1" || channels[1].Name() != "discord:123" {
		t.Errorf("the channels are %v, %v", channels, err)
	}
	for name, c := range map[string]struct{ path, says string }{
		"empty":      {write("# nothing\n", 0o600), "names no channel"},
		"wrong":      {write("\nslack://T1/B1/hunter2\nhunter2\n", 0o600), "line 3"},
		"readable":   {write("slack://T1/B1/hunter2\n", 0o644), "chmod 600"},
		"a folder":   {t.TempDir(), "not a regular file"},
		"not there":  {filepath.Join(t.TempDir(), "none"), "no such file"},
		"a long one": {write(strings.Repeat("x", 1<<17), 0o600), "line 1"},
		"too large":  {write("slack://T1/B1/hunter2\n"+strings.Repeat("#\n", 1<<19), 0o600), "larger than"},
	} {
		if _, err := OpenFile(c.path); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
