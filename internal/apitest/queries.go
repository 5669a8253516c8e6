package apitest

import (
	"net/http"
	"strings"
	"testing"
)

// queries that are wrong are refused by parameter.
func queries(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	for path, field := range map[string]string{
		"/stats?nonsense=1":                    "nonsense",
		"/view?page=2":                         "page",
		"/view?limit=0":                        "limit",
		"/view?limit=-1":                       "limit",
		"/view?limit=1001":                     "limit",
		"/view?limit=ten":                      "limit",
		"/view?limit=":                         "limit",
		"/view?limit=1&limit=2":                "limit",
		"/view?status=sleeping":                "status",
		"/view?status=":                        "status",
		"/view?tags=Vip":                       "tags",
		"/stats?tags=Vip":                      "tags",
		"/view?sort=colour":                    "sort",
		"/view?sort=--name":                    "sort",
		"/view?cursor=x":                       "cursor",
		"/view?cursor=e30":                     "cursor",
		"/view?q=%00":                          "q",
		"/view?q=%ff":                          "q",
		"/view?owner=%00":                      "owner",
		"/owners?owner=ann":                    "owner",
		"/owners?sort=name":                    "sort",
		"/owners?limit=0":                      "limit",
		"/owners?cursor=e30":                   "cursor",
		"/events?action=exploded":              "action",
		"/events?cursor=x":                     "cursor",
		"/events?cursor=e30":                   "cursor",
		"/events?limit=0":                      "limit",
		"/events?session=a%00":                 "session",
		"/live?since=1":                        "since",
		"/cleanup?force=1":                     "force",
		"/2?fields=name":                       "fields",
		"/2/deactivate?now=1":                  "now",
		"/openapi.yaml?format=xml":             "format",
		"/view?q=" + strings.Repeat("x", 1025): "q",
	} {
		method := http.MethodGet
		if strings.HasPrefix(path, "/cleanup") {
			method = http.MethodPost
		}
		if strings.Contains(path, "deactivate") {
			method = http.MethodPatch
		}
		w.do(request{as: admin, method: method, path: path}).names(field)
	}
	w.remove(admin, "/2?confirm=2&yes=1").names("yes")
	for path, want := range map[string]string{"/events?page=2": "want one of session, owner, run, action, limit, cursor.", "/openapi.yaml?format=xml": "takes none."} {
		if a := w.get(admin, path); !strings.Contains(a.str("error"), want) {
			t.Errorf("%s: %q, want %q", path, a.str("error"), want)
		}
	}
	for _, path := range []string{"/view?a;b", "/view?q=%zz"} {
		w.get(admin, path).problem(http.StatusBadRequest, "invalid-request")
	}
	w.getWith(admin, "/live", "Last-Event-ID", "x").names("Last-Event-ID")
	w.get(ann, "/view?owner=bob").problem(http.StatusForbidden, "forbidden")
	w.get(ann, "/stats?owner=bob").problem(http.StatusForbidden, "forbidden")
	w.get(ann, "/events?owner=bob").problem(http.StatusForbidden, "forbidden")
}
