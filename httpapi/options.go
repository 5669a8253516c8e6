package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
)

// WaitError is returned by Options.Authenticate for a client that has to wait, for example after too many failed
// logins.
type WaitError struct{ Wait time.Duration }

// Error says how long to wait.
func (e *WaitError) Error() string { return "too many requests: wait for " + e.Wait.String() }

// DefaultPrefix is the default of Options.Prefix.
const DefaultPrefix = "/api/session-cleanup"

// Options configures the handler. Authenticate is required; for everything else the zero value is useful.
type Options struct {
	// Authenticate returns the principal of a request. An error becomes a 401 without its text, an ErrForbidden a 403,
	// an ErrUnavailable a 503, and a WaitError a 429. It must not read the request's body. Required.
	Authenticate func(*http.Request) (sessioncleanup.Principal, error)

	// Prefix is the path above the routes, as the handler sees it; "/" when the router strips it. Default:
	// DefaultPrefix.
	Prefix string
	// Challenge is the WWW-Authenticate header of a 401. Default: "Bearer".
	Challenge string
	// KeepLinks verifies the keep links in warnings, with which owners keep sessions without logging in. It serves
	// their page at "keep" below Prefix. Default: there is no such page.
	KeepLinks *keeplink.Links
	// ReadOnly refuses everything that changes state, dry runs included. Default: false.
	ReadOnly bool
	// NoConfirm makes DELETE work without ?confirm=, for front ends that ask for confirmation themselves. Default:
	// false.
	NoConfirm bool
	// CrossOrigin refuses requests that change state from pages of other sites. Set one to trust certain origins.
	// Default: no other origin is trusted.
	CrossOrigin *http.CrossOriginProtection
	// Limit is called for each authenticated request. A result above 0 is the time that the client has to wait, and
	// makes the response a 429. PerPrincipal returns such a function. Default: no limit.
	Limit func(*http.Request, sessioncleanup.Principal) time.Duration
	// LimitChanges is called, after Limit, for each change of a session that the audit log keeps, which is every change
	// but touches. Its result is as that of Limit. It keeps a client from filling the log. Default: no limit.
	LimitChanges func(*http.Request, sessioncleanup.Principal) time.Duration
	// MaxRequestsPerPrincipal is the number of requests of one principal that are served at a time, without streams and
	// runs, so that no principal takes all connections to the database. Further requests wait, at most for Timeout;
	// then, or when too many wait, the response is a 429. Default: no limit.
	MaxRequestsPerPrincipal int

	// Timeout is how long a request waits for the database before the response is a 503. A run may take longer once the
	// database has responded. Default: 1.5 s.
	Timeout time.Duration
	// Interval is the largest age of statistics, and how often /live looks for news. The statistics of each owner, and
	// of all sessions, are computed at most once per interval for all callers together. Default: 1 s.
	Interval time.Duration
	// Heartbeat is how often /live sends a comment when there is no news. Default: 15 s.
	Heartbeat time.Duration
	// MaxWatchers is the number of clients that may watch /live at a time; further ones get a 503. Default: 1000.
	MaxWatchers int
	// MaxWatchersPerOwner is the number of watchers that one owner may have, so that no owner keeps others from
	// watching. Default: 20, or MaxWatchers if that is less.
	MaxWatchersPerOwner int

	// Context ends runs and live streams, so that they do not keep a server from shutting down: cancel it in
	// http.Server.RegisterOnShutdown. A run finishes its current batch. Default: context.Background().
	Context context.Context
	// Logger receives the details of failures, which clients do not get. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Authenticate == nil {
		return o, invalid.Errorf("Options.Authenticate is nil: want a function that returns the principal")
	}
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	if !strings.HasPrefix(o.Prefix, "/") || strings.ContainsAny(o.Prefix, "%?#\\ \"<>") || strings.Contains(o.Prefix, "//") {
		return o, invalid.Errorf("Options.Prefix is %q: want a path that begins with /, without characters that need escaping", o.Prefix)
	}
	o.Prefix = strings.TrimSuffix(o.Prefix, "/")
	for _, d := range []struct {
		field string
		value *time.Duration
		def   time.Duration
	}{
		{"Timeout", &o.Timeout, 1500 * time.Millisecond},
		{"Interval", &o.Interval, time.Second},
		{"Heartbeat", &o.Heartbeat, 15 * time.Second},
	} {
		if *d.value < 0 {
			return o, invalid.Errorf("Options.%s is %v: want a positive duration", d.field, *d.value)
		}
		*d.value = cmp.Or(*d.value, d.def)
	}
	for _, n := range []struct {
		field string
		value *int
		def   int
	}{{"MaxWatchers", &o.MaxWatchers, 1000}, {"MaxWatchersPerOwner", &o.MaxWatchersPerOwner, 20}} {
		if *n.value < 0 {
			return o, invalid.Errorf("Options.%s is %d: want a positive number", n.field, *n.value)
		}
		*n.value = cmp.Or(*n.value, n.def)
	}
	if o.MaxRequestsPerPrincipal < 0 {
		return o, invalid.Errorf("Options.MaxRequestsPerPrincipal is %d: want a positive number, or 0 for no limit", o.MaxRequestsPerPrincipal)
	}
	o.Challenge = cmp.Or(o.Challenge, "Bearer")
	if o.CrossOrigin == nil {
		o.CrossOrigin = http.NewCrossOriginProtection()
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
