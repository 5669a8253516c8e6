package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
)

// New returns the handler, which serves paths below Options.Prefix and nothing else. A missing Authenticate or a wrong
// option is a sessioncleanup.ErrInvalid.
//
// The handler starts goroutines only to count for responses that do not wait for the count. A run continues in the
// goroutine of its request after its client disconnects, so http.Server.Shutdown waits for it.
func New(manager *sessioncleanup.Manager, o Options) (http.Handler, error) {
	if manager == nil {
		return nil, invalid.Errorf("manager is nil: want a Manager")
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &api{
		Options: o, manager: manager, document: documentFor(o.Prefix), live: newLive(o), turns: newTurns(o),
		figures:   newShared[figures](o.Interval, o.Timeout),
		outlooks:  newShared[sessioncleanup.Outlook](o.Interval, o.Timeout),
		tagCounts: newShared[[]sessioncleanup.TagCount](o.Interval, o.Timeout),
		profiles:  newPaced[sessioncleanup.Analytics](o.Interval),
		dueNow:    newPaced[due](o.Interval), proposing: make(chan struct{}, 1),
	}, nil
}

type api struct {
	Options
	manager   *sessioncleanup.Manager
	document  []byte
	figures   *shared[figures]                   // by scope: an owner's ID, or "" for all
	outlooks  *shared[sessioncleanup.Outlook]    // by scope
	tagCounts *shared[[]sessioncleanup.TagCount] // of the tags in use, by scope
	profiles  *shared[sessioncleanup.Analytics]  // by tags
	dueNow    *shared[due]                       // by the policy in force
	proposing chan struct{}                      // has an element while what is due is counted
	live      *live
	turns     *turns
	outage    outage
	activity  atomic.Pointer[string] // see activityTable
}

// forget has what depends on an owner's sessions computed again.
func (a *api) forget(owner string) {
	a.figures.forget("", owner)
	a.outlooks.forget("", owner)
	a.tagCounts.forget("", owner)
	a.dueNow.forgetAll()
}

// forgetAll is forget for every owner.
func (a *api) forgetAll() {
	a.figures.forgetAll()
	a.outlooks.forgetAll()
	a.tagCounts.forgetAll()
	a.dueNow.forgetAll()
}

// ServeHTTP serves a request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["Vary"] = varyOn
	c := &call{api: a, w: w, r: r, lang: languageOf(r.Header["Accept-Language"])}
	defer c.recovered()               //nolint:contextcheck // a call holds its request's context
	if err := c.serve(); err != nil { //nolint:contextcheck // a call holds its request's context
		c.fail(err) //nolint:contextcheck // a call holds its request's context
	}
}

// Header values that never change are shared, so that responses do not allocate them.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
	varyOn  = []string{"Accept-Language"}
	isJSON  = []string{"application/json"}
)

// call is one request in progress.
type call struct {
	*api
	w       http.ResponseWriter
	r       *http.Request
	lang    lang
	id      string     // of the session, or the run, that the path names
	values  url.Values // of the query
	scope   string     // the owner whose sessions the request is about; empty: all
	who     sessioncleanup.Principal
	m       *sessioncleanup.Manager // limited to what the principal may do
	endTurn func()                  // see turns; nil before it begins
	started bool                    // the response has begun: errors can no longer be reported in it
	html    bool                    // the response is a page
	grant   keeplink.Grant          // of the request's keep link
}

func (c *call) serve() error {
	rt, id, err := c.match()
	if err != nil {
		return err
	}
	c.id = id
	if rt.open {
		return c.handle(rt)
	}
	if rt.changes {
		if err := c.CrossOrigin.Check(c.r); err != nil {
			return &fault{problem: crossOrigin}
		}
	}
	if c.who, err = c.caller(rt); err != nil {
		return err
	}
	if err := limited(c.Limit, c.r, c.who); err != nil {
		return err
	}
	if err := c.permit(rt); err != nil {
		return err
	}
	if rt.changes && c.ReadOnly {
		return &fault{problem: readOnly}
	}
	if rt.logged {
		if err := limited(c.LimitChanges, c.r, c.who); err != nil {
			return err
		}
	}
	if !rt.long {
		if c.endTurn, err = c.turns.take(c.r.Context(), c.who); err != nil {
			return err
		}
		defer c.endTurn()
	}
	return c.handle(rt)
}

// handle reads the query and serves the request.
func (c *call) handle(rt *route) (err error) {
	if rt.linked { // with whatever a mail service adds to the query
		return rt.handle(c)
	}
	if c.values, err = c.query(rt.params); err != nil {
		return err
	}
	if !rt.open {
		if c.scope, err = c.m.Scope(c.values.Get("owner")); err != nil {
			return err
		}
		if reason := c.values.Get("reason"); reason != "" {
			c.m = c.m.Because(reason)
		}
	}
	return rt.handle(c)
}

// caller is the principal of the request.
func (c *call) caller(rt *route) (sessioncleanup.Principal, error) {
	if rt.linked {
		return c.linked()
	}
	who, err := c.Authenticate(c.r)
	if err != nil {
		err = refused(err)
	}
	return who, err
}

// limited is the problem of a client that has to wait.
func limited(limit func(*http.Request, sessioncleanup.Principal) time.Duration, r *http.Request, who sessioncleanup.Principal) error {
	if limit != nil {
		if wait := limit(r, who); wait > 0 {
			return &fault{problem: tooManyRequests, retryAfter: wait}
		}
	}
	return nil
}

// permit asks the Manager whether the principal may use the route at all, so that a 403 comes before errors in its query
// or body. The Manager checks again with every operation.
func (c *call) permit(rt *route) error {
	switch c.who.Role {
	case sessioncleanup.RoleAdmin, sessioncleanup.RoleOwner, sessioncleanup.RoleViewer:
	default:
		return sessioncleanup.ErrForbidden
	}
	c.m = c.manager.As(c.who)
	if rt.everything {
		return c.m.PermitAll()
	}
	_, err := c.m.Scope("")
	return err
}

// recovered reports a panic like any other failure: the client gets no details, the log gets all of them.
func (c *call) recovered() {
	v := recover()
	if v == nil {
		return
	}
	err, _ := v.(error)
	aborted := errors.Is(err, http.ErrAbortHandler) // which only ends the response
	if !aborted {
		c.Logger.ErrorContext(c.r.Context(), "request panicked", "method", c.r.Method, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
	if aborted || c.started { // the client must not mistake what it received for the whole response
		panic(http.ErrAbortHandler)
	}
	c.fail(&fault{problem: internal})
}
