package login

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// Proxies are those that authenticate users, and say who they are in headers.
type Proxies struct {
	Networks   []netip.Prefix
	IDHeader   string
	RoleHeader string // one role, or several with commas, of which the highest counts
}

// Strip removes the headers from requests of others than these proxies, and from ambiguous ones.
func (p *Proxies) Strip(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.trusts(r.RemoteAddr) || len(r.Header.Values(p.IDHeader)) > 1 || len(r.Header.Values(p.RoleHeader)) > 1 {
			r.Header.Del(p.IDHeader)
			r.Header.Del(p.RoleHeader)
		}
		next.ServeHTTP(w, r)
	})
}

func (p *Proxies) trusts(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := at.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// Authenticate returns the principal that a proxy names; false when it names none. Strip comes before it.
func (p *Proxies) Authenticate(r *http.Request) (who sessioncleanup.Principal, is bool, err error) {
	id, role := r.Header.Get(p.IDHeader), r.Header.Get(p.RoleHeader)
	if id == "" {
		return who, false, nil
	}
	roles := strings.Split(role, ",")
	for i := range roles {
		roles[i] = strings.TrimSpace(roles[i])
	}
	who, err = principalOf(roles, id)
	return who, true, err
}
