package command

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/login"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// answered is what serve answers at an endpoint, to a client at an address.
func answered(t *testing.T, e *endpoint) func(from, method, path string, header http.Header, body string) *httptest.ResponseRecorder {
	t.Helper()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if e.known == nil {
		e.known = &tokens.Tokens{}
	}
	log := slog.New(slog.DiscardHandler)
	h, err := routes(t.Context(), []served{{m: m, log: log}}, newLogins(e, log), e.origins, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	return func(from, method, path string, header http.Header, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.RemoteAddr, r.Header = from, header
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec
	}
}

const aClient = "192.0.2.7:1234"

func TestServeBelievesHeadersOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	ask := answered(t, &endpoint{proxies: &login.Proxies{
		Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}, IDHeader: "X-User", RoleHeader: "X-Role",
	}})
	for name, tt := range map[string]struct {
		from   string
		header http.Header
		status int
		who    string
	}{
		"an admin":                {"10.1.2.3:9", http.Header{"X-User": {"ann"}, "X-Role": {"viewer, admin"}}, 200, `"actor":"admin:ann"`},
		"an owner, by IPv6":       {"[fd00::1]:9", http.Header{"X-User": {"7"}, "X-Role": {"owner"}}, 200, `"actor":"owner:7"`},
		"IPv4 in IPv6":            {"[::ffff:10.1.2.3]:9", http.Header{"X-User": {"7"}, "X-Role": {"owner"}}, 200, `"actor":"owner:7"`},
		"from somebody else":      {aClient, http.Header{"X-User": {"ann"}, "X-Role": {"admin"}}, 401, ""},
		"from beside the network": {"10.2.0.1:9", http.Header{"X-User": {"ann"}, "X-Role": {"admin"}}, 401, ""},
		"two users":               {"10.1.2.3:9", http.Header{"X-User": {"ann", "bob"}, "X-Role": {"admin"}}, 401, ""},
		"two headers of roles":    {"10.1.2.3:9", http.Header{"X-User": {"ann"}, "X-Role": {"viewer", "admin"}}, 401, ""},
		"no role":                 {"10.1.2.3:9", http.Header{"X-User": {"ann"}}, 403, ""},
		"nobody":                  {"10.1.2.3:9", http.Header{"X-Role": {"admin"}}, 401, ""},
	} {
		rec := ask(tt.from, http.MethodGet, httpapi.DefaultPrefix+"/me", tt.header, "")
		if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.who) {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, tt.status, tt.who)
		}
	}
}

// issuer returns what verifies JSON Web Tokens, and what makes one for the user 7 with a role.
func issuer(t *testing.T) (*login.Verifier, func(role string, lasts time.Duration) string) {
	t.Helper()
	const secret = "a secret of the tests, 32 bytes or more"
	v, err := login.JWT{SecretFile: newUser(t, nil).writes("secret", secret)}.Open()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v, func(role string, lasts time.Duration) string {
		text, err := jwt.Signed(signer).Claims(map[string]any{"sub": "7", "role": role, "exp": time.Now().Add(lasts).Unix()}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

func TestServeTakesAJWTAsABearerTokenAndInTheForm(t *testing.T) {
	t.Parallel()
	v, signed := issuer(t)
	token := func(lasts time.Duration) string { return signed("owner", lasts) }
	ask := answered(t, &endpoint{jwt: v})
	me := httpapi.DefaultPrefix + "/me"
	if rec := ask(aClient, http.MethodGet, me, http.Header{"Authorization": {"Bearer " + token(time.Hour)}}, ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"owner:7"`) {
		t.Errorf("with the token: %d %s", rec.Code, rec.Body)
	}
	if rec := ask(aClient, http.MethodGet, me, http.Header{"Authorization": {"Bearer " + token(-time.Hour)}}, ""); rec.Code != 401 {
		t.Errorf("with one that expired: %d", rec.Code)
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	rec := ask(aClient, http.MethodPost, "/login", form, url.Values{"token": {token(time.Hour)}}.Encode())
	cookies := rec.Result().Cookies()
	if rec.Code != http.StatusSeeOther || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].MaxAge > 3600 {
		t.Fatalf("the form: %d, cookies %v; want one that ends with the token", rec.Code, cookies)
	}
	if rec := ask(aClient, http.MethodGet, me, http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}}, ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"owner:7"`) {
		t.Errorf("with the cookie: %d %s", rec.Code, rec.Body)
	}
	if rec := ask(aClient, http.MethodPost, "/login", form, url.Values{"token": {token(-time.Hour)}}.Encode()); rec.Code != http.StatusUnauthorized {
		t.Errorf("the form with a token that expired: %d", rec.Code)
	}
	if rec := ask(aClient, http.MethodPost, "/login", form, url.Values{"token": {signed("guest", time.Hour)}}.Encode()); rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), "no role") {
		t.Errorf("the form with a token without a role: %d %s", rec.Code, rec.Body)
	}
}

func TestTheLogSaysWhyATokenIsRefused(t *testing.T) {
	t.Parallel()
	v, signed := issuer(t)
	good := signed("owner", time.Hour)
	for want, token := range map[string]string{
		"token is expired": signed("owner", -time.Hour), "no known bearer token": "a-token-of-somebody-else", "error in cryptographic primitive": good[:len(good)-4] + "AAAA",
	} {
		var log strings.Builder
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if _, err := newLogins(&endpoint{known: &tokens.Tokens{}, jwt: v}, slog.New(slog.NewTextHandler(&log, nil))).authenticate(r); err == nil {
			t.Errorf("%s: accepted", want)
		}
		if got := log.String(); !strings.Contains(got, "failed login") || !strings.Contains(got, want) || strings.Contains(got, token) {
			t.Errorf("the log says %s, want %s, without the token", got, want)
		}
	}
}

func TestServeLetsPagesOfListedOriginsUseTheAPI(t *testing.T) {
	t.Parallel()
	known, err := tokens.Parse(adminToken + " admin")
	if err != nil {
		t.Fatal(err)
	}
	ask := answered(t, &endpoint{known: known, origins: []string{"https://app.example.com"}})
	from := func(origin string, more http.Header) http.Header {
		h := http.Header{"Origin": {origin}, "Sec-Fetch-Site": {"cross-site"}, "Authorization": {"Bearer " + adminToken}, "Content-Type": {"application/json"}}
		for k, v := range more {
			h[k] = v
		}
		return h
	}
	clean := httpapi.DefaultPrefix + "/cleanup"
	for origin, allowed := range map[string]bool{
		"https://app.example.com": true, "https://evil.example.com": false, "http://app.example.com": false, "https://app.example.com.evil.com": false, "null": false,
	} {
		pre := ask(aClient, http.MethodOptions, clean, http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}}, "")
		if got := pre.Header().Get("Access-Control-Allow-Origin"); (got == origin) != allowed || allowed && !strings.Contains(pre.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("%s: preflight: %d %v", origin, pre.Code, pre.Header())
		}
		rec := ask(aClient, http.MethodPost, clean, from(origin, nil), `{"dry_run":true}`)
		if (rec.Code == http.StatusOK) != allowed || (rec.Header().Get("Access-Control-Allow-Origin") == origin) != allowed || rec.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: a run: %d %v", origin, rec.Code, rec.Header())
		}
	}
}

func TestServeRefusesLoginFlagsThatCannotBeRight(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	secret, keys := u.writes("secret", strings.Repeat("s", 40)), u.writes("keys", "{}")
	for want, args := range map[string][]string{
		"want one":                      {"--addr", "127.0.0.1:0", "--jwt-secret", secret, "--jwt-keys", keys},
		"it has no keys":                {"--addr", "127.0.0.1:0", "--jwt-keys", keys},
		"want an address or a network":  {"--addr", "127.0.0.1:0", "--trusted-proxy", "everybody"},
		"want two headers":              {"--addr", "127.0.0.1:0", "--trusted-proxy", "10.0.0.1", "--user-header", "x", "--role-header", "X"},
		"without a path":                {"--addr", "127.0.0.1:0", "--jwt-secret", secret, "--cors-origin", "https://app.example.com/"},
		"nobody logs in without --addr": {"--jwt-secret", secret},
		"--addr and --tokens belong":    {"--addr", "127.0.0.1:0", "--cors-origin", "https://app.example.com"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		u.callsWithin(ctx, append([]string{"serve"}, args...)...).want(t, exitUsage, want)
		cancel()
	}
}
