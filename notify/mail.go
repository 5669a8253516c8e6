package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// TLSMode says how a connection to a mail server is encrypted.
type TLSMode string

// The modes.
const (
	StartTLS    TLSMode = ""         // with STARTTLS, which the server must offer; port 587 by default
	ImplicitTLS TLSMode = "implicit" // from the start; port 465 by default
	NoTLS       TLSMode = "none"     // not at all, and so without a password; port 25 by default
)

// MailConfig says how to send mail, from whom and to whom.
type MailConfig struct {
	Host string
	Port int // default: that of the TLSMode
	// Username and Password log in, when a username is set. Never without TLS.
	Username, Password string
	// From and To are addresses, with or without a name: "Ops <ops@example.com>". There is one receiver for each channel, so that
	// one that is refused does not keep messages from others.
	From, To string // To may be empty for Owners, which name one for each message
	TLS      TLSMode
	// TLSConfig has certificates of the server's authority, for example. Default: those of the system.
	TLSConfig *tls.Config
}

// Mail sends messages as mail.
type Mail struct {
	c        MailConfig
	from, to *mail.Address
	name     string
	timeout  time.Duration
}

// NewMail returns a channel to a mail address. A wrong configuration is an ErrInvalid.
func NewMail(c MailConfig) (*Mail, error) {
	m := &Mail{c: c, timeout: requestTimeout}
	port := map[TLSMode]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}[c.TLS]
	m.c.Port = cmp.Or(c.Port, port)
	var err error
	switch {
	case c.Host == "":
		return nil, invalid.Errorf("mail has no host: want the name of a mail server")
	case port == 0:
		return nil, invalid.Errorf("mail has the TLS mode %q: want %q, or none for STARTTLS", c.TLS, []TLSMode{ImplicitTLS, NoTLS})
	case m.c.Port < 1 || m.c.Port > 65535:
		return nil, invalid.Errorf("mail has the port %d: want 1 to 65535", c.Port)
	case c.TLS == NoTLS && c.Username != "":
		return nil, invalid.Errorf("mail has a user but no TLS: the password could be read on the network")
	}
	if m.from, err = address("from", c.From); err != nil {
		return nil, err
	}
	if c.To == "" { // each message will name one
		m.name = channelName("mail", "from:"+m.from.Address)
		return m, nil
	}
	if m.to, err = address("to", c.To); err != nil {
		return nil, err
	}
	m.name = channelName("mail", m.to.Address)
	return m, nil
}

// To returns the same channel to another address.
func (m *Mail) To(to string) (Notifier, error) {
	other := *m
	var err error
	other.to, err = address("to", to)
	return &other, err
}

func address(field, text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return nil, invalid.Errorf("mail has the %s address %q: want one address, such as ops@example.com", field, text)
	}
	return a, nil
}

// Name returns "mail:" and the receiver's address.
func (m *Mail) Name() string { return m.name }

// Notify sends the message as text and, when it has one, HTML.
func (m *Mail) Notify(ctx context.Context, message Message) error {
	if m.to == nil {
		return &Error{Channel: m.name, Permanent: true, Err: errors.New("it has no address to send to")}
	}
	limited, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	letter, err := m.compose(message)
	if err != nil {
		return &Error{Channel: m.name, Permanent: true, Err: err}
	}
	if err := m.send(limited, letter); err != nil && !letter.IsDelivered() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if end, _ := limited.Deadline(); !time.Now().Before(end) { // its timer may be later than that of the connection
			err = fmt.Errorf("not sent within %v: %w", m.timeout, err)
		}
		return &Error{Channel: m.name, Permanent: refused(err), Err: err}
	}
	return nil
}

// compose writes the mail.
func (m *Mail) compose(message Message) (*gomail.Msg, error) {
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	letter.FromMailAddress(m.from)
	letter.ToMailAddress(m.to)
	letter.Subject(oneLine(message.Subject, 200))
	at := message.At
	if at.IsZero() {
		at = time.Now()
	}
	letter.SetDateWithValue(at)
	_, domain, _ := strings.Cut(m.from.Address, "@")
	letter.SetMessageIDWithValue(message.ID + "@" + domain)
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // nothing answers by itself (RFC 3834)
	switch {
	case message.OneClick:
		if err := letter.SetListUnsubscribeOneClick(message.Unsubscribe); err != nil {
			return nil, err
		}
	case message.Unsubscribe != "":
		letter.SetListUnsubscribe(oneLine(message.Unsubscribe, 2000))
	}
	letter.SetBodyString(gomail.TypeTextPlain, message.Text)
	if message.HTML != "" {
		letter.AddAlternativeString(gomail.TypeTextHTML, message.HTML)
	}
	return letter, nil
}

// send connects, sends and disconnects, until ctx ends.
func (m *Mail) send(ctx context.Context, letter *gomail.Msg) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		connection, err := (&net.Dialer{}).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = connection.Close() }) // the library ignores ctx from here on, and leaves it open after some errors
		if m.c.TLS != ImplicitTLS {
			return connection, nil
		}
		encrypted := tls.Client(connection, m.tlsConfig())
		return encrypted, encrypted.HandshakeContext(dialing)
	}
	client, err := gomail.NewClient(m.c.Host, m.options(dial)...)
	if err != nil {
		return err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	if err := client.SendWithSMTPClient(session, letter); err != nil {
		return err
	}
	return client.CloseWithSMTPClient(session)
}

func (m *Mail) tlsConfig() *tls.Config {
	config := &tls.Config{}
	if m.c.TLSConfig != nil {
		config = m.c.TLSConfig.Clone()
	}
	config.ServerName = cmp.Or(config.ServerName, m.c.Host)
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return config
}

func (m *Mail) options(dial gomail.DialContextFunc) []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(m.c.Port), gomail.WithDialContextFunc(dial), gomail.WithoutNoop(), gomail.WithTLSConfig(m.tlsConfig()),
		gomail.WithTimeout(2 * m.timeout), // the context ends it before
	}
	switch m.c.TLS {
	case ImplicitTLS:
		options = append(options, gomail.WithSSL())
	case NoTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if m.c.Username != "" {
		options = append(options, gomail.WithUsername(m.c.Username), gomail.WithPassword(m.c.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1PLUS,
				gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return options
}

// refused reports whether the server said that it never takes the mail: a reply code of 500 or more (RFC 5321, section 4.2.1).
func refused(err error) bool {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return reply.Code >= 500
	}
	failed, ok := errors.AsType[*gomail.SendError](err)
	return ok && failed.ErrorCode() >= 500
}
