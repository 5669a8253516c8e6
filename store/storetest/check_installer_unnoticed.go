package storetest

import (
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// installerCatchesUp requires that a session is not deactivated because its use was not noticed: neither while what notices
// activity is missing, nor once Migrate has made it again.
func installerCatchesUp(i *installation) {
	if i.Unnoticed == nil {
		i.Skipf("Installation.Unnoticed is nil: nothing in the database notices activity")
	}
	i.migrate("Migrate")
	id := must(i.Unnoticed(i.ctx))(i, "Installation.Unnoticed")
	deactivate := func() error {
		now := must(i.Store.Now(i.ctx))(i, "Now")
		_, err := i.Store.Sweep(i.ctx, sessioncleanup.Batch{Action: sessioncleanup.ActionDeactivated, Cutoffs: setting.CutoffsAt(now), Limit: 100, Cause: cause("unnoticed")})
		return err
	}
	if err := deactivate(); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		i.Errorf("Sweep while nothing notices activity: error %v, want ErrNotInstalled", err)
	}
	i.migrate("Migrate after activity went unnoticed")
	i.must("Sweep after that", deactivate())
	page := must(i.Second.List(i.ctx, sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1}))(i, "List")
	now := must(i.Second.Now(i.ctx))(i, "Now")
	if len(page.Sessions) != 1 {
		i.Fatalf("Installation.Unnoticed returned %q: there is no such session", id)
	}
	if s := page.Sessions[0]; !s.Active || now.Sub(s.LastActivity) > 10*time.Minute {
		i.Errorf("session %q, whose use was not noticed, is active: %v, and was last used at %v; want true, and about %v", id, s.Active, s.LastActivity, now)
	}
}
