// Package wait pauses a goroutine for some time, or until its context ends.
package wait

import (
	"context"
	"time"
)

// For waits for d. It returns ctx's error when ctx ends first, or had ended before.
func For(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
