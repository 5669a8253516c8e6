package command

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup/internal/login"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

// loginFlags are the flags of serve that say who its users are, besides --tokens.
type loginFlags struct {
	jwt        login.JWT
	proxies    []string
	idHeader   string
	roleHeader string
	origins    []string
}

func (f *loginFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.jwt.SecretFile, "jwt-secret", "", "accept JSON Web Tokens signed with HS256 and the secret in this file, of 32 bytes or more; not readable by others")
	flags.StringVar(&f.jwt.KeysFile, "jwt-keys", "", "accept JSON Web Tokens signed with a key of this file of public keys (JWKS)")
	flags.StringVar(&f.jwt.Audience, "jwt-audience", "", "the audience (aud) that a JSON Web Token must have (default: any)")
	flags.StringVar(&f.jwt.Issuer, "jwt-issuer", "", "the issuer (iss) that a JSON Web Token must have (default: any)")
	flags.StringVar(&f.jwt.IDClaim, "jwt-id-claim", "sub", "the claim with the ID of the user")
	flags.StringVar(&f.jwt.RoleClaim, "jwt-role-claim", "role", "the claim with the role: admin, owner or viewer, or a list; realm_access.roles goes into an object")
	flags.StringSliceVar(&f.proxies, "trusted-proxy", nil, "`CIDR` of proxies that authenticate users and name them in headers; from others the headers are removed")
	flags.StringVar(&f.idHeader, "user-header", "X-Forwarded-User", "header of --trusted-proxy with the ID of the user")
	flags.StringVar(&f.roleHeader, "role-header", "X-Forwarded-Role", "header of --trusted-proxy with the role, or several with commas")
	flags.StringSliceVar(&f.origins, "cors-origin", nil, "`ORIGIN` of pages elsewhere that may use the API with a bearer token, for example https://app.example.com")
}

// any reports whether some way to log in is on.
func (f *loginFlags) any() bool {
	return f.jwt.SecretFile != "" || f.jwt.KeysFile != "" || len(f.proxies) > 0
}

// read reads the files and completes the endpoint.
func (f *loginFlags) read(e *endpoint) (err error) {
	if e.known == nil {
		e.known = &tokens.Tokens{}
	}
	if f.jwt.SecretFile != "" || f.jwt.KeysFile != "" {
		if f.jwt.SecretFile != "" && f.jwt.KeysFile != "" {
			return usagef("--jwt-secret and --jwt-keys are both given: want one")
		}
		if e.jwt, err = f.jwt.Open(); err != nil {
			return usagef("--jwt-secret or --jwt-keys, %s%s: %w", f.jwt.SecretFile, f.jwt.KeysFile, err)
		}
	}
	if len(f.proxies) > 0 {
		if f.idHeader == "" || f.roleHeader == "" || http.CanonicalHeaderKey(f.idHeader) == http.CanonicalHeaderKey(f.roleHeader) {
			return usagef("--user-header and --role-header are %q and %q: want two headers", f.idHeader, f.roleHeader)
		}
		e.proxies = &login.Proxies{IDHeader: f.idHeader, RoleHeader: f.roleHeader}
		for _, text := range f.proxies {
			network, err := netip.ParsePrefix(text)
			if address, single := netip.ParseAddr(text); single == nil {
				network, err = netip.PrefixFrom(address, address.BitLen()), nil
			}
			if err != nil || network.Addr().Is4In6() {
				return usagef("--trusted-proxy is %q: want an address or a network such as 10.0.0.0/8", text)
			}
			e.proxies.Networks = append(e.proxies.Networks, network)
		}
	}
	for _, origin := range f.origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return usagef("--cors-origin is %q: want a scheme and a host, such as https://app.example.com, without a path", origin)
		}
	}
	e.origins = f.origins
	return nil
}

// What pages of other origins may send and read.
var (
	corsMethods = "GET, POST, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Accept-Language, If-Match, If-None-Match, Last-Event-ID"
	corsExposed = "ETag, Retry-After, Content-Language"
)

// withCORS lets pages of some origins use the API. They send a bearer token: the cookie of the page is not sent from
// other sites.
func withCORS(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin, h := r.Header.Get("Origin"), w.Header()
		if !slices.Contains(origins, origin) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Vary", "Origin")
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsHeaders)
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", corsExposed)
		next.ServeHTTP(w, r)
	})
}

// trusting is the protection against pages of other sites, but for some origins.
func trusting(origins []string) (*http.CrossOriginProtection, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := protection.AddTrustedOrigin(strings.TrimSuffix(origin, "/")); err != nil {
			return nil, err
		}
	}
	return protection, nil
}
