package adopt_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

func TestTimesMoreThanAYearFromNowAreRefused(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		newest  time.Time
		refused bool
	}{
		"none": {time.Time{}, false}, "now": {now, false}, "a year ago": {now.Add(-366 * day), false}, "longer ago": {now.Add(-367 * day), true},
		"in a year": {now.Add(366 * day), false}, "later": {now.Add(367 * day), true},
	} {
		var times adopt.Times
		times.Add(time.Time{}, time.Time{})
		times.Add(c.newest, c.newest)
		times.Add(c.newest.Add(-1000*day), c.newest.Add(-900*day))
		if err := times.Check("sessions", now); errors.Is(err, sessioncleanup.ErrInvalid) != c.refused {
			t.Errorf("%s: %v", what, err)
		}
		if want := "the times of creation and use go from 2023-06-05 12:00:00 UTC to 2026-03-01 12:00:00 UTC"; what == "now" && times.String() != want {
			t.Errorf("%q, want %q", times, want)
		}
	}
}
