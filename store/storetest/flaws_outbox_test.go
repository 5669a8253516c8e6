package storetest

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// negligent is a sound Outbox of which some methods are replaced.
type negligent struct {
	sessioncleanup.Outbox
	warn   func(context.Context, sessioncleanup.Batch) (sessioncleanup.BatchResult, error)
	claim  func(context.Context, sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error)
	settle func(context.Context, sessioncleanup.NoticeOutcome) error
}

func (n *negligent) Warn(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	return n.warn(ctx, b)
}

func (n *negligent) ClaimNotices(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
	return n.claim(ctx, c)
}

func (n *negligent) SettleNotices(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
	return n.settle(ctx, o)
}

// sends replaces methods of the Outbox.
func sends(change func(n *negligent, b *broken)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		n := &negligent{Outbox: b.Outbox, warn: b.Warn, claim: b.ClaimNotices, settle: b.SettleNotices}
		change(n, b)
		b.Outbox = n
	}
}

// asksWarn, asksClaim and asksSettle change what is asked of the Outbox.
func asksWarn(change func(*sessioncleanup.Batch)) func(*Harness, *broken) {
	return sends(func(n *negligent, _ *broken) {
		n.warn = func(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
			change(&b)
			return n.Outbox.Warn(ctx, b)
		}
	})
}

func asksClaim(change func(*sessioncleanup.NoticeClaim)) func(*Harness, *broken) {
	return sends(func(n *negligent, _ *broken) {
		n.claim = func(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
			change(&c)
			return n.Outbox.ClaimNotices(ctx, c)
		}
	})
}

func asksSettle(change func(*sessioncleanup.NoticeOutcome)) func(*Harness, *broken) {
	return sends(func(n *negligent, _ *broken) {
		n.settle = func(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
			change(&o)
			return n.Outbox.SettleNotices(ctx, o)
		}
	})
}

// deletesBy makes deletions by another rule.
func deletesBy(due dueFunc) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.sweep = selected{broken: b, due: func(batch sessioncleanup.Batch, s sessioncleanup.Session) bool {
			return batch.Filter.Matches(s) && due(batch, s)
		}}.sweep
	}
}

// guesses is a sound OwnerFinder whose answers are changed.
type guesses struct {
	sessioncleanup.OwnerFinder
	change func(*sessioncleanup.Owner, *error)
}

func (g guesses) FindOwner(ctx context.Context, id string) (sessioncleanup.Owner, error) {
	o, err := g.OwnerFinder.FindOwner(ctx, id)
	g.change(&o, &err)
	return o, err
}

// findsOwners changes the answers about owners.
func findsOwners(change func(*sessioncleanup.Owner, *error)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) { b.OwnerFinder = guesses{b.OwnerFinder, change} }
}

func outboxFlaws() []flaw {
	return []flaw{
		{"finds an owner who does not exist", findsOwners(func(_ *sessioncleanup.Owner, err *error) { *err = nil }), []func(*fixture){outboxOwners}},
		{"forgets an owner's time zone", findsOwners(func(o *sessioncleanup.Owner, _ *error) { o.Zone = "" }), []func(*fixture){outboxOwners}},
		{"deletes whoever was warned", deletesBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			b.Cutoffs.Warned = time.Time{}
			return b.Cutoffs.Due(b.Action, s)
		}), []func(*fixture){outboxRule, outboxRandom}},
		{"deletes as soon as a warning is delivered", deletesBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			if !b.Cutoffs.Warned.IsZero() {
				b.Cutoffs.Warned = b.Cutoffs.Now
			}
			return b.Cutoffs.Due(b.Action, s)
		}), []func(*fixture){outboxRule}},
		{"takes a warning that was given up for one that was delivered", deletesBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			b.Cutoffs.GivenUp = b.Cutoffs.Warned
			return b.Cutoffs.Due(b.Action, s)
		}), []func(*fixture){outboxRule, outboxRandom}},
		{"takes the warning of an earlier idle period for one of this", deletesBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			s.Warning.For = s.KeptSince()
			return b.Cutoffs.Due(b.Action, s)
		}), []func(*fixture){outboxRule}},
		{"lists what waits for a warning as due", func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				if q.Status == toDelete {
					q.Thresholds.Warn = 0
				}
				return b.Store.List(ctx, q)
			}
		}, []func(*fixture){outboxRule, outboxRandom}},
		{"counts what waits for a warning as due", func(_ *Harness, b *broken) {
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				cut := q.Thresholds.At(time.Now())
				q.Thresholds.Warn = 0
				counts, err := b.Store.Counts(ctx, q)
				counts.Cutoffs = cut
				return counts, err
			}
		}, []func(*fixture){outboxRule, outboxRandom}},
		{"warns of sessions that the filter does not select", asksWarn(func(b *sessioncleanup.Batch) { b.Filter = sessioncleanup.Filter{} }), []func(*fixture){outboxRandom}},
		{"warns for a run that lost its lease", asksWarn(func(b *sessioncleanup.Batch) { b.Lease = sessioncleanup.Lease{} }), []func(*fixture){outboxWarns}},
		{"never forgets a warning", asksWarn(func(b *sessioncleanup.Batch) { b.Cutoffs.Warned = time.Time{} }), []func(*fixture){outboxWarns}},
		{"writes a warning again", sends(func(n *negligent, _ *broken) {
			var first []string
			n.warn = func(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
				out, err := n.Outbox.Warn(ctx, b)
				if first == nil {
					first = out.IDs
				}
				out.IDs = first
				return out, err
			}
		}), []func(*fixture){outboxWarns}},
		{"makes a new message of one that was not settled", sends(func(n *negligent, _ *broken) {
			n.claim = func(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
				m, err := n.Outbox.ClaimNotices(ctx, c)
				m.ID = c.NewMessage
				return m, err
			}
		}), []func(*fixture){outboxClaims, outboxDrops}},
		{"claims only one notice at a time", asksClaim(func(c *sessioncleanup.NoticeClaim) { c.Limit = 1 }), []func(*fixture){outboxClaims}},
		{"sends to an owner who got a message just now", asksClaim(func(c *sessioncleanup.NoticeClaim) { c.Every = 0 }), []func(*fixture){outboxSpaces}},
		{"sends what was claimed, whatever happened since", sends(func(n *negligent, _ *broken) {
			var last sessioncleanup.NoticeMessage
			n.claim = func(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
				m, err := n.Outbox.ClaimNotices(ctx, c)
				if len(last.Notices) == 0 {
					last = m
				}
				return last, err
			}
		}), []func(*fixture){outboxDrops}},
		{"settles a message again", sends(func(n *negligent, b *broken) {
			n.settle = func(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
				if action := o.Action(); action != "" {
					if _, err := b.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{Action: action, Actor: o.Cause.Actor, Reason: o.Cause.Reason}}); err != nil {
						return err
					}
				}
				return n.Outbox.SettleNotices(ctx, o)
			}
		}), []func(*fixture){outboxSettles}},
		{"forgets the attempts", asksSettle(func(o *sessioncleanup.NoticeOutcome) { o.Attempted = false }), []func(*fixture){outboxSettles}},
		{"settles for a sender that lost its lease", asksSettle(func(o *sessioncleanup.NoticeOutcome) { o.Lease = sessioncleanup.Lease{} }), []func(*fixture){outboxLost}},
		{"claims for a sender that lost its lease", asksClaim(func(c *sessioncleanup.NoticeClaim) { c.Lease = sessioncleanup.Lease{} }), []func(*fixture){outboxLost}},
	}
}
