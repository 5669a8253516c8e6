package command

import (
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// cronSchedule is a cron expression in a time zone, as a sessioncleanup.Schedule.
//
// When daylight saving begins or ends it does what people expect of a nightly run: a time of day that the change skips is
// due right after it, and one that occurs twice is due the first time only. Expressions without a fixed hour follow
// elapsed time.
type cronSchedule struct {
	schedule  cron.Schedule
	zone      *time.Location
	fixedHour bool
}

// parseCron reads an expression of five fields, or a descriptor such as @daily.
func parseCron(expression string, zone *time.Location) (cronSchedule, error) {
	wrong := func(why string) (cronSchedule, error) {
		return cronSchedule{}, usagef(`--cron-expr is %q: %s; want five fields such as "0 3 * * *", or @hourly, @daily, @weekly`, expression, why)
	}
	if strings.Contains(expression, "TZ=") {
		return wrong("the time zone is set by --time-zone")
	}
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		return wrong(err.Error())
	}
	s := cronSchedule{schedule: parsed, zone: zone}
	if fields := strings.Fields(expression); len(fields) == 5 {
		s.fixedHour = !strings.Contains(fields[1], "*")
	} else {
		s.fixedHour = !strings.HasPrefix(expression, "@hourly") && !strings.HasPrefix(expression, "@every")
	}
	if s.Next(time.Now()).IsZero() {
		return wrong("there is no such day")
	}
	return s, nil
}

// Next is the first time after another that matches the expression.
func (s cronSchedule) Next(after time.Time) time.Time {
	next := s.schedule.Next(after.In(s.zone))
	for s.fixedHour && !next.IsZero() && repeated(next) {
		next = s.schedule.Next(next)
	}
	return next
}

// repeated reports whether the clock already showed this time before it was set back.
func repeated(t time.Time) bool {
	_, offset := t.Zone()
	_, before := t.Add(-3 * time.Hour).Zone() // longer than clocks are set back
	earlier := t.Add(-time.Duration(before-offset) * time.Second)
	_, then := earlier.Zone()
	return before > offset && then == before
}
