package httpapi_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestAWrongValueIsQuotedOnceAndWithoutGosTypes(t *testing.T) {
	t.Parallel()
	h := newHandler(t, memory.New(memory.Config{}), httpapi.Options{})
	for _, c := range []struct{ method, path, body, detail string }{
		{http.MethodPost, "/bulk", `{"action":"explode"}`, `action is "explode": want one of deactivate, reactivate, protect, unprotect, keep, tag, delete.`},
		{http.MethodPost, "/bulk", `{"action":5}`, `action is "5": want one of deactivate, reactivate, protect, unprotect, keep, tag, delete.`},
		{http.MethodPost, "/cleanup", `{"tags":"!!"}`, `tags is "!!": want tags such as "vip", "vip|gold -test".`},
		{http.MethodPost, "/cleanup", `{"owner_id":""}`, `owner_id is "": want an ID in UTF-8 without NUL, from 1 to 1024 bytes.`},
		{http.MethodPost, "/cleanup", `{"inactive_hours":1e9}`, `inactive_hours is 1e9: want a positive number, up to 100 years, or "never".`},
		{http.MethodPost, "/pause", `{"hours":1,"reason":"\u0000"}`, `reason is "\x00": want UTF-8 without NUL, at most 1024 bytes.`},
		{http.MethodPatch, "/policy", `{"rules":5}`, `rules is 5: want text in quotes.`},
	} {
		rec := get(t.Context(), h, c.method, c.path, c.body)
		var problem struct{ Detail string }
		if err := json.Unmarshal(rec.Body.Bytes(), &problem); err != nil || rec.Code != http.StatusBadRequest || problem.Detail != c.detail {
			t.Errorf("%s %s: %d %q, %v; want 400 %q", c.path, c.body, rec.Code, problem.Detail, err, c.detail)
		}
	}
}
