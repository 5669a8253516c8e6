package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// errPrivateAddress refuses a connection to where only this machine or its network can connect.
var errPrivateAddress = errors.New("the address is not a public one")

// notPublic are the networks that are not reachable from everywhere, or that stand for addresses in another network, besides
// those that package netip knows: IANA's special-purpose registries.
var notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	"3fff::/20", "5f00::/16", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

// public reports whether an address is one of the public internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, network := range notPublic {
		if network.Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate()
}

// onlyPublic is net.Dialer.ControlContext: it sees the address that a name was resolved to, right before the connection, so
// that a name cannot resolve to another address later.
func onlyPublic(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errPrivateAddress, address)
	}
	if !public(at.Addr()) {
		return fmt.Errorf("%w: %s", errPrivateAddress, at.Addr())
	}
	return nil
}

// transport is for one receiver. A proxy would connect to private addresses itself, so none is used unless they are allowed.
func transport(allowPrivate bool) *http.Transport {
	dialer := &net.Dialer{Timeout: requestTimeout, KeepAlive: -1}
	t := &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: requestTimeout, MaxIdleConns: 1, IdleConnTimeout: time.Minute}
	if allowPrivate {
		t.Proxy = http.ProxyFromEnvironment
	} else {
		dialer.ControlContext = onlyPublic
	}
	return t
}
