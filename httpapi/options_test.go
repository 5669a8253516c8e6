package httpapi_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestNewRefusesWrongOptions(t *testing.T) {
	t.Parallel()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	who := func(*http.Request) (sessioncleanup.Principal, error) { return sessioncleanup.Principal{}, nil }
	for field, o := range map[string]httpapi.Options{
		"Authenticate":        {},
		"Prefix":              {Authenticate: who, Prefix: "api"},
		"%q":                  {Authenticate: who, Prefix: "/a%2fb"},
		"Timeout":             {Authenticate: who, Timeout: -1},
		"Interval":            {Authenticate: who, Interval: -1},
		"Heartbeat":           {Authenticate: who, Heartbeat: -1},
		"MaxWatchers":         {Authenticate: who, MaxWatchers: -1},
		"MaxWatchersPerOwner": {Authenticate: who, MaxWatchersPerOwner: -1},

		"MaxRequestsPerPrincipal": {Authenticate: who, MaxRequestsPerPrincipal: -1},
	} {
		if _, err := httpapi.New(m, o); !errors.Is(err, sessioncleanup.ErrInvalid) || field[0] != '%' && !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := httpapi.New(nil, httpapi.Options{Authenticate: who}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("no manager: %v", err)
	}
}

func TestTheRoutesAreBelowThePrefix(t *testing.T) {
	t.Parallel()
	for prefix, path := range map[string]string{"/": "/stats", "/a/b/": "/a/b/stats", "/a": "/a/stats"} {
		h := newHandler(t, memory.New(memory.Config{}), httpapi.Options{Prefix: prefix})
		for target, want := range map[string]int{path: http.StatusOK, "/elsewhere" + path: http.StatusNotFound} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
			if rec.Code != want {
				t.Errorf("prefix %s: GET %s is %d, want %d", prefix, target, rec.Code, want)
			}
		}
		doc := httptest.NewRecorder()
		h.ServeHTTP(doc, httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(path, "stats", "openapi.yaml", 1), nil))
		if want := "- url: " + strings.TrimSuffix(path, "/stats"); !strings.Contains(doc.Body.String(), want) {
			t.Errorf("prefix %s: the document does not have %q", prefix, want)
		}
	}
}
