package notify

import (
	"cmp"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Languages returns the languages of the texts in this package.
func Languages() []string { return []string{"en", "fr"} }

//go:embed templates
var templates embed.FS

// Texts are the texts of notices to operators and of messages to owners.
type Texts struct {
	language string
	plain    *template.Template
	html     *htmltemplate.Template
}

// NewTexts returns the texts in one of Languages. Each of own is the source of templates that replace those of the same
// name in notify/templates: text/template for subjects and texts, html/template for "html". A wrong one is an
// ErrInvalid.
func NewTexts(language string, own ...string) (*Texts, error) {
	if !slices.Contains(Languages(), language) {
		return nil, invalid.Errorf("language is %q: want one of %s", language, strings.Join(Languages(), ", "))
	}
	source, err := templates.ReadFile("templates/" + language + ".tmpl")
	if err != nil {
		return nil, err
	}
	layout, err := templates.ReadFile("templates/html.tmpl")
	if err != nil {
		return nil, err
	}
	functions := map[string]any{
		"time": timeText, "span": spanText, "cut": func(text string, most int) string { return cut(text, most, unescaped) }, "link": isLink,
	}
	t := &Texts{language: language, plain: template.New("").Funcs(functions).Option("missingkey=error"), html: htmltemplate.New("").Funcs(functions)}
	for _, text := range append([]string{string(source), string(layout)}, own...) {
		if _, err := t.plain.Parse(text); err != nil {
			return nil, invalid.Errorf("templates: %w", err)
		}
		if _, err := t.html.Parse(text); err != nil {
			return nil, invalid.Errorf("templates: %w", err)
		}
	}
	for _, n := range Samples() { // so that a mistake is found now, and not when there is something to tell
		if _, err := t.Message(n); err != nil {
			return nil, invalid.Errorf("templates: %w", err)
		}
	}
	_, err = t.OwnerMessage(OwnerSample())
	if err == nil {
		_, err = t.DeletionMessage(DeletionSample())
	}
	if err != nil {
		return nil, invalid.Errorf("templates: %w", err)
	}
	return t, nil
}

// Notice is what operators are told. It is the data of the templates.
type Notice struct {
	Code    sessioncleanup.AlertCode
	Ended   bool   // the condition is over
	Service string // the name of this machine, when it is empty
	At      time.Time
	Alert   sessioncleanup.Alert // without a message when Ended
	Stats   sessioncleanup.Stats // the figures at that time
}

// noticeText is a Notice with the texts that others contain.
type noticeText struct {
	Notice
	Title, Details string
}

// htmlText is what the template "html" gets.
type htmlText struct {
	Notice
	Language, Subject, Text string
	Paragraphs              [][]string // of lines
}

// details is the Data of a notice's message.
type details struct {
	Code    sessioncleanup.AlertCode `json:"code"`
	State   string                   `json:"state"`
	Service string                   `json:"service"`
	Message string                   `json:"message,omitempty"` // of the alert, in English
	Counts  sessioncleanup.Counts    `json:"figures"`
}

// Message returns the message of a notice, without an ID.
func (t *Texts) Message(n Notice) (Message, error) {
	n.Service = serviceName(n.Service)
	title := t.first(string(n.Code)+".title", "other.title")
	text, err := t.run(title, n)
	if err != nil {
		return Message{}, err
	}
	full := noticeText{Notice: n, Title: text}
	state := "ended"
	if !n.Ended {
		state = "began"
		if full.Details, err = t.run(t.first(string(n.Code)+".began", "other.began"), n); err != nil {
			return Message{}, err
		}
	}
	m, err := t.message(n, "subject", "text", full)
	m.Type = "alert." + state
	m.Data = details{Code: n.Code, State: state, Service: n.Service, Message: n.Alert.Message, Counts: n.Stats.Counts}
	return m, err
}

// Test returns a message that shows whether a channel works.
func (t *Texts) Test(service string) (Message, error) {
	n := Notice{Service: serviceName(service), At: time.Now()}
	m, err := t.message(n, "test.subject", "test.text", n)
	m.Type = "test"
	return m, err
}

func (t *Texts) message(n Notice, subject, text string, data any) (Message, error) {
	m := Message{At: n.At}
	var err error
	if m.Subject, err = t.run(subject, data); err != nil {
		return Message{}, err
	}
	if m.Text, err = t.run(text, data); err != nil {
		return Message{}, err
	}
	h := htmlText{Notice: n, Language: t.language, Subject: m.Subject, Text: m.Text}
	for paragraph := range strings.SplitSeq(strings.TrimSpace(m.Text), "\n\n") {
		h.Paragraphs = append(h.Paragraphs, strings.Split(paragraph, "\n"))
	}
	var html strings.Builder
	if err := t.html.ExecuteTemplate(&html, "html", h); err != nil {
		return Message{}, err
	}
	m.HTML = html.String()
	return m, nil
}

// first is the first name that is one of a template.
func (t *Texts) first(name, otherwise string) string {
	if t.plain.Lookup(name) == nil {
		return otherwise
	}
	return name
}

func (t *Texts) run(name string, data any) (string, error) {
	var out strings.Builder
	err := t.plain.ExecuteTemplate(&out, name, data)
	return out.String(), err
}

// isLink reports whether a line of a text is nothing but the address of a page.
func isLink(line string) bool {
	return (strings.HasPrefix(line, "https://") || strings.HasPrefix(line, "http://")) && !strings.ContainsRune(line, ' ')
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// spanText is a duration in hours and minutes.
func spanText(d time.Duration) string {
	d = d.Round(time.Minute)
	hours, minutes := int(d.Hours()), int(d.Minutes())%60
	switch {
	case hours == 0:
		return fmt.Sprintf("%d min", minutes)
	case minutes == 0:
		return fmt.Sprintf("%d h", hours)
	default:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	}
}

// serviceName is the service that notices name.
func serviceName(name string) string {
	host, _ := os.Hostname()
	return cmp.Or(name, host, "sessioncleanup")
}
