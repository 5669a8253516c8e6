package sqlite_test

import (
	"testing"
	"testing/synctest"

	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/internal/warnmodel"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestNoSessionIsDeletedWithoutAWarningInTime(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	for schedule := range 2 {
		synctest.Test(t, func(t *testing.T) {
			path, app := newApp(t) // and no template, which has the time outside of the bubble
			store := open(t, path, sqlite.Config{})
			migrate(t, store)
			warnmodel.Check(t, schedule, warnmodel.World{Store: store, Insert: ownHarness(t, store, app).Insert})
		})
	}
}
