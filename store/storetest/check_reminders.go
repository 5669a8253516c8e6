package storetest

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func (f *fixture) reminder() sessioncleanup.Reminder { return optional[sessioncleanup.Reminder](f) }

// remind has owners reminded at times before a deletion.
func (f *fixture) remind(want int, t sessioncleanup.Thresholds, before ...time.Duration) {
	f.Helper()
	got, err := f.reminder().Remind(f.ctx, sessioncleanup.Reminding{Thresholds: t, Before: before})
	if err != nil || got != want {
		f.Errorf("Remind %v before deletions: %d, %v; want %d", before, got, err, want)
	}
}

func outboxReminds(f *fixture) {
	reminder, t := f.reminder(), f.warning(0)
	f.insert(f.dueForDeletion(1), ownedBy(f.owner(2), f.dueForDeletion(2)), ownedBy(f.owner(3), f.dueForDeletion(3)))
	f.remind(0, t, 100*day)
	f.warn(sessioncleanup.Batch{Cutoffs: t.At(f.now), Limit: 100})
	f.remind(0, t, 100*day) // none is delivered yet
	f.deliver(func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		if m.OwnerID == f.owner(3) {
			return sessioncleanup.NoticeOutcome{GivenUp: true, Attempted: true}
		}
		return delivered(m)
	})
	warned := f.get(f.id(1)).Warning
	late := t
	late.Delete = 100 * day // at 60 days from now
	f.remind(0, late, 59*day)
	f.remind(0, sessioncleanup.Thresholds{}, 100*day)
	f.remind(0, t, notice-time.Hour, day) // the deletions are notice after the deliveries
	f.remind(2, t, notice+time.Hour, day)
	f.remind(0, t, notice+time.Hour, day)
	lost := f.sender("lost", time.Minute)
	f.sender("lost", 0)
	f.expectError(failure(reminder.Remind(f.ctx, sessioncleanup.Reminding{Lease: lost, Thresholds: t, Before: []time.Duration{90 * day}})), sessioncleanup.ErrLeaseLost, "Remind with a lease that was lost")
	f.touch(sessioncleanup.Touch{IDs: []string{f.id(2)}}, 1)
	m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "reminder"})
	if m.ID != "reminder" || len(m.Notices) != 1 || m.Notices[0].SessionID != f.id(1) || m.Notices[0].Stage != 1 || m.Notices[0].Attempts != 0 || m.Notices[0].Warning != warned {
		f.Fatalf("the reminder is %+v, want one of session %s with the warning %+v", m, f.id(1), warned)
	}
	f.settle(sessioncleanup.NoticeOutcome{Message: m.ID, GivenUp: true, Attempted: true, Error: "gone"})
	if n := f.notices(sessioncleanup.NoticeQuery{SessionID: f.id(1)})[f.id(1)]; n.Warning != warned || !n.NextAt.IsZero() || f.get(f.id(1)).Warning != warned {
		f.Errorf("after a reminder that was given up, the notice is %+v, want the warning %+v", n, warned)
	}
	if m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "none"}); len(m.Notices) > 0 {
		f.Errorf("the next message is %+v, want none", m)
	}
	f.remind(1, late, 90*day, 80*day, 61*day) // all three at once
	if messages := f.deliver(func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		if size, err := f.outbox().OutboxSize(f.ctx); err != nil || size.Pending != 1 || size.Undeliverable != 1 || !size.OldestAt.IsZero() {
			f.Errorf("OutboxSize = %+v, %v; want one that is pending, and no warning", size, err)
		}
		return delivered(m)
	}); messages != 1 {
		f.Errorf("%d messages, want one", messages)
	}
	if n := f.notices(sessioncleanup.NoticeQuery{SessionID: f.id(1)})[f.id(1)]; n.Stage != 3 || n.ToldAt.Before(warned.DeliveredAt) || n.Warning != warned {
		f.Errorf("the notice is %+v, want three stages", n)
	}
}

func outboxTells(f *fixture) {
	f.reminder()
	f.insert(f.dueForDeletion(1), f.dueForDeletion(2), f.dueForDeletion(3), ownedBy(f.owner(2), f.dueForDeletion(4)))
	f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100})
	f.deliver(delivered)
	f.remove(f.id(3)) // somebody knows that
	f.insert(f.dueForDeletion(5))
	f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100})
	before := f.clock()
	f.expectIDs("sessions deleted", f.sweepAt(f.warning(notice+day)), f.id(1), f.id(2), f.id(4))
	pending := f.notices(sessioncleanup.NoticeQuery{Pending: true})
	if len(pending) != 4 || pending[f.id(1)].DeletedAt.IsZero() || pending[f.id(1)].Message != "" || !pending[f.id(5)].DeletedAt.IsZero() {
		f.Fatalf("pending are %+v, want what was deleted and a warning", pending)
	}
	f.expectClock("DeletedAt", pending[f.id(1)].DeletedAt, before)
	if m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "spaced", Every: time.Hour}); len(m.Notices) > 0 {
		f.Errorf("within an hour of the warning the owner gets %+v", m)
	}
	f.insert(f.fresh(4)) // it is back
	told := map[string]string{}
	f.deliver(func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		for _, n := range m.Notices {
			if told[n.SessionID] = m.ID; n.DeletedAt.IsZero() != m.Notices[0].DeletedAt.IsZero() || n.DeletedAt.IsZero() != (n.SessionID == f.id(5)) {
				f.Errorf("message %s mixes warnings with deletions: %+v", m.ID, m.Notices)
			}
		}
		return delivered(m)
	})
	if len(told) != 3 || told[f.id(1)] != told[f.id(2)] || told[f.id(5)] == told[f.id(1)] {
		f.Errorf("the sessions are in the messages %v, want those deleted in one and the warning in another", told)
	}
	f.remind(2, f.warning(0), 100*day) // not of what a run deleted; what somebody deleted is dropped then
	if m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "reminder"}); len(m.Notices) != 1 || m.Notices[0].SessionID != f.id(5) {
		f.Errorf("the reminder is %+v, want one of session %s", m, f.id(5))
	}
}

func outboxTagged(f *fixture) {
	f.tagger()
	f.outbox()
	sessions := many(1, 5, f.dueForDeletion)
	f.insert(sessions...)
	for i, words := range []string{"vip", "vip test", "gold", ""} {
		if words != "" {
			f.tagged(sessions[i], words)
		}
	}
	f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100})
	for _, c := range []struct {
		tags string
		want []int
	}{
		{"", []int{1, 2, 3, 4, 5}}, {"vip", []int{1, 2}}, {"vip -test", []int{1}}, {"test|gold", []int{2, 3}}, {"-vip", []int{3, 4, 5}}, {"-vip|gold", []int{4, 5}}, {"vi", nil},
	} {
		var want, got []string
		for _, n := range c.want {
			want = append(want, f.id(n))
		}
		for id := range f.notices(sessioncleanup.NoticeQuery{Tags: c.tags, Pending: true}) {
			got = append(got, id)
		}
		f.expectIDs("notices selected by "+c.tags, got, want...)
	}
	if _, ok := sessioncleanup.StoreAs[sessioncleanup.Reminder](f.Store); !ok || !f.followsRules() {
		return // what it had is not kept
	}
	f.deliver(delivered)
	f.sweepAt(f.warning(notice + day))
	if got := f.notices(sessioncleanup.NoticeQuery{Tags: "vip -test"}); len(got) != 1 || got[f.id(1)].DeletedAt.IsZero() {
		f.Errorf("after the sessions were deleted vip -test selects %+v, want that of session %s", got, f.id(1))
	}
}
