package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// warning are the thresholds of the default policy with warnings, measured after a while.
func (f *fixture) warning(after time.Duration) sessioncleanup.Thresholds {
	t := f.pinned(sessioncleanup.Policy{WarnBefore: notice})
	t.Now = f.now.Add(after)
	return t
}

func (f *fixture) outbox() sessioncleanup.Outbox { return optional[sessioncleanup.Outbox](f) }

// warn writes all warnings that are due, in batches.
func (f *fixture) warn(b sessioncleanup.Batch) (ids []string) {
	f.Helper()
	b.Cause = cause("warn")
	for range maxSteps {
		out := must(f.outbox().Warn(f.ctx, b))(f, "Warn(%+v)", b)
		if len(out.IDs) > b.Limit {
			f.Errorf("Warn with limit %d wrote %d warnings", b.Limit, len(out.IDs))
		}
		if ids = append(ids, out.IDs...); out.Next == "" {
			return ids
		}
		b.After = out.Next
	}
	f.Fatalf("warnings in batches of %d do not end", b.Limit)
	return nil
}

// sender takes the lease of the sender.
func (f *fixture) sender(holder string, ttl time.Duration) sessioncleanup.Lease {
	f.Helper()
	return f.lease("notices", holder, ttl)
}

// claim asks for the next message.
func (f *fixture) claim(c sessioncleanup.NoticeClaim) sessioncleanup.NoticeMessage {
	f.Helper()
	if c.Limit == 0 {
		c.Limit = everything
	}
	if firstDifference(sessioncleanup.Thresholds{}, c.Thresholds) == "" {
		c.Thresholds = f.warning(0)
	}
	m := must(f.outbox().ClaimNotices(f.ctx, c))(f, "ClaimNotices(%+v)", c)
	for _, n := range m.Notices {
		if n.OwnerID != m.OwnerID || n.Message != m.ID || n.NextAt.IsZero() {
			f.Errorf("message %s to owner %q has the notice %+v", m.ID, m.OwnerID, n)
		}
	}
	return m
}

// settle says what became of a message.
func (f *fixture) settle(o sessioncleanup.NoticeOutcome) {
	f.Helper()
	o.Cause = person("channel")
	f.must(f.outbox().SettleNotices(f.ctx, o), "SettleNotices(%+v)", o)
}

// deliver claims and settles messages until there is none, and returns how many there were.
func (f *fixture) deliver(outcome func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome) (messages int) {
	f.Helper()
	for ; messages < maxSteps; messages++ {
		m := f.claim(sessioncleanup.NoticeClaim{NewMessage: fmt.Sprintf("message-%d", messages)})
		if len(m.Notices) == 0 {
			return messages
		}
		o := outcome(m)
		o.Message = m.ID
		f.settle(o)
	}
	f.Fatalf("messages do not end")
	return 0
}

func delivered(sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
	return sessioncleanup.NoticeOutcome{Delivered: true, Attempted: true}
}

// notices are all that the query selects, by session.
func (f *fixture) notices(q sessioncleanup.NoticeQuery) map[string]sessioncleanup.Notice {
	f.Helper()
	q.Limit = everything
	all := must(f.outbox().Notices(f.ctx, q))(f, "Notices(%+v)", q)
	found := map[string]sessioncleanup.Notice{}
	for _, n := range all {
		found[n.SessionID] = n
	}
	return found
}

// expectSelections compares lists and counts with the rules, as they are for what the store says of its sessions.
func (f *fixture) expectSelections(what string, t sessioncleanup.Thresholds) {
	f.Helper()
	stored := f.all()
	for _, filter := range []sessioncleanup.Filter{{}, {OwnerID: f.owner(2)}, {Text: "a"}} {
		for _, status := range sessioncleanup.Selections() {
			q := sessioncleanup.Query{Filter: filter, Status: status, Thresholds: t, Limit: everything, CountUpTo: everything}
			want, got := q.Answer(stored, f.now), f.page(q)
			f.expectIDs(fmt.Sprintf("%s, %s of %+v", what, status, filter), idsOf(got.Sessions), idsOf(want.Sessions)...)
			if got.Total != want.Total {
				f.Errorf("%s, %s of %+v: counted %d, want %d", what, status, filter, got.Total, want.Total)
			}
		}
		q := sessioncleanup.CountsQuery{Filter: filter, Thresholds: t}
		want, got := q.Answer(slices.Values(stored), f.now), f.counts(q)
		if diff := firstDifference(want, got); diff != "" {
			f.Errorf("%s, counts of %+v: %s", what, filter, diff)
		}
	}
}

// sweepAt deletes what is due after a while.
func (f *fixture) sweepAt(t sessioncleanup.Thresholds) []string {
	f.Helper()
	return f.sweep(deletion, sessioncleanup.Batch{Cause: cause("delete"), Cutoffs: t.At(f.now), Limit: 3}, nil)
}
