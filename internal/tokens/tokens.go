// Package tokens authenticates HTTP requests by the bearer tokens in a file.
package tokens

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

const (
	// shortest is the least length of a token: shorter ones can be guessed.
	shortest = 20
	// largest is the largest size of a file in bytes; a larger one is some other file.
	largest = 1 << 20
)

// byteOrderMarks are what editors on Windows may put at the start of a file, in UTF-8 and UTF-16.
var byteOrderMarks = []string{"\ufeff", "\xff\xfe", "\xfe\xff"}

// ErrUnknown says that the request has no token, or one that is not in the file.
var ErrUnknown = errors.New("no known bearer token")

// RoleMetrics may read the metrics of serve, and nothing else: the rules know no such role.
const RoleMetrics sessioncleanup.Role = "metrics"

// Tokens maps bearer tokens, of which it keeps only SHA-256 sums, to principals.
type Tokens struct{ entries []entry }

type entry struct {
	sum [sha256.Size]byte
	who sessioncleanup.Principal
}

// Open reads a file of tokens, one per line:
//
//	TOKEN admin
//	TOKEN owner OWNER_ID
//	TOKEN viewer
//	TOKEN metrics
//
// Empty lines and lines that begin with # are ignored. A wrong line, or a file that others can read or write, is an
// ErrInvalid. It names the line, never the token.
//
// The file belongs to the process's user, who alone may use it, or to root, who may let a group read it: that is how
// Kubernetes mounts a secret for a process that is not root.
func Open(path string) (*Tokens, error) {
	file, err := OpenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("tokens %s: %w", path, err)
	}
	defer func() { _ = file.Close() }() // only read
	t, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("tokens %s: %w", path, err)
	}
	return t, nil
}

// private refuses a file that others can read or change.
func private(path string, mode fs.FileMode, owner, user int) error {
	switch {
	case owner != user && owner != 0:
		return invalid.Errorf("it belongs to another user, who can change it: run chown %d %s", user, path)
	case owner == user && mode&0o077 != 0 || mode&0o037 != 0:
		return invalid.Errorf("mode is %#o: others can read or change it: run chmod 600 %s", mode, path)
	}
	return nil
}

// Parse is Open for the content of a file.
func Parse(content string) (*Tokens, error) { return read(strings.NewReader(content)) }

func read(r io.Reader) (*Tokens, error) {
	lines := bufio.NewScanner(io.LimitReader(r, largest+1))
	t, size := &Tokens{}, 0
	seen := map[[sha256.Size]byte]int{}
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		for _, mark := range byteOrderMarks {
			if n == 1 && strings.HasPrefix(line, mark) {
				return nil, invalid.Errorf("it begins with a byte order mark, which would become part of a token: save it as UTF-8 without one")
			}
		}
		if size += len(line) + 1; size > largest {
			return nil, invalid.Errorf("larger than %d bytes", largest)
		}
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		who, err := principal(words[1:])
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n, err)
		case len(words[0]) < shortest:
			return nil, fmt.Errorf("line %d: %w", n, invalid.Errorf("token has %d characters: want at least %d", len(words[0]), shortest))
		}
		e := entry{sum: sha256.Sum256([]byte(words[0])), who: who}
		if first, twice := seen[e.sum]; twice {
			return nil, fmt.Errorf("line %d: %w", n, invalid.Errorf("token is already in line %d", first))
		}
		seen[e.sum] = n
		t.entries = append(t.entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(t.entries) == 0 {
		return nil, invalid.Errorf("no token in the file: no client could use the server")
	}
	return t, nil
}

func principal(words []string) (sessioncleanup.Principal, error) {
	var role sessioncleanup.Role
	if len(words) > 0 {
		role = sessioncleanup.Role(words[0])
	}
	switch {
	case (role == sessioncleanup.RoleAdmin || role == sessioncleanup.RoleViewer || role == RoleMetrics) && len(words) == 1:
		return sessioncleanup.Principal{Role: role}, nil
	case role == sessioncleanup.RoleOwner && len(words) == 2:
		return sessioncleanup.Principal{Role: role, ID: words[1]}, nil
	}
	return sessioncleanup.Principal{}, invalid.Errorf("want TOKEN admin, TOKEN owner OWNER_ID, TOKEN viewer or TOKEN metrics")
}

// Authenticate returns the principal of the token in a request's Authorization header (RFC 6750, section 2.1), or
// ErrUnknown. The time it takes does not depend on the token.
func (t *Tokens) Authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	token, ok := Bearer(r)
	if !ok {
		return sessioncleanup.Principal{}, ErrUnknown
	}
	e, err := t.find(token)
	return e.who, err
}

// Bearer is the token in a request's Authorization header; false without exactly one.
func Bearer(r *http.Request) (string, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// find is the entry of a token.
func (t *Tokens) find(token string) (entry, error) {
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i := range t.entries { // all of them, so that the time is always the same
		equal := subtle.ConstantTimeCompare(sum[:], t.entries[i].sum[:])
		found = subtle.ConstantTimeSelect(equal, i, found)
	}
	if found < 0 {
		return entry{}, ErrUnknown
	}
	return t.entries[found], nil
}
