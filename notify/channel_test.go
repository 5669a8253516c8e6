package notify_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

func TestAChannelThatIsDownIsTriedAgainAndKeepsNothingFromOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, up, down := newWorld(t), &inbox{name: "up"}, &inbox{name: "down"}
		down.fail(notify.Error{Err: errors.New("refused")})
		w.used(false)
		stop := w.start(w.operators(down, up))
		w.wants(up, few)
		time.Sleep(10 * time.Hour)
		w.wants(down)
		pauses := []time.Duration{}
		for i := 1; i < len(down.tries); i++ {
			pauses = append(pauses, down.tries[i].Sub(down.tries[i-1]))
		}
		for i, pause := range pauses {
			least := min(time.Minute<<i, time.Hour)
			if pause < least || pause > least+least/10+time.Minute {
				t.Errorf("pause %d is %v, want about %v", i+1, pause, least)
			}
		}
		if n := len(pauses); n < 12 || n > 16 {
			t.Errorf("%d tries in 10 hours", n)
		}
		down.failing(nil)
		time.Sleep(2 * time.Hour)
		w.wants(down, few)
		w.wants(up)
		stop()
	})
}

func TestWhatBeganAndEndedWhileAChannelWasDownIsNotTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		in.fail(notify.Error{Err: errors.New("refused")})
		stop := w.start(w.operators(in))
		w.used(false)
		time.Sleep(time.Hour)
		w.used(true)
		in.failing(nil)
		time.Sleep(3 * time.Hour)
		w.wants(in)
		stop()
	})
}

func TestErrorsSayWhenAChannelIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure notify.Error
		before  time.Duration // no try until then
		by      time.Duration // a try by then; 0: never
	}{
		"after what the receiver asks": {notify.Error{RetryAfter: 2 * time.Hour}, 2 * time.Hour, 2*time.Hour + 15*time.Minute},
		"no sooner than the first":     {notify.Error{RetryAfter: time.Second}, time.Minute, 3 * time.Minute},
		"permanent":                    {notify.Error{Permanent: true}, 24 * time.Hour, 27 * time.Hour},
		"gone":                         {notify.Error{Permanent: true, Gone: true}, 90 * 24 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, in := newWorld(t), &inbox{name: "a"}
				c.failure.Err = errors.New("no")
				in.fail(c.failure)
				w.used(false)
				o := w.operators(in)
				o.Every = 10 * time.Second
				if c.before > 48*time.Hour {
					o.Every = 10 * time.Minute
				}
				stop := w.start(o)
				defer stop()
				time.Sleep(c.before - time.Second)
				if n := in.tried(); n != 1 {
					t.Fatalf("%d tries before %v", n, c.before)
				}
				if c.by > 0 {
					time.Sleep(c.by - c.before)
					if n := in.tried(); n != 2 {
						t.Errorf("%d tries by %v, want 2", n, c.by)
					}
				}
			})
		})
	}
}

func TestAChannelThatHangsKeepsNothingFromOthersNorRunFromEnding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, up, hangs := newWorld(t), &inbox{name: "up"}, &inbox{name: "hangs"}
		hangs.failing(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		w.used(false)
		stop := w.start(w.operators(hangs, up))
		w.wants(up, few)
		if _, err := w.m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
			t.Errorf("a run beside it: %v", err)
		}
		stop()
		w.wants(hangs)
	})
}

type unreliable struct {
	sessioncleanup.Store
	record func(sessioncleanup.Record) error
	lease  func(sessioncleanup.LeaseRequest) error
}

func (u *unreliable) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	if u.record != nil {
		if err := u.record(r); err != nil {
			return sessioncleanup.Event{}, err
		}
	}
	return u.Store.Record(ctx, r)
}

func (u *unreliable) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if u.lease != nil {
		if err := u.lease(r); err != nil {
			return sessioncleanup.Lease{}, err
		}
	}
	return u.Store.Lease(ctx, r)
}

func TestAMessageThatIsRepeatedAfterACrashHasTheSameID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		w.used(false)
		dying := w.operators(in)
		dying.Store = &unreliable{Store: w.db, record: func(r sessioncleanup.Record) error {
			if strings.Contains(r.Event.Reason, "low_activity") {
				return sessioncleanup.ErrUnavailable
			}
			return nil
		}}
		stop := w.start(dying)
		time.Sleep(time.Hour) // the process knows what it told, although the log does not
		stop()
		stop = w.start(w.operators(in))
		time.Sleep(time.Hour)
		stop()
		if len(in.got) != 2 || in.got[0].ID != in.got[1].ID || in.got[0].ID == "" {
			t.Fatalf("got %d messages: %+v", len(in.got), in.got)
		}
		first := in.got[0].ID
		w.wants(in, few, few)
		w.used(true)
		stop = w.start(w.operators(in))
		time.Sleep(time.Minute)
		w.used(false)
		time.Sleep(2 * time.Minute)
		stop()
		if len(in.got) != 2 || in.got[0].ID == first || in.got[1].ID == first || in.got[0].ID == in.got[1].ID {
			t.Errorf("other messages have the IDs %+v, the first one %s", in.got, first)
		}
	})
}

func TestWhatTheLogCouldNotRecordIsRecordedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		w.used(false)
		var full atomic.Bool
		full.Store(true)
		o := w.operators(in)
		o.Store = &unreliable{Store: w.db, record: func(sessioncleanup.Record) error {
			if full.Load() && in.tried() > 0 {
				return sessioncleanup.ErrUnavailable
			}
			return nil
		}}
		stop := w.start(o)
		time.Sleep(time.Hour)
		synctest.Wait()
		full.Store(false)
		time.Sleep(time.Hour)
		stop()
		stop = w.start(w.operators(in))
		time.Sleep(time.Hour)
		stop()
		w.wants(in, few)
	})
}

func TestAnInstanceThatLostItsLeaseTellsNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, frozen, other := newWorld(t), &inbox{name: "a"}, &inbox{name: "a"}
		frozen.failing(func(context.Context) error {
			time.Sleep(time.Hour)
			return nil
		})
		w.forgotten(200) // two alerts
		stopFrozen := w.start(w.operators(frozen))
		synctest.Wait()
		stopOther := w.start(w.operators(other))
		time.Sleep(30 * time.Minute)
		w.wants(other, "[app] Too many sessions are due for cleanup", few)
		time.Sleep(10 * time.Hour)
		w.wants(other)
		w.wants(frozen, "[app] Too many sessions are due for cleanup") // that one was on its way
		stopOther()
		stopFrozen()
	})
}
