package sessioncleanup_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// unanswered is an installed database that does not answer.
type unanswered struct {
	sessioncleanup.Store
	sessioncleanup.Installer
}

func (unanswered) Now(ctx context.Context) (time.Time, error) {
	<-ctx.Done()
	return time.Time{}, ctx.Err()
}

func (unanswered) Validate(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (m unanswered) Inspect(ctx context.Context) (sessioncleanup.Schema, error) {
	return sessioncleanup.Schema{}, m.Validate(ctx)
}

func (m unanswered) Schema(ctx context.Context) (sessioncleanup.Schema, error) { return m.Inspect(ctx) }

func (m unanswered) Policy(ctx context.Context) (sessioncleanup.Policy, error) {
	return sessioncleanup.Policy{}, m.Validate(ctx)
}

func TestNoCallWaitsForeverForADatabaseThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	installer, ok := sessioncleanup.InstallerOf(unanswered{})
	if !ok {
		t.Fatal("InstallerOf finds no Installer")
	}
	sessions, err := sessioncleanup.New(unanswered{}, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(ctx context.Context) error{
		"Now":      func(ctx context.Context) error { _, err := sessions.Now(ctx); return err },
		"Validate": installer.Validate,
		"Inspect":  func(ctx context.Context) error { _, err := installer.Inspect(ctx); return err },
		"Schema":   func(ctx context.Context) error { _, err := installer.Schema(ctx); return err },
		"Policy":   func(ctx context.Context) error { _, err := installer.Policy(ctx); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if err := call(t.Context()); !errors.Is(err, sessioncleanup.ErrUnavailable) {
					t.Errorf("%v, want ErrUnavailable", err)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("took %v, want a minute at most", took)
				}
				limited, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := call(limited); errors.Is(err, sessioncleanup.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("with a deadline of the caller: %v, want that deadline", err)
				}
			})
		})
	}
}
