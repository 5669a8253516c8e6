package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

// inbox is a channel that keeps what it gets, unless fails returns an error.
type inbox struct {
	name  string
	fails func(ctx context.Context) error

	mu    sync.Mutex
	got   []notify.Message
	tries []time.Time
}

func (i *inbox) Name() string { return i.name }

func (i *inbox) Notify(ctx context.Context, m notify.Message) error {
	i.mu.Lock()
	i.tries = append(i.tries, time.Now())
	fails := i.fails
	i.mu.Unlock()
	if fails != nil {
		if err := fails(ctx); err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, m)
	return nil
}

func (i *inbox) failing(f func(context.Context) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fails = f
}

func (i *inbox) fail(err notify.Error) { i.failing(func(context.Context) error { return &err }) }

// subjects are those of the messages it got since the last call.
func (i *inbox) subjects() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	subjects := []string{}
	for _, m := range i.got {
		subjects = append(subjects, m.Subject)
	}
	i.got = nil
	return subjects
}

func (i *inbox) tried() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.tries)
}

const (
	few   = "[app] Few sessions are active"
	ended = "[app] Resolved: Few sessions are active"
)

// world is a store with one session, and what operates on it.
type world struct {
	t  *testing.T
	db *memory.Store
	m  *sessioncleanup.Manager
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: memory.New(memory.Config{})}
	w.m = w.manager(w.db)
	w.used(true)
	return w
}

func (w *world) manager(db sessioncleanup.Store) *sessioncleanup.Manager {
	w.t.Helper()
	m, err := sessioncleanup.New(db, sessioncleanup.Config{Policy: sessioncleanup.Policy{AlertActivityRate: 0.5}})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// forgotten adds so many sessions that are due for deletion.
func (w *world) forgotten(count int) {
	w.t.Helper()
	longAgo := time.Now().Add(-99 * 24 * time.Hour)
	for i := range count {
		s := sessioncleanup.Session{ID: fmt.Sprint("old", i), AutoCleanup: true, LastActivity: longAgo, DeactivatedAt: longAgo}
		if err := w.db.Put(s); err != nil {
			w.t.Fatal(err)
		}
	}
}

// used makes the session active, or not: then the alert low_activity holds.
func (w *world) used(active bool) {
	w.t.Helper()
	if err := w.db.Put(sessioncleanup.Session{ID: "1", Active: active, LastActivity: time.Now(), DeactivatedAt: time.Now()}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) operators(channels ...notify.Notifier) *notify.Operators {
	return &notify.Operators{Manager: w.m, Store: w.db, Channels: channels, Service: "app"}
}

// start runs operators until the function that it returns is called.
func (w *world) start(o *notify.Operators) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	return func() {
		w.t.Helper()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			w.t.Errorf("Run ended with %v", err)
		}
	}
}

func (w *world) wants(i *inbox, subjects ...string) {
	w.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(append([]string{}, subjects...), i.subjects()); diff != "" {
		w.t.Errorf("%s got (-want +got):\n%s", i.name, diff)
	}
}

func TestAnAlertIsToldOnceWhenItBeginsAndOnceWhenItEndsOverRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		stop := w.start(w.operators(in))
		time.Sleep(10 * time.Minute)
		w.wants(in)
		w.used(false)
		time.Sleep(time.Minute)
		w.wants(in, few)
		time.Sleep(24 * time.Hour)
		stop()
		for range 3 {
			stop = w.start(w.operators(in))
			time.Sleep(10 * time.Minute)
			stop()
		}
		w.wants(in)
		w.used(true)
		stop = w.start(w.operators(in))
		time.Sleep(10 * time.Minute)
		w.wants(in, ended)
		w.used(false)
		time.Sleep(time.Minute)
		w.wants(in, few)
		stop()
	})
}

func TestSeveralInstancesTellOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		var stops []func()
		for range 3 {
			stops = append(stops, w.start(w.operators(in)))
		}
		for i, stop := range stops { // the others go on
			w.used(i%2 == 1)
			time.Sleep(2 * time.Minute)
			w.wants(in, []string{few, ended, few}[i])
			stop()
		}
	})
}

func TestAnInstanceThatDiedIsReplacedWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		w.used(false)
		_, err := w.db.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "notify operators", Holder: "the dead", TTL: 3 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		figures, err := w.m.Stats(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.operators(in).Tell(t.Context(), figures); err != nil {
			t.Errorf("Tell beside another instance: %v", err)
		}
		stop := w.start(w.operators(in))
		defer stop()
		time.Sleep(2 * time.Minute)
		w.wants(in)
		time.Sleep(2 * time.Minute)
		w.wants(in, few)
	})
}

// unreliable is a store whose calls fail as it is told.

// A process that was frozen while it told something does not go on with what another one has told by then.

func TestTheDeletionLimitIsToldWithTheNumberOfSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		w.forgotten(150)
		stop := w.start(w.operators(in))
		defer stop()
		w.wants(in, "[app] Too many sessions are due for cleanup", few)
		if _, err := w.m.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrTooMany) {
			t.Fatalf("the run ended with %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(in.got) != 1 || !strings.Contains(in.got[0].Text, "would have deleted 150 sessions") {
			t.Errorf("got %+v", in.got)
		}
		w.wants(in, "[app] The deletion limit stopped a cleanup")
		if _, err := w.m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.wants(in, "[app] Resolved: Too many sessions are due for cleanup", ended, "[app] Resolved: The deletion limit stopped a cleanup")
	})
}

func TestAFailedRunIsToldAndOneThatWasStoppedIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		stop := w.start(w.operators(in))
		defer stop()
		ended := func(cause string) {
			e := sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: "R", Run: &sessioncleanup.RunSummary{StartedAt: time.Now(), Error: cause}}
			if _, err := w.db.Record(t.Context(), sessioncleanup.Record{Event: e}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		ended(context.Canceled.Error())
		w.wants(in)
		ended("disk full")
		if synctest.Wait(); len(in.got) != 1 || !strings.Contains(in.got[0].Text, "Run R failed: disk full") {
			t.Errorf("got %+v", in.got)
		}
		w.wants(in, "[app] The cleanup failed")
		ended("disk full")
		w.wants(in)
		ended("")
		w.wants(in, "[app] Resolved: The cleanup failed")
	})
}

func TestARunThatIsOverdueIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{name: "a"}
		var stuck sync.Mutex
		until := time.Now().Add(3 * time.Hour)
		w.m = w.manager(&unreliable{Store: w.db, lease: func(r sessioncleanup.LeaseRequest) error {
			stuck.Lock()
			defer stuck.Unlock()
			if r.Name == "cleanup" && time.Now().Before(until) {
				return sessioncleanup.ErrUnavailable
			}
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = w.m.Run(ctx, sessioncleanup.Interval{Every: time.Hour}) }()
		stop := w.start(w.operators(in))
		defer stop()
		time.Sleep(time.Hour)
		w.wants(in)
		time.Sleep(10 * time.Minute)
		if synctest.Wait(); len(in.got) != 1 || !strings.Contains(in.got[0].Text, "A run is overdue by 5 min") {
			t.Errorf("got %+v", in.got)
		}
		w.wants(in, "[app] The cleanup is overdue")
		time.Sleep(4 * time.Hour)
		w.wants(in, "[app] Resolved: The cleanup is overdue")
	})
}

func TestWrongOperatorsAreRefused(t *testing.T) {
	t.Parallel()
	w, in := newWorld(t), &inbox{name: "a"}
	for name, change := range map[string]func(*notify.Operators){
		"no manager":     func(o *notify.Operators) { o.Manager = nil },
		"no store":       func(o *notify.Operators) { o.Store = nil },
		"no channel":     func(o *notify.Operators) { o.Channels = nil },
		"the same twice": func(o *notify.Operators) { o.Channels = append(o.Channels, &inbox{name: "a"}) },
		"too often":      func(o *notify.Operators) { o.Every = time.Millisecond },
		"too rarely":     func(o *notify.Operators) { o.Every = time.Hour },
		"somebody's Manager": func(o *notify.Operators) {
			o.Manager = w.m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleViewer})
		},
		"a negative interval": func(o *notify.Operators) { o.Every = -time.Minute },
	} {
		o := w.operators(in)
		change(o)
		for _, err := range []error{o.Run(t.Context()), o.Tell(t.Context(), sessioncleanup.Stats{})} {
			if !errors.Is(err, sessioncleanup.ErrInvalid) && !errors.Is(err, sessioncleanup.ErrForbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestTellReturnsTheErrorsOfChannelsAndTheNextCallTriesThemAgain(t *testing.T) {
	t.Parallel()
	w, up, down := newWorld(t), &inbox{name: "up"}, &inbox{name: "down"}
	w.used(false)
	figures, err := w.m.Stats(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	down.fail(notify.Error{Channel: "down", Permanent: true, Err: errors.New("no such channel")})
	for range 2 {
		if err := w.operators(up, down).Tell(t.Context(), figures); !notify.Permanent(err) {
			t.Errorf("Tell returned %v", err)
		}
	}
	down.failing(nil)
	if err := w.operators(up, down).Tell(t.Context(), figures); err != nil {
		t.Error(err)
	}
	if n := len(down.got); n != 1 || len(up.got) != 1 {
		t.Errorf("%d and %d messages, want one each", n, len(up.got))
	}
}
