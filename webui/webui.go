// Package webui serves the page on which owners and admins manage sessions: the <session-manager> element over the routes of
// package httpapi, with nothing else around it.
//
//	page, err := webui.Handler(webui.Options{Prefix: "/sessions", Login: "/login"})
//	…
//	mux.Handle("/sessions/", page)
//
// The page holds no data and needs no login; the handlers of httpapi decide what its user sees. An application that has pages
// of its own can use the element alone: it is session-manager.js below the prefix. docs/page.md shows how.
//
// The built assets are in the repository, so that building the library needs Go alone; scripts/webui builds them.
package webui

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Policy is the Content-Security-Policy of the page. A page that contains the element can use it as it is.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"

// Options configures the page. The zero value serves it at the root, over an API at its default prefix.
type Options struct {
	// Prefix is the path of the page, as the handler sees it; "/" when the router strips it. Default: "/".
	Prefix string
	// API is the URL of the httpapi handler, on the same origin, relative to the page or absolute. Default:
	// httpapi.DefaultPrefix.
	API string
	// Login is the URL at which a user logs in. The page links to it when the user is not logged in or the login has
	// expired. Default: none, and the page asks the user to log in to the application.
	Login string
	// Logout is the URL to which the page sends a POST to log out. Default: none, and the page has no such button.
	Logout string
	// Title is the title of the page. Default: "Sessions".
	Title string
	// Tables are several tables of sessions for the user to choose from, each behind its own httpapi handler. Default:
	// only that of API.
	Tables []Table
}

// Table is a table of sessions that the user can choose.
type Table struct {
	Name string // for people
	API  string // as Options.API
}

//go:embed assets
var assets embed.FS

var page = template.Must(template.ParseFS(assets, "assets/page.html"))

// files are the assets that are served as they are, by name.
var files = map[string]string{
	"session-manager.js": "text/javascript; charset=utf-8",
	"page.css":           "text/css; charset=utf-8",
	"icon.svg":           "image/svg+xml",
}

// Handler returns the handler of the page. It serves GET and HEAD for Prefix and for the assets below it.
func Handler(o Options) (http.Handler, error) {
	if !strings.HasPrefix(o.Prefix, "/") && o.Prefix != "" || strings.ContainsAny(o.Prefix, "%?#\\ \"<>") || strings.Contains(o.Prefix, "//") {
		return nil, invalid.Errorf("Options.Prefix is %q: want a path that begins with /, without characters that need escaping", o.Prefix)
	}
	o.API, o.Title = cmp.Or(o.API, httpapi.DefaultPrefix), cmp.Or(o.Title, "Sessions")
	for i, t := range o.Tables {
		if t.Name == "" || t.API == "" {
			return nil, invalid.Errorf("Options.Tables[%d] is %+v: want a name and the URL of an API", i, t)
		}
	}
	h := &handler{prefix: strings.TrimSuffix(o.Prefix, "/") + "/", pages: map[string]content{}, files: map[string]content{}}
	for name, mediaType := range files {
		data, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("webui: %w", err)
		}
		h.files[name] = newContent(data, mediaType)
	}
	for _, table := range append([]Table{{API: o.API}}, o.Tables...) {
		for _, lang := range languages {
			var out bytes.Buffer
			if err := page.Execute(&out, struct {
				Options
				Lang string
				Table
			}{o, lang, table}); err != nil {
				return nil, fmt.Errorf("webui: %w", err)
			}
			h.pages[lang+table.Name] = newContent(out.Bytes(), "text/html; charset=utf-8")
		}
	}
	return h, nil
}

var languages = []string{"en", "fr"}

type handler struct {
	prefix string             // ends with /
	pages  map[string]content // by language and the name of a table
	files  map[string]content // by name
}

// content is one response, plain and compressed.
type content struct {
	mediaType     string
	plain, packed []byte
	tag           string
}

func newContent(data []byte, mediaType string) content {
	sum := sha256.Sum256(data)
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is valid
	_, _ = w.Write(data)                                       // a buffer never fails
	_ = w.Close()
	return content{mediaType: mediaType, plain: data, packed: packed.Bytes(), tag: base64.RawURLEncoding.EncodeToString(sum[:12])}
}

// ServeHTTP serves the page or one of its assets.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path+"/" == h.prefix { // its assets are relative to the page
		redirect(w, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]+"/")
		return
	}
	name, below := strings.CutPrefix(r.URL.Path, h.prefix)
	c, found := h.files[name]
	w.Header().Set("Vary", "Accept-Encoding")
	if below && name == "" {
		if c, found = h.pages[LanguageOf(r)+r.URL.Query().Get("table")]; !found {
			c, found = h.pages[LanguageOf(r)], true
		}
		w.Header().Set("Vary", "Accept-Language, Accept-Encoding")
	}
	switch {
	case !below || !found:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	default:
		c.send(w, r)
	}
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusPermanentRedirect)
}

func (c content) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	SetHeaders(h)
	body, tag := c.plain, `"`+c.tag+`"`
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, tag = c.packed, `"`+c.tag+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // ask each time: a new version has new content under the same names
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == tag {
			h.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", c.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // an error says that the client has disconnected
	}
}

// SetHeaders sets the security headers of a page that contains the element, or of one of its assets.
func SetHeaders(h http.Header) {
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// LanguageOf returns the initial language of the page: French when the browser prefers it to English.
func LanguageOf(r *http.Request) string {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") { // browsers list them in their order
		switch tag, _, _ := strings.Cut(strings.TrimSpace(part), ";"); {
		case strings.HasPrefix(strings.ToLower(tag), "fr"):
			return "fr"
		case strings.HasPrefix(strings.ToLower(tag), "en"):
			return "en"
		}
	}
	return "en"
}
