package sessioncleanup

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// askedPage is how many sessions are read at once for Config.BeforeDelete.
const askedPage = 1000

// asked deletes what is due and Config.BeforeDelete does not keep. The sessions of a batch are read, then the hook is called
// while nothing is locked, and then those of them are deleted that are still due.
func (s *sweeping) asked(ctx context.Context) error {
	size := s.startAt(firstBatch)
	for q := s.dueQuery(s.phase.status); ; {
		q.Limit = askedPage
		page, err := s.list(ctx, q)
		if err != nil {
			return err
		}
		for left := page.Sessions; len(left) > 0; {
			if err := s.pause(ctx); err != nil {
				return err
			}
			batch := left[:min(size.n, len(left))]
			left = left[len(batch):]
			for i := range batch {
				batch[i] = s.result.Cutoffs.Measure(batch[i])
			}
			free, err := s.askFor(ctx, batch)
			if err != nil {
				return err
			}
			if err := s.only(ctx, free, &size); err != nil || s.reasons[""] != "" { // a reason for all that are left
				return err
			}
		}
		if q.After = page.Next; q.After == nil {
			return nil
		}
	}
}

// askFor asks about the sessions of a batch and reports those that are kept. It returns the ids of the others.
func (s *sweeping) askFor(ctx context.Context, batch []Session) (free []string, err error) {
	kept, err := s.m.ask(ctx, batch, s.renew)
	if err != nil {
		return nil, err
	}
	for _, session := range batch {
		if kept[session.ID] == nil {
			free = append(free, session.ID)
		} else if err := s.failed(ctx, &BatchError{IDs: []string{session.ID}, Err: kept[session.ID]}); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// only deletes those of some sessions that are still due. When that fails because of one of them, they are tried again in
// halves, down to the one at fault.
func (s *sweeping) only(ctx context.Context, ids []string, size *batchSize) error {
	if len(ids) == 0 {
		return nil
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	started := time.Now()
	out, err := s.try(ctx, Batch{
		Action: s.phase.action, Filter: s.opts.Filter, Cutoffs: s.result.Cutoffs, Cause: s.cause,
		Limit: len(ids), Only: ids, BusyShare: s.policy.BusyShare, Archive: s.policy.archiving(),
	})
	held := cmp.Or(out.Held, time.Since(started))
	s.yield(ctx, out)
	if bad, ok := errors.AsType[*BatchError](err); ok && len(bad.IDs) > 0 {
		if half := len(ids) / 2; half > 0 {
			if err := s.only(ctx, ids[:half], size); err != nil {
				return err
			}
			return s.only(ctx, ids[half:], size)
		}
		return s.failed(ctx, bad)
	} else if err != nil {
		return err
	}
	s.done(ctx, out, started, held)
	size.follow(held)
	return nil
}
