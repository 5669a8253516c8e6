// Package keeplink makes and verifies links with which an owner keeps sessions that will be deleted, without logging
// in. A link is signed, belongs to one owner, and expires. notify.Owners puts links into warnings, and the handler of
// package httpapi serves the page behind them.
//
//	links, err := keeplink.Open("https://app.example.com/api/session-cleanup", "/etc/sessioncleanup/keep-keys")
//	if err != nil {
//		return err
//	}
//	owners.Links = links                              // a notify.Owners
//	api, err := httpapi.New(sessions, httpapi.Options{KeepLinks: links, Authenticate: authenticate})
package keeplink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

const (
	shortestKey = 32 // characters: 24 random bytes in base64, at least
	mostKeys    = 10
	// purpose keeps what is signed here from being taken for anything else that is signed with the same key.
	purpose = "sessioncleanup keep link 1"
)

// ErrExpired means that a link was valid and has expired. Any other link that is not valid is a
// sessioncleanup.ErrInvalid.
var ErrExpired = errors.New("the link has expired")

// Links makes and verifies links. It is safe for concurrent use.
type Links struct {
	page string
	name string
	keys [][]byte
}

// Grant is what a link allows: to see and keep the sessions of one owner that will be deleted.
type Grant struct {
	Owner string
	Until time.Time      // to the second
	Zone  *time.Location // of the times on the page. Default: UTC
}

// New returns Links to an API. api is the URL of the prefix of httpapi, as owners reach it. The first key signs, and
// all keys verify. To replace a key, put the new one before it, and remove the old one when the links that it signed
// have expired. A key has at least 32 characters. Anything else is a sessioncleanup.ErrInvalid, which quotes no key.
func New(api string, keys ...string) (*Links, error) {
	u, err := url.Parse(api)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, invalid.Errorf("URL for keep links is %.200q: want that of the API, such as https://app.example.com/api/session-cleanup", api)
	case len(keys) == 0 || len(keys) > mostKeys:
		return nil, invalid.Errorf("%d keys for keep links: want 1 to %d", len(keys), mostKeys)
	}
	l := &Links{page: strings.TrimSuffix(api, "/") + "/keep"}
	for i, key := range keys {
		if len(key) < shortestKey {
			return nil, invalid.Errorf("key %d for keep links has %d characters: want at least %d random ones, such as openssl rand -base64 32 prints", i+1, len(key), shortestKey)
		}
		if slices.Contains(keys[:i], key) {
			return nil, invalid.Errorf("key %d for keep links is duplicated", i+1)
		}
		l.keys = append(l.keys, []byte(key))
	}
	return l, nil
}

// Open is New with the keys in a file, one per line. It ignores empty lines and lines that begin with #. Others must
// not be able to read or write the file, which has at most a megabyte.
func Open(api, file string) (*Links, error) {
	lines, err := tokens.Lines(file)
	if err != nil {
		return nil, fmt.Errorf("keys for keep links %s: %w", file, err)
	}
	l, err := New(api, slices.DeleteFunc(lines, func(line string) bool { return line == "" })...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return l, nil
}

// For returns Links for an installation with a name, whose API is at a path below. Links of one installation are not
// valid in another.
func (l *Links) For(name, below string) *Links {
	other := *l
	other.name = name
	other.page = strings.TrimSuffix(l.page, "/keep") + below + "/keep"
	return &other
}

// claims are what a link says.
type claims struct {
	Owner []byte `json:"o"` // bytes, because a database may hold IDs that are not valid UTF-8
	Until int64  `json:"e"` // in seconds since 1970
	Zone  string `json:"z,omitempty"`
}

// URL returns the link.
func (l *Links) URL(g Grant) string {
	c := claims{Owner: []byte(g.Owner), Until: g.Until.Unix()}
	if g.Zone != nil && g.Zone != time.UTC && g.Zone != time.Local { // time.Local has another meaning elsewhere
		c.Zone = g.Zone.String()
	}
	data, err := json.Marshal(c)
	if err != nil { // bytes, numbers and strings always marshal
		panic(err)
	}
	payload := base64.RawURLEncoding.EncodeToString(data)
	return l.page + "?token=" + payload + "." + l.sign(l.keys[0], payload)
}

// Read verifies the token of a link, and returns what it allows at now.
func (l *Links) Read(token string, now time.Time) (Grant, error) {
	payload, signature, _ := strings.Cut(token, ".")
	if !slices.ContainsFunc(l.keys, func(key []byte) bool { return hmac.Equal([]byte(signature), []byte(l.sign(key, payload))) }) {
		return Grant{}, invalid.Errorf("the link is not one that was sent: a character of it is missing or changed, or its key was removed")
	}
	var c claims
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || len(c.Owner) == 0 {
		return Grant{}, invalid.Errorf("the link is not one that was sent")
	}
	g := Grant{Owner: string(c.Owner), Until: time.Unix(c.Until, 0).UTC(), Zone: time.UTC}
	if zone, err := time.LoadLocation(c.Zone); err == nil { // else the page has UTC
		g.Zone = zone
	}
	if !now.Before(g.Until) {
		return g, ErrExpired
	}
	return g, nil
}

// sign is the signature of a payload, as a text: comparing texts leaves no bits that do not matter.
func (l *Links) sign(key []byte, payload string) string {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{purpose, l.name, payload} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
