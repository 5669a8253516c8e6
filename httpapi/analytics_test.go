package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestAnalyticsShowWhatRunsDidAndWhatTheyWillDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		var all []sessioncleanup.Session
		for _, s := range []struct {
			id     string
			active bool
			idle   time.Duration
		}{{"used", true, time.Hour}, {"idle", true, 25 * time.Hour}, {"old", false, 29*24*time.Hour + 3*time.Minute}} {
			at := time.Now().Add(-s.idle)
			session := sessioncleanup.Session{ID: s.id, OwnerID: "7", Active: s.active, AutoCleanup: true, LastActivity: at}
			if !s.active {
				session.DeactivatedAt = at
			}
			all = append(all, session)
		}
		if err := db.Put(all...); err != nil {
			t.Fatal(err)
		}
		m, err := sessioncleanup.New(db, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second run does nothing, and is no part of the history
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
		}
		rec := get(t.Context(), newHandler(t, db, httpapi.Options{}), http.MethodGet, "/analytics", "")
		var got struct {
			History  []sessioncleanup.Day
			Forecast []struct{ Deactivate, Delete int }
			Ages     []struct {
				FromHours        float64 `json:"from_hours"`
				Active, Inactive int
			}
			Hours  []sessioncleanup.HourCount
			Owners []sessioncleanup.OwnerCount
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != http.StatusOK {
			t.Fatalf("%d %s, %v", rec.Code, rec.Body, err)
		}
		today := time.Now().UTC().Format(time.DateOnly)
		if len(got.History) != 1 || got.History[0] != (sessioncleanup.Day{Day: today, Runs: 1, Deactivated: 1}) {
			t.Errorf("history: %+v, want one run today that deactivated one session", got.History)
		}
		if got.Forecast[0] != (struct{ Deactivate, Delete int }{1, 1}) || len(got.Forecast) != sessioncleanup.ForecastDays {
			t.Errorf("forecast: %+v, want one of each within a day, for 30 days", got.Forecast)
		}
		if got.Ages[1].Active != 1 || got.Ages[3].FromHours != 24 || got.Ages[3].Inactive != 1 || len(got.Hours) != 2 || got.Owners[0].Count != 3 {
			t.Errorf("the rest of the analytics: %s", rec.Body)
		}
	})
}

func TestHistoryKeepsNinetyDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		m, err := sessioncleanup.New(db, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for range sessioncleanup.HistoryDays + 5 {
			if err := db.Put(sessioncleanup.Session{ID: "a", Active: true, AutoCleanup: true, LastActivity: time.Now().Add(-48 * time.Hour)}); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour)
		}
		a, err := m.Analytics(t.Context())
		if err != nil || len(a.History) != sessioncleanup.HistoryDays-1 || a.History[0].Deactivated != 1 {
			t.Errorf("%d days of history, %v; want those of the last 90 days but today", len(a.History), err)
		}
	})
}

func TestAnalyticsOfTheSessionsWithATag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		for _, s := range []sessioncleanup.Session{
			{ID: "1", OwnerID: "7", Active: true, Tags: []string{"vip"}}, {ID: "2", OwnerID: "8", Active: true, Tags: []string{"vip", "test"}}, {ID: "3", OwnerID: "9", Active: true},
		} {
			if err := db.Put(s); err != nil {
				t.Fatal(err)
			}
		}
		h := newHandler(t, db, httpapi.Options{})
		for tags, want := range map[string]int{"vip": 2, "vip+-test": 1, "none": 0, "": 3} {
			rec := get(t.Context(), h, http.MethodGet, "/analytics?tags="+tags, "")
			var got struct {
				History []sessioncleanup.Day
				Ages    []struct{ Active int }
				Owners  []sessioncleanup.OwnerCount
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != http.StatusOK {
				t.Fatalf("%d %s, %v", rec.Code, rec.Body, err)
			}
			if got.History == nil || got.Ages[0].Active != want || len(got.Owners) != want {
				t.Errorf("the analytics of %q have %+v, want %d sessions", tags, got, want)
			}
		}
		if rec := get(t.Context(), h, http.MethodGet, "/analytics?tags=UPPER", ""); rec.Code != http.StatusBadRequest {
			t.Errorf("wrong tags: %d %s", rec.Code, rec.Body)
		}
	})
}

func TestATagThatFollowsAColumnIsRefusedWithItsName(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{TagColumns: []string{"plan"}})
	if err := errors.Join(db.Put(sessioncleanup.Session{ID: "1", Active: true}), db.SetColumn("1", "plan", "gold")); err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, db, httpapi.Options{})
	for _, c := range []struct{ path, body string }{
		{"/1/tags", `{"add":["plan:silver"]}`}, {"/1/tags", `{"remove":["plan:gold"]}`},
	} {
		rec := get(t.Context(), h, http.MethodPatch, c.path, c.body)
		if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "plan:") {
			t.Errorf("PATCH %s with %s: %d %s, want 400 that names the tag", c.path, c.body, rec.Code, rec.Body)
		}
	}
	if rec := get(t.Context(), h, http.MethodPost, "/bulk", `{"action":"tag","add":["plan:silver"],"ids":["1"]}`); rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "plan:silver") {
		t.Errorf("POST /bulk: %d %s, want 400 that names the tag", rec.Code, rec.Body)
	}
}
