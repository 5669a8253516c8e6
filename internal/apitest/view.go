package apitest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// adopted is a store with activity tables.
type adopted struct {
	sessioncleanup.Store
	sessioncleanup.Installer // nil: only the schema is needed

	sources []string
}

func (s *adopted) Schema(context.Context) (schema sessioncleanup.Schema, err error) {
	for _, table := range s.sources {
		schema.Sources = append(schema.Sources, sessioncleanup.Source{Table: table, Session: "session_id"})
	}
	return schema, nil
}

// views are pages of all sessions for an admin, of its own for an owner.
func views(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	ids := func(as, query string) []string {
		t.Helper()
		a := w.get(as, "/view"+query).ok()
		got := []string{}
		for i := range a.at("sessions").([]any) {
			got = append(got, a.str("sessions", i, "id"))
		}
		return got
	}
	for _, test := range []struct {
		as, query string
		want      []string
	}{
		{admin, "", []string{Bobs, Busy, Idle, Closed, Gone, Kept}},
		{ann, "", []string{Busy, Idle, Closed, Gone, Kept}},
		{ann, "?sort=last_activity", []string{Kept, Gone, Closed, Idle, Busy}},
		{bob, "?owner=bob", []string{Bobs}},
		{admin, "?owner=bob", []string{Bobs}},
		{admin, "?status=to_delete", []string{Gone}},
		{admin, "?status=to_deactivate", []string{Idle}},
		{admin, "?status=protected", []string{Kept}},
		{bob, "?status=protected", []string{}},
		{admin, "?q=QUI", []string{Busy}},
		{admin, "?sort=name&limit=2", []string{Bobs, Gone}},
		{admin, "?sort=-name&limit=2", []string{Closed, Busy}},
		{admin, "?sort=-created&limit=1", []string{Bobs}},
	} {
		if diff := cmp.Diff(test.want, ids(test.as, test.query)); diff != "" {
			t.Errorf("/view%s as %s (-want +got):\n%s", test.query, test.as, diff)
		}
	}
	a := w.get(ann, "/view?q=poll").is("sessions.0.streamer_id", "ann", "sessions.0.streamer_name", "ANN")
	for table, sources := range map[string][]string{"propositions": {"app.propositions"}, `v1.2 "é`: {`"v1.2 ""é"`}, "": {"a", "b"}} {
		rich := newWorld(t, observe, func(s *setup) { s.Store = &adopted{Store: s.Store, sources: sources} })
		one := rich.get(ann, "/view?limit=1").ok()
		if got, has := one.at("sessions.0").(map[string]any)["total_"+table]; table != "" && got != 7.0 || table == "" && (has || strings.Contains(string(one.body), "total_")) {
			t.Errorf("with the activity tables %q, total_%s is %v: %s", sources, table, got, one.body)
		}
	}
	a.is(
		"sessions.0.id", Idle, "sessions.0.code", "c-poll", "sessions.0.name", "poll", "sessions.0.owner_id", "ann", "sessions.0.owner_name", "ANN", "sessions.0.active", true, "sessions.0.auto_cleanup", true,
		"sessions.0.expires_at", nil, "sessions.0.hours_inactive", 48.0, "sessions.0.days_old", 2.04, "sessions.0.status", "to_deactivate", "sessions.0.cleanup_status", "À désactiver", "sessions.0.activity_count", 7.0,
	)
	for _, key := range []string{"created_at", "updated_at", "last_activity", "deactivate_at", "delete_at"} {
		if a.str("sessions", 0, key) == "" {
			t.Errorf("%s is empty: %s", key, a.body)
		}
	}
	for _, query := range []string{"q=poll", "q=chat"} { // both are overdue
		a := w.get(ann, "/view?"+query)
		for _, key := range []string{"deactivate_at", "delete_at"} {
			if at, err := time.Parse(time.RFC3339, fmt.Sprint(a.at("sessions", 0, key))); err == nil && time.Since(at) > time.Minute {
				t.Errorf("%s of an overdue session lies in the past: %s", key, a.body)
			}
		}
	}
	a.is("user_role", "owner", "next_cursor", nil)
	for _, status := range []string{"protected", "inactive", "to_delete"} {
		a := w.get(admin, "/view?status="+status)
		if deactivated := a.at("sessions.0.deactivated_at"); (deactivated == nil) != (status == "protected") {
			t.Errorf("%s: deactivated_at is %v: %s", a.what, deactivated, a.body)
		}
		if a.at("sessions.0.deactivate_at") != nil || (a.at("sessions.0.delete_at") == nil) != (status == "protected") {
			t.Errorf("%s: deactivate_at or delete_at is wrong: %s", a.what, a.body)
		}
	}
	cursors(t, w)
}

// cursors continue their own list, and grant no access.
func cursors(t *testing.T, w *World) {
	for _, query := range []string{"", "&sort=-last_activity", "&sort=name", "&sort=-created"} {
		var all []string
		next := ""
		for range 10 {
			a := w.get(ann, "/view?limit=2"+query+next).ok()
			for i := range a.at("sessions").([]any) {
				all = append(all, a.str("sessions", i, "id"))
			}
			if a.at("next_cursor") == nil {
				break
			}
			next = "&cursor=" + url.QueryEscape(a.str("next_cursor"))
		}
		if len(all) != 5 {
			t.Errorf("pages of %q have %v, want ann's five sessions once", query, all)
		}
	}
	mine := w.get(admin, "/view?limit=1").str("next_cursor")
	w.get(bob, "/view?limit=1&cursor="+mine).names("cursor")
	w.get(admin, "/view?sort=name&cursor="+mine).names("cursor")
	w.get(admin, "/view?status=active&cursor="+mine).names("cursor")
	w.get("", "/view?cursor="+mine).problem(http.StatusUnauthorized, "unauthenticated")
}
