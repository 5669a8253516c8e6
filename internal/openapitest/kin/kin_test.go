// Package kin_test compares the handlers with their description by kin-openapi.
package kin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/internal/openapitest"
)

func TestTheDocumentIsValid(t *testing.T) {
	t.Parallel()
	doc := load(t)
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("version %s, want 3.1", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapitest.Document(t))
	if err != nil {
		t.Fatalf("kin-openapi cannot read the document: %v", err)
	}
	return doc
}

// init makes kin-openapi read a stream and a page as text.
func init() {
	for _, mediaType := range []string{"text/event-stream", "text/html"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.FileBodyDecoder)
	}
}

func TestEveryResponseOfTheSuiteMatchesTheDocument(t *testing.T) {
	doc := load(t)
	c := &checker{doc: doc, seen: map[string]int{}}
	t.Run("suite", func(t *testing.T) { apitest.Run(t, c.observe) })
	if t.Failed() {
		return
	}
	codes := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if c.seen[method+" "+path+" 200"] == 0 {
				t.Errorf("%s %s never had a 200", method, path)
			}
			for code := range op.Responses.Map() {
				codes[code] = codes[code] || c.seen[method+" "+path+" "+code] > 0
			}
		}
	}
	for code, seen := range codes {
		if !seen {
			t.Errorf("no response had the documented status %s", code)
		}
	}
	t.Logf("%d responses checked", c.total)
}

// checker compares requests and responses with the document.
type checker struct {
	doc *openapi3.T

	mu    sync.Mutex
	seen  map[string]int // responses by method, path and status
	total int
}

func (c *checker) observe(t *testing.T, req *http.Request, res *http.Response) {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	path := openapitest.Path(req, func(path string) bool { return c.doc.Paths.Value(path) != nil })
	method := openapitest.Method(req)
	c.mu.Lock()
	kind := method + " " + path + " " + strconv.Itoa(res.StatusCode)
	c.seen[kind]++
	again := testing.Short() && c.seen[kind] > 3 // schemas are compiled anew each time
	if !again {
		c.total++
	}
	c.mu.Unlock()
	what := req.Method + " " + req.URL.Path
	item := c.doc.Paths.Value(path)
	var op *openapi3.Operation
	if item != nil {
		op = item.GetOperation(method)
	}
	if op == nil { // no such path or method: a problem, too
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, but the document has no such operation", what, res.StatusCode)
		}
		if !again {
			c.problem(t, what, body)
		}
		return
	}
	if again {
		return
	}
	route := &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: op}
	c.response(t, what, req, res, body, route)
	if res.StatusCode == http.StatusOK {
		c.request(t, what, req, route)
	}
}

func (c *checker) problem(t *testing.T, what string, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if err := c.doc.Components.Schemas["Problem"].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// response checks a response: status, headers, media type, body.
func (c *checker) response(t *testing.T, what string, req *http.Request, res *http.Response, body []byte, route *routers.Route) {
	t.Helper()
	if res.StatusCode != http.StatusNotModified {
		mediaType, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
		ref := route.Operation.Responses.Status(res.StatusCode)
		if ref == nil || ref.Value.Content.Get(mediaType) == nil {
			t.Errorf("%s: %d with %s is not in the document", what, res.StatusCode, mediaType)
			return
		}
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route},
		Status:                 res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation()},
		},
	}
	if err := openapi3filter.ValidateResponse(context.WithoutCancel(req.Context()), input); err != nil {
		t.Errorf("%s: %d: %v", what, res.StatusCode, err)
	}
}

// request checks a request that succeeded: none may succeed that the document does not allow.
func (c *checker) request(t *testing.T, what string, req *http.Request, route *routers.Route) {
	t.Helper()
	ctx := context.WithoutCancel(req.Context())
	plain := req.Clone(ctx)
	plain.Method = route.Method
	parameters := map[string]string{}
	for i, part := range strings.Split(route.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parameters[strings.TrimSuffix(name, "}")] = strings.Split(strings.TrimPrefix(req.URL.EscapedPath(), httpapi.DefaultPrefix), "/")[i]
		}
	}
	input := &openapi3filter.RequestValidationInput{Request: plain, Route: route, PathParams: parameters, Options: &openapi3filter.Options{
		MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation()},
	}}
	if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
		t.Errorf("%s: worked, but the document says: %v", what, err)
	}
}
