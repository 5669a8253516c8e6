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
	for _, as := range []string{ann, "viewer"} {
		w.remove(as, "/pause").problem(http.StatusForbidden, "forbidden")
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
		w.post(admin, "/pause", body).names(field)
	}
	w.get(admin, "/pause").ok().is("pause", nil)
	until := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	w.post(admin, "/pause", `{"until":"`+until+`","reason":"moving house"}`).ok().is("pause.until", until, "pause.by", admin, "pause.reason", "moving house", "message", some)
	refused := w.post(admin, "/cleanup", "").problem(http.StatusConflict, "cleanup-paused")
	if refused.at("pause.until") != until || !strings.Contains(refused.str("detail"), "moving house") {
		t.Errorf("a run: %s", refused.body)
	}
	w.post(admin, "/cleanup", `{"dry_run":true}`).ok()
	w.get(admin, "/stats").ok().is("metrics.pause.until", until)
	if a := w.get(ann, "/stats").ok(); strings.Contains(a.body, "moving house") {
		t.Errorf("an owner's statistics during the pause: %s", a.body)
	}
	w.remove(admin, "/pause?x=1").names("x")
	w.do(request{as: admin, method: http.MethodDelete, path: "/pause", body: `{"x":1}`}).names("x")
	for range 2 {
		w.remove(admin, "/pause?reason=done").ok().is("pause", nil)
	}
	w.get(admin, "/events?limit=2").ok().is("events.0.action", "resumed", "events.0.reason", "done", "events.1.until", until)
	w.post(admin, "/cleanup", "").ok()
}
