package notify

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// perHour is the default of Owners.PerHour.
const perHour = 1000

// hour counts the messages of one round and of the hour before it, for Owners.PerHour. That hour is in the audit log, so
// that neither a restart nor a program that cron starts again and again begins anew.
type hour struct {
	read bool
	sent int
}

// full reports whether the messages of the hour that ends at now, the store's clock, are used up.
func (h *hour) full(ctx context.Context, s *sender, now time.Time) (bool, error) {
	if !h.read {
		sent, err := s.deliveredSince(ctx, now.Add(-time.Hour))
		if err != nil {
			return false, err
		}
		h.read, h.sent = true, sent
	}
	return h.sent >= s.o.PerHour, nil
}

// deliveredSince counts the messages that the log says to be delivered over the channel after a moment, at most Owners.PerHour.
func (s *sender) deliveredSince(ctx context.Context, then time.Time) (n int, err error) {
	q := sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionWarned}, Limit: sessioncleanup.MaxPage}
	for {
		page, err := call(ctx, func(ctx context.Context) (sessioncleanup.EventPage, error) { return s.o.Manager.EventPage(ctx, q) })
		if err != nil {
			return 0, err
		}
		for _, e := range page.Events {
			if n == s.o.PerHour || !e.At.After(then) {
				return n, nil
			}
			if e.Reason == s.o.Channel.Name() {
				n++
			}
		}
		if page.Next == 0 {
			return n, nil
		}
		q.Before = page.Next
	}
}
