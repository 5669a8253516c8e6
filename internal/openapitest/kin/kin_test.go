package openapitest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// served is the document as the handler serves it.
func served(t *testing.T) []byte {
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

func load(t *testing.T) (*openapi3.T, validator.Validator) {
	t.Helper()
	data := served(t)
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatalf("kin-openapi cannot read the document: %v", err)
	}
	other, err := libopenapi.NewDocument(data)
	if err != nil {
		t.Fatalf("libopenapi cannot read the document: %v", err)
	}
	v, errs := validator.NewValidator(other, config.WithoutSecurityValidation(), config.WithFormatAssertions())
	if errs != nil {
		t.Fatalf("libopenapi-validator cannot use the document: %v", errs)
	}
	return doc, v
}

func TestTheDocumentIsValid(t *testing.T) {
	t.Parallel()
	doc, v := load(t)
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("version %s, want 3.1", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("kin-openapi: %v", err)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		for _, err := range errs {
			t.Errorf("libopenapi-validator: %v", err)
		}
	}
}

// init makes kin-openapi read a stream and a page as text.
func init() {
	for _, mediaType := range []string{"text/event-stream", "text/html"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.FileBodyDecoder)
	}
}

func TestEveryResponseOfTheSuiteMatchesTheDocument(t *testing.T) {
	doc, v := load(t)
	c := &checker{doc: doc, other: v, seen: map[string]int{}}
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
	doc   *openapi3.T
	other validator.Validator

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
	what := req.Method + " " + req.URL.Path
	path, item := c.find(req)
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var op *openapi3.Operation
	if item != nil {
		op = item.GetOperation(method)
	}
	kind := method + " " + path + " " + strconv.Itoa(res.StatusCode)
	c.mu.Lock()
	c.total++
	c.seen[kind]++
	again := c.seen[kind] > 3
	c.mu.Unlock()
	if op == nil { // no such path or method: a problem, too
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, but the document has no such operation", what, res.StatusCode)
		}
		if !again {
			c.problem(t, what, body)
		}
		return
	}
	if !again { // it compiles the schema of each response anew; the other one checks all
		c.kin(t, what, req, res, body, &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: op})
	}
	c.pb33f(t, what, method, path, res, body)
	if res.StatusCode == http.StatusOK {
		c.request(t, what, req, path)
	}
}

// find returns the path of the document that a request is for. It reads the escaped path, as the handler does.
func (c *checker) find(req *http.Request) (string, *openapi3.PathItem) {
	rest := strings.TrimPrefix(req.URL.EscapedPath(), httpapi.DefaultPrefix)
	if item := c.doc.Paths.Value(rest); item != nil {
		return rest, item
	}
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 4 && parts[1] == "runs" && parts[2] != "":
		parts[2] = "{run}"
	case len(parts) == 3 && parts[1] == "runs" && parts[2] != "" && c.doc.Paths.Value("/{id}/"+parts[2]) == nil:
		parts[2] = "{run}"
	case len(parts) > 2 && parts[1] == "archive":
		parts[2] = "{entry}"
	case len(parts) < 2 || parts[1] == "":
		return "", nil
	default:
		parts[1] = "{id}"
	}
	path := strings.Join(parts, "/")
	return path, c.doc.Paths.Value(path)
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

// kin checks a response with kin-openapi: status, headers, media type, body.
func (c *checker) kin(t *testing.T, what string, req *http.Request, res *http.Response, body []byte, route *routers.Route) {
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
		t.Errorf("%s: %d: kin-openapi: %v", what, res.StatusCode, err)
	}
}

// anyID replaces the ID of a session or a run in a path of the document.
var anyID = strings.NewReplacer("{id}", "1", "{run}", "1", "{entry}", "1")

// pb33f checks a response with libopenapi-validator. The session's ID does not matter for that.
func (c *checker) pb33f(t *testing.T, what, method, path string, res *http.Response, body []byte) {
	t.Helper()
	if res.StatusCode == http.StatusNotModified {
		return
	}
	plain := httptest.NewRequestWithContext(t.Context(), method, httpapi.DefaultPrefix+anyID.Replace(path), nil)
	res.Body = io.NopCloser(bytes.NewReader(body))
	if ok, errs := c.other.ValidateHttpResponse(plain, res); !ok {
		for _, err := range errs {
			t.Errorf("%s: %d: libopenapi-validator: %v: %s", what, res.StatusCode, err, body)
		}
	}
}

// request checks a request that succeeded: none may succeed that the document does not allow.
func (c *checker) request(t *testing.T, what string, req *http.Request, path string) {
	t.Helper()
	data, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	target := httpapi.DefaultPrefix + anyID.Replace(path)
	if req.URL.RawQuery != "" {
		target += "?" + req.URL.RawQuery
	}
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	plain := httptest.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(data))
	plain.Header = req.Header.Clone()
	if ok, errs := c.other.ValidateHttpRequestSync(plain); !ok {
		for _, err := range errs {
			t.Errorf("%s: worked, but libopenapi-validator says: %v", what, err)
		}
	}
}
