// Package pb33f_test compares the handlers with their description by libopenapi, a second opinion.
package pb33f_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/internal/openapitest"
)

func load(t *testing.T) (*v3.Paths, validator.Validator) {
	t.Helper()
	doc, err := libopenapi.NewDocument(openapitest.Document(t))
	if err != nil {
		t.Fatalf("libopenapi cannot read the document: %v", err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatalf("libopenapi cannot read the document: %v", err)
	}
	v, errs := validator.NewValidator(doc, config.WithoutSecurityValidation(), config.WithFormatAssertions())
	if errs != nil {
		t.Fatalf("libopenapi-validator cannot use the document: %v", errs)
	}
	return model.Model.Paths, v
}

func TestTheDocumentIsValid(t *testing.T) {
	t.Parallel()
	_, v := load(t)
	if ok, errs := v.ValidateDocument(); !ok {
		for _, err := range errs {
			t.Error(err)
		}
	}
}

func TestEveryResponseOfTheSuiteMatchesTheDocument(t *testing.T) {
	t.Parallel()
	paths, v := load(t)
	apitest.Run(t, func(t *testing.T, req *http.Request, res *http.Response) {
		t.Helper()
		path := openapitest.Path(req, func(path string) bool { return paths.PathItems.GetOrZero(path) != nil })
		method := openapitest.Method(req)
		if path == "" || paths.PathItems.GetOrZero(path).GetOperations().GetOrZero(strings.ToLower(method)) == nil || res.StatusCode == http.StatusNotModified {
			return
		}
		what := req.Method + " " + req.URL.Path
		plain := func(query string, body io.Reader) *http.Request { // an ID may be anything
			return httptest.NewRequestWithContext(t.Context(), method, httpapi.DefaultPrefix+anyID.Replace(path)+query, body)
		}
		if ok, errs := v.ValidateHttpResponse(plain("", nil), res); !ok {
			for _, err := range errs {
				t.Errorf("%s: %d: %v", what, res.StatusCode, err)
			}
		}
		if res.StatusCode != http.StatusOK {
			return
		}
		sent, err := io.ReadAll(req.Body)
		if err != nil {
			t.Fatal(err)
		}
		query := ""
		if req.URL.RawQuery != "" {
			query = "?" + req.URL.RawQuery
		}
		request := plain(query, bytes.NewReader(sent))
		request.Header = req.Header.Clone()
		if ok, errs := v.ValidateHttpRequestSync(request); !ok { // none may succeed that the document does not allow
			for _, err := range errs {
				t.Errorf("%s: worked, but the document says: %v", what, err)
			}
		}
	})
}

var anyID = strings.NewReplacer("{id}", "1", "{run}", "1", "{entry}", "1")
