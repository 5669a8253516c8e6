package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// route is what one method of one path does.
type route struct {
	handle     func(*call) error
	open       bool     // served to everybody
	everything bool     // concerns all sessions at once
	changes    bool     // changes state
	logged     bool     // changes one session, which the audit log keeps
	long       bool     // may last longer than a request
	linked     bool     // by the token of a keep link
	params     []string // that its query may have. One called owner limits it to an owner, reason says why it changes something
}

// methods are the routes of one path, by method. GET serves HEAD too: the server omits the body.
type methods map[string]*route

// The routes below the prefix. A session whose ID is one of the fixed names is reached by escaping a letter of it.
//
// http.ServeMux cannot carry this contract. It refuses the patterns "/stats" and "DELETE /{id}" together, so that DELETE /stats
// would delete the session "stats". It unescapes a segment before it compares it with a fixed name, so that GET /%73tats
// would not find that session. And it answers paths that it cleans, such as "//", with a redirect instead of a problem.
var (
	fixedRoutes = map[string]methods{
		"stats":     {http.MethodGet: {handle: (*call).stats, params: []string{"owner", "tags"}}},
		"me":        {http.MethodGet: {handle: (*call).me}},
		"analytics": {http.MethodGet: {handle: (*call).analytics, params: []string{"tags"}, everything: true}},
		"tags":      {http.MethodGet: {handle: (*call).tagsInUse, params: []string{"owner"}}},
		"owners":    {http.MethodGet: {handle: (*call).owners, params: []string{"q", "sort", "limit", "cursor"}, everything: true}},
		"summary":   {http.MethodGet: {handle: (*call).summary, params: []string{"owner"}}},
		"policy": {
			http.MethodGet:   {handle: (*call).policy, params: []string{"inactive_hours", "delete_old_days", "archive_keep_days", "rules"}, everything: true, long: true},
			http.MethodPatch: {handle: (*call).setPolicy, params: []string{"confirm", "reason"}, everything: true, changes: true, long: true},
		},
		"pause": {
			http.MethodGet:    {handle: (*call).paused, everything: true},
			http.MethodPost:   {handle: (*call).pause, everything: true, changes: true},
			http.MethodDelete: {handle: (*call).resume, params: []string{"reason"}, everything: true, changes: true},
		},
		"bulk":         {http.MethodPost: {handle: (*call).bulk, params: []string{"reason"}, changes: true, long: true}},
		"view":         {http.MethodGet: {handle: (*call).view, params: []string{"status", "owner", "q", "tags", "sort", "limit", "cursor"}}},
		"events":       {http.MethodGet: {handle: (*call).events, params: []string{"session", "owner", "run", "action", "limit", "cursor"}}},
		"archive":      {http.MethodGet: {handle: (*call).archive, params: []string{"session", "owner", "held", "limit", "cursor"}}},
		"live":         {http.MethodGet: {handle: (*call).watch, long: true}},
		"erase":        {http.MethodPost: {handle: (*call).erase, params: []string{"confirm", "reason"}, everything: true, changes: true, logged: true, long: true}},
		"cleanup":      {http.MethodPost: {handle: (*call).cleanup, params: []string{"reason"}, everything: true, changes: true, long: true}},
		"openapi.yaml": {http.MethodGet: {handle: (*call).openapi, open: true}},
		"keep": {
			http.MethodGet:  {handle: (*call).showKeep, linked: true},
			http.MethodPost: {handle: (*call).useKeep, linked: true, changes: true, logged: true},
		},
	}
	sessionRoutes = methods{
		http.MethodGet:    {handle: (*call).session},
		http.MethodDelete: {handle: (*call).delete, params: []string{"confirm", "cascade", "reason"}, changes: true, logged: true},
	}
	actionRoutes = map[string]methods{
		"deactivate":   {http.MethodPatch: {handle: changes(msgDeactivated, (*sessioncleanup.Manager).Deactivate), params: []string{"reason"}, changes: true, logged: true}},
		"reactivate":   {http.MethodPatch: {handle: changes(msgReactivated, (*sessioncleanup.Manager).Reactivate), params: []string{"reason"}, changes: true, logged: true}},
		"auto-cleanup": {http.MethodPatch: {handle: (*call).setAutoCleanup, params: []string{"reason"}, changes: true, logged: true}},
		"activity":     {http.MethodPatch: {handle: (*call).touch, changes: true}},
		"keep":         {http.MethodPatch: {handle: (*call).keep, params: []string{"reason"}, changes: true, logged: true}},
		"tags":         {http.MethodPatch: {handle: (*call).setTags, params: []string{"reason"}, changes: true, logged: true}},
		"expiry":       {http.MethodPatch: {handle: (*call).setExpiry, params: []string{"reason"}, changes: true, logged: true}},
	}
	// Below archive/{entry}: a number, which is no session's action.
	archiveRoutes = map[string]methods{
		"": {
			http.MethodGet:    {handle: (*call).archivedEntry},
			http.MethodDelete: {handle: (*call).purge, params: []string{"confirm", "reason"}, everything: true, changes: true, logged: true},
		},
		"hold":    {http.MethodPatch: {handle: (*call).hold, everything: true, changes: true, logged: true}},
		"restore": {http.MethodPost: {handle: (*call).restore, params: []string{"reason"}, changes: true, logged: true, long: true}},
	}
	// Below runs/{id}; no session's route has three parts, and no run is called like an action.
	runRoutes = map[string]methods{
		"":           {http.MethodGet: {handle: (*call).oneRun, everything: true}},
		"reactivate": {http.MethodPost: {handle: (*call).reactivateRun, params: []string{"reason"}, everything: true, changes: true, long: true}},
	}
)

// match finds the route of a request and the ID of the session, the run or the archive's entry in its path. It reads the
// path as it was sent, so that an ID may contain any character.
func (c *call) match() (*route, string, error) {
	rest, ok := strings.CutPrefix(c.r.URL.EscapedPath(), c.Prefix)
	if !ok || !strings.HasPrefix(rest, "/") {
		return nil, "", &fault{problem: notFound, detail: msgNoRoute}
	}
	first, second, two := strings.Cut(rest[1:], "/")
	actions := actionRoutes
	if run, action, three := strings.Cut(second, "/"); first == "runs" && (three && action != "" || !three && run != "" && actionRoutes[run] == nil) {
		first, second, actions = run, action, runRoutes
	}
	if entry, action, three := strings.Cut(second, "/"); first == "archive" && isNumber(entry) && (action != "" || !three) {
		if of := archiveRoutes[action]; of != nil {
			return of.route(c.r.Method, entry)
		}
		return nil, "", &fault{problem: notFound, detail: msgNoRoute}
	}
	of, id := fixedRoutes[first], ""
	if two || of == nil {
		of = sessionRoutes
		if two {
			of = actions[second]
		}
		if of == nil || first == "" {
			return nil, "", &fault{problem: notFound, detail: msgNoRoute}
		}
		var err error
		if id, err = url.PathUnescape(first); err != nil {
			return nil, "", &fault{problem: notFound}
		}
	}
	return of.route(c.r.Method, id)
}

// route is the one of a method.
func (m methods) route(method, id string) (*route, string, error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if rt := m[method]; rt != nil {
		return rt, id, nil
	}
	return nil, "", &fault{problem: methodNotAllowed, allow: m.allowed()}
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func (m methods) allowed() []string {
	var all []string
	for method := range m {
		all = append(all, method)
		if method == http.MethodGet {
			all = append(all, http.MethodHead)
		}
	}
	slices.Sort(all)
	return all
}
