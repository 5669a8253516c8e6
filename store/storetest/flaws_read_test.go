package storetest

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func dueFlaws() []flaw {
	batchesBy := func(due func(phase, sessioncleanup.Cutoffs, sessioncleanup.Session) bool) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) { b.batches = byHand{broken: b, due: due}.batch }
	}
	return []flaw{
		{"ignores the opt-out", batchesBy(func(p phase, c sessioncleanup.Cutoffs, s sessioncleanup.Session) bool {
			s.AutoCleanup = true
			return properly(p, c, s)
		}), []func(*fixture){dueNeverProtected, batchNothingDue, sweepUnderChange}},
		{"cleans up one tick early", func(_ *Harness, b *broken) {
			b.batches = func(ctx context.Context, p phase, batch sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
				batch.Cutoffs.Inactive, batch.Cutoffs.Delete = batch.Cutoffs.Inactive.Add(tick), batch.Cutoffs.Delete.Add(tick)
				return p.step(b.Store, ctx, batch)
			}
		}, []func(*fixture){dueAtCutoff, dueInZones, workload}},
		{"lets an expiry pass before it counts", batchesBy(func(p phase, c sessioncleanup.Cutoffs, s sessioncleanup.Session) bool {
			c.Now = c.Now.Add(-tick)
			return properly(p, c, s)
		}), []func(*fixture){dueByExpiry}},
		{"deletes what expires later", batchesBy(func(p phase, c sessioncleanup.Cutoffs, s sessioncleanup.Session) bool {
			return properly(p, c, s) || properly(p, c, expiring(s, time.Time{}))
		}), []func(*fixture){dueKeptByExpiry}},
		{"takes a missing expiry for one that passed", batchesBy(func(p phase, c sessioncleanup.Cutoffs, s sessioncleanup.Session) bool {
			if s.ExpiresAt.IsZero() {
				s.ExpiresAt = time.Unix(0, 0)
			}
			return properly(p, c, s)
		}), []func(*fixture){dueWithoutExpiry}},
		{"takes never for now", func(_ *Harness, b *broken) {
			now := func(c sessioncleanup.Cutoffs) sessioncleanup.Cutoffs {
				c.Inactive, c.Delete = cmp.Or(c.Inactive, c.Now), cmp.Or(c.Delete, c.Now)
				return c
			}
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				q.Cutoffs = now(q.Cutoffs)
				return b.Store.List(ctx, q)
			}
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				q.Cutoffs = now(q.Cutoffs)
				return b.Store.Counts(ctx, q)
			}
		}, []func(*fixture){duePhaseOff, countsPhaseOff, sweepCounted}},
		{"loses the time zone", func(h *Harness, b *broken) {
			wall := func(t time.Time) time.Time {
				_, offset := t.Zone()
				return t.Add(time.Duration(offset) * time.Second)
			}
			h.Insert = func(_ context.Context, sessions ...sessioncleanup.Session) error {
				for i, s := range sessions {
					sessions[i].LastActivity, sessions[i].ExpiresAt = wall(s.LastActivity), wall(s.ExpiresAt)
				}
				return b.host.Put(sessions...)
			}
		}, []func(*fixture){dueInZones}},
		{"takes the first of all times for none", batchesBy(func(p phase, c sessioncleanup.Cutoffs, s sessioncleanup.Session) bool {
			if s.LastActivity.Unix() == 0 {
				s.LastActivity = c.Now
			}
			return properly(p, c, s)
		}), []func(*fixture){dueFarTimes}},
	}
}

func listFlaws() []flaw {
	// after changes the pages that follow the first one.
	after := func(change func(*broken, context.Context, sessioncleanup.Query) (sessioncleanup.Page, error)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				if q.After == nil {
					return b.Store.List(ctx, q)
				}
				return change(b, ctx, q)
			}
		}
	}
	asks := func(change func(*sessioncleanup.Query)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				change(&q)
				return b.Store.List(ctx, q)
			}
		}
	}
	gives := func(change func(sessioncleanup.Query, *sessioncleanup.Page)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				page, err := b.Store.List(ctx, q)
				change(q, &page)
				return page, err
			}
		}
	}
	return []flaw{
		{"hands out local times", gives(func(_ sessioncleanup.Query, page *sessioncleanup.Page) {
			for i := range page.Sessions {
				page.Sessions[i].LastActivity = page.Sessions[i].LastActivity.In(time.FixedZone("here", 3600))
			}
		}), []func(*fixture){listValues}},
		{"forgets the owner when it looks for a text", asks(func(q *sessioncleanup.Query) {
			if q.Text != "" {
				q.OwnerID = ""
			}
		}), []func(*fixture){listCombinations, workload}},
		{"leaves out sessions without a name when it sorts by name", gives(func(q sessioncleanup.Query, page *sessioncleanup.Page) {
			page.Sessions = slices.DeleteFunc(page.Sessions, func(s sessioncleanup.Session) bool {
				return q.Sort == sessioncleanup.SortName && s.Name == ""
			})
		}), []func(*fixture){listMissingKeys}},
		{"reads a text as a pattern", asks(func(q *sessioncleanup.Query) { q.Text = strings.ReplaceAll(q.Text, "%", "") }), []func(*fixture){listText}},
		{"counts further than asked", asks(func(q *sessioncleanup.Query) {
			if q.CountUpTo > 0 {
				q.CountUpTo = math.MaxInt32
			}
		}), []func(*fixture){listCountUpTo}},
		{"fails on ids that its column cannot hold", func(_ *Harness, b *broken) {
			fails := func(ids ...string) error {
				for _, id := range ids {
					if _, err := strconv.ParseInt(id, 10, 64); id != "" && err != nil {
						return errors.New("invalid input syntax")
					}
				}
				return nil
			}
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				if err := fails(q.ID, q.OwnerID); err != nil {
					return sessioncleanup.Page{}, err
				}
				return b.Store.List(ctx, q)
			}
			b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
				if err := fails(t.ID, t.OwnerID); err != nil {
					return sessioncleanup.Session{}, err
				}
				return b.Store.Update(ctx, t, c)
			}
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				if err := fails(t.ID, t.OwnerID); err != nil {
					return sessioncleanup.Session{}, err
				}
				return b.Store.Delete(ctx, t, c)
			}
			b.touch = func(ctx context.Context, t sessioncleanup.Touch) (int, error) {
				if err := fails(t.IDs...); err != nil {
					return 0, err
				}
				return b.Store.Touch(ctx, t)
			}
		}, []func(*fixture){listStrangers, updateNotFound, deleteNotFound, touchStrangers}},
		{"promises a page after the last", gives(func(q sessioncleanup.Query, page *sessioncleanup.Page) {
			if n := len(page.Sessions); n > 0 && n == q.Limit && page.Next == nil {
				last := page.Sessions[n-1]
				page.Next = &sessioncleanup.Position{Key: last.LastActivity.Format(time.RFC3339Nano), ID: last.ID}
			}
		}), []func(*fixture){pagingEnds}},
		{"loses a row between pages, among equals", after(func(b *broken, ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			beyond := *q.After
			if beyond.ID = "\xff"; q.Descending {
				beyond.ID = ""
			}
			q.After = &beyond
			return b.Store.List(ctx, q)
		}), []func(*fixture){pagingTies, pagingUnderChange}},
		{"repeats a row between pages", after(func(b *broken, ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			if q.Limit < 2 {
				return b.Store.List(ctx, q)
			}
			seen, err := b.Store.List(ctx, sessioncleanup.Query{ID: q.After.ID, Limit: 1})
			if err != nil {
				return seen, err
			}
			q.Limit--
			page, err := b.Store.List(ctx, q)
			page.Sessions = append(seen.Sessions, page.Sessions...)
			return page, err
		}), []func(*fixture){listCombinations, pagingTies, pagingUnderChange}},
		{"cuts the times in its positions", after(func(b *broken, ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			cut := *q.After
			if at, err := time.Parse(time.RFC3339Nano, cut.Key); err == nil {
				cut.Key = at.Add(tick - 1).Truncate(tick).Format(time.RFC3339Nano)
			}
			q.After = &cut
			return b.Store.List(ctx, q)
		}), []func(*fixture){pagingFineTimes}},
		{"pages by number", func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				skip, limit := 0, q.Limit
				if q.After != nil {
					skip, _ = strconv.Atoi(q.After.Key)
				}
				q.After, q.Limit = nil, everything
				page, err := b.Store.List(ctx, q)
				page.Sessions = page.Sessions[min(skip, len(page.Sessions)):]
				if len(page.Sessions) > limit {
					page.Sessions = page.Sessions[:limit]
					page.Next = &sessioncleanup.Position{Key: strconv.Itoa(skip + limit)}
				}
				return page, err
			}
		}, []func(*fixture){pagingUnderChange}},
	}
}

func countsFlaws() []flaw {
	gives := func(change func(*sessioncleanup.Counts)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				c, err := b.Store.Counts(ctx, q)
				change(&c)
				return c, err
			}
		}
	}
	return []flaw{
		{"counts the sessions of all owners for each", func(_ *Harness, b *broken) {
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				q.OwnerID = ""
				return b.Store.Counts(ctx, q)
			}
		}, []func(*fixture){countsAgree, countsNothing, workload}},
		{"counts protected sessions as due", gives(func(c *sessioncleanup.Counts) { c.DueForDeletion += c.Protected }), []func(*fixture){countsAgree, sweepCounted}},
		{"counts whole seconds", gives(func(c *sessioncleanup.Counts) { c.OldestOverdue = c.OldestOverdue.Truncate(time.Second) }), []func(*fixture){countsOldestOverdue}},
	}
}
