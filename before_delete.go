package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// hook is Config.BeforeDelete.
type hook struct {
	call  func(context.Context, []Session) error
	limit time.Duration
}

// ask calls Config.BeforeDelete for sessions and returns why it keeps some of them, by id. Meanwhile it calls alive,
// unless that is nil, three times in each LeaseTTL. The caller holds no lock.
func (m *Manager) ask(ctx context.Context, sessions []Session, alive func(context.Context) error) (kept map[string]error, err error) {
	limited, cancel := context.WithTimeout(ctx, m.before.limit)
	defer cancel()
	given := slices.Clone(sessions)
	refused, err := m.during(limited, alive, func() error { return m.before.call(limited, given) })
	switch {
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		refused = fmt.Errorf("BeforeDelete did not return within %v", m.before.limit)
	case err != nil:
		return nil, err
	case refused == nil || ctx.Err() != nil:
		return nil, ctx.Err()
	}
	kept = map[string]error{}
	some, onlySome := errors.AsType[*KeepError](refused)
	for _, s := range sessions {
		reason, keep := refused, true
		if onlySome {
			reason, keep = some.Reasons[s.ID]
		}
		if keep {
			kept[s.ID] = fmt.Errorf("%w: %w", ErrKept, reason)
		}
	}
	return kept, nil
}

// during calls work in a goroutine and returns its result, a panic as an error. Meanwhile it calls alive, unless that is nil,
// three times in each LeaseTTL. It stops waiting, and returns err, when ctx ends or alive fails.
func (m *Manager) during(ctx context.Context, alive func(context.Context) error, work func() error) (result, err error) {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				m.log.ErrorContext(ctx, "a function of the application panicked; its result counts as an error", "panic", p, "stack", string(debug.Stack()))
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- work()
	}()
	beat := time.NewTicker(m.leaseTTL / 3)
	defer beat.Stop()
	for {
		select {
		case result := <-done:
			return result, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-beat.C:
			if alive == nil {
				continue
			}
			if err := alive(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// errAsked ends a deletion that only finds the sessions that it would delete.
var errAsked = errors.New("not deleted yet")

// remove deletes a session if Config.BeforeDelete permits it. Other sessions go along only if it was called for them, too.
func (m *Manager) remove(ctx context.Context, t Target, cause Cause) (Session, error) {
	if m.before.call == nil {
		return m.store.Delete(ctx, t, cause)
	}
	ids := []string{t.ID}
	asking := t
	asking.Along = func(others []string) error {
		ids = append(ids[:1], others...)
		if err := t.CheckAlong(others); err != nil {
			return err
		}
		return errAsked
	}
	if s, err := m.store.Delete(ctx, asking, cause); !errors.Is(err, errAsked) {
		return s, err
	}
	var sessions []Session
	for _, id := range ids {
		s, err := m.find(ctx, Target{ID: id})
		if errors.Is(err, ErrNotFound) && id != t.ID {
			continue
		}
		if err != nil {
			return Session{}, err
		}
		sessions = append(sessions, s)
	}
	kept, err := m.ask(ctx, sessions, nil)
	if err != nil {
		return Session{}, err
	}
	for _, s := range sessions { // the session itself first
		if reason := kept[s.ID]; reason != nil {
			return Session{}, reason
		}
	}
	t.Along = func(others []string) error {
		for _, id := range others {
			if !slices.ContainsFunc(sessions, func(s Session) bool { return s.ID == id }) {
				return fmt.Errorf("%w: session %q would be deleted along with it by now", ErrChanged, id)
			}
		}
		return nil
	}
	return m.store.Delete(ctx, t, cause)
}
