package command

import (
	"testing"
	"time"
)

func TestCronExpressionsFollowLocalTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expression, zone string
		after            string
		want             []string
	}{
		"every night across spring": {"0 3 * * *", "Europe/Paris", "2026-03-28T04:00:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"}},
		"a time that spring skips is due right after": {"30 2 * * *", "Europe/Paris", "2026-03-28T04:00:00+01:00",
			[]string{"2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"a time that autumn repeats is due once": {"30 2 * * *", "Europe/Paris", "2026-10-24T03:00:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		"from between the two": {"30 2 * * *", "Europe/Paris", "2026-10-25T02:10:00+01:00",
			[]string{"2026-10-26T02:30:00+01:00"}},
		"half hours continue": {"*/30 * * * *", "Europe/Paris", "2026-10-25T02:15:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"}},
		"every 6 hours": {"0 */6 * * *", "Europe/Paris", "2026-03-28T19:00:00+01:00",
			[]string{"2026-03-29T00:00:00+01:00", "2026-03-29T06:00:00+02:00"}},
		"a midnight that autumn repeats": {"@daily", "America/Havana", "2026-10-31T12:00:00-04:00",
			[]string{"2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"}},
		"half an hour back, as on Lord Howe": {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		"on Sundays": {"0 2 * * 0", "UTC", "2026-11-23T00:00:00Z",
			[]string{"2026-11-29T02:00:00Z", "2026-12-06T02:00:00Z"}},
		"leap day": {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		schedule, err := parseCron(c.expression, zone)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if at = schedule.Next(at); at.Format(time.RFC3339) != want {
				t.Errorf("%s: next is %s, want %s", name, at.Format(time.RFC3339), want)
			}
		}
	}
}
