package command

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/login"
	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

// failuresPerSecond and failuresAtOnce limit the failed logins from one address.
const (
	failuresPerSecond = 1.0 / 6
	failuresAtOnce    = 10
)

type limit = func(*http.Request, sessioncleanup.Principal) time.Duration

// logins authenticates requests by their token or, those of the page, by the cookie that stands for it. It logs failed logins,
// and limits them for each address. A known token still works from there: behind a proxy all clients have its address, and one
// of them must not lock out the others.
type logins struct {
	known    *tokens.Tokens
	log      *slog.Logger
	failures limit
	page     *login.Login
	jwt      *login.Verifier // nil: none
	proxies  *login.Proxies  // nil: none
}

func newLogins(e *endpoint, log *slog.Logger) *logins {
	l := &logins{known: e.known, log: log, failures: httpapi.PerPrincipal(failuresPerSecond, failuresAtOnce), jwt: e.jwt, proxies: e.proxies}
	l.page = &login.Login{Known: e.known, JWT: e.jwt, Log: log, Failed: l.failed, Shortcuts: e.shortcuts}
	return l
}

// authenticate is for httpapi.Options.
func (l *logins) authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	if l.proxies != nil { // the proxy knows who it is, whatever else the client sends
		if who, is, err := l.proxies.Authenticate(r); is {
			return who, err
		}
	}
	if r.Header.Get("Authorization") == "" { // without a token it is no attempt
		return l.page.Authenticate(r)
	}
	who, err := l.bearer(r)
	if err == nil || errors.Is(err, sessioncleanup.ErrForbidden) {
		return who, err
	}
	if wait := l.failed(r, err); wait > 0 {
		return who, &httpapi.WaitError{Wait: wait}
	}
	return who, err
}

// bearer is the principal of a token: one of the file, or a JSON Web Token.
func (l *logins) bearer(r *http.Request) (sessioncleanup.Principal, error) {
	if l.jwt != nil {
		if who, is, err := l.jwt.Authenticate(r); is {
			return who, err
		}
	}
	return l.known.Authenticate(r)
}

// longestReason is how much of why a login failed is logged, in characters: parts of a JSON Web Token are in it.
const longestReason = 200

// failed logs a failed login with its reason, which only the log has, and returns how long its client has to wait.
func (l *logins) failed(r *http.Request, err error) time.Duration {
	from := clientNetwork(r.RemoteAddr)
	wait := l.failures(r, sessioncleanup.Principal{ID: from})
	if wait == 0 {
		l.log.WarnContext(r.Context(), "failed login", "error", shorten.Text(err.Error(), longestReason), "from", from)
	}
	return wait
}

// clientNetwork is the address of a client; of an IPv6 address the part that its provider assigns.
func clientNetwork(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, err := address.Prefix(64)
	if err != nil {
		return address.String()
	}
	return network.String()
}

// ofOwners is a limit for owners only: an admin is a service that acts for many people.
func ofOwners(of limit) limit {
	return func(r *http.Request, p sessioncleanup.Principal) time.Duration {
		if p.Role != sessioncleanup.RoleOwner {
			return 0
		}
		return of(r, p)
	}
}
