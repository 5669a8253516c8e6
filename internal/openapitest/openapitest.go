// Package openapitest compares httpapi/openapi.yaml with the handler's behavior: every request and response of the HTTP suite, with
// one validator of OpenAPI documents in each folder below. It is a separate module, so that users of the library do not depend
// on them.
package openapitest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// Document returns the OpenAPI document as the handler serves it.
func Document(t testing.TB) []byte {
	t.Helper()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(m, httpapi.Options{Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
		return sessioncleanup.Principal{}, sessioncleanup.ErrForbidden
	}})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, httpapi.DefaultPrefix+"/openapi.yaml", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("GET /openapi.yaml: %d", rec.Code)
	}
	return rec.Body.Bytes()
}

// Path returns the path of the document that a request is for, or "" if there is none. It reads the escaped path, as the handler
// does; in says which paths the document has.
func Path(req *http.Request, in func(path string) bool) string {
	rest := strings.TrimPrefix(req.URL.EscapedPath(), httpapi.DefaultPrefix)
	if in(rest) {
		return rest
	}
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 4 && parts[1] == "runs" && parts[2] != "":
		parts[2] = "{run}"
	case len(parts) == 3 && parts[1] == "runs" && parts[2] != "" && !in("/{id}/"+parts[2]):
		parts[2] = "{run}"
	case len(parts) > 2 && parts[1] == "archive":
		parts[2] = "{entry}"
	case len(parts) < 2 || parts[1] == "":
		return ""
	default:
		parts[1] = "{id}"
	}
	if path := strings.Join(parts, "/"); in(path) {
		return path
	}
	return ""
}

// Method returns the operation of the document that a request is for: HEAD is GET without a body.
func Method(req *http.Request) string {
	if req.Method == http.MethodHead {
		return http.MethodGet
	}
	return req.Method
}
