package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// DefaultPrefix is where the routes are unless Options.Prefix says otherwise.
const DefaultPrefix = "/api/session-cleanup"

// Options says how the handler works. Authenticate is required; for everything else the zero value is useful.
type Options struct {
	// Authenticate says who asks. Any error is answered with 401 and its text is shown to nobody, except that an
	// ErrForbidden is 403 and an ErrUnavailable is 503. It must not read the request's body. Required.
	Authenticate func(*http.Request) (sessioncleanup.Principal, error)

	// Prefix is the path that the routes are below, as the handler sees it; "/" when the router strips it. Default:
	// DefaultPrefix.
	Prefix string
	// Challenge is the WWW-Authenticate header of a 401. Default: "Bearer".
	Challenge string
	// ReadOnly refuses everything that changes state, dry runs included. Default: false.
	ReadOnly bool
	// NoConfirm lets DELETE work without its ?confirm=, for front ends that ask for a confirmation themselves.
	// Default: false.
	NoConfirm bool
	// CrossOrigin refuses state-changing requests of other sites' pages. Give one to trust origins. Default: none is trusted.
	CrossOrigin *http.CrossOriginProtection
	// Limit is asked before each authenticated request; anything above 0 is answered with 429, and tells how long to
	// wait. PerPrincipal makes one. Default: no limit.
	Limit func(*http.Request, sessioncleanup.Principal) time.Duration

	// Timeout is how long a request may wait for the database before it is answered with 503. Runs take as long as
	// they take, once the database has answered at all. Default: 1.5 s.
	Timeout time.Duration
	// Interval is how old statistics may be, and how often watchers of /live get news: for each owner, and for all
	// sessions, they are computed at most once in it, for any number of callers. Default: 1 s.
	Interval time.Duration
	// Heartbeat is how often /live sends a sign of life when there is nothing to tell. Default: 15 s.
	Heartbeat time.Duration
	// MaxWatchers is how many may watch /live at a time; others get 503. Default: 1000.
	MaxWatchers int

	// Context ends the runs and the live streams that are at work, lest they keep a server from shutting down: cancel it
	// in http.Server.RegisterOnShutdown. A run finishes the batch at hand. Default: context.Background().
	Context context.Context
	// Logger gets what clients are not told about failures. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Authenticate == nil {
		return o, invalidf("Options.Authenticate is nil: want a function that says who asks")
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !strings.HasPrefix(o.Prefix, "/") || strings.ContainsAny(o.Prefix, "%?#\\ \"<>") || strings.Contains(o.Prefix, "//") {
		return o, invalidf("Options.Prefix is %q: want a path that begins with /, without characters that need escaping", o.Prefix)
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
			return o, invalidf("Options.%s is %v: want a positive duration", d.field, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if o.MaxWatchers < 0 {
		return o, invalidf("Options.MaxWatchers is %d: want a positive number", o.MaxWatchers)
	}
	if o.MaxWatchers == 0 {
		o.MaxWatchers = 1000
	}
	if o.Challenge == "" {
		o.Challenge = "Bearer"
	}
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

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", sessioncleanup.ErrInvalid, fmt.Sprintf(format, args...))
}
