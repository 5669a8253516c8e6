package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Healthy returns a handler for liveness checks. It responds with 200 while the process serves requests. It does not
// query the database, because a restart of the process would not help the database.
func Healthy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
}

// Ready returns a handler for readiness checks. It responds with 200 while the database responds, is set up, and no
// scheduled run of any of the Managers is overdue (see Manager.Overdue); otherwise with 503. It needs no login, so it
// queries the database at most once per second, and waits at most 1.5 s. While cleanup is paused, the response says
// until when, but not by whom or why.
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
