package sqlstore

import (
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// Unnoticed is the error of runs while triggers are missing that notice activity and what the application does to sessions.
func Unnoticed(triggers []string) error {
	return fmt.Errorf("%w: activity may not have been noticed, because triggers are missing: %s; run migrate", sessioncleanup.ErrNotInstalled, strings.Join(triggers, ", "))
}

// CatchingUp is what Migrate logs before it fills in what no trigger noticed.
const CatchingUp = "migrate: fill in the activity that no trigger noticed; runs fail until that is done"

// ErrUnfilled is the error of runs while the last activity of some sessions may be older than what the database shows.
var ErrUnfilled = fmt.Errorf("%w: the backfill of last_activity is not finished; run migrate", sessioncleanup.ErrNotInstalled)
