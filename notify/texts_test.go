package notify

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func newTexts(t *testing.T, language string, own ...string) *Texts {
	t.Helper()
	texts, err := NewTexts(language, own...)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestEveryNoticeHasATextOfItsOwnInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, language := range Languages() {
		texts := newTexts(t, language)
		seen := map[string]bool{}
		for _, n := range Samples() {
			m, err := texts.Message(n)
			if err != nil {
				t.Fatal(err)
			}
			if seen[m.Subject] || seen[m.Text] || !strings.HasPrefix(m.Subject, "[app] ") || strings.Contains(m.Subject, string(n.Code)) {
				t.Errorf("%s, %s, over: %v: the subject is %q, the text %q", language, n.Code, n.Ended, m.Subject, m.Text)
			}
			seen[m.Subject], seen[m.Text] = true, true
			for _, sign := range []string{"%!", "<no value>", "map["} {
				if strings.Contains(m.Subject+m.Text+m.HTML, sign) {
					t.Errorf("%s, %s: %q in %q", language, n.Code, sign, m.Text)
				}
			}
			if want := map[bool]string{true: "alert.ended", false: "alert.began"}[n.Ended]; m.Type != want {
				t.Errorf("the type is %s, want %s", m.Type, want)
			}
		}
	}
}

func TestTheTextOfTheDeletionLimitSaysHowMany(t *testing.T) {
	t.Parallel()
	n := Notice{Code: AlertDeletionLimit, Service: "app", Alert: sessioncleanup.Alert{Args: []any{"R1", 140}}}
	for language, want := range map[string]string{"en": "would have deleted 140 sessions", "fr": "aurait supprimé 140 sessions"} {
		m, err := newTexts(t, language).Message(n)
		if err != nil || !strings.Contains(m.Text, want) || !strings.Contains(m.Text, "--force=140") {
			t.Errorf("%s: %q, %v", language, m.Text, err)
		}
	}
}

func TestNothingInAMessageIsMarkupInItsHTML(t *testing.T) {
	t.Parallel()
	n := Notice{Code: "database_invalid", Service: "<app>", Alert: sessioncleanup.Alert{Message: "the table <script>alert(1)</script> & more"}}
	m, err := newTexts(t, "en").Message(n)
	if err != nil || strings.Contains(m.HTML, "<script>") || !strings.Contains(m.HTML, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more") {
		t.Errorf("the HTML is %s, %v", m.HTML, err)
	}
	if !strings.Contains(m.Text, "<script>") {
		t.Errorf("the text is %q", m.Text)
	}
}

func TestTemplatesCanBeReplacedOneByOne(t *testing.T) {
	t.Parallel()
	texts := newTexts(t, "en", `{{define "subject"}}{{.Code}}!{{end}}{{define "html"}}<b>{{.Subject}}</b>{{end}}`,
		`{{define "custom.title"}}Custom{{end}}{{define "custom.began"}}{{.Alert.Message}}{{end}}`)
	m, err := texts.Message(Notice{Code: "low_activity", Alert: sessioncleanup.Alert{Args: []any{10.0, 50.0}}})
	if err != nil || m.Subject != "low_activity!" || m.HTML != "<b>low_activity!</b>" || !strings.Contains(m.Text, "10% of the sessions") {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = texts.Message(Notice{Code: "custom", Alert: sessioncleanup.Alert{Message: "of an own kind"}}); err != nil || !strings.HasPrefix(m.Text, "of an own kind") {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = texts.Message(Notice{Code: "unknown", Alert: sessioncleanup.Alert{Message: "nobody knows it"}}); err != nil || !strings.HasPrefix(m.Text, "nobody knows it") {
		t.Errorf("%+v, %v", m, err)
	}
	for _, wrong := range []string{`{{define "subject"}}`, `{{define "subject"}}{{.Nothing}}{{end}}`, `{{define "html"}}{{.Nothing}}{{end}}`} {
		if _, err := NewTexts("en", wrong); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%s: %v, want an ErrInvalid", wrong, err)
		}
	}
	for _, language := range []string{"", "de", "html", "../templates/en"} {
		if _, err := NewTexts(language); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("language %q: %v, want an ErrInvalid", language, err)
		}
	}
}
