package notify

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// renamed is another channel to the same receiver.
type renamed struct{ *mailbox }

func (renamed) Name() string { return "renamed" }

func TestABacklogIsSpreadOverHoursAndNothingIsDeletedEarlier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 25, 25)
		box := &mailbox{fail: func(Message) error { return &Error{Channel: "mailbox", Err: errors.New("down")} }}
		deliver := func(channel Notifier) Delivery { // as a process of its own
			t.Helper()
			return deliverAll(t, &Owners{Manager: m, Store: store, Channel: channel, PerHour: 10})
		}
		if d := deliver(box); d != (Delivery{Again: failuresAlike}) {
			t.Errorf("while the channel is down: %+v", d)
		}
		box.fail = nil
		time.Sleep(2 * time.Minute)
		for hour, want := range []Delivery{{Messages: 10, Sessions: 10, Capped: true}, {Messages: 10, Sessions: 10, Capped: true}, {Messages: 5, Sessions: 5}} {
			if d := deliver(box); d != want {
				t.Errorf("in hour %d %+v, want %+v", hour, d, want)
			}
			if d, more := deliver(box), want.Capped; d != (Delivery{Capped: more}) {
				t.Errorf("in hour %d again: %+v, want nothing, and more to send: %t", hour, d, more)
			}
			time.Sleep(time.Hour)
		}
		for i, want := range []int{10, 10, 5} { // 7 days after the first message of each hour, and its minute
			time.Sleep(time.Until(box.got[10*i].At.Add(7*ownersDay + time.Minute)))
			if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != want {
				t.Errorf("7 days after the messages of hour %d a run deleted %d sessions, %v; want %d", i, result.Deleted(), err, want)
			}
		}
	})
}

func TestMessagesOverAnotherChannelDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 6, 6)
		box := &mailbox{}
		for _, channel := range []Notifier{box, renamed{box}} {
			if d := deliverAll(t, &Owners{Manager: m, Store: store, Channel: channel, PerHour: 2}); d.Messages != 2 || !d.Capped {
				t.Errorf("over %s: %+v, want two messages", channel.Name(), d)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Minute)
		defer cancel()
		if err := (&Owners{Manager: m, Store: store, Channel: box, PerHour: 2}).Run(ctx); !errors.Is(err, context.DeadlineExceeded) || len(box.got) != 6 {
			t.Errorf("Run, for longer than an hour: %v, and %d messages, want 6", err, len(box.got))
		}
	})
}
