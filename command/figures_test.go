package command

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// slow counts for longer than anybody waits.
type slow struct{ sessioncleanup.Store }

func (slow) Counts(ctx context.Context, _ sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	<-ctx.Done()
	return sessioncleanup.Counts{}, sessioncleanup.ErrUnavailable
}

func TestFiguresThatTakeTooLongAreNoReasonToLeaveOutTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := sessioncleanup.New(slow{memory.New(memory.Config{})}, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		a := &app{environment: environment{out: &out}}
		if err := a.sayFigures(t.Context(), "Before", m, ""); err != nil || out.String() != "Before: not counted, that takes more than 10s.\n" {
			t.Errorf("%v, and prints %q", err, out.String())
		}
	})
}
