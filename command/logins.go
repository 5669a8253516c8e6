package command

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/login"
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
}

func newLogins(known *tokens.Tokens, log *slog.Logger, shortcuts []login.Shortcut) *logins {
	l := &logins{known: known, log: log, failures: httpapi.PerPrincipal(failuresPerSecond, failuresAtOnce)}
	l.page = &login.Login{Known: known, Log: log, Failed: l.failed, Shortcuts: shortcuts}
	return l
}

// authenticate is for httpapi.Options.
func (l *logins) authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	if r.Header.Get("Authorization") == "" { // without a token it is no attempt
		return l.page.Authenticate(r)
	}
	who, err := l.known.Authenticate(r)
	if err == nil {
		return who, nil
	}
	if wait := l.failed(r); wait > 0 {
		return who, &httpapi.WaitError{Wait: wait}
	}
	return who, err
}

// failed logs a failed login, and returns how long its client has to wait.
func (l *logins) failed(r *http.Request) time.Duration {
	from := clientNetwork(r.RemoteAddr)
	wait := l.failures(r, sessioncleanup.Principal{ID: from})
	if wait == 0 {
		l.log.WarnContext(r.Context(), "failed login: "+tokens.ErrUnknown.Error(), "from", from)
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
