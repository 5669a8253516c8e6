package httpapi_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// The largest answers: a thousand sessions and a thousand events of 5000 sessions each, with long names that are longer in
// JSON. Not parallel: it measures what the process allocates.
func TestTheLargestAnswersTakeLittleMemory(t *testing.T) {
	db := memory.New(memory.Config{})
	name := strings.Repeat("\x01", 20_000)
	now := time.Now()
	sessions := make([]sessioncleanup.Session, 5000)
	refs := make([]sessioncleanup.SessionRef, len(sessions))
	for i := range sessions {
		sessions[i] = sessioncleanup.Session{ID: fmt.Sprint(i), OwnerID: "ann", Name: name, Active: true, AutoCleanup: true, CreatedAt: now, LastActivity: now}
		refs[i] = sessions[i].Ref()
	}
	if err := db.Put(sessions...); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		e := sessioncleanup.Event{Action: sessioncleanup.ActionDeleted, Actor: "system", Sessions: refs}
		if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/view?limit=1000", "/events?limit=1000", "/events?limit=1000&owner=ann", "/events?limit=1000&owner=nobody", "/stats", "/1"} {
		h := newHandler(t, db, httpapi.Options{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a := get(t.Context(), h, http.MethodGet, path, "")
		runtime.ReadMemStats(&after)
		allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
		t.Logf("%s: %d MiB for %d KiB", path, allocated, a.Body.Len()>>10)
		// In all, much of which is free again before the end: how much of the log is read depends on how fast that is.
		if a.Code != http.StatusOK || allocated > 128 {
			t.Errorf("%s: %d, %d MiB allocated; want 200, and at most 128 MiB", path, a.Code, allocated)
		}
	}
}
