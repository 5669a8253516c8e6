package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sessioncleanup/sessioncleanup"
)

const secret = "a secret of the tests, 32 bytes or more"

type claims = map[string]any

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func signed(t *testing.T, a jose.SignatureAlgorithm, key any, kid string, c claims) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// valid are claims of an owner, with changes.
func valid(change claims) claims {
	c := claims{"sub": "42", "role": "owner", "aud": "sessions", "iss": "https://login.example.com", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func TestAJWTWithTheSecretNamesItsBearer(t *testing.T) {
	t.Parallel()
	path := file(t, secret+"\n")
	open := func(change func(*JWT)) *Verifier {
		c := JWT{SecretFile: path, Audience: "sessions", Issuer: "https://login.example.com"}
		change(&c)
		v, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := open(func(*JWT) {})
	nested := open(func(c *JWT) { c.IDClaim, c.RoleClaim = "user.id", "realm.roles" })
	for name, tt := range map[string]struct {
		v      *Verifier
		claims claims
		want   sessioncleanup.Principal
	}{
		"an owner":                {v, valid(nil), sessioncleanup.Principal{Role: "owner", ID: "42"}},
		"an admin among roles":    {v, valid(claims{"role": []string{"x", "owner", "admin"}}), sessioncleanup.Principal{Role: "admin", ID: "42"}},
		"a large number as an ID": {v, valid(claims{"sub": json.Number("9007199254740993")}), sessioncleanup.Principal{Role: "owner", ID: "9007199254740993"}},
		"claims in objects": {
			nested, valid(claims{"user": claims{"id": "7"}, "realm": claims{"roles": []string{"viewer"}}}), sessioncleanup.Principal{Role: "viewer", ID: "7"},
		},
		"several audiences": {v, valid(claims{"aud": []string{"other", "sessions"}}), sessioncleanup.Principal{Role: "owner", ID: "42"}},
	} {
		token := signed(t, jose.HS256, []byte(secret), "", tt.claims)
		if got, until, err := tt.v.principal(token, time.Now()); err != nil || got != tt.want || !until.After(time.Now()) {
			t.Errorf("%s: %+v until %v, %v; want %+v", name, got, until, err, tt.want)
		}
	}
	for name, c := range map[string]claims{
		"expired": {"exp": time.Now().Add(-2 * time.Minute).Unix()}, "never expires": {"exp": nil}, "not valid yet": {"nbf": time.Now().Add(time.Hour).Unix()},
		"another audience": {"aud": "other"}, "no audience": {"aud": nil}, "another issuer": {"iss": "https://evil.example.com"}, "no issuer": {"iss": nil},
		"no role": {"role": nil}, "another role": {"role": "root"}, "an owner without an ID": {"sub": nil}, "a role in other letters": {"role": "Admin"},
	} {
		token := signed(t, jose.HS256, []byte(secret), "", valid(c))
		if got, _, err := v.principal(token, time.Now()); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, _, err := v.principal(signed(t, jose.HS256, []byte(secret), "", valid(claims{"role": "root"})), time.Now()); !errors.Is(err, sessioncleanup.ErrForbidden) {
		t.Errorf("a user without a role: %v, want ErrForbidden", err)
	}
}

func TestAJWTWithAnotherSignatureIsRefused(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: rsaKey.Public(), KeyID: "r", Algorithm: "RS256", Use: "sig"}, {Key: ecKey.Public(), KeyID: "e", Use: "sig"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := JWT{KeysFile: file(t, string(set))}.Open()
	if err != nil {
		t.Fatal(err)
	}
	shared, err := JWT{SecretFile: file(t, secret)}.Open()
	if err != nil {
		t.Fatal(err)
	}
	for kid, token := range map[string]string{"r": signed(t, jose.RS256, rsaKey, "r", valid(nil)), "e": signed(t, jose.ES256, ecKey, "e", valid(nil))} {
		if got, _, err := keys.principal(token, time.Now()); err != nil || got.ID != "42" {
			t.Errorf("a token of key %s: %+v, %v", kid, got, err)
		}
		if _, _, err := shared.principal(token, time.Now()); err == nil {
			t.Errorf("a token of key %s is accepted with a secret", kid)
		}
	}
	public, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	body := func(token string) string { return strings.Split(token, ".")[1] }
	good := signed(t, jose.HS256, []byte(secret), "", valid(nil))
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		v     *Verifier
		token string
	}{
		"no signature":                      {shared, "eyJhbGciOiJub25lIn0." + body(good) + "."},
		"no signature, in other letters":    {shared, "eyJhbGciOiJOb25lIn0." + body(good) + "."},
		"another secret":                    {shared, signed(t, jose.HS256, []byte(strings.Repeat("x", 40)), "", valid(nil))},
		"another hash":                      {shared, signed(t, jose.HS512, []byte(secret+secret), "", valid(nil))},
		"other claims":                      {shared, strings.Replace(good, body(good), body(signed(t, jose.HS256, []byte(secret), "", valid(claims{"role": "admin"}))), 1)},
		"the public key as a secret":        {keys, signed(t, jose.HS256, public, "r", valid(nil))},
		"an unknown key":                    {keys, signed(t, jose.ES256, ecKey, "x", valid(nil))},
		"no key named":                      {keys, signed(t, jose.ES256, ecKey, "", valid(nil))},
		"somebody's key under a known name": {keys, signed(t, jose.ES256, other, "e", valid(nil))},
		"another algorithm than the key's":  {keys, signed(t, jose.PS256, rsaKey, "r", valid(nil))},
		"no token":                          {keys, "a.b.c"},
	} {
		if got, _, err := tt.v.principal(tt.token, time.Now()); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
}

func TestFilesOfKeysThatCannotBeRightAreRefused(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "e"}}})
	if err != nil {
		t.Fatal(err)
	}
	open := file(t, secret)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]JWT{
		"nothing": {}, "both": {SecretFile: "a", KeysFile: "b"}, "a short secret": {SecretFile: file(t, "short")}, "a secret that others can read": {SecretFile: open},
		"no JSON": {KeysFile: file(t, secret)}, "no keys": {KeysFile: file(t, `{"keys":[]}`)}, "a private key": {KeysFile: file(t, string(private))},
		"a symmetric key": {KeysFile: file(t, `{"keys":[{"kty":"oct","k":"`+strings.Repeat("A", 64)+`"}]}`)}, "no file": {KeysFile: filepath.Join(t.TempDir(), "none")},
	} {
		if _, err := c.Open(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
