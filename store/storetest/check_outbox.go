package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "outbox" proves a store that is an Outbox; the checks are skipped for others.
func outboxChecks() []check {
	return []check{
		{"outbox", "deletes only what was warned for this idle period, as long ago as the policy says", outboxRule},
		{"outbox", "agrees with the rules about warnings on random sessions", outboxRandom},
		{"outbox", "writes each warning once, under the lease, with its event", outboxWarns},
		{"outbox", "claims one message to one owner, the same one until it is settled", outboxClaims},
		{"outbox", "keeps a message back while its owner got one just now", outboxSpaces},
		{"outbox", "drops what was used, kept, protected or deleted since", outboxDrops},
		{"outbox", "settles a message once, and sends again what was given up", outboxSettles},
		{"outbox", "neither claims nor settles for a sender that lost its lease", outboxLost},
		{"outbox", "finds how an owner is reached", outboxOwners},
		{"outbox", "reminds owners once for each time before a deletion", outboxReminds},
		{"outbox", "tells owners what a run deleted, apart from warnings", outboxTells},
		{"outbox", "selects notices by the tags of their sessions", outboxTagged},
	}
}

const notice = 7 * day // before the deletion

func outboxRule(f *fixture) {
	f.outbox()
	names := []string{"still unused", "used since", "kept since", "protected since", "deactivated again", "not told", "given up"}
	var sessions []sessioncleanup.Session
	for i := range names {
		s := f.dueForDeletion(i)
		switch i {
		case 5:
			s = ownedBy(f.owner(2), s)
		case 6:
			s = ownedBy(f.owner(3), s)
		}
		sessions = append(sessions, s)
	}
	f.insert(append(sessions, f.fresh(20), f.idle(21))...)
	t := f.warning(0)
	f.expectIDs("sessions deleted before anybody was warned", f.sweepAt(t))
	f.expectIDs("sessions whose owners are warned", f.warn(sessioncleanup.Batch{Cutoffs: t.At(f.now), Limit: 2}), idsOf(sessions)...)
	f.deliver(func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		switch m.OwnerID {
		case f.owner(1):
			return delivered(m)
		case f.owner(2):
			return sessioncleanup.NoticeOutcome{Again: day, Attempted: true, Error: "busy"}
		default:
			return sessioncleanup.NoticeOutcome{GivenUp: true, Error: "no address"}
		}
	})
	f.touch(sessioncleanup.Touch{IDs: []string{f.id(1)}}, 1)
	f.update(sessioncleanup.Target{ID: f.id(2)}, sessioncleanup.Change{Cause: person("keep"), Action: sessioncleanup.ActionExpirySet, Keep: -30 * day})
	f.update(sessioncleanup.Target{ID: f.id(3)}, sessioncleanup.Change{Cause: person("protect"), Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: sessioncleanup.Off})
	for _, active := range []sessioncleanup.Switch{sessioncleanup.On, sessioncleanup.Off} {
		f.update(sessioncleanup.Target{ID: f.id(4)}, sessioncleanup.Change{Cause: person("again"), Action: sessioncleanup.ActionReactivated, Active: active})
	}
	for _, after := range []time.Duration{0, notice - time.Minute, notice + time.Minute} {
		f.expectSelections(fmt.Sprintf("after %v", after), f.warning(after))
	}
	f.expectIDs("sessions deleted just before the end of the notice", f.sweepAt(f.warning(notice-time.Minute)))
	proceed := f.warning(notice - time.Minute)
	proceed.Proceed = true
	f.expectIDs("sessions deleted just before it although one was given up", f.sweepAt(proceed))
	f.expectIDs("sessions deleted after the notice", f.sweepAt(f.warning(notice+time.Minute)), f.id(0))
	proceed = f.warning(notice + time.Minute)
	proceed.Proceed = true
	f.expectSelections("with what was given up", proceed)
	f.expectIDs("sessions deleted although they were given up", f.sweepAt(proceed), f.id(6))
	f.expectIDs("sessions deleted without warnings", f.sweepAt(f.pin), f.id(5))
}

func outboxRandom(f *fixture) {
	f.outbox()
	g := f.generator()
	f.insert(many(1, 120, g.session)...)
	t := f.warning(0)
	wanted := sessioncleanup.Query{Status: sessioncleanup.SelectToWarn, Thresholds: t, Limit: everything}
	for _, filter := range []sessioncleanup.Filter{{OwnerID: f.owner(2), Text: "a"}, {ID: f.id(7)}, {}} {
		wanted.Filter = filter
		want := idsOf(wanted.Answer(f.all(), f.now).Sessions)
		f.expectIDs(fmt.Sprintf("warnings of %+v", filter), f.warn(sessioncleanup.Batch{Filter: filter, Cutoffs: t.At(f.now), Limit: 7}), want...)
	}
	f.deliver(func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		switch m.OwnerID {
		case f.owner(2):
			return sessioncleanup.NoticeOutcome{Again: day}
		case f.owner(3):
			return sessioncleanup.NoticeOutcome{GivenUp: true}
		default:
			return delivered(m)
		}
	})
	for _, s := range f.all() {
		switch g.IntN(6) {
		case 0:
			f.must(failure(f.Store.Touch(f.ctx, sessioncleanup.Touch{IDs: []string{s.ID}})), "Touch")
		case 1:
			f.update(sessioncleanup.Target{ID: s.ID}, g.change(s))
		}
	}
	for _, after := range []time.Duration{0, day, notice - day, notice + time.Minute, 5 * notice} {
		for _, proceed := range []bool{false, true} {
			t := f.warning(after)
			t.Proceed = proceed
			f.expectSelections(fmt.Sprintf("after %v", after), t)
		}
	}
	t = f.warning(notice + time.Minute)
	due := sessioncleanup.Query{Status: toDelete, Thresholds: t, Limit: everything}
	want := idsOf(due.Answer(f.all(), f.now).Sessions)
	if len(want) == 0 {
		f.Fatalf("the check is wrong: nothing is due")
	}
	f.expectIDs("sessions deleted", f.sweepAt(t), want...)
}

func outboxWarns(f *fixture) {
	outbox, t := f.outbox(), f.warning(0)
	f.insert(named("first", f.dueForDeletion(1)), f.session(2, false, f.now.Add(-30*day+notice-time.Hour)), f.session(3, false, f.now.Add(-30*day+notice+time.Hour)), f.fresh(4))
	b := sessioncleanup.Batch{Cutoffs: t.At(f.now), Limit: 5, Lease: f.sender("run", time.Minute)}
	f.sender("run", 0)
	f.sender("other", time.Minute)
	b.Cause = cause("lost")
	f.expectError(failure(outbox.Warn(f.ctx, b)), sessioncleanup.ErrLeaseLost, "Warn with a lease that was lost")
	b.Lease = sessioncleanup.Lease{}
	before, since := f.clock(), f.mark()
	f.expectIDs("sessions whose owners are warned", f.warn(b), f.id(1), f.id(2))
	f.expectIDs("sessions whose owners are warned again", f.warn(b))
	events := f.events(sessioncleanup.EventQuery{After: since})
	if len(events) != 1 || events[0].Action != sessioncleanup.ActionNoticed || len(events[0].Sessions) != 2 || events[0].RunID != "run-warn" {
		f.Errorf("the log has %+v, want one event of the two warnings", events)
	}
	all := f.notices(sessioncleanup.NoticeQuery{})
	first, session := all[f.id(1)], f.get(f.id(1))
	switch {
	case len(all) != 2:
		f.Errorf("%d notices, want 2", len(all))
	case first.Name != "first" || first.OwnerID != f.owner(1) || first.Message != "" || first.Attempts != 0:
		f.Errorf("the notice is %+v", first)
	case !first.For.Equal(session.KeptSince()) || firstDifference(first.Warning, session.Warning) != "":
		f.Errorf("the notice has the warning %+v, its session %+v", first.Warning, session.Warning)
	}
	f.expectClock("QueuedAt", first.QueuedAt, before.Add(-time.Second))
	size, err := outbox.OutboxSize(f.ctx)
	if err != nil || size.Pending != 2 || size.Undeliverable != 0 || size.OldestAt.After(first.QueuedAt) || size.OldestAt.IsZero() {
		f.Errorf("OutboxSize = %+v, %v", size, err)
	}
	f.deliver(delivered)
	b.Cutoffs = f.warning(notice + 91*day).At(f.now) // and the session is still there
	f.expectIDs("sessions whose owners are warned when their warnings are forgotten", f.warn(b), f.id(1), f.id(2), f.id(3))
}

func outboxClaims(f *fixture) {
	f.outbox()
	f.insert(f.dueForDeletion(1), f.session(2, false, f.now.Add(-50*day)), f.dueForDeletion(3), ownedBy(f.owner(2), f.dueForDeletion(4)), ownedBy("", f.dueForDeletion(5)))
	f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100})
	one := f.claim(sessioncleanup.NoticeClaim{NewMessage: "one", Limit: 2})
	if one.ID != "one" || len(one.Notices) == 0 || len(one.Notices) > 2 {
		f.Fatalf("the first message is %+v", one)
	}
	for range 2 { // the sender was killed
		again := f.claim(sessioncleanup.NoticeClaim{NewMessage: "two"})
		if again.ID != one.ID || again.OwnerID != one.OwnerID || firstDifference(again.Notices, one.Notices) != "" {
			f.Errorf("the message claimed again is %+v, want %+v", again, one)
		}
	}
	seen := map[string]string{}
	messages := f.deliver(func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		for i, n := range m.Notices {
			if seen[n.SessionID] != "" {
				f.Errorf("session %s is in the messages %s and %s", n.SessionID, seen[n.SessionID], m.ID)
			}
			if seen[n.SessionID] = m.ID; i > 0 && n.For.Before(m.Notices[i-1].For) {
				f.Errorf("message %s does not begin with the longest unused session", m.ID)
			}
		}
		return delivered(m)
	})
	if len(seen) != 5 || messages != 4 { // owner 1 has two: the first was limited to two notices
		f.Errorf("%d sessions in %d messages, want 5 in 4", len(seen), messages)
	}
}

func outboxSpaces(f *fixture) {
	f.outbox()
	f.insert(f.dueForDeletion(1), ownedBy(f.owner(2), f.idle(9)))
	warn := func() { f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100}) }
	warn()
	f.deliver(delivered)
	f.insert(f.dueForDeletion(2), ownedBy(f.owner(2), f.dueForDeletion(3)))
	warn()
	spaced := sessioncleanup.NoticeClaim{NewMessage: "spaced", Every: time.Hour}
	m := f.claim(spaced)
	if m.OwnerID != f.owner(2) || len(m.Notices) != 1 {
		f.Errorf("the next message is %+v, want one to the owner who got none", m)
	}
	f.settle(sessioncleanup.NoticeOutcome{Message: m.ID, Delivered: true})
	if m := f.claim(spaced); len(m.Notices) > 0 {
		f.Errorf("the next message is %+v, want none within an hour", m)
	}
	if m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "any"}); len(m.Notices) != 1 || m.OwnerID != f.owner(1) {
		f.Errorf("the next message is %+v, want that to the first owner", m)
	}
}

func outboxDrops(f *fixture) {
	f.outbox()
	f.insert(many(1, 6, f.dueForDeletion)...)
	f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100})
	f.claim(sessioncleanup.NoticeClaim{NewMessage: "one"})
	f.touch(sessioncleanup.Touch{IDs: []string{f.id(1)}}, 1)
	f.update(sessioncleanup.Target{ID: f.id(2)}, sessioncleanup.Change{Cause: person("keep"), Action: sessioncleanup.ActionExpirySet, Keep: -25 * day})
	f.update(sessioncleanup.Target{ID: f.id(3)}, sessioncleanup.Change{Cause: person("protect"), Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: sessioncleanup.Off})
	f.update(sessioncleanup.Target{ID: f.id(4)}, sessioncleanup.Change{Cause: person("on"), Action: sessioncleanup.ActionReactivated, Active: sessioncleanup.On})
	f.remove(f.id(5))
	m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "two"})
	if m.ID != "one" || len(m.Notices) != 1 || m.Notices[0].SessionID != f.id(6) {
		f.Errorf("the message is %+v, want one about session %s", m, f.id(6))
	}
	none := f.pin
	if m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "two", Thresholds: none}); len(m.Notices) > 0 {
		f.Errorf("the message is %+v, want none when nobody is to be warned", m)
	}
	if left := f.notices(sessioncleanup.NoticeQuery{Pending: true}); len(left) > 0 {
		f.Errorf("%d notices are left: %+v", len(left), left)
	}
}

func outboxSettles(f *fixture) {
	outbox := f.outbox()
	f.insert(f.dueForDeletion(1), f.dueForDeletion(2), ownedBy(f.owner(2), f.dueForDeletion(3)))
	f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100})
	before, since := f.clock(), f.mark()
	f.deliver(func(sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		return sessioncleanup.NoticeOutcome{Again: time.Hour, Attempted: true, Error: "busy"}
	})
	if events := f.events(sessioncleanup.EventQuery{After: since}); len(events) > 0 {
		f.Errorf("an attempt that failed has the events %+v", events)
	}
	pending := f.notices(sessioncleanup.NoticeQuery{OwnerID: f.owner(1)})
	n := pending[f.id(1)]
	if len(pending) != 2 || n.Attempts != 1 || n.Error != "busy" || n.Message == "" || n.DeliveredAt != (time.Time{}) {
		f.Fatalf("after an attempt that failed the owner has %+v", pending)
	}
	f.expectClock("FirstAt", n.FirstAt, before)
	f.expectClock("NextAt, an hour before it", n.NextAt.Add(-time.Hour), before)
	other := f.notices(sessioncleanup.NoticeQuery{SessionID: f.id(3)})[f.id(3)]
	f.settle(sessioncleanup.NoticeOutcome{Message: n.Message, Delivered: true, Attempted: true})
	f.settle(sessioncleanup.NoticeOutcome{Message: other.Message, GivenUp: true, Error: "no address"})
	for range 2 { // once each
		f.settle(sessioncleanup.NoticeOutcome{Message: n.Message, GivenUp: true, Error: "too late"})
		f.settle(sessioncleanup.NoticeOutcome{Message: other.Message, Delivered: true})
	}
	failed := f.notices(sessioncleanup.NoticeQuery{Failed: true})
	if told := f.get(f.id(1)).Warning; told.DeliveredAt.IsZero() || !told.UndeliverableAt.IsZero() || len(failed) != 1 || failed[f.id(3)].Error != "no address" || failed[f.id(3)].Attempts != 1 {
		f.Errorf("after the outcomes the first session has %+v, and given up are %+v", told, failed)
	}
	f.expectClock("UndeliverableAt", failed[f.id(3)].UndeliverableAt, before)
	var actions []string
	for _, e := range f.events(sessioncleanup.EventQuery{After: since}) {
		actions = append(actions, fmt.Sprint(e.Action, " ", len(e.Sessions), " ", e.Reason))
	}
	f.expectIDs("events", actions, "warned 2 channel", "undeliverable 1 channel")
	for _, step := range []struct {
		ids  []string
		want int
	}{{[]string{f.id(1)}, 0}, {[]string{f.id(3), f.id(2)}, 1}, {nil, 0}} {
		if resent, err := outbox.ResendNotices(f.ctx, step.ids); err != nil || resent != step.want {
			f.Errorf("ResendNotices(%v) = %d, %v; want %d", step.ids, resent, err, step.want)
		}
	}
	if m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "again"}); m.ID != "again" || len(m.Notices) != 1 || m.Notices[0].Attempts != 0 || m.Notices[0].Error != "" {
		f.Errorf("what is sent again is %+v", m)
	}
	size, err := outbox.OutboxSize(f.ctx)
	if err != nil || size.Pending != 1 || size.Undeliverable != 0 {
		f.Errorf("OutboxSize = %+v, %v; want one that is pending", size, err)
	}
}

func outboxLost(f *fixture) {
	outbox := f.outbox()
	f.insert(f.dueForDeletion(1))
	f.warn(sessioncleanup.Batch{Cutoffs: f.warning(0).At(f.now), Limit: 100})
	lost := f.sender("one", time.Minute)
	m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "one", Lease: lost})
	f.sender("one", 0)
	held := f.sender("two", time.Minute)
	f.expectError(outbox.SettleNotices(f.ctx, sessioncleanup.NoticeOutcome{Message: m.ID, Delivered: true, Lease: lost, Cause: person("lost")}), sessioncleanup.ErrLeaseLost, "SettleNotices with a lease that was lost")
	f.expectError(failure(outbox.ClaimNotices(f.ctx, sessioncleanup.NoticeClaim{NewMessage: "two", Limit: 1, Lease: lost, Thresholds: f.warning(0)})), sessioncleanup.ErrLeaseLost, "ClaimNotices with a lease that was lost")
	if n := f.notices(sessioncleanup.NoticeQuery{})[f.id(1)]; n.NextAt.IsZero() || n.Message != "one" {
		f.Errorf("the notice is %+v", n)
	}
	if again := f.claim(sessioncleanup.NoticeClaim{NewMessage: "two", Lease: held}); again.ID != "one" {
		f.Errorf("the next sender claims %+v, want message one", again)
	}
	f.settle(sessioncleanup.NoticeOutcome{Message: "one", Delivered: true, Lease: held})
}

func outboxOwners(f *fixture) {
	finder, ok := sessioncleanup.StoreAs[sessioncleanup.OwnerFinder](f.Store)
	if !ok || f.PutOwner == nil {
		f.Skipf("the store does not know how owners are reached")
	}
	for n, want := range map[int]sessioncleanup.Owner{
		71: {Mail: "a71@example.com", Language: "fr-CA", Zone: "Europe/Paris"}, 72: {Mail: "a72@example.com"}, 73: {Language: "en"},
	} {
		f.must(f.PutOwner(f.ctx, f.Owner(n), want), "put an owner")
		if got, err := finder.FindOwner(f.ctx, f.Owner(n)); err != nil || got != want {
			f.Errorf("FindOwner(%q) is %+v, %v; want %+v", f.Owner(n), got, err, want)
		}
	}
	for _, nobody := range []string{f.Owner(74), "", "no such owner", "7 1", "\xff"} {
		if got, err := finder.FindOwner(f.ctx, nobody); !errors.Is(err, sessioncleanup.ErrNotFound) {
			f.Errorf("FindOwner(%q) is %+v, %v; want ErrNotFound", nobody, got, err)
		}
	}
}
