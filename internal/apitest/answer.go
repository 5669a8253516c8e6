package apitest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// request is one request; its path is below the prefix.
type request struct {
	as     string
	method string
	path   string
	body   string
	header map[string]string
}

// answer is the response.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
}

// get, post, patch and remove send a request without headers.
func (w *World) get(as, path string) answer {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodGet, path: path})
}

// getWith is get with a header, unless its value is empty.
func (w *World) getWith(as, path, header, value string) answer {
	w.t.Helper()
	r := request{as: as, method: http.MethodGet, path: path}
	if value != "" {
		r.header = map[string]string{header: value}
	}
	return w.do(r)
}

func (w *World) post(as, path, body string) answer {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodPost, path: path, body: body})
}

func (w *World) patch(as, path, body string) answer {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodPatch, path: path, body: body})
}

func (w *World) remove(as, path string) answer {
	w.t.Helper()
	return w.do(request{as: as, method: http.MethodDelete, path: path})
}

// ok ends the test unless the status is 200.
func (a answer) ok() answer {
	a.t.Helper()
	return a.want(http.StatusOK)
}

// do sends a request and checks the rules of every response.
func (w *World) do(r request) answer {
	w.t.Helper()
	return w.doIn(w.t.Context(), r)
}

func (w *World) doIn(ctx context.Context, r request) answer {
	w.t.Helper()
	a := w.send(ctx, r)
	a.check(r)
	return a
}

// send sends a request, and lets the observer look at it.
func (w *World) send(ctx context.Context, r request) answer {
	w.t.Helper()
	req := httptest.NewRequestWithContext(ctx, r.method, Prefix+r.path, strings.NewReader(r.body))
	if r.as != "" {
		req.Header.Set(roleHeader, r.as)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	w.Handler.ServeHTTP(rec, req)
	if w.observe != nil {
		req.Body = io.NopCloser(strings.NewReader(r.body))
		w.observe(w.t, req, rec.Result())
	}
	return answer{
		t: w.t, what: r.method + " " + short(r.path) + " as " + r.as + " with " + short(r.body),
		status: rec.Code, header: rec.Header(), body: rec.Body.String(),
	}
}

func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// check checks the rules of every response.
func (a answer) check(r request) {
	a.t.Helper()
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		a.t.Errorf("%s: Cache-Control is %q, want no-store", a.what, got)
	}
	if got := a.header.Get("X-Content-Type-Options"); got != "nosniff" {
		a.t.Errorf("%s: X-Content-Type-Options is %q, want nosniff", a.what, got)
	}
	for _, secret := range []string{"SELECT", "secret", "goroutine", ".go:", "pq:", "SQLSTATE"} {
		if strings.Contains(a.body, secret) {
			a.t.Errorf("%s: the response has %q: %s", a.what, secret, a.body)
		}
	}
	if a.status == http.StatusNotModified || a.header.Get("Content-Type") == "text/event-stream" || strings.HasSuffix(r.path, "openapi.yaml") && a.status == http.StatusOK {
		return
	}
	var common struct {
		Success *bool
		Type    string
		Title   string
		Status  int
		Detail  string
		Error   string
	}
	if err := json.Unmarshal([]byte(a.body), &common); err != nil {
		a.t.Fatalf("%s: %d with no JSON: %q", a.what, a.status, a.body)
	}
	if common.Success == nil || *common.Success != (a.status == http.StatusOK) {
		a.t.Errorf("%s: %d with success %v", a.what, a.status, common.Success)
	}
	if a.status == http.StatusOK {
		if got := a.header.Get("Content-Type"); got != "application/json" {
			a.t.Errorf("%s: Content-Type is %q", a.what, got)
		}
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: Content-Type is %q", a.what, got)
	}
	if common.Status != a.status || common.Title == "" || common.Detail == "" || common.Error != common.Detail || !strings.Contains(common.Type, "/http.md#") {
		a.t.Errorf("%s: %d with an incomplete problem: %s", a.what, a.status, a.body)
	}
}

// want ends the test unless the status is the one given.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// problem ends the test unless the problem is the one given.
func (a answer) problem(status int, name string) answer {
	a.t.Helper()
	a.want(status)
	if got := a.str("type"); !strings.HasSuffix(got, "#"+name) {
		a.t.Fatalf("%s: problem %s, want %s", a.what, got, name)
	}
	return a
}

// names ends the test unless the problem is about a field, which its message names too.
func (a answer) names(field string) answer {
	a.t.Helper()
	a.problem(http.StatusBadRequest, "invalid-request")
	if a.str("field") != field || !strings.Contains(a.str("error"), field) {
		a.t.Fatalf("%s: want a problem with %s: %s", a.what, field, a.body)
	}
	return a
}

// at is a value of the response, by a path of keys and indexes: "events.0.id", or its parts one by one.
func (a answer) at(path ...any) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	for _, part := range path {
		for step := range strings.SplitSeq(fmt.Sprint(part), ".") {
			var there bool
			switch values := v.(type) {
			case map[string]any:
				v, there = values[step]
			case []any:
				i, err := strconv.Atoi(step)
				if there = err == nil && i < len(values); there {
					v = values[i]
				}
			}
			if !there {
				a.t.Fatalf("%s: no %q of %v in %s", a.what, step, path, a.body)
			}
		}
	}
	return v
}

func (a answer) str(path ...any) string {
	a.t.Helper()
	s, ok := a.at(path...).(string)
	if !ok {
		a.t.Fatalf("%s: %v is no text in %s", a.what, path, a.body)
	}
	return s
}

// some stands for any value but null and an empty text.
const some = "(some)"

// is requires values of the response, each after its path. A list may be given as fmt prints it.
func (a answer) is(pathsAndValues ...any) answer {
	a.t.Helper()
	for pair := range slices.Chunk(pathsAndValues, 2) {
		got, want := a.at(pair[0]), pair[1]
		if _, asText := want.(string); asText && reflect.TypeOf(got) == reflect.TypeFor[[]any]() {
			got = fmt.Sprint(got)
		}
		if want == any(some) && got != nil && got != "" {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			a.t.Errorf("%s: %s (-want +got):\n%s\n%s", a.what, pair[0], diff, a.body)
		}
	}
	return a
}

func (a answer) has(key string) bool {
	a.t.Helper()
	m, ok := a.at().(map[string]any)
	_, there := m[key]
	return ok && there
}
