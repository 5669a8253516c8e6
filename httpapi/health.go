package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Healthy answers 200 for as long as the process serves requests: the check that says whether to restart it. It does
// not ask the database, which a restart would not help.
func Healthy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
}

// Ready answers 200 while the database answers and is set up, and 503 otherwise: the check that says whether to send
// requests. It is open to everybody and so asks the database once per second at most, and waits for 1.5 s.
func Ready(manager *sessioncleanup.Manager) http.Handler {
	asked := newShared[struct{}](time.Second, 1500*time.Millisecond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, err := asked.get(r.Context(), "", func(ctx context.Context) (struct{}, error) {
			_, _, err := manager.LastRun(ctx) // reads what Migrate adds
			return struct{}{}, err
		})
		if err != nil {
			plain(w, http.StatusServiceUnavailable, "the database is unavailable\n")
			return
		}
		plain(w, http.StatusOK, "ready\n")
	})
}

func plain(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that left needs no answer
}
