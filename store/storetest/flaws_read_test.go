package storetest

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func dueFlaws() []flaw {
	dueBy := func(due dueFunc) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) { b.sweep = selected{broken: b, due: due}.sweep }
	}
	return []flaw{
		{"reads an unknown last activity as long ago", func(h *Harness, b *broken) {
			var mu sync.Mutex
			unknown, insert := map[string]bool{}, h.Insert
			h.Insert = func(ctx context.Context, sessions ...sessioncleanup.Session) error {
				mu.Lock()
				defer mu.Unlock()
				for _, s := range sessions {
					unknown[s.ID] = s.LastActivity.IsZero()
				}
				return insert(ctx, sessions...)
			}
			b.sweep = selected{broken: b, due: func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
				mu.Lock()
				defer mu.Unlock()
				if unknown[s.ID] {
					s.LastActivity = time.Time{}
				}
				return properly(b, s)
			}}.sweep
		}, []func(*fixture){dueUnknownActivity}},
		{"ignores the opt-out", dueBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			s.AutoCleanup = true
			return properly(b, s)
		}), []func(*fixture){dueNeverProtected, sweepNothing, sweepUnderChange}},
		{"cleans up one tick early", asksSweep(func(b *sessioncleanup.Batch) {
			b.Cutoffs.Inactive, b.Cutoffs.Delete = b.Cutoffs.Inactive.Add(tick), b.Cutoffs.Delete.Add(tick)
		}), []func(*fixture){dueAtCutoff, dueInZones, sweepRandom, workload}},
		{"lets an expiry pass before it counts", dueBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			b.Cutoffs.Now = b.Cutoffs.Now.Add(-tick)
			return properly(b, s)
		}), []func(*fixture){dueByExpiry}},
		{"deletes sessions that expire later", dueBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			return properly(b, s) || properly(b, expiring(s, time.Time{}))
		}), []func(*fixture){dueKeptByExpiry}},
		{"takes a missing expiry for one that has passed", dueBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			if s.ExpiresAt.IsZero() {
				s.ExpiresAt = time.Unix(0, 0)
			}
			return properly(b, s)
		}), []func(*fixture){dueWithoutExpiry}},
		{"takes never for now", func(_ *Harness, b *broken) {
			now := func(t sessioncleanup.Thresholds) sessioncleanup.Thresholds {
				t.Inactive, t.Delete = cmp.Or(t.Inactive, tick), cmp.Or(t.Delete, tick)
				return t
			}
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				q.Thresholds = now(q.Thresholds)
				return b.Store.List(ctx, q)
			}
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				q.Thresholds = now(q.Thresholds)
				return b.Store.Counts(ctx, q)
			}
		}, []func(*fixture){duePhaseOff, countsRandom, sweepRandom}},
		{"loses the time zone", func(h *Harness, b *broken) {
			wall := func(t time.Time) time.Time {
				_, offset := t.Zone()
				return t.Add(time.Duration(offset) * time.Second)
			}
			h.Insert = func(_ context.Context, sessions ...sessioncleanup.Session) error {
				for i, s := range sessions {
					sessions[i].LastActivity, sessions[i].ExpiresAt = wall(s.LastActivity), wall(s.ExpiresAt)
				}
				return b.app.Put(sessions...)
			}
		}, []func(*fixture){dueInZones}},
		{"takes early times for none", dueBy(func(b sessioncleanup.Batch, s sessioncleanup.Session) bool {
			if s.LastActivity.Year() < 1972 {
				s.LastActivity = b.Cutoffs.Now
			}
			return properly(b, s)
		}), []func(*fixture){dueFarTimes}},
	}
}

// asksList changes what the sound store is asked.
func asksList(change func(*sessioncleanup.Query)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			change(&q)
			return b.Store.List(ctx, q)
		}
	}
}

// answersList changes what the sound store answers.
func answersList(change func(sessioncleanup.Query, *sessioncleanup.Page)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			page, err := b.Store.List(ctx, q)
			change(q, &page)
			return page, err
		}
	}
}

func listFlaws() []flaw {
	return []flaw{
		{"returns local times", answersList(func(_ sessioncleanup.Query, page *sessioncleanup.Page) {
			for i := range page.Sessions {
				page.Sessions[i].LastActivity = page.Sessions[i].LastActivity.In(time.FixedZone("here", 3600))
			}
		}), []func(*fixture){listValues}},
		{"does not say when a session was read", answersList(func(_ sessioncleanup.Query, page *sessioncleanup.Page) {
			for i := range page.Sessions {
				page.Sessions[i].AsOf = time.Time{}
			}
		}), []func(*fixture){listCutoffs}},
		{"says that a session was read at the pinned time", answersList(func(q sessioncleanup.Query, page *sessioncleanup.Page) {
			for i := range page.Sessions {
				page.Sessions[i].AsOf = page.Cutoffs.Now
			}
		}), []func(*fixture){listCutoffs}},
		{"forgets the owner when it looks for a text", asksList(func(q *sessioncleanup.Query) {
			if q.Text != "" {
				q.OwnerID = ""
			}
		}), []func(*fixture){listRandom, workload}},
		{"leaves out sessions without a name when it sorts by name", answersList(func(q sessioncleanup.Query, page *sessioncleanup.Page) {
			page.Sessions = slices.DeleteFunc(page.Sessions, func(s sessioncleanup.Session) bool {
				return q.Sort == sessioncleanup.SortName && s.Name == ""
			})
		}), []func(*fixture){listMissingKeys}},
		{"reads a text as a pattern", asksList(func(q *sessioncleanup.Query) { q.Text = strings.ReplaceAll(q.Text, "%", "") }), []func(*fixture){listText}},
		{"counts further than asked", asksList(func(q *sessioncleanup.Query) {
			if q.CountUpTo > 0 {
				q.CountUpTo = math.MaxInt32
			}
		}), []func(*fixture){listCountUpTo}},
		{"fails on ids that its column cannot hold", failsOnIDs, []func(*fixture){listStrangers, updateNotFound, deleteNotFound, touchStrangers}},
	}
}

func failsOnIDs(_ *Harness, b *broken) {
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
}

func pageFlaws() []flaw {
	// later changes the pages that follow the first one.
	later := func(change func(*broken, context.Context, sessioncleanup.Query) (sessioncleanup.Page, error)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				if q.After == nil {
					return b.Store.List(ctx, q)
				}
				return change(b, ctx, q)
			}
		}
	}
	return []flaw{
		{"fails on a position that it cannot have made", func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				if q.After != nil && strings.ContainsRune(q.After.Key+q.After.ID, 0) {
					return sessioncleanup.Page{}, errors.New("invalid byte sequence")
				}
				return b.Store.List(ctx, q)
			}
		}, []func(*fixture){pageForged}},
		{"promises a page after the last", answersList(func(q sessioncleanup.Query, page *sessioncleanup.Page) {
			if n := len(page.Sessions); n > 0 && n == q.Limit && page.Next == nil {
				last := q.Position(page.Sessions[n-1])
				page.Next = &last
			}
		}), []func(*fixture){pageEnds}},
		{"loses a row between pages, among equals", later(func(b *broken, ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			beyond := *q.After
			if beyond.ID = "\xff"; q.Descending {
				beyond.ID = ""
			}
			q.After = &beyond
			return b.Store.List(ctx, q)
		}), []func(*fixture){pageTies, pageUnderChange}},
		{"repeats a row between pages", later(func(b *broken, ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			if q.Limit < 2 {
				return b.Store.List(ctx, q)
			}
			seen, err := b.Store.List(ctx, sessioncleanup.Query{Filter: byID(q.After.ID), Limit: 1})
			if err != nil {
				return seen, err
			}
			q.Limit--
			page, err := b.Store.List(ctx, q)
			page.Sessions = append(seen.Sessions, page.Sessions...)
			return page, err
		}), []func(*fixture){listRandom, pageTies, pageUnderChange}},
		{"cuts the times in its positions", later(func(b *broken, ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			cut := *q.After
			if at, err := time.Parse(time.RFC3339Nano, cut.Key); err == nil {
				at = at.Truncate(time.Second)
				if !q.Descending {
					at = at.Add(time.Second)
				}
				cut = q.Position(sessioncleanup.Session{ID: cut.ID, LastActivity: at, CreatedAt: at})
			}
			q.After = &cut
			return b.Store.List(ctx, q)
		}), []func(*fixture){pageFineTimes}},
		{"sorts by times in whole milliseconds", func(h *Harness, b *broken) {
			h.Resolution = time.Nanosecond
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				all, err := b.stored(ctx)
				for i := range all {
					all[i].LastActivity = all[i].LastActivity.Truncate(tick)
				}
				now, _ := b.Store.Now(ctx)
				page := q.Answer(all, now)
				for i, s := range page.Sessions {
					page.Sessions[i], _, _ = b.find(ctx, s.ID)
				}
				return page, err
			}
		}, []func(*fixture){pageFinestTimes}},
		{"cuts long names", func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				page, err := b.Store.List(ctx, q)
				for i, s := range page.Sessions {
					page.Sessions[i].Name = s.Name[:min(len(s.Name), 255)]
				}
				return page, err
			}
		}, []func(*fixture){listLongNames}},
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
		}, []func(*fixture){pageUnderChange}},
	}
}

func countsFlaws() []flaw {
	asks := func(change func(*sessioncleanup.CountsQuery)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				change(&q)
				return b.Store.Counts(ctx, q)
			}
		}
	}
	answers := func(change func(*sessioncleanup.Counts)) func(*Harness, *broken) {
		return func(_ *Harness, b *broken) {
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				c, err := b.Store.Counts(ctx, q)
				change(&c)
				return c, err
			}
		}
	}
	// both changes the thresholds of lists and counts.
	both := func(change func(*sessioncleanup.Thresholds)) func(*Harness, *broken) {
		return func(h *Harness, b *broken) {
			asks(func(q *sessioncleanup.CountsQuery) { change(&q.Thresholds) })(h, b)
			asksList(func(q *sessioncleanup.Query) { change(&q.Thresholds) })(h, b)
		}
	}
	return []flaw{
		{"counts the sessions of all owners for each", asks(func(q *sessioncleanup.CountsQuery) { q.OwnerID = "" }), []func(*fixture){countsRandom, countsNothing, workload}},
		{"counts without the text", asks(func(q *sessioncleanup.CountsQuery) { q.Text = "" }), []func(*fixture){countsRandom, sweepRandom}},
		{"counts protected sessions as due", answers(func(c *sessioncleanup.Counts) { c.DueForDeletion += c.Protected }), []func(*fixture){countsRandom, sweepRandom}},
		{"counts no sessions that can never become due", answers(func(c *sessioncleanup.Counts) { c.NeverDue = 0 }), []func(*fixture){countsNeverDue}},
		{"counts whole seconds", answers(func(c *sessioncleanup.Counts) { c.OldestOverdue = c.OldestOverdue.Truncate(time.Second) }), []func(*fixture){countsOldestOverdue}},
		{"does not say what it measured against", func(h *Harness, b *broken) {
			answers(func(c *sessioncleanup.Counts) { c.Cutoffs = sessioncleanup.Cutoffs{} })(h, b)
			answersList(func(_ sessioncleanup.Query, page *sessioncleanup.Page) { page.Cutoffs = sessioncleanup.Cutoffs{} })(h, b)
		}, []func(*fixture){listCutoffs, countsCutoffs}},
		{"measures at its clock although the time is pinned", both(func(t *sessioncleanup.Thresholds) { t.Now = time.Time{} }), []func(*fixture){listCutoffs, countsCutoffs}},
		{"measures by another clock than its own", both(func(t *sessioncleanup.Thresholds) {
			if t.Now.IsZero() {
				t.Now = time.Now().Add(-time.Minute)
			}
		}), []func(*fixture){listCutoffs, countsCutoffs}},
	}
}
