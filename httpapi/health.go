package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Healthy responds with 200 while the process serves requests: a liveness check. It does not ask the database, because a
// restart of the process would not help that.
func Healthy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
}

// Ready responds with 200 while the database responds and is set up and no scheduled run of any of the Managers is
// overdue (see Manager.Overdue), and with 503 otherwise: a readiness check. It is open to everybody, so it asks the
// database at most once per second, and waits for 1.5 s at most. The answer says until when cleanup is paused, not by
// whom or why.
func Ready(managers ...*sessioncleanup.Manager) http.Handler {
	asked := newShared[string](time.Second, 1500*time.Millisecond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paused, _, err := asked.get(r.Context(), "", func(ctx context.Context) (string, error) {
			paused := ""
			for _, m := range managers {
				p, found, err := m.Paused(ctx) // reads what Migrate adds
				if err != nil {
					return "", err
				}
				if found && paused == "" {
					paused = "; cleanup is paused until " + p.Until.Format(time.RFC3339)
				}
			}
			return paused, nil
		})
		if err != nil {
			plain(w, http.StatusServiceUnavailable, "the database is unavailable\n")
			return
		}
		if slices.ContainsFunc(managers, func(m *sessioncleanup.Manager) bool { return m.Overdue() > 0 }) {
			plain(w, http.StatusServiceUnavailable, "a scheduled cleanup is overdue\n")
			return
		}
		plain(w, http.StatusOK, "ready"+paused+"\n")
	})
}

func plain(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // an error says that the client has disconnected
}
