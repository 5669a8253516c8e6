package apitest

import (
	"net/http"
	"strings"
	"testing"
)

// bodies that are wrong are refused by field.
func bodies(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	before := w.snapshot()
	for _, test := range []struct{ path, body, field string }{
		{"/cleanup", `{"inactive_hours":-5}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":0}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":"24"}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":null}`, "inactive_hours"},
		{"/cleanup", `{"inactive_hours":1e300}`, "inactive_hours"},
		{"/cleanup", `{"delete_old_days":true}`, "delete_old_days"},
		{"/cleanup", `{"delete_old_days":{}}`, "delete_old_days"},
		{"/cleanup", `{"dry_run":1}`, "dry_run"},
		{"/cleanup", `{"dry_run":null}`, "dry_run"},
		{"/cleanup", `{"force":"yes"}`, "force"},
		{"/cleanup", `{"delete_at_most":0}`, "delete_at_most"},
		{"/cleanup", `{"delete_at_most":-1}`, "delete_at_most"},
		{"/cleanup", `{"delete_at_most":1.5}`, "delete_at_most"},
		{"/cleanup", `{"delete_at_most":"5"}`, "delete_at_most"},
		{"/cleanup", `{"delete_at_most":null}`, "delete_at_most"},
		{"/cleanup", `{"owner_id":""}`, "owner_id"},
		{"/cleanup", `{"owner_id":null}`, "owner_id"},
		{"/cleanup", `{"owner_id":5}`, "owner_id"},
		{"/cleanup", `{"owner_id":"a\u0000"}`, "owner_id"},
		{"/cleanup", "{\"owner_id\":\"\xff\"}", "owner_id"},
		{"/cleanup", `{"owner_id":"` + strings.Repeat("x", 1025) + `"}`, "owner_id"},
		{"/cleanup", `{"owner":"ann"}`, "owner"},
		{"/cleanup", `{"dry_run":true,"dry_run":false}`, "dry_run"},
		{"/cleanup", `{"Dry_Run":true}`, "Dry_Run"},
		{"/cleanup", `{"dry_run":true,"":1}`, ""},
		{"/2/auto-cleanup", `{}`, "auto_cleanup"},
		{"/2/auto-cleanup", `{"auto_cleanup":null}`, "auto_cleanup"},
		{"/2/auto-cleanup", `{"auto_cleanup":0}`, "auto_cleanup"},
		{"/2/auto-cleanup", `{"active":true}`, "active"},
		{"/cleanup", `{"tags":"Vip"}`, "tags"},
		{"/cleanup", `{"tags":""}`, "tags"},
		{"/2/tags", `{}`, "add"},
		{"/2/tags", `{"add":[]}`, "add"},
		{"/2/tags", `{"add":"vip"}`, "add"},
		{"/2/tags", `{"add":["Vip"]}`, "add"},
		{"/2/tags", `{"remove":[""]}`, "remove"},
		{"/2/tags", `{"add":["vip"],"remove":["vip"]}`, "remove"},
		{"/2/tags", `{"add":["a0","a1","a2","a3","a4","a5","a6","a7","a8","a9","b0","b1","b2","b3","b4","b5","b6","b7","b8","b9","c0"]}`, "add"},
		{"/2/expiry", `{}`, "expires_at"},
		{"/2/expiry", `{"expires_at":5}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"tomorrow"}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"2030-01-01"}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"0001-01-01T00:00:00Z"}`, "expires_at"},
		{"/2/expiry", `{"expires_at":"1969-12-31T23:59:59Z"}`, "expires_at"},
		{"/2/deactivate", `{"reason":"x"}`, "reason"},
		{"/2/activity", `{"at":"now"}`, "at"},
	} {
		method := http.MethodPatch
		if test.path == "/cleanup" {
			method = http.MethodPost
		}
		a := w.do(request{as: admin, method: method, path: test.path, body: test.body})
		if a.problem(http.StatusBadRequest, "invalid-request"); test.field != "" {
			a.names(test.field)
		}
	}
	w.same(before, "a refused body")
}
