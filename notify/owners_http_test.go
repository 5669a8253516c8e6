package notify

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// TestAReceiverOfWarningsThatFailsIsAskedAgainAndNothingIsDeleted goes through what a server can answer: no warning
// counts as delivered, none is given up at once, and the server is asked again when it wants to be.
func TestAReceiverOfWarningsThatFailsIsAskedAgainAndNothingIsDeleted(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t, nil)
	answer := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	for name, c := range map[string]struct {
		answers http.HandlerFunc
		again   time.Duration // at the earliest; a tenth later at the latest
		says    string
		asked   map[string]int // how often, where it is not once for each of the two owners
	}{
		"429 with Retry-After": {answers: answer(429, "Retry-After", "7200"), again: 2 * time.Hour, says: "429"},
		"410":                  {answers: answer(410), again: longestAgain, says: "410", asked: map[string]int{"webhook": 1}},
		"500":                  {answers: answer(500), again: time.Minute, says: "500"},
		"no answer":            {answers: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, again: time.Minute, says: "no answer within"},
		"a redirect":           {answers: answer(307, "Location", elsewhere.URL), again: time.Minute, says: "redirects are not followed"},
	} {
		for _, kind := range []string{"slack", "discord", "webhook"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				r := newReceiver(t, c.answers)
				channel := httpChannels(t, r.URL)[kind]
				if name == "no answer" {
					hurried(channel)
				}
				store, m := due(t, 2, 2)
				o := &Owners{Manager: m, Store: store, Channel: channel, PerMinute: 60_000}
				before := time.Now()
				if d := deliverAll(t, o); d != (Delivery{Again: 2}) {
					t.Errorf("delivered %+v, want two messages to try again", d)
				}
				after := time.Now()
				if d := deliverAll(t, o); d != (Delivery{}) {
					t.Errorf("another call, too early: %+v", d)
				}
				notices, err := m.Notices(t.Context(), sessioncleanup.NoticeQuery{Pending: true})
				if err != nil || len(notices) != 2 {
					t.Fatalf("%d notices are to be sent, %v; want 2", len(notices), err)
				}
				for _, n := range notices {
					if n.Attempts != 1 || n.NextAt.Before(before.Add(c.again).Truncate(time.Millisecond)) || n.NextAt.After(after.Add(c.again*11/10+time.Millisecond)) {
						t.Errorf("after %d attempts, %q, the next one is in %v, want about %v", n.Attempts, n.Error, n.NextAt.Sub(before), c.again)
					}
				}
				if oldest := notices[0].Error + notices[1].Error; !strings.Contains(oldest, c.says) || strings.Contains(oldest, "hunter2") {
					t.Errorf("the errors are %q, want %q, without a secret", oldest, c.says)
				}
				want, ok := c.asked[kind]
				if !ok {
					want = 2
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				late := name == "no answer" && len(r.got) < want // on a busy machine, before the server read it
				if len(r.got) != want && !late || len(elsewhere.got) > 0 {
					t.Errorf("the server was asked %d times, and another one %d times; want %d and 0", len(r.got), len(elsewhere.got), want)
				}
				if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != 0 || result.Waiting != 2 {
					t.Errorf("a run deleted %d sessions, and %d wait for their warning, %v", result.Deleted(), result.Waiting, err)
				}
			})
		}
	}
}
