package login

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

const (
	// shortestSecret is the least length of a secret for HS256, in bytes (RFC 7518, section 3.2).
	shortestSecret = 32
	// largestKeys is the size of a file of keys in bytes; a larger one is some other file.
	largestKeys = 1 << 20
	// leeway is how far the clocks of the issuer and of this machine may differ.
	leeway = time.Minute
)

// publicAlgorithms are those of a JWKS. None of them is symmetric: a public key is never a secret.
var publicAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

// JWT says which JSON Web Tokens are accepted, and who their bearers are.
type JWT struct {
	// SecretFile has the secret of HS256, KeysFile a set of public keys (JWKS). One of the two.
	SecretFile string
	KeysFile   string
	// Audience, unless it is empty, must be among those of a token; Issuer must be its own.
	Audience string
	Issuer   string
	// IDClaim and RoleClaim are the names of the claims with the ID of the user and with the role: admin, owner or viewer,
	// or a list of roles, of which the highest counts. A dot in a name goes into an object. Default: sub and role.
	IDClaim   string
	RoleClaim string
}

// Verifier authenticates bearers of JSON Web Tokens.
type Verifier struct {
	JWT
	algorithms []jose.SignatureAlgorithm
	secret     []byte
	keys       jose.JSONWebKeySet
}

// Open reads the file of keys. The one of a secret must be private, as one of tokens. A mistake in it is an ErrInvalid.
func (c JWT) Open() (*Verifier, error) {
	if (c.SecretFile == "") == (c.KeysFile == "") {
		return nil, invalid.Errorf("want a file with a secret, or one with public keys")
	}
	c.IDClaim, c.RoleClaim = cmp.Or(c.IDClaim, "sub"), cmp.Or(c.RoleClaim, "role")
	v := &Verifier{JWT: c}
	if c.SecretFile != "" {
		file, err := tokens.OpenPrivate(c.SecretFile)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // only read
		secret, err := io.ReadAll(io.LimitReader(file, largestKeys))
		if err != nil {
			return nil, err
		}
		v.secret = []byte(strings.TrimRight(string(secret), "\r\n"))
		if len(v.secret) < shortestSecret {
			return nil, invalid.Errorf("the secret has %d bytes: want at least %d", len(v.secret), shortestSecret)
		}
		v.algorithms = []jose.SignatureAlgorithm{jose.HS256}
		return v, nil
	}
	data, err := os.ReadFile(c.KeysFile)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &v.keys); err != nil {
		return nil, invalid.Errorf("it is not a JSON Web Key Set: %v", err)
	}
	for i, key := range v.keys.Keys {
		switch {
		case !key.Valid() || !key.IsPublic():
			return nil, invalid.Errorf("key %d is not a public key", i+1)
		case key.KeyID == "" && len(v.keys.Keys) > 1:
			return nil, invalid.Errorf("key %d has no kid, which tells several keys apart", i+1)
		}
	}
	if len(v.keys.Keys) == 0 {
		return nil, invalid.Errorf("it has no keys")
	}
	v.algorithms = publicAlgorithms
	return v, nil
}

// looks reports whether a bearer token may be a JSON Web Token: three parts. No other token is shown to it.
func (v *Verifier) looks(token string) bool { return strings.Count(token, ".") == 2 }

// principal is the bearer of a token and when that ends, or an error: a wrong signature or algorithm, a token that is not
// valid now, without an end, for somebody else or of somebody else, or without a role.
func (v *Verifier) principal(token string, now time.Time) (who sessioncleanup.Principal, until time.Time, err error) {
	parsed, err := jwt.ParseSigned(token, v.algorithms)
	if err != nil {
		return who, until, err
	}
	key, err := v.key(parsed.Headers[0])
	if err != nil {
		return who, until, err
	}
	var registered jwt.Claims
	var raw json.RawMessage
	if err := parsed.Claims(key, &registered, &raw); err != nil {
		return who, until, err
	}
	var all map[string]any
	numbers := json.NewDecoder(bytes.NewReader(raw))
	numbers.UseNumber() // a large ID must not become another one
	if err := numbers.Decode(&all); err != nil {
		return who, until, err
	}
	expected := jwt.Expected{Issuer: v.Issuer, Time: now}
	if v.Audience != "" {
		expected.AnyAudience = jwt.Audience{v.Audience}
	}
	if registered.Expiry == nil {
		return who, until, errors.New("the token never expires")
	}
	if err := registered.ValidateWithLeeway(expected, leeway); err != nil {
		return who, until, err
	}
	var roles []string
	switch role := claim(all, v.RoleClaim).(type) {
	case string:
		roles = []string{role}
	case []any:
		for _, r := range role {
			text, _ := r.(string)
			roles = append(roles, text)
		}
	}
	var id string
	switch value := claim(all, v.IDClaim).(type) {
	case string:
		id = value
	case json.Number:
		id = value.String()
	}
	who, err = principalOf(roles, id)
	return who, registered.Expiry.Time(), err
}

// key is the one that a token must be signed with. A key with an algorithm of its own takes no other.
func (v *Verifier) key(h jose.Header) (any, error) {
	if v.secret != nil {
		return v.secret, nil
	}
	for _, key := range v.keys.Keys {
		if key.KeyID != h.KeyID && len(v.keys.Keys) > 1 || key.KeyID != "" && h.KeyID != "" && key.KeyID != h.KeyID {
			continue
		}
		if key.Algorithm != "" && key.Algorithm != h.Algorithm || key.Use != "" && key.Use != "sig" {
			break
		}
		return key.Key, nil
	}
	return nil, fmt.Errorf("no key %q for %s", h.KeyID, h.Algorithm)
}

// claim is the value of a claim; a dot in the name goes into an object, unless a claim has that name.
func claim(in map[string]any, name string) any {
	if value, ok := in[name]; ok {
		return value
	}
	first, rest, ok := strings.Cut(name, ".")
	if object, is := in[first].(map[string]any); ok && is {
		return claim(object, rest)
	}
	return nil
}

// errNoRole says that a user is known, and may do nothing here.
var errNoRole = fmt.Errorf("%w: no role, or an owner without an ID", sessioncleanup.ErrForbidden)

// principalOf is the principal with an ID and the highest of some roles.
func principalOf(roles []string, id string) (sessioncleanup.Principal, error) {
	for _, role := range []sessioncleanup.Role{sessioncleanup.RoleAdmin, sessioncleanup.RoleOwner, sessioncleanup.RoleViewer} {
		if slices.Contains(roles, string(role)) && (role != sessioncleanup.RoleOwner || id != "") {
			return sessioncleanup.Principal{Role: role, ID: id}, nil
		}
	}
	return sessioncleanup.Principal{}, errNoRole
}

// Authenticate returns the principal of a request's bearer token, if that is a JSON Web Token; false when it is none.
func (v *Verifier) Authenticate(r *http.Request) (who sessioncleanup.Principal, is bool, err error) {
	token, ok := tokens.Bearer(r)
	if !ok || !v.looks(token) {
		return who, false, nil
	}
	who, _, err = v.principal(token, time.Now())
	return who, true, err
}
