package command

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"os"
	"syscall"

	"golang.org/x/term"
)

// isTerminal reports whether a stream leads to a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// wantsColors follows https://no-color.org, and is false for terminals without colors.
func (a *app) wantsColors() bool {
	no, _ := a.lookup("NO_COLOR")
	kind, _ := a.lookup("TERM")
	return no == "" && kind != "dumb"
}

// quietPipe drops what is written after the reader of a pipe went away, so that the work continues. Other errors, a full
// disk for example, stay errors.
type quietPipe struct {
	w      io.Writer
	closed bool
}

func (p *quietPipe) Write(data []byte) (int, error) {
	if p.closed {
		return len(data), nil
	}
	n, err := p.w.Write(data)
	if errors.Is(err, syscall.EPIPE) {
		p.closed = true
		return len(data), nil
	}
	return n, err
}

// bestEffort drops what is written after an error, and keeps that error: a report that cannot be written must not make what it
// reports fail.
type bestEffort struct {
	w   io.Writer
	err error
}

func (b *bestEffort) Write(data []byte) (int, error) {
	if b.err == nil {
		_, b.err = b.w.Write(data)
	}
	return len(data), nil
}

// redactor removes the secret parts of the database URL from everything that is written.
type redactor struct {
	w       io.Writer
	secrets func() []string
}

func (r *redactor) Write(data []byte) (int, error) {
	clean := data
	for _, secret := range r.secrets() {
		clean = bytes.ReplaceAll(clean, []byte(secret), []byte("xxxxx"))
	}
	if _, err := r.w.Write(clean); err != nil {
		return 0, err
	}
	return len(data), nil
}

// secrets are the forms in which the password of the database URL could appear.
func (a *app) secrets() []string {
	text := a.databaseURL()
	u, err := url.Parse(text)
	if err != nil {
		if text == "" {
			return nil
		}
		return []string{text}
	}
	var found []string
	if password, ok := u.User.Password(); ok && password != "" {
		found = append(found, ":"+password+"@", "password="+password)
		_, encoded, _ := bytes.Cut([]byte(u.User.String()), []byte(":"))
		found = append(found, ":"+string(encoded)+"@")
	}
	for _, parameter := range []string{"password", "sslpassword"} {
		if value := u.Query().Get(parameter); value != "" {
			found = append(found, "password="+value, "password="+url.QueryEscape(value))
		}
	}
	return found
}
