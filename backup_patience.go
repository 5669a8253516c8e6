package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const (
	backupPatience = 2 * time.Minute // for Backups to make progress
	backupGrace    = time.Second     // for a call of Backups to return when its context has ended
)

var (
	errSilent = fmt.Errorf("no progress for %v", backupPatience)
	// errStuck is about Backups that ignore the end of their context.
	errStuck = errors.New("a call has not returned")
)

// BackupsOf wraps b so that every call ends. A call fails after two minutes in which b made no progress, or one second
// after its context ended, even if b ignores the context, as a directory does whose server is gone. While such a call
// is still stuck in b, further calls fail at once. Errors name the place of the files when b is a fmt.Stringer. A
// Manager wraps Config.Backups itself.
func BackupsOf(b Backups) Backups {
	if _, already := b.(*patientBackups); already || b == nil {
		return b
	}
	return &patientBackups{backups: b}
}

type patientBackups struct {
	backups Backups
	pending atomic.Int32 // calls that were given up and have not returned
}

// String names the place of the files.
func (p *patientBackups) String() string {
	if named, ok := p.backups.(fmt.Stringer); ok {
		return named.String()
	}
	return "the place for backups"
}

func (p *patientBackups) Write(ctx context.Context, h BackupHeader, content func(add func(ArchivedCopy) error) error) (BackupFile, error) {
	return patiently(ctx, p, func(ctx context.Context, w *watch) (BackupFile, error) {
		return p.backups.Write(ctx, h, func(add func(ArchivedCopy) error) error {
			return w.away(func() error {
				return content(func(c ArchivedCopy) error { return w.back(func() error { return add(c) }) })
			})
		})
	})
}

func (p *patientBackups) Read(ctx context.Context, name string, each func(ArchivedCopy) error) (BackupFile, error) {
	return patiently(ctx, p, func(ctx context.Context, w *watch) (BackupFile, error) {
		return p.backups.Read(ctx, name, func(c ArchivedCopy) error { return w.away(func() error { return each(c) }) })
	})
}

func (p *patientBackups) List(ctx context.Context) ([]BackupFile, error) {
	return patiently(ctx, p, func(ctx context.Context, _ *watch) ([]BackupFile, error) { return p.backups.List(ctx) })
}

// watch ends a call of Backups that makes no progress. The time that the caller takes for its part does not count.
type watch struct {
	ctx   context.Context
	timer *time.Timer
}

// away runs the caller's part of a call, without the timer.
func (w *watch) away(do func() error) error {
	w.timer.Stop()
	defer w.timer.Reset(backupPatience)
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return do()
}

// back runs a part of Backups within the caller's part, with the timer again.
func (w *watch) back(do func() error) error {
	w.timer.Reset(backupPatience)
	defer w.timer.Stop()
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return do()
}

// patiently does a call, and stops waiting for it when it ignores the end of its context.
func patiently[T any](ctx context.Context, p *patientBackups, call func(context.Context, *watch) (T, error)) (T, error) {
	var none, out T
	if p.pending.Load() > 0 {
		return none, fmt.Errorf("%s does not answer: %w", p, errStuck)
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{limited, time.AfterFunc(backupPatience, func() { cancel(errSilent) })}
	defer w.timer.Stop()
	outlived, letGo := wait.Outlive(limited, backupGrace)
	defer letGo()
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if panicked := recover(); panicked != nil {
				err = fmt.Errorf("panic: %v", panicked)
			}
		}()
		out, err = call(limited, w)
	}()
	select {
	case <-ended:
		if silent := context.Cause(limited); err != nil && errors.Is(silent, errSilent) {
			err = fmt.Errorf("%s does not answer: %w: %w", p, silent, err)
		}
		return out, err
	case <-outlived.Done():
		p.pending.Add(1)
		go func() {
			<-ended
			p.pending.Add(-1)
		}()
		return none, fmt.Errorf("%s does not answer: %w", p, context.Cause(limited))
	}
}
