package command

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

// failuresPerSecond and failuresAtOnce limit the failed logins from one address.
const (
	failuresPerSecond = 1.0 / 6
	failuresAtOnce    = 10
)

type limit = func(*http.Request, sessioncleanup.Principal) time.Duration

// authenticator authenticates requests by their token. It logs failed logins, and limits them for each address. A known
// token still works from there: behind a proxy all clients have its address, and one of them must not lock out the
// others.
func authenticator(known *tokens.Tokens, log *slog.Logger) func(*http.Request) (sessioncleanup.Principal, error) {
	failures := httpapi.PerPrincipal(failuresPerSecond, failuresAtOnce)
	return func(r *http.Request) (sessioncleanup.Principal, error) {
		who, err := known.Authenticate(r)
		if err == nil || r.Header.Get("Authorization") == "" { // without a token it was no attempt
			return who, err
		}
		from := clientNetwork(r.RemoteAddr)
		if wait := failures(r, sessioncleanup.Principal{ID: from}); wait > 0 {
			return who, &httpapi.WaitError{Wait: wait}
		}
		log.WarnContext(r.Context(), "failed login: "+err.Error(), "from", from)
		return who, err
	}
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
