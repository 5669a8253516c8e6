// Package pgurl reads PostgreSQL URLs that libpq understands and net/url, and so pgx, does not.
package pgurl

import (
	"net/url"
	"strings"
)

// WithSocket moves the directory of a server's socket from a URL's host, where libpq reads it percent-encoded, to its
// parameters: postgres://ann@%2Fvar%2Frun/app becomes postgres://ann@/app?host=/var/run. Other URLs stay as they are.
func WithSocket(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !strings.HasPrefix(strings.ToLower(scheme), "postgres") {
		return text
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	at := strings.LastIndex(authority, "@") + 1
	host, port, _ := strings.Cut(authority[at:], ":")
	directory, err := url.PathUnescape(host)
	if err != nil || !strings.HasPrefix(directory, "/") {
		return text
	}
	extra := "host=" + strings.ReplaceAll(url.QueryEscape(directory), "+", "%20") // pgx reads a plus as a plus
	if port != "" {
		extra += "&port=" + url.QueryEscape(port)
	}
	path, query, _ := strings.Cut(tail, "?")
	if query != "" {
		extra += "&" + query
	}
	return scheme + "://" + authority[:at] + path + "?" + extra
}
