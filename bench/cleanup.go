package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The contenders of a cleanup.
const (
	ours    = "sessioncleanup"
	cronJob = "cron job"
	loop    = "LIMIT 1000 loop"
	nobody  = "no cleanup" // what clients see when nothing else happens
)

// contender is a way to clean up.
type contender struct {
	name  string
	kind  string // of its database
	clean func(ctx context.Context, b *bed) (cleaned, error)
}

// cleaned is what a cleanup did.
type cleaned struct {
	rows    int
	longest time.Duration // transaction
}

var contenders = []contender{
	{ours, library, func(ctx context.Context, b *bed) (cleaned, error) {
		r, err := b.manager.Cleanup(ctx, sessioncleanup.Run{})
		if err == nil && r.Phases.Total().Failed > 0 {
			err = fmt.Errorf("%d sessions could not be changed", r.Phases.Total().Failed)
		}
		return cleaned{r.Phases.Total().Done, r.LongestBatch}, err
	}},
	{cronJob, manual, func(ctx context.Context, b *bed) (cleaned, error) {
		return b.statements(ctx, "%s", false)
	}},
	{loop, manual, func(ctx context.Context, b *bed) (cleaned, error) {
		return b.statements(ctx, "id IN (SELECT id FROM sessions WHERE %s LIMIT 1000)", true)
	}},
	{nobody, library, func(ctx context.Context, b *bed) (cleaned, error) {
		time.Sleep(b.sizes.Period)
		return cleaned{}, ctx.Err()
	}},
}

// statements cleans up in the two statements that people write, each its own transaction; again and again until there
// is nothing left, if they are limited.
func (b *bed) statements(ctx context.Context, where string, again bool) (cleaned, error) {
	var done cleaned
	for _, statement := range []string{
		"UPDATE sessions SET active = false WHERE " + fmt.Sprintf(where, "active AND auto_cleanup AND last_activity < "+fmt.Sprintf(b.ago, b.day)),
		"DELETE FROM sessions WHERE " + fmt.Sprintf(where, "NOT active AND auto_cleanup AND last_activity < "+fmt.Sprintf(b.ago, b.month)),
	} {
		for more := true; more; {
			started := time.Now()
			result, err := b.db.ExecContext(ctx, statement)
			if err != nil {
				return done, err
			}
			done.longest = max(done.longest, time.Since(started))
			n, err := result.RowsAffected()
			if err != nil {
				return done, err
			}
			done.rows += int(n)
			more = again && n > 0
		}
	}
	return done, nil
}

// The figures of a cleanup.
const (
	aloneSeconds   = "alone, s"
	loadedSeconds  = "under load, s"
	longestMS      = "longest transaction, ms"
	returningP50   = "returning, median ms"
	returningP99   = "returning, p99 ms"
	returningWorst = "returning, longest ms"
	othersP50      = "others, median ms"
	othersP99      = "others, p99 ms"
)

// cleanup has each contender clean up the same sessions, alone and while clients use the database.
func (b *bench) cleanup(t *testing.T, e *engine) {
	for round := range b.Rounds {
		for _, c := range rotated(contenders, round) {
			name := fmt.Sprintf("round %d, %s", round+1, c.name)
			if c.name != nobody {
				step(t, name+", alone", func(t *testing.T) { b.cleanAlone(t, e, c) })
			}
			step(t, name+", under load", func(t *testing.T) { b.cleanLoaded(t, e, c) })
		}
	}
}

func (b *bench) cleanAlone(t *testing.T, e *engine, c contender) {
	bed := e.fresh(t, c.kind)
	started := time.Now()
	done, err := c.clean(t.Context(), bed)
	check(t, err)
	b.results.add("cleanup", e.name, c.name, aloneSeconds, time.Since(started).Seconds())
	if done.rows != b.due() {
		t.Errorf("%d rows were cleaned, want the %d that are due", done.rows, b.due())
	}
}

func (b *bench) cleanLoaded(t *testing.T, e *engine, c contender) {
	bed := e.fresh(t, c.kind)
	returning := bed.insert // triggers track the activity
	if c.kind == manual {
		returning = bed.insertAndTouch
	}
	var done cleaned
	seen := underLoad(t, bed, returning, func() {
		var err error
		done, err = c.clean(t.Context(), bed)
		check(t, err)
	})
	add := func(figure string, value float64) { b.results.add("cleanup", e.name, c.name, figure, value) }
	if c.name != nobody {
		add(loadedSeconds, seen.took.Seconds())
		add(longestMS, ms(done.longest))
		if least := b.due() - seen.returned; done.rows > b.due() || done.rows < least {
			t.Errorf("%d rows were cleaned, want %d to %d: what was due and not used in the meantime", done.rows, least, b.due())
		}
	}
	add(returningP50, ms(quantile(seen.returning, 0.5)))
	add(returningP99, ms(quantile(seen.returning, 0.99)))
	add(returningWorst, ms(quantile(seen.returning, 1)))
	add(othersP50, ms(quantile(seen.others, 0.5)))
	add(othersP99, ms(quantile(seen.others, 0.99)))
}

// insertAndTouch adds activity and records it, as the application must without a trigger.
func (b *bed) insertAndTouch(ctx context.Context, session int) error {
	if err := b.insert(ctx, session); err != nil {
		return err
	}
	_, err := b.db.ExecContext(ctx, "UPDATE sessions SET last_activity = "+b.now+" WHERE id = $1", session)
	return err
}
