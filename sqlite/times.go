package sqlite

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// layoutText is how the library writes times: UTC, sortable as text, readable by SQLite's own functions.
const layoutText = "2006-01-02 15:04:05.000"

const (
	// endOfTime stands for never, and for a time that cannot be read: see sql/times.sql.
	endOfTime = "9000-01-01 00:00:00.000"
	// latestTime is the last that can be written.
	latestTime = "9999-12-31 23:59:59.999"
)

// form is how a column of the application's holds most of its times, and how the library writes them there.
type form string

const (
	formText         form = "text"    // as strftime reads it: ISO 8601, with or without an offset
	formGo           form = "go"      // as time.Time.String and modernc.org/sqlite write it; or as text
	formJulian       form = "julian"  // days, as SQLite's julianday
	formSeconds      form = "seconds" // since 1970, as are those below
	formMilliseconds form = "milliseconds"
	formMicroseconds form = "microseconds"
	formNanoseconds  form = "nanoseconds"
)

// write is the expression that turns text, the value of another expression, into the form.
func (f form) write(value string) string {
	return filled("write_"+string(f), sqlfile.Names{"value": value})
}

// readTime is the expression that reads a column of which most values have a form. Each value is recognized by itself;
// the form decides only on days and seconds that could be both.
func readTime(f form, column string) string {
	n := sqlfile.Names{"value": column, "julian_to": "25e5"}
	if f == formJulian {
		n["julian_to"] = "5373484.5"
	}
	return filled("read_time", n)
}

// timeOrUnreadable is readTime with a time in the future for what stands for one but cannot be read.
func timeOrUnreadable(column string) string {
	return filled("time_or_unreadable", sqlfile.Names{"time": readTime(formText, column), "stands": standsForSomething(column)})
}

// precision is the finest difference between two times that the form keeps.
func (f form) precision() time.Duration {
	if f == formSeconds {
		return time.Second
	}
	return time.Millisecond
}

// isUnknown is the expression that finds out whether a value stands for no time at all.
func isUnknown(column string) string { return filled("is_unknown", sqlfile.Names{"value": column}) }

// standsForSomething is the expression that finds out whether a value that cannot be read stands for a time nevertheless.
func standsForSomething(column string) string {
	return filled("stands_for_something", sqlfile.Names{"value": column})
}

// isInfinite is the expression that finds out whether a value lies at the end of time, when it cannot be read.
func isInfinite(column string) string { return filled("is_infinite", sqlfile.Names{"value": column}) }

// formatTime returns a time as text; a zero time is NULL. Digits beyond milliseconds are written only where they are
// needed, so that equal times are equal texts, and texts sort as times do.
func formatTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	switch {
	case t.Year() > 9999:
		return latestTime
	case t.Year() < 0:
		return "0000-01-01 00:00:00.000"
	case t.Nanosecond()%int(time.Millisecond) != 0:
		return t.Format("2006-01-02 15:04:05.000000000")
	default:
		return t.Format(layoutText)
	}
}

// cutoffParams are the parameters that sessions are measured against; NULL where a phase is off.
func cutoffParams(c sessioncleanup.Cutoffs) params {
	p := params{"inactive": formatTime(c.Inactive), "delete": formatTime(c.Delete), "expired": formatTime(c.Now)}
	p["recent"] = formatTime(c.Recent())
	p["warn"], p["warned"], p["given_up"] = formatTime(c.Warn), formatTime(c.Warned), formatTime(c.GivenUp)
	if c.Inactive.IsZero() {
		p["expired"] = nil
	}
	return p
}
