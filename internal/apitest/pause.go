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
	if a := do(admin, http.MethodGet, "/pause", "").want(http.StatusOK); a.at("pause") != nil {
		t.Errorf("no pause: %s", a.body)
	}
	until := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	set := do(admin, http.MethodPost, "/pause", `{"until":"`+until+`","reason":"moving house"}`).want(http.StatusOK)
	if set.at("pause", "until") != until || set.at("pause", "by") != admin || set.at("pause", "reason") != "moving house" || set.str("message") == "" {
		t.Errorf("paused: %s", set.body)
	}
	refused := do(admin, http.MethodPost, "/cleanup", "").problem(http.StatusConflict, "cleanup-paused")
	if refused.at("pause", "until") != until || !strings.Contains(refused.str("detail"), "moving house") {
		t.Errorf("a run: %s", refused.body)
	}
	do(admin, http.MethodPost, "/cleanup", `{"dry_run":true}`).want(http.StatusOK)
	if a := do(admin, http.MethodGet, "/stats", "").want(http.StatusOK); a.at("metrics", "pause", "until") != until {
		t.Errorf("statistics during the pause: %s", a.body)
	}
	if a := do(ann, http.MethodGet, "/stats", "").want(http.StatusOK); strings.Contains(a.body, "moving house") {
		t.Errorf("an owner's statistics during the pause: %s", a.body)
	}
	do(admin, http.MethodDelete, "/pause?x=1", "").names("x")
	do(admin, http.MethodDelete, "/pause", `{"x":1}`).names("x")
	for range 2 {
		if a := do(admin, http.MethodDelete, "/pause?reason=done", "").want(http.StatusOK); a.at("pause") != nil {
			t.Errorf("resumed: %s", a.body)
		}
	}
	log := do(admin, http.MethodGet, "/events?limit=2", "").want(http.StatusOK)
	if log.at("events", 0, "action") != "resumed" || log.at("events", 0, "reason") != "done" || log.at("events", 1, "until") != until {
		t.Errorf("events: %s", log.body)
	}
	do(admin, http.MethodPost, "/cleanup", "").want(http.StatusOK)
}
