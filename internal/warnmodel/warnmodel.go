// Package warnmodel compares random schedules of use, outages and policies with a model of the warnings before a
// deletion. Tests of the senders and of the backends use it.
package warnmodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

const (
	day      = 24 * time.Hour
	sessions = 6
	owners   = 3
	steps    = 40 // of a schedule, and then a day each until everything is deleted
	lastDays = 45
)

// World is a database without sessions, and what is special about it.
type World struct {
	Store sessioncleanup.Store
	// Insert adds a session, as the application does.
	Insert func(context.Context, ...sessioncleanup.Session) error
	// SetPolicy stores the policy for runs that do not get it from a Manager. Nil: there are none.
	SetPolicy func(context.Context, sessioncleanup.Policy) error
	// Run cleans up in spite of the deletion limit, and returns how many sessions it says it deleted. Nil: a run of the Manager.
	Run func(context.Context, *sessioncleanup.Manager) (deleted int, err error)
	// Age makes everything in the database older, where time does not pass otherwise. Nil: the test sleeps, in a bubble of
	// synctest.
	Age func(context.Context, time.Duration) error
}

// modelled is a session as the model has it.
type modelled struct {
	changed   time.Time // last used, or changed in a way that begins another idle period
	active    bool
	protected bool
	gone      bool
	warned    []time.Time // when messages about it arrived
}

// model is one random schedule: what happened, and what the owners were told.
type model struct {
	t   *testing.T
	rng *rand.Rand
	World
	m        *sessioncleanup.Manager
	policy   sessioncleanup.Policy
	aged     time.Duration // by World.Age
	sessions map[string]*modelled
	messages map[string][]string // sessions by message
	outage   func() error        // nil: the channel works
}

func (*model) Name() string { return "model" }

// Notify is the channel to the owners.
func (w *model) Notify(_ context.Context, m notify.Message) error {
	var err error
	if w.outage != nil {
		err = w.outage()
	}
	if err != nil && !errors.Is(err, errLostAnswer) {
		return err
	}
	if m.Type != "sessions.deletion_ahead" {
		return err
	}
	var ids []string
	for _, s := range sessionsOf(w.t, m) {
		ids = append(ids, s)
		w.sessions[s].warned = append(w.sessions[s].warned, w.now())
	}
	if before := w.messages[m.ID]; before != nil && len(ids) > len(before) {
		w.t.Errorf("message %s is about %v, and was about %v", m.ID, ids, before)
	}
	w.messages[m.ID] = ids
	return err
}

// sessionsOf are the sessions that a message is about, as a program reads it.
func sessionsOf(t *testing.T, m notify.Message) (ids []string) {
	var data struct {
		Sessions []struct{ ID string }
	}
	text, err := json.Marshal(m.Data)
	if err == nil {
		err = json.Unmarshal(text, &data)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range data.Sessions {
		ids = append(ids, s.ID)
	}
	return ids
}

// now is the time in the schedule.
func (w *model) now() time.Time { return time.Now().Add(w.aged) }

// pass lets time pass.
func (w *model) pass(d time.Duration) {
	if w.Age == nil {
		time.Sleep(d)
		return
	}
	if err := w.Age(w.t.Context(), d); err != nil {
		w.t.Fatal(err)
	}
	w.aged += d
}

var errLostAnswer = errors.New("the message arrived, and its answer was lost")

// change is what somebody does to a session.
func (w *model) change() {
	id := fmt.Sprint(1 + w.rng.IntN(sessions))
	s, ctx := w.sessions[id], w.t.Context()
	var err error
	switch w.rng.IntN(6) {
	case 0:
		err = w.m.Touch(ctx, id)
	case 1:
		_, err = w.m.Reactivate(ctx, id)
	case 2:
		_, err = w.m.Deactivate(ctx, id)
	case 3:
		_, err = w.m.SetAutoCleanup(ctx, id, false)
	case 4:
		_, err = w.m.SetAutoCleanup(ctx, id, true)
	case 5:
		_, err = w.m.Keep(ctx, id, w.policy.DeleteAfter)
	}
	if (err != nil) != s.gone {
		w.t.Fatalf("session %s, gone: %t: %v", id, s.gone, err)
	}
	w.observe()
}

// observe takes over what the sessions are now; a new idle period begins when Session.KeptSince rises.
func (w *model) observe() {
	page, err := w.m.List(w.t.Context(), sessioncleanup.ListOptions{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range page.Sessions {
		is := w.sessions[s.ID]
		if kept := s.KeptSince().Add(w.aged); kept.After(is.changed) {
			is.changed, is.warned = kept, nil
		}
		is.active, is.protected = s.Active, !s.AutoCleanup
	}
}

// run cleans up, and requires that each session deleted was warned in time.
func (w *model) run() {
	run := w.Run
	if run == nil {
		run = func(ctx context.Context, m *sessioncleanup.Manager) (int, error) {
			result, err := m.Cleanup(ctx, sessioncleanup.Run{Force: true})
			return result.Deleted(), err
		}
	}
	says, err := run(w.t.Context(), w.m)
	if err != nil {
		w.t.Fatal(err)
	}
	at := w.now()
	left := map[string]bool{}
	page, err := w.m.List(w.t.Context(), sessioncleanup.ListOptions{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range page.Sessions {
		left[s.ID] = true
	}
	deleted := 0
	for id, s := range w.sessions {
		if s.gone || left[id] {
			continue
		}
		deleted++
		s.gone = true
		inTime := slices.ContainsFunc(s.warned, func(told time.Time) bool { return at.Sub(told) >= w.policy.WarnBefore })
		if s.active || s.protected || !inTime || at.Sub(s.changed) < w.policy.DeleteAfter {
			w.t.Errorf("session %s was deleted at %v with %v of notice: %+v", id, at, w.policy.WarnBefore, *s)
		}
	}
	if deleted != says {
		w.t.Errorf("the run deleted %d sessions and says %d", deleted, says)
	}
	w.observe()
}

func (w *model) deliver() {
	reminders := []time.Duration{w.policy.WarnBefore / 2, time.Hour}
	if _, ok := sessioncleanup.StoreAs[sessioncleanup.Reminder](w.Store); !ok {
		reminders = nil
	}
	o := &notify.Owners{Manager: w.m, Store: w.Store, Channel: w, Texts: texts(), Reminders: reminders, PerMinute: 60_000}
	if _, err := o.Deliver(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// choosePolicy changes the policy.
func (w *model) choosePolicy() {
	w.policy = sessioncleanup.Policy{
		InactiveAfter: day, DeleteAfter: time.Duration(10+20*w.rng.IntN(2)) * day, WarnBefore: time.Duration(3+4*w.rng.IntN(2)) * day,
	}
	var err error
	if w.m, err = sessioncleanup.New(w.Store, sessioncleanup.Config{Policy: w.policy}); err == nil && w.SetPolicy != nil {
		err = w.SetPolicy(w.t.Context(), w.policy)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *model) chooseOutage() {
	w.outage = []func() error{
		nil, nil,
		func() error { return &notify.Error{Channel: "model", Err: errors.New("down"), RetryAfter: time.Hour} },
		func() error { return &notify.Error{Channel: "model", Permanent: true, Err: errors.New("refused")} },
		func() error { return &notify.Error{Channel: "model", Err: errLostAnswer} },
	}[w.rng.IntN(5)]
}

// texts are those of the messages, read once.
var texts = sync.OnceValue(func() map[string]*notify.Texts {
	all := map[string]*notify.Texts{}
	for _, language := range notify.Languages() {
		of, err := notify.NewTexts(language)
		if err != nil {
			panic(err) // those of the package are valid
		}
		all[language] = of
	}
	return all
})

// Check goes through the schedule with a number. Whatever happens, and however the channel fails, a run deletes a session
// only when a message about it arrived long enough ago, in the same idle period; and when everything works, all that may
// be deleted is.
func Check(t *testing.T, schedule int, world World) {
	t.Helper()
	w := &model{t: t, rng: rand.New(rand.NewPCG(1, uint64(schedule))), World: world, sessions: map[string]*modelled{}, messages: map[string][]string{}}
	w.choosePolicy()
	for i := range sessions {
		used := time.Now().Add(-time.Duration(w.rng.IntN(50)) * day)
		s := sessioncleanup.Session{ID: fmt.Sprint(1 + i), OwnerID: fmt.Sprint(1 + i%owners), AutoCleanup: true, Active: w.rng.IntN(2) == 0, LastActivity: used}
		if !s.Active {
			s.DeactivatedAt = used
		}
		if err := w.Insert(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		w.sessions[s.ID] = &modelled{}
	}
	w.observe()
	for range steps {
		switch w.rng.IntN(12) {
		case 0, 1, 2, 3:
			w.run()
		case 4, 5, 6, 7:
			w.deliver()
		case 8, 9:
			w.change()
		case 10:
			w.chooseOutage()
		case 11:
			w.choosePolicy()
		}
		w.pass(time.Duration(w.rng.Int64N(int64(3 * day))).Truncate(time.Millisecond))
	}
	w.outage = nil
	if _, err := w.m.ResendNotices(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for range lastDays {
		w.run()
		w.deliver()
		w.pass(day)
	}
	for id, s := range w.sessions {
		if !s.gone && !s.protected {
			t.Errorf("schedule %d: session %s is still there: %+v", schedule, id, *s)
		}
	}
	if t.Failed() {
		t.Fatalf("schedule %d failed", schedule)
	}
}
