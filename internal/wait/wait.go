// Package wait pauses a goroutine for some time, or until its context ends, and lets work end a little later than its context.
package wait

import (
	"context"
	"time"
)

// Outlive returns a context that ends when parent did, but only after the grace. Cancel it when done.
func Outlive(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(grace, cancel) })
	return ctx, func() { stop(); cancel() }
}

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
