package adopt

import (
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// farTime is how far from now the newest time may lie.
const farTime = 366 * 24 * time.Hour

// Times are the oldest and the newest time at which something was created or used in the application's tables, as a
// backend understands them, without those that stand for never or for nothing. They are zero when there are none.
type Times struct{ Oldest, Newest time.Time }

// Add includes the oldest and the newest time of another column.
func (t *Times) Add(oldest, newest time.Time) {
	if !oldest.IsZero() && (t.Oldest.IsZero() || oldest.Before(t.Oldest)) {
		t.Oldest = oldest
	}
	if newest.After(t.Newest) {
		t.Newest = newest
	}
}

func (t Times) String() string {
	return fmt.Sprintf("the times of creation and use go from %s to %s", say(t.Oldest), say(t.Newest))
}

// Check refuses a table whose newest time is more than a year from now, as an ErrInvalid.
func (t Times) Check(table string, now time.Time) error {
	if t.Newest.IsZero() || t.Newest.Sub(now).Abs() <= farTime {
		return nil
	}
	return invalid.Errorf("the newest time of creation or use in table %s is %s, more than a year from now (%s): a column or the time zone may be wrong; "+
		"name other columns with --schema, or migrate with --accept-times if it is right", table, say(t.Newest), say(now))
}

func say(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }
