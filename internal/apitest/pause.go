package apitest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// pauses keep runs from changing anything, and say why.
func pauses(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	do := func(as, method, path, body string) answer {
		t.Helper()
		return w.do(request{as: as, method: method, path: path, body: body})
	}
	for _, as := range []string{ann, "viewer"} {
		do(as, http.MethodDelete, "/pause", "").problem(http.StatusForbidden, "forbidden")
	}
	for body, field := range map[string]string{
		`{"hours":1}`:                                             "reason",
		`{"hours":1,"reason":""}`:                                 "reason",
		`{"reason":"x"}`:                                          "until",
		`{"hours":0,"reason":"x"}`:                                "hours",
		`{"hours":"never","reason":"x"}`:                          "until",
		`{"hours":9000,"reason":"x"}`:                             "until",
		`{"until":"2001-01-01T00:00:00Z","reason":"x"}`:           "until",
		`{"until":"tomorrow","reason":"x"}`:                       "until",
		`{"until":"2999-01-01T00:00:00Z","hours":1,"reason":"x"}`: "until",
	} {
		do(admin, http.MethodPost, "/pause", body).names(field)
	}
	do(admin, http.MethodGet, "/pause", "").ok().is("pause", nil)
	until := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	do(admin, http.MethodPost, "/pause", `{"until":"`+until+`","reason":"moving house"}`).ok().is("pause.until", until, "pause.by", admin, "pause.reason", "moving house", "message", some)
	refused := do(admin, http.MethodPost, "/cleanup", "").problem(http.StatusConflict, "cleanup-paused")
	if refused.at("pause.until") != until || !strings.Contains(refused.str("detail"), "moving house") {
		t.Errorf("a run: %s", refused.body)
	}
	do(admin, http.MethodPost, "/cleanup", `{"dry_run":true}`).ok()
	do(admin, http.MethodGet, "/stats", "").ok().is("metrics.pause.until", until)
	if a := do(ann, http.MethodGet, "/stats", "").ok(); strings.Contains(a.body, "moving house") {
		t.Errorf("an owner's statistics during the pause: %s", a.body)
	}
	do(admin, http.MethodDelete, "/pause?x=1", "").names("x")
	do(admin, http.MethodDelete, "/pause", `{"x":1}`).names("x")
	for range 2 {
		do(admin, http.MethodDelete, "/pause?reason=done", "").ok().is("pause", nil)
	}
	do(admin, http.MethodGet, "/events?limit=2", "").ok().is("events.0.action", "resumed", "events.0.reason", "done", "events.1.until", until)
	do(admin, http.MethodPost, "/cleanup", "").ok()
}
