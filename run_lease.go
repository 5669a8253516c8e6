package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// acquire takes the lease of runs, or renews it.
func (r *run) acquire(ctx context.Context) error {
	asked := time.Now()
	lease, err := retry(ctx, func() (Lease, error) {
		return r.m.store.Lease(ctx, LeaseRequest{Name: cleanupName, Holder: r.result.RunID, TTL: r.m.leaseTTL})
	})
	if err != nil {
		return err
	}
	if r.lease.Name != "" && lease.Epoch != r.lease.Epoch { // another holder had it in between
		return ErrLeaseLost
	}
	if lease.Replaced != "" {
		r.m.log.WarnContext(ctx, "the previous run did not end: its process died, froze or lost its connection, or its lease was not valid",
			"run_id", r.result.RunID, "took_over_from", lease.Replaced)
	}
	r.lease, r.renewed = lease, asked
	return nil
}

// renew keeps the lease alive, and ends the run when cleanup was paused since it last did so.
func (r *run) renew(ctx context.Context) error {
	if time.Since(r.renewed) <= r.m.leaseTTL/3 {
		return nil
	}
	err := r.acquire(ctx)
	switch {
	case errors.Is(err, ErrLeaseHeld):
		return fmt.Errorf("%w: %w", ErrLeaseLost, err)
	case err != nil:
		return err
	default:
		return r.notPaused(ctx)
	}
}

func (r *run) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	_, err := r.m.store.Lease(ctx, LeaseRequest{Name: r.lease.Name, Holder: r.lease.Holder})
	return err
}
