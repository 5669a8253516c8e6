package sessioncleanup

import (
	"context"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const (
	maxTries     = 7 // of a call that fails with ErrUnavailable
	firstBackoff = 100 * time.Millisecond
)

// retry calls f until it returns something other than ErrUnavailable, maxTries times at most, with growing pauses.
func retry[T any](ctx context.Context, f func() (T, error)) (T, error) {
	backoff := firstBackoff
	for try := 1; ; try++ {
		out, err := f()
		if try == maxTries || !errors.Is(err, ErrUnavailable) {
			return out, err
		}
		if wait.For(ctx, backoff) != nil {
			return out, err
		}
		backoff *= 2
	}
}

// retryWithin is retry of a call that ends within a limit.
func retryWithin[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	return retry(ctx, func() (T, error) { return within(ctx, limit, call) })
}
