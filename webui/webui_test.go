package webui_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/webui"
)

// answer is what the handler answered.
type answer struct {
	StatusCode int
	Header     http.Header
	Body       *bytes.Buffer
}

func get(t *testing.T, o webui.Options, path string, headers ...string) answer {
	t.Helper()
	h, err := webui.Handler(o)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body}
}

func TestThePageIsServedBelowAnyPrefix(t *testing.T) {
	t.Parallel()
	for prefix, paths := range map[string]map[string]int{
		"":              {"/": 200, "/session-manager.js": 200, "/page.css": 200, "/icon.svg": 200, "/other": 404, "/page.html": 404, "/page.en": 404},
		"/admin/rooms":  {"/admin/rooms": 308, "/admin/rooms/": 200, "/admin/rooms/session-manager.js": 200, "/": 404, "/admin/roomsx": 404},
		"/admin/rooms/": {"/admin/rooms/": 200, "/admin/rooms/a/session-manager.js": 404},
	} {
		for path, status := range paths {
			res := get(t, webui.Options{Prefix: prefix}, path)
			if res.StatusCode != status {
				t.Errorf("prefix %q: GET %s: %d, want %d", prefix, path, res.StatusCode, status)
			}
			if status == 308 && res.Header.Get("Location") != "rooms/" {
				t.Errorf("redirected to %q", res.Header.Get("Location"))
			}
		}
	}
	for _, prefix := range []string{"admin", "/a b", "/a//b", "/a?b", `/"`} {
		if _, err := webui.Handler(webui.Options{Prefix: prefix}); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("prefix %q: %v, want ErrInvalid", prefix, err)
		}
	}
}

func TestAssetsHaveTheTagOfTheirContent(t *testing.T) {
	t.Parallel()
	first := get(t, webui.Options{}, "/session-manager.js")
	tag := first.Header.Get("ETag")
	if res := get(t, webui.Options{}, "/session-manager.js", "If-None-Match", `"other", W/`+tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("with its tag: %d, want 304", res.StatusCode)
	}
	packed := get(t, webui.Options{}, "/session-manager.js", "Accept-Encoding", "gzip, br")
	if packed.Header.Get("ETag") == tag || packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("compressed: %v", packed.Header)
	}
	if packed.Body.Len() > 50_000 {
		t.Errorf("%d bytes compressed, want at most 50,000", packed.Body.Len())
	}
	unpacked, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := io.ReadAll(unpacked)
	b, errB := io.ReadAll(first.Body)
	if errA != nil || errB != nil || !bytes.Equal(a, b) || len(b) == 0 {
		t.Errorf("the compressed asset differs: %d and %d bytes, %v, %v", len(a), len(b), errA, errB)
	}
}

func TestThePageHasTheOptionsAndIsProtected(t *testing.T) {
	t.Parallel()
	res := get(t, webui.Options{API: "/api", Login: "/enter", Title: `<script>alert("1")</script>`}, "/", "Accept-Language", "de, fr-CA;q=0.9, en;q=0.8")
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`<html lang="fr">`, `src="/api"`, `login="/enter"`, "&lt;script&gt;"} {
		if !strings.Contains(string(body), part) {
			t.Errorf("the page lacks %s:\n%s", part, body)
		}
	}
	if strings.Contains(string(body), "alert(\"1\")</script>") || strings.Contains(string(body), "logout") {
		t.Errorf("the page has what it should not:\n%s", body)
	}
	policy := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:", "require-trusted-types-for 'script'",
	} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
}

func TestThePageHasALinkForEachOfSeveralTables(t *testing.T) {
	t.Parallel()
	o := webui.Options{API: "/rooms", Tables: []webui.Table{{Name: "rooms", API: "/rooms"}, {Name: "carts & co", API: "/carts"}}}
	for path, want := range map[string][]string{
		"/":                        {`src="/rooms"`, `<a href="?table=rooms" aria-current="page">`, `<a href="?table=carts%20%26%20co">carts &amp; co</a>`},
		"/?table=carts%20%26%20co": {`src="/carts"`, `<a href="?table=rooms">`, `aria-current="page">carts &amp; co</a>`},
		"/?table=other":            {`src="/rooms"`},
	} {
		body, err := io.ReadAll(get(t, o, path).Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(string(body), text) {
				t.Errorf("GET %s: want %s in\n%s", path, text, body)
			}
		}
	}
	o.Tables = o.Tables[:1]
	if body, _ := io.ReadAll(get(t, o, "/").Body); strings.Contains(string(body), "<nav") {
		t.Errorf("a page for one table has links: %s", body)
	}
	o.Tables = []webui.Table{{Name: "rooms"}}
	if _, err := webui.Handler(o); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("a table without an API: %v, want ErrInvalid", err)
	}
}
