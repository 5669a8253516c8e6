package storetest

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// measures changes the thresholds of lists.
func measures(change func(*sessioncleanup.Thresholds)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			change(&q.Thresholds)
			return b.Store.List(ctx, q)
		}
	}
}

// unruled is a sound Reminder that does not know the rules.
type unruled struct{ sessioncleanup.Reminder }

func (r unruled) Remind(ctx context.Context, asked sessioncleanup.Reminding) (int, error) {
	asked.Thresholds.Rules = nil
	return r.Reminder.Remind(ctx, asked)
}

func ruleFlaws() []flaw {
	random, longest, archived := []func(*fixture){rulesRandom}, []func(*fixture){rulesLongest}, []func(*fixture){rulesArchive}
	return []flaw{
		{"lists sessions whatever the rules of their tags", measures(func(t *sessioncleanup.Thresholds) { t.Rules = nil }), []func(*fixture){rulesRandom, rulesLongest, rulesWarnings}},
		{"follows the first rule only", measures(func(t *sessioncleanup.Thresholds) { t.Rules = t.Rules[:min(1, len(t.Rules))] }), longest},
		{"takes a rule that never deactivates for none", measures(func(t *sessioncleanup.Thresholds) {
			rules := t.Rules
			t.Rules = nil
			for _, r := range rules {
				if r.Inactive == 0 {
					r.Inactive = t.Inactive
				}
				t.Rules = append(t.Rules, r)
			}
		}), longest},
		{"counts sessions whatever the rules of their tags", func(_ *Harness, b *broken) {
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				q.Thresholds.Rules = nil
				return b.Store.Counts(ctx, q)
			}
		}, random},
		{"cleans sessions up whatever the rules of their tags", asksSweep(func(b *sessioncleanup.Batch) { b.Cutoffs.Rules = nil }), []func(*fixture){rulesRandom, rulesAtOnce}},
		{"goes by the tags of when the run began", func(_ *Harness, b *broken) {
			began := map[string][]string{}
			b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
				all, err := b.stored(ctx)
				if err != nil {
					return sessioncleanup.BatchResult{}, err
				}
				for _, s := range all {
					if batch.After == "" {
						began[s.ID] = s.Tags
					}
					s.Tags = began[s.ID]
					if err := b.app.Put(s); err != nil {
						return sessioncleanup.BatchResult{}, err
					}
				}
				return b.Store.Sweep(ctx, batch)
			}
		}, []func(*fixture){rulesAtOnce}},
		{"warns owners whatever the rules of their sessions", asksWarn(func(b *sessioncleanup.Batch) { b.Cutoffs.Rules = nil }), []func(*fixture){rulesWarnings, rulesMessages}},
		{"deletes without the warnings that rules ask for", asksSweep(func(b *sessioncleanup.Batch) {
			for i := range b.Cutoffs.Rules {
				b.Cutoffs.Rules[i].Warned = b.Cutoffs.Warned
			}
		}), []func(*fixture){rulesWarnings}},
		{"claims messages without tags", sends(func(n *negligent, _ *broken) {
			n.claim = func(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
				m, err := n.Outbox.ClaimNotices(ctx, c)
				for i := range m.Notices {
					m.Notices[i].Tags = nil
				}
				return m, err
			}
		}), []func(*fixture){rulesMessages}},
		{"reminds owners whatever the rules of their sessions", func(_ *Harness, b *broken) { b.Reminder = unruled{b.Reminder} }, []func(*fixture){rulesMessages}},
		{"counts what is due in the archive whatever the rules", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.Rules = nil }), archived},
		{"purges whatever the rules", archives(func(c *careless, _ *broken) {
			c.purge = func(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
				b.PurgeRules = nil
				return c.Archiver.Purge(ctx, b, before)
			}
		}), archived},
		{"archives no tags", archives(func(c *careless, _ *broken) {
			c.archived = func(ctx context.Context, q sessioncleanup.ArchiveQuery) ([]sessioncleanup.Archived, error) {
				all, err := c.Archiver.Archived(ctx, q)
				for i := range all {
					all[i].Tags = nil
				}
				return all, err
			}
		}), archived},
	}
}
