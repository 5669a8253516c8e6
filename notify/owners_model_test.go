package notify

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

var schedules = flag.Int("schedules", 100, "random schedules of use, outages and policies to compare with the model")

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
	t        *testing.T
	rng      *rand.Rand
	store    *memory.Store
	m        *sessioncleanup.Manager
	policy   sessioncleanup.Policy
	texts    map[string]*Texts
	sessions map[string]*modelled
	messages map[string][]string // sessions by message
	outage   func(Message) error // nil: the channel works
}

func (*model) Name() string { return "model" }

// Notify is the channel to the owners.
func (w *model) Notify(_ context.Context, m Message) error {
	var err error
	if w.outage != nil {
		err = w.outage(m)
	}
	if err != nil && !errors.Is(err, errLostAnswer) {
		return err
	}
	d, ahead := m.Data.(ownerDetails)
	if !ahead {
		return err
	}
	ids := sessionsOf(m)
	if before := w.messages[m.ID]; before != nil && len(ids) > len(before) {
		w.t.Errorf("message %s is about %v, and was about %v", m.ID, ids, before)
	}
	w.messages[m.ID] = ids
	for _, s := range d.Sessions {
		w.sessions[s.ID].warned = append(w.sessions[s.ID].warned, time.Now())
	}
	return err
}

var errLostAnswer = errors.New("the message arrived, and its answer was lost")

// change is what somebody does to a session.
func (w *model) change() {
	id := fmt.Sprint(w.rng.IntN(6))
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
		if s.KeptSince().After(is.changed) {
			is.changed, is.warned = s.KeptSince(), nil
		}
		is.active, is.protected = s.Active, !s.AutoCleanup
	}
}

// run cleans up, and requires that each session deleted was warned in time.
func (w *model) run() {
	before := time.Now()
	result, err := w.m.Cleanup(w.t.Context(), sessioncleanup.Run{Force: true})
	if err != nil {
		w.t.Fatal(err)
	}
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
		inTime := slices.ContainsFunc(s.warned, func(at time.Time) bool { return before.Sub(at) >= w.policy.WarnBefore })
		if s.active || s.protected || !inTime || before.Sub(s.changed) < w.policy.DeleteAfter {
			w.t.Errorf("session %s was deleted at %v with %v of notice: %+v", id, before, w.policy.WarnBefore, *s)
		}
	}
	if deleted != result.Deleted() {
		w.t.Errorf("the run deleted %d sessions and says %d", deleted, result.Deleted())
	}
	w.observe()
}

func (w *model) deliver() {
	reminders := []time.Duration{w.policy.WarnBefore / 2, time.Hour}
	o := &Owners{Manager: w.m, Store: w.store, Channel: w, Texts: w.texts, Reminders: reminders, PerMinute: 6000}
	if _, err := o.Deliver(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// choosePolicy changes the policy.
func (w *model) choosePolicy() {
	w.policy = sessioncleanup.Policy{
		InactiveAfter: ownersDay, DeleteAfter: time.Duration(10+20*w.rng.IntN(2)) * ownersDay, WarnBefore: time.Duration(3+4*w.rng.IntN(2)) * ownersDay,
	}
	var err error
	if w.m, err = sessioncleanup.New(w.store, sessioncleanup.Config{Policy: w.policy}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *model) chooseOutage() {
	w.outage = []func(Message) error{
		nil, nil,
		func(Message) error { return &Error{Channel: "model", Err: errors.New("down"), RetryAfter: time.Hour} },
		func(Message) error { return &Error{Channel: "model", Permanent: true, Err: errors.New("refused")} },
		func(Message) error { return &Error{Channel: "model", Err: errLostAnswer} },
	}[w.rng.IntN(5)]
}

// TestNoSessionIsDeletedWithoutAWarningInTime compares random schedules with a model: whatever happens, and however the channel fails, a
// run deletes a session only when a message about it arrived long enough ago, in the same idle period; and when everything works, all
// that may be deleted is.
func TestNoSessionIsDeletedWithoutAWarningInTime(t *testing.T) {
	t.Parallel()
	texts := map[string]*Texts{}
	for _, language := range Languages() {
		var err error
		if texts[language], err = NewTexts(language); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range *schedules {
		synctest.Test(t, func(t *testing.T) {
			w := &model{
				t: t, rng: rand.New(rand.NewPCG(1, uint64(seed))), store: memory.New(memory.Config{}), texts: texts,
				sessions: map[string]*modelled{}, messages: map[string][]string{},
			}
			w.choosePolicy()
			for i := range 6 {
				used := time.Now().Add(-time.Duration(w.rng.IntN(50)) * ownersDay)
				s := sessioncleanup.Session{ID: fmt.Sprint(i), OwnerID: fmt.Sprint(i % 3), AutoCleanup: true, Active: w.rng.IntN(2) == 0, LastActivity: used}
				if !s.Active {
					s.DeactivatedAt = used
				}
				if err := w.store.Put(s); err != nil {
					t.Fatal(err)
				}
				w.sessions[s.ID] = &modelled{}
			}
			w.observe()
			for range 40 {
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
				time.Sleep(time.Duration(w.rng.Int64N(int64(3 * ownersDay))))
			}
			w.outage = nil
			if _, err := w.m.ResendNotices(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			for range 45 {
				w.run()
				w.deliver()
				time.Sleep(ownersDay)
			}
			for id, s := range w.sessions {
				if !s.gone && !s.protected {
					t.Errorf("schedule %d: session %s is still there: %+v", seed, id, *s)
				}
			}
		})
		if t.Failed() {
			t.Fatalf("schedule %d failed", seed)
		}
	}
}
