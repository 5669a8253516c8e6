package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sessioncleanup/sessioncleanup"
)

// post is a mail server that keeps what it gets. Its errors are replies to the commands of the same name.
type post struct {
	login, rcpt, data error
	noTLS             bool // does not offer STARTTLS
	hangs             chan struct{}

	mu      sync.Mutex
	letters []string
	to      []string
}

func (p *post) NewSession(*smtp.Conn) (smtp.Session, error) { return &postSession{post: p}, nil }

type postSession struct {
	*post
	loggedIn bool
}

func (s *postSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *postSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "bot" || password != "hunter2&" {
			return &smtp.SMTPError{Code: 535, Message: "wrong password"}
		}
		s.loggedIn = s.login == nil
		return s.login
	}), nil
}

func (s *postSession) Mail(string, *smtp.MailOptions) error {
	if !s.noTLS && !s.loggedIn {
		return &smtp.SMTPError{Code: 530, Message: "log in first"}
	}
	return nil
}

func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return s.rcpt
}

func (s *postSession) Data(r io.Reader) error {
	letter, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.data != nil {
		return s.data
	}
	if s.hangs != nil {
		<-s.hangs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, string(letter))
	return nil
}

func (*postSession) Reset()        {}
func (*postSession) Logout() error { return nil }

// certificate is one for example.com that its pool trusts.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
})

// serve starts the server and returns the configuration of a channel through it.
func (p *post) serve(t *testing.T, mode TLSMode) MailConfig {
	t.Helper()
	pair, pool := certificate()
	server := smtp.NewServer(p)
	server.Domain, server.EnableSMTPUTF8 = "mail.example.com", true
	server.ErrorLog = log.New(io.Discard, "", 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if !p.noTLS {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if mode == ImplicitTLS {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	c := MailConfig{
		Host: "127.0.0.1", Port: port, From: "Bot <bot@example.com>", To: "ops@example.com", TLS: mode, TLSConfig: &tls.Config{RootCAs: pool},
	}
	if mode != NoTLS {
		c.Username, c.Password = "bot", "hunter2&"
	}
	return c
}

func newTestMail(t *testing.T, c MailConfig) *Mail {
	t.Helper()
	m, err := NewMail(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMailHasTextAndHTML(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]TLSMode{"STARTTLS": StartTLS, "TLS": ImplicitTLS, "without TLS": NoTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &post{noTLS: mode == NoTLS}
			message := someMessage
			message.Subject, message.HTML = "Échec du nettoyage\r\nBcc: all@example.com", "<p>Échec</p>"
			message.Unsubscribe, message.OneClick = "https://example.com/stop?id=1", true
			if err := newTestMail(t, server.serve(t, mode)).Notify(t.Context(), message); err != nil {
				t.Fatal(err)
			}
			if len(server.letters) != 1 || len(server.to) != 1 || server.to[0] != "ops@example.com" {
				t.Fatalf("%d letters to %q", len(server.letters), server.to)
			}
			letter, err := netmail.ReadMessage(strings.NewReader(server.letters[0]))
			if err != nil {
				t.Fatal(err)
			}
			for header, want := range map[string]string{
				"From": `"Bot" <bot@example.com>`, "To": "<ops@example.com>", "Message-Id": "<alert-1@example.com>", "Auto-Submitted": "auto-generated",
				"Date": "Sun, 29 Nov 2026 03:00:00 +0000", "List-Unsubscribe": "<https://example.com/stop?id=1>",
				"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Bcc": "",
			} {
				if got := letter.Header.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject"))
			if subject != "Échec du nettoyage Bcc: all@example.com" || err != nil {
				t.Errorf("the subject is %q, %v", subject, err)
			}
			if parts := partsOf(t, letter); parts["text/plain"] != "Run R failed.\r\n" || parts["text/html"] != "<p>Échec</p>" {
				t.Errorf("the parts are %q", parts)
			}
		})
	}
}

// partsOf are the texts of a mail by their type.
func partsOf(t *testing.T, letter *netmail.Message) map[string]string {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(letter.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the type is %q, %v", kind, err)
	}
	texts := map[string]string{}
	for reader := multipart.NewReader(letter.Body, parameters["boundary"]); ; {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		texts[kind] = string(text)
	}
}

func TestAMailWithoutAPageToUnsubscribeHasNoSuchHeader(t *testing.T) {
	t.Parallel()
	server := &post{}
	m := newTestMail(t, server.serve(t, StartTLS))
	mailto := someMessage
	mailto.Unsubscribe = "mailto:stop@example.com"
	for _, message := range []Message{someMessage, mailto} {
		if err := m.Notify(t.Context(), message); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(server.letters[0], "List-Unsubscribe") {
		t.Errorf("a message without Unsubscribe: %s", server.letters[0])
	}
	if !strings.Contains(server.letters[1], "List-Unsubscribe: <mailto:stop@example.com>") || strings.Contains(server.letters[1], "One-Click") {
		t.Errorf("a message with an address: %s", server.letters[1])
	}
}

func TestRepliesOfAMailServerSayWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	reply := func(code int) error { return &smtp.SMTPError{Code: code, Message: "says the server"} }
	wrongPassword := func(c *MailConfig) { c.Password = "hunter2wrong" }
	untrusted := func(c *MailConfig) { c.TLSConfig = nil }
	down := func(c *MailConfig) { c.Port = 1 }
	for name, c := range map[string]struct {
		server    *post
		change    func(*MailConfig)
		permanent bool
		says      string
	}{
		"wrong password":   {&post{}, wrongPassword, true, "wrong password"},
		"login later":      {&post{login: reply(454)}, nil, false, "says the server"},
		"unknown receiver": {&post{rcpt: reply(550)}, nil, true, "says the server"},
		"mailbox is full":  {&post{rcpt: reply(452)}, nil, false, "says the server"},
		"spam":             {&post{data: reply(554)}, nil, true, "says the server"},
		"data later":       {&post{data: reply(451)}, nil, false, "says the server"},
		"no STARTTLS":      {&post{noTLS: true}, nil, false, "STARTTLS"},
		"untrusted":        {&post{}, untrusted, false, "certificate"},
		"down":             {&post{}, down, false, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := c.server.serve(t, StartTLS)
			if c.change != nil {
				c.change(&config)
			}
			failed := failureOf(t, newTestMail(t, config).Notify(t.Context(), someMessage))
			if failed.Permanent != c.permanent || !strings.Contains(failed.Error(), c.says) {
				t.Errorf("%v, permanent: %v", failed, failed.Permanent)
			}
			if len(c.server.letters) != 0 {
				t.Error("the mail arrived")
			}
		})
	}
}

func TestAMailServerThatHangsIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	server := &post{hangs: make(chan struct{})}
	hangs := server.serve(t, StartTLS)
	defer close(server.hangs)
	says := hangs
	says.Port = silent.Addr().(*net.TCPAddr).Port
	for name, config := range map[string]MailConfig{"at the greeting": says, "at the end": hangs} {
		m := newTestMail(t, config)
		m.timeout = 100 * time.Millisecond
		if failed := failureOf(t, m.Notify(t.Context(), someMessage)); failed.Permanent || !strings.Contains(failed.Error(), "not sent within") {
			t.Errorf("%s: %v, permanent: %v", name, failed, failed.Permanent)
		}
		m.timeout = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := m.Notify(ctx, someMessage); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: with a context that ended: %v", name, err)
		}
		cancel()
	}
}

func TestWrongMailConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	right := MailConfig{Host: "mail.example.com", From: "a@example.com", To: "b@example.com"}
	for name, change := range map[string]func(*MailConfig){
		"no host":             func(c *MailConfig) { c.Host = "" },
		"no sender":           func(c *MailConfig) { c.From = "" },
		"no receiver":         func(c *MailConfig) { c.To = "nobody" },
		"two receivers":       func(c *MailConfig) { c.To = "a@example.com, b@example.com" },
		"a port":              func(c *MailConfig) { c.Port = 70000 },
		"a mode":              func(c *MailConfig) { c.TLS = "perhaps" },
		"a password in clear": func(c *MailConfig) { c.TLS, c.Username, c.Password = NoTLS, "bot", "hunter2" },
	} {
		c := right
		change(&c)
		if _, err := NewMail(c); !errors.Is(err, sessioncleanup.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewMail(right); err != nil {
		t.Error(err)
	}
}
