package notify_test

import (
	"context"
	"flag"
	"testing"
	"testing/synctest"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/warnmodel"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

var schedules = flag.Int("schedules", 100, "random schedules of use, outages and policies to compare with the model")

func TestNoSessionIsDeletedWithoutAWarningInTime(t *testing.T) {
	t.Parallel()
	for schedule := range *schedules {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New(memory.Config{})
			warnmodel.Check(t, schedule, warnmodel.World{Store: store, Insert: func(_ context.Context, sessions ...sessioncleanup.Session) error {
				return store.Put(sessions...)
			}})
		})
		if t.Failed() {
			return
		}
	}
}
